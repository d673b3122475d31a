import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import dask
import numpy as np
import psutil
import pytest
from click.testing import CliRunner
from processes import is_running, wait_until

from dask_espresso.cli import main
from dask_espresso.cluster import certificates
from dask_espresso.cluster.workers import Workers
from dask_espresso.driver import run_study
from dask_espresso.errors import InputError, ResumableError
from dask_espresso.inputs.engine_settings import EngineSettings
from dask_espresso.inputs.profile import Profile
from dask_espresso.inputs.study import load_study
from dask_espresso.outcome import Status
from dask_espresso.store.store import read_store
from dask_espresso.views.status import status_report

COUNT = """
    import dask_espresso, os, time
    params = dask_espresso.get_data_from_stdin()
    with open(os.path.join(os.path.dirname(__file__), "started"), "a") as file:
        file.write(f"{params['x']}\\n")
    time.sleep(params.get("sleep", 0))
    print(dask_espresso.encode_transport_data({"y": params["x"] ** 2, "seed": params["seed"]}))
"""
STUDY = """
    name: s
    engine: python
    script: script.py
    parameters:
      x: {start: 1, stop: 12, step: 1}
      sleep: 0
    seed: 3
"""


# dask names its workers otherwise where setproctitle is installed
KILLING = """
import os
import re

def kill_worker():
    pid = os.getppid()
    while pid > 1:
        with open(f"/proc/{pid}/cmdline") as file:
            command = file.read().lower().replace(chr(0), " ")
        if "spawn_main" in command or "dask worker" in command:
            os.kill(pid, 9)
            return
        with open(f"/proc/{pid}/stat") as file:
            pid = int(file.read().rpartition(")")[2].split()[1])

"""


def is_worker(process):
    try:
        command = " ".join(process.cmdline()).lower()
    except psutil.NoSuchProcess:  # since it was listed
        return False
    return "spawn_main" in command or "dask worker" in command


@pytest.fixture
def here(tmp_path, monkeypatch, script, study_file):
    script(COUNT)
    study_file(STUDY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def done_elsewhere(tmp_path_factory, workers):
    """Give a directory in which the study has been run."""
    there = tmp_path_factory.mktemp("done")
    (there / "script.py").write_text(textwrap.dedent(COUNT))
    (there / "study.yaml").write_text(textwrap.dedent(STUDY))
    assert run_study(there / "study.yaml", workers, there / "s.h5").exit_status == 0
    return there


@pytest.fixture
def done(here, done_elsewhere):
    """Give the directory with the study, that was run."""
    shutil.copytree(done_elsewhere, here, dirs_exist_ok=True)
    return here


def started(here):
    path = here / "started"
    return [int(x) for x in path.read_text().split()] if path.exists() else []


def settled(here):
    """Give how many were started when no more are: a worker that stays runs what it has begun."""
    count, before = len(started(here)), -1
    while count != before:
        time.sleep(1)
        count, before = len(started(here)), count
    return count


def command(*arguments):
    return [sys.executable, "-m", "dask_espresso", *arguments]


def run_on(workers, *arguments):
    return command("run", "study.yaml", "--profile", str(workers.path), *arguments)


def test_every_simulation_runs_once_and_a_second_run_none(here):
    study = load_study("study.yaml")
    summary = run_study(study)
    assert summary.exit_status == 0
    assert sorted(started(here)) == list(range(1, 13))
    again = run_study(study)
    assert (again.exit_status, again.started) == (0, 0)
    assert len(started(here)) == 12
    outcomes = read_store("s.h5").outcomes
    for simulation in study.simulations():
        outcome = outcomes[simulation.id]
        assert outcome.result == {"y": simulation.parameters["x"] ** 2, "seed": simulation.seed}
        assert outcome.parameters == simulation.parameters
        assert (outcome.attempts, outcome.exit_code, outcome.engine) == (1, 0, "python")
        assert outcome.elapsed_time > 0
        assert outcome.peak_memory > 1 << 20


def test_added_points_and_replicas_run_alone(done, study_file, workers):
    study_file(STUDY.replace("stop: 12", "stop: 13").replace("seed: 3", "seed: 3\n    replicas: 2"))
    summary = run_study(load_study("study.yaml"), workers)
    assert (summary.total, summary.started) == (26, 14)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_failures_are_recorded_retried_and_taken_up_again(here, script, workers, start):
    """With `auto`, the first that fails may be started once more, to see whether forking is why."""
    script("""
        import dask_espresso, os, sys
        params = dask_espresso.get_data_from_stdin()
        here = os.path.dirname(__file__)
        if params["x"] == 2 and not os.path.exists(here + "/mended"):
            open(here + "/tries", "a").write("x")
            sys.exit("too hot")
        if params["x"] == 3 and not os.path.exists(here + "/once"):
            open(here + "/once", "w")
            os.abort()
        print(dask_espresso.encode_transport_data({"y": 1.0}))
    """)
    study = load_study("study.yaml")
    engines = {"python": EngineSettings(start=start)}
    profile = Profile(cluster=workers.cluster, engines=engines)
    summary = run_study(study, profile)
    assert summary.exit_status == 1
    assert summary.recorded == {Status.DONE: 11, Status.FAILED: 1}
    outcomes = {o.parameters["x"]: o for o in read_store("s.h5").outcomes.values()}
    assert (outcomes[2].attempts, outcomes[2].exit_code) == (2, 1)
    assert outcomes[2].error == "exit code 1\ntoo hot"
    assert (outcomes[3].attempts, outcomes[3].status) == (2, Status.DONE)
    assert (here / "tries").read_text() == "xx"
    assert run_study(study, profile).started == 0
    (here / "mended").touch()
    summary = run_study(study, profile, retry_failed=True)
    assert (summary.exit_status, summary.started) == (0, 1)


def test_results_that_are_not_finite_are_kept_and_taken_up_again(here, script, workers):
    script("""
        import dask_espresso, os
        params = dask_espresso.get_data_from_stdin()
        here = os.path.dirname(__file__)
        open(here + "/started", "a").write(f"{params['x']}\\n")
        y = float(params["x"])
        if y < 3 and not os.path.exists(here + "/mended"):
            y = float("nan" if y == 1 else "-inf")
        result = {"y": y, "n": params["x"], "y_sem": float("nan")}
        print(dask_espresso.encode_transport_data(result))
    """)
    study = load_study("study.yaml")
    summary = run_study(study, workers)
    assert summary.exit_status == 1
    assert summary.recorded == {Status.DONE: 10, Status.NOT_FINITE: 2}
    assert len(started(here)) == 12  # the same seed would give the same
    outcomes = {o.parameters["x"]: o for o in read_store("s.h5").outcomes.values()}
    assert np.isnan(outcomes[1].result["y"])
    assert (outcomes[2].result["y"], outcomes[2].result["n"]) == (-np.inf, 2)
    assert outcomes[2].error == "result['y'] is -inf"
    assert (outcomes[2].attempts, outcomes[2].exit_code) == (1, 0)
    assert (outcomes[3].status, outcomes[3].error) == (Status.DONE, "")
    assert run_study(study, workers).started == 0
    (here / "mended").touch()
    summary = run_study(study, workers, retry_failed=True)
    assert (summary.exit_status, summary.started) == (0, 2)
    assert sorted(o.result["y"] for o in read_store("s.h5").outcomes.values()) == list(range(1, 13))


def test_results_that_are_not_finite_with_a_mended_script(here, script, workers):
    script(COUNT.replace("** 2", "* float('inf')"))
    assert run_study(load_study("study.yaml", {"x": "[1, 2]"}), workers).exit_status == 1
    script(COUNT)
    study = load_study("study.yaml", {"x": "[1, 2]"})
    summary = run_study(study, workers, retry_failed=True, changed_script="keep")
    assert (summary.exit_status, summary.started) == (0, 2)


@pytest.mark.slow
def test_simulation_that_kills_its_worker_is_lost_and_takes_no_innocent_one_along(
    here, script, monkeypatch
):
    monkeypatch.setattr("dask_espresso.feed.MAX_LOSSES", 3)  # each worker costs a second
    script(
        KILLING
        + textwrap.dedent("""
        import dask_espresso, time
        params = dask_espresso.get_data_from_stdin()
        time.sleep(0.2)
        if params["x"] == 5:
            kill_worker()
        print(dask_espresso.encode_transport_data({"x": params["x"]}))
    """)
    )
    profile = Profile(options={"threads_per_worker": 4})
    summary = run_study(load_study("study.yaml"), profile)
    assert summary.recorded == {Status.DONE: 11, Status.LOST: 1}
    (lost,) = (o for o in read_store("s.h5").outcomes.values() if o.status is Status.LOST)
    assert lost.parameters["x"] == 5
    assert "3 workers died" in lost.error


@pytest.mark.slow
def test_worker_that_dies_is_not_charged_to_the_simulation(here, script):
    """Nor is one given up that takes long to come back."""
    script(
        KILLING
        + textwrap.dedent("""
        import dask_espresso, pathlib
        params = dask_espresso.get_data_from_stdin()
        once = pathlib.Path(__file__).with_name("once")
        if not once.exists():
            once.touch()
            kill_worker()
        print(dask_espresso.encode_transport_data({"x": params["x"]}))
    """)
    )
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "10ms"}):
        summary = run_study(load_study("study.yaml"), Profile(worker_timeout=20.0))
    assert summary.recorded == {Status.DONE: 12}
    assert {o.attempts for o in read_store("s.h5").outcomes.values()} == {1}


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["while it is looked at", "before it is fetched"])
def test_a_worker_dies_with_a_result(here, script, monkeypatch, moment):
    """One that is too large for a message: the others are with the driver by then."""
    script(COUNT.replace('"seed": params["seed"]', '"text": "x" * 400_000'))
    news, struck = Workers.news, []

    def strike(workers, timeout):
        found = news(workers, timeout)
        done = [future for future in found.ended if future.status == "finished"]
        if done and started(here) and not struck:
            struck.append(done[0].key)
            for process in filter(is_worker, psutil.Process().children(recursive=True)):
                process.kill()
            while moment == "while it is looked at" and done[0].status == "finished":
                time.sleep(0.01)
        return found

    monkeypatch.setattr(Workers, "news", strike)
    summary = run_study(load_study("study.yaml"))
    assert summary.recorded == {Status.DONE: 12}
    assert struck
    assert len(started(here)) > 12


def send_when_begun(here, send):
    """Do something once five more simulations have been started."""
    before = len(started(here))

    def wait():
        wait_until(lambda: len(started(here)) >= before + 5, timeout=300)
        send()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.slow
def test_interrupted_again_and_again(here, study_file, workers):
    """By each signal."""
    study_file(STUDY.replace("stop: 12", "stop: 40").replace("sleep: 0", "sleep: 0.2"))
    recorded = 0
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
        thread = send_when_begun(here, lambda number=number: os.kill(os.getpid(), number))
        ended = CliRunner().invoke(main, ["run", "study.yaml", "--profile", str(workers.path)])
        thread.join()
        recorded = check_stopped(here, ended.exit_code, ended.output, number, recorded)
    before = settled(here)
    summary = run_study(load_study("study.yaml"), workers)
    assert (summary.exit_status, summary.started) == (0, 40 - recorded)
    assert len(started(here)) - before == 40 - recorded


def test_a_terminal_that_is_closed(here, study_file):
    """It tells all that it has started, also the worker, and twice."""
    study_file(STUDY.replace("stop: 12", "stop: 40").replace("sleep: 0", "sleep: 0.2"))
    with subprocess.Popen(
        command("run", "study.yaml"), start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip

        def close():
            for _ in range(2):
                os.killpg(process.pid, signal.SIGHUP)
                time.sleep(0.05)

        thread = send_when_begun(here, close)
        said, errors = process.communicate()
        thread.join()
    assert "Traceback" not in errors
    check_stopped(here, process.returncode, said, signal.SIGHUP, 0)


def check_stopped(here, status, said, number, before):
    """Expect a run that a signal has ended, and that has recorded more; give how much."""
    assert status == 75, said
    assert f"stopped by {number.name}; the same command goes on" in said
    assert "Traceback" not in said
    assert not list(here.glob("*.journal"))
    recorded = len(read_store("s.h5").outcomes)
    assert before < recorded < 40
    return recorded


def test_nohup(here, workers):
    run = ["nohup", *run_on(workers, "--set", "sleep=0.1", "--store", "s.h5")]
    with subprocess.Popen(run, start_new_session=True, stderr=subprocess.DEVNULL) as process:
        while len(started(here)) < 3 and process.poll() is None:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGHUP)
    assert process.returncode == 0


@pytest.mark.slow
def test_signal_to_all_after_a_worker_has_been_replaced(here):
    """The new one leaves it to the driver, too."""
    run = command("run", "study.yaml", "--set", "sleep=0.5", "--store", "s.h5")
    with subprocess.Popen(run, start_new_session=True, stderr=subprocess.PIPE) as process:
        while len(started(here)) < 1 and process.poll() is None:
            time.sleep(0.05)
        (worker,) = [
            child for child in psutil.Process(process.pid).children()
            if is_worker(child)
        ]  # fmt: skip
        worker.kill()
        while len(started(here)) < 4 and process.poll() is None:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode == 75


def catches(process, number):
    """Say whether a process does something else with a signal than to end by it."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (mask,) = re.findall(r"SigCgt:\s*([0-9a-f]+)", status)
    return int(mask, 16) >> (number - 1) & 1


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.0, 0.4, "the worker starts", "all is started"])
def test_signals_at_any_time(here, moment):
    """While dask is imported, while workers start, at the end."""
    with subprocess.Popen(
        command("run", "study.yaml"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        if moment == "the worker starts":
            worker_of(process)
        elif moment == "all is started":
            while len(started(here)) < 12 and process.poll() is None:
                time.sleep(0.01)
        else:
            assert wait_until(lambda: catches(process, signal.SIGUSR1))
            time.sleep(moment)
        process.send_signal(signal.SIGUSR1)
        said, errors = (text.decode() for text in process.communicate())
    assert process.returncode in (0, 75), errors
    assert "Traceback" not in errors
    assert ("stopped by" in said) <= (process.returncode == 75)


@pytest.mark.slow
def test_killed_again_and_again(here, workers):
    options = ["--set", "sleep=0.2", "--store", "s.h5"]
    n_recorded = 0
    for run in (command("run", "study.yaml", *options), run_on(workers, *options)):
        before = len(started(here))
        with subprocess.Popen(run, stderr=subprocess.DEVNULL) as process:
            while len(started(here)) < before + 3 and process.poll() is None:
                time.sleep(0.02)
            process.kill()
        repeated = n_recorded
        n_recorded = len(read_store("s.h5").outcomes)
        assert n_recorded >= repeated
    summary = run_study(load_study("study.yaml", {"sleep": "0.2"}), workers)
    assert summary.exit_status == 0
    outcomes = read_store("s.h5").outcomes
    assert sorted(o.result["y"] for o in outcomes.values()) == [x**2 for x in range(1, 13)]
    # those that run, and those that have ended in the quarter of a second before, or just now
    in_flight = 3 * len(os.sched_getaffinity(0))
    assert len(started(here)) <= 12 + 2 * in_flight
    assert sorted(p.name for p in here.iterdir()) == [
        "s.h5", "script.py", "started", "study.yaml"
    ]  # fmt: skip


@pytest.mark.slow
def test_it_goes_on_when_nobody_listens_any_more(here):
    """Neither to the driver nor to its worker, which both say more with --debug."""
    run = command("--debug", "run", "study.yaml")
    with subprocess.Popen(run, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        process.stderr.close()
        assert process.wait(300) == 0


def test_changed_script_is_refused_with_the_choices(done, script, workers):
    script(COUNT + "\n# changed")
    study = load_study("study.yaml")
    with pytest.raises(InputError, match="--changed-script keep.*--changed-script rerun.*--store"):
        run_study(study, workers)
    assert run_study(study, workers, changed_script="keep").started == 0
    script(COUNT + "\n# changed again")
    assert run_study(load_study("study.yaml"), workers, changed_script="rerun").started == 12
    assert run_study(load_study("study.yaml"), workers).started == 0
    assert run_study(load_study("study.yaml"), workers, changed_script="rerun").started == 0


def test_what_has_nothing_to_run_or_cannot_run_leaves_the_store_alone(done, study_file, workers):
    before = (done / "s.h5").read_bytes(), (done / "s.h5").stat().st_mtime_ns
    run_study(load_study("study.yaml"))
    study_file(STUDY.replace("stop: 12", "stop: 20"))
    engines = {"python": EngineSettings(command=["no-such-python"])}
    profile = Profile(cluster=workers.cluster, engines=engines)
    with pytest.raises(InputError):
        run_study(load_study("study.yaml"), profile)
    assert ((done / "s.h5").read_bytes(), (done / "s.h5").stat().st_mtime_ns) == before


def test_keys_of_a_killed_driver_go_though_nothing_is_left_to_do(done):
    left = done / f"{certificates._own_prefix()}x"
    left.mkdir()
    assert run_study(load_study("study.yaml")).started == 0
    assert not left.exists()


def test_points_taken_out_of_the_study_stay_in_the_store(done, study_file):
    study_file(STUDY.replace("stop: 12", "stop: 10"))
    assert run_study(load_study("study.yaml")).exit_status == 0
    report = status_report(done / "s.h5")
    assert (report["total"], report["done"], report["not in the study now"]) == (10, 10, 2)


def test_engine_that_does_not_start_writes_nothing(here, workers):
    engines = {"python": EngineSettings(command=["no-such-python"])}
    profile = Profile(cluster=workers.cluster, engines=engines)
    with pytest.raises(InputError, match="'no-such-python'.*did not start"):
        run_study(load_study("study.yaml"), profile)
    assert sorted(p.name for p in here.iterdir()) == ["script.py", "study.yaml"]


def test_no_scheduler_at_the_address(here, monkeypatch):
    monkeypatch.setattr("dask_espresso.cluster.connection.CONNECT_TIMEOUT", 1.0)
    with pytest.raises(InputError, match="no Dask scheduler answers at tcp://127.0.0.1:9"):
        run_study(load_study("study.yaml"), Profile(cluster="tcp://127.0.0.1:9"))


def test_a_server_at_the_address_that_says_nothing(here, monkeypatch):
    monkeypatch.setattr("dask_espresso.cluster.connection.CONNECT_TIMEOUT", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = "tcp://{}:{}".format(*server.getsockname())
        with pytest.raises(InputError, match="it says nothing"):
            run_study(load_study("study.yaml"), Profile(cluster=address))
    assert not (here / "s.h5").exists()


def worker_of(process):
    """Wait for the worker process of a driver's own cluster."""
    while process.poll() is None:
        for child in psutil.Process(process.pid).children():
            if is_worker(child):
                return child
        time.sleep(0.01)
    raise AssertionError(process.stderr.read())


# the program, which says at its end for how many clusters it waits, and what it has imported of
# what takes long and is not needed on this machine
WAITS_FOR = """
import atexit, sys
atexit.register(lambda: print({"bokeh", "dask_jobqueue", "cryptography"} & {*sys.modules}))
from distributed.deploy.spec import SpecCluster
from dask_espresso.__main__ import program
atexit.register(
    lambda: print(sum(cluster.shutdown_on_close and cluster.status.name != "closed"
                      for cluster in SpecCluster._instances), "clusters")
)
sys.exit(program())
"""


@pytest.mark.slow
@pytest.mark.parametrize("pause", [0.05, 1.0, 3.0])
def test_two_interrupts_while_the_worker_stands_still(here, pause):
    words = ["run", "study.yaml", "--set", "sleep=0.3", "--store", "s.h5"]
    with subprocess.Popen(
        [sys.executable, "-c", WAITS_FOR, *words],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        while len(started(here)) < 1 and process.poll() is None:
            time.sleep(0.05)
        worker = worker_of(process)
        worker.suspend()
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(pause)
        try:
            assert process.wait(300) == 75
            assert not is_running(worker.pid)
        finally:
            process.kill()
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()
        assert b"Traceback" not in process.stderr.read()
        assert process.stdout.read().endswith(b"0 clusters\nset()\n")


@pytest.mark.slow
def test_signal_to_all_while_the_worker_starts(here):
    """As `timeout` sends it."""
    with subprocess.Popen(
        command("run", "study.yaml"), start_new_session=True, stderr=subprocess.PIPE
    ) as process:
        worker_of(process)
        os.killpg(process.pid, signal.SIGTERM)
        errors = process.stderr.read().decode()
    assert process.returncode == 75, errors
    assert "Error" not in errors


@pytest.mark.slow
def test_first_worker_that_dies_at_its_start(here):
    others = set(psutil.Process().children())

    def strike():
        new = wait_until(lambda: [*filter(is_worker, {*psutil.Process().children()} - others)])
        for worker in new:
            struck.append(worker)
            worker.kill()

    struck, thread = [], threading.Thread(target=strike)
    thread.start()
    summary = run_study(load_study("study.yaml"))
    thread.join()
    assert struck
    assert summary.exit_status == 0
    assert len(started(here)) == 12


REFUSED = {  # options, and what is said of them
    "security": ("security: false", "p.yaml:2: options: no worker can be started on this", "Secur"),
    "preload": ("preload: [/nope.py]", "p.yaml:2: options: no worker can be started on", "nope.py"),
    "scheduler": ("scheduler_port: PORT", "p.yaml:3: options.scheduler_port: port PORT is in use"),
    "worker": ("port: PORT", "p.yaml:3: options.port: port PORT is in use on this machine"),
}
ALL_OF_THEM = """
import json, sys
from click.testing import CliRunner
from dask_espresso.cli import main

if __name__ == "__main__":
    for option in json.loads(sys.argv[1]):
        with open("p.yaml", "w") as file:
            file.write(f"cluster: local\\noptions:\\n  {option}\\n")
        ended = CliRunner().invoke(main, ["run", "study.yaml", "--profile", "p.yaml"])
        print(json.dumps([ended.exit_code, ended.output]))
"""


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """Run the study with each of the options, one after the other in one process."""
    there = tmp_path_factory.mktemp("refused")
    (there / "script.py").write_text(textwrap.dedent(COUNT))
    (there / "study.yaml").write_text(textwrap.dedent(STUDY))
    (there / "all.py").write_text(ALL_OF_THEM)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        options = json.dumps([option.replace("PORT", port) for option, *_ in REFUSED.values()])
        run = [sys.executable, "all.py", options]
        process = subprocess.run(run, cwd=there, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
    # a cluster that is made by half may complain at the end; a worker says why it does not start
    assert "Exception ignored" not in process.stderr
    assert "never retrieved" not in process.stderr
    assert not (there / "s.h5").exists()
    return port, dict(zip(REFUSED, map(json.loads, process.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("name", REFUSED)
def test_local_options_that_are_refused(refused, name):
    port, found = refused
    status, output = found[name]
    assert status == 2
    _, said, *more = (text.replace("PORT", port) for text in REFUSED[name])
    assert output.splitlines()[-1].startswith(f"Error: {said}")
    assert all(text in output.splitlines()[-1] for text in more)


# it registers, gets work and says that it is done, but nobody reaches it
CUT_OFF = """
import asyncio, sys
from distributed import Scheduler, Worker

async def main():
    quiet = {"protocol": "tcp", "host": "127.0.0.1", "dashboard": False}
    async with Scheduler(port=0, dashboard_address="127.0.0.1:0", **quiet) as scheduler:
        where = "tcp://127.0.0.1:" + sys.argv[1]
        async with Worker(scheduler.address, nthreads=1, contact_address=where, **quiet):
            print(scheduler.address, flush=True)
            await asyncio.to_thread(input)

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory):
    """Give the address of a scheduler that does not reach its worker."""
    program = tmp_path_factory.mktemp("cut_off") / "cut_off.py"
    program.write_text(CUT_OFF)
    with socket.create_server(("127.0.0.1", 0)) as other:
        process = subprocess.Popen(
            [sys.executable, program, str(other.getsockname()[1])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1s"},
        )  # fmt: skip
        address = process.stdout.readline().strip()
    with process:
        yield address
        process.kill()


CUT_OFF_SETTINGS = {
    "dask-espresso.transfers": {"ask": "1s", "give-up": "1s"},
    "distributed.comm.timeouts.connect": "1s",
}


@pytest.mark.slow
def test_a_worker_that_cannot_be_reached(here, monkeypatch, cut_off):
    monkeypatch.setenv("DASK_DASK_ESPRESSO__TRANSFERS__ASK", "1s")
    monkeypatch.setenv("DASK_DASK_ESPRESSO__TRANSFERS__GIVE_UP", "1s")
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "1s")
    (here / "profile.yaml").write_text(f"cluster: {cut_off}\nworker_timeout: 1 min\n")
    run = command("run", "study.yaml", "--profile", "profile.yaml")
    process = subprocess.run(run, stderr=subprocess.PIPE, text=True, timeout=300)
    assert process.returncode == 2, process.stderr
    last = process.stderr.splitlines()[-1]
    assert "; nothing was run" in last
    assert f"the scheduler, {cut_off}, does not reach the worker, tcp://127.0.0.1:" in last
    assert "Traceback" not in process.stderr


def test_no_worker_can_be_reached_for_long(here, cut_off):
    """Longer than the run waits for any, and less long than results are waited for."""
    settings = {**CUT_OFF_SETTINGS, "dask-espresso.transfers": {"ask": "1s", "give-up": "60s"}}
    said = rf"^no worker for 9\.0 s \(.*the scheduler, {cut_off}, does not reach the worker, tcp://"
    with dask.config.set(settings), pytest.raises(ResumableError, match=said):
        run_study(load_study("study.yaml"), Profile(cluster=cut_off, worker_timeout=9.0))


def test_a_worker_that_cannot_be_reached_any_more(done, study_file, cut_off):
    study_file(STUDY.replace("stop: 12", "stop: 13"))
    said = f"the scheduler, {cut_off}, does not .*; nothing new was run; run again to go on$"
    with dask.config.set(CUT_OFF_SETTINGS), pytest.raises(ResumableError, match=said):
        run_study(load_study("study.yaml"), Profile(cluster=cut_off))


OWN_CLUSTER = """
from distributed import LocalCluster
with LocalCluster(
    n_workers=1, threads_per_worker=1, processes=False, protocol="tcp",
    dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False},
) as cluster:
    print(cluster.scheduler_address, flush=True)
    input()
"""


@pytest.mark.slow
def test_scheduler_that_is_gone(here):
    own = [sys.executable, "-c", OWN_CLUSTER]
    run = ["run", "study.yaml", "--profile", "profile.yaml", "--set", "sleep=0.3"]
    with subprocess.Popen(own, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as cluster:
        address = cluster.stdout.readline().strip()
        for number, patience, said in (
            (signal.SIGSTOP, "1 s", "no worker for 1.0 s"),
            (signal.SIGKILL, "1 min", "the Dask scheduler is gone"),
        ):
            (here / "profile.yaml").write_text(f"cluster: {address}\nworker_timeout: {patience}\n")
            store, before = f"{number.name}.h5", len(started(here))
            with subprocess.Popen(
                command(*run, "--store", store), stderr=subprocess.PIPE, text=True
            ) as process:
                while len(started(here)) < before + 5 and process.poll() is None:
                    time.sleep(0.05)
                cluster.send_signal(number)
                errors = process.stderr.read()
            cluster.send_signal(signal.SIGCONT)
            assert process.returncode == 75
            assert f"Error: {said}" in errors
            assert "Traceback" not in errors
            assert len(read_store(store).outcomes) >= 2


def becomes_directory(path):
    path.unlink()
    path.mkdir()


def becomes_pipe(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (lambda here: (here / "study.yaml").unlink(), ""),
        (lambda here: (here / "script.py").unlink(), "No such file or directory"),
        (lambda here: becomes_directory(here / "script.py"), "Is a directory"),
        (lambda here: becomes_pipe(here / "script.py"), "Not a regular file"),
    ],
    ids=["no study", "no script", "directory", "pipe"],
)
def test_file_gone_while_it_runs(here, workers, what, said):
    def strike():
        wait_until(lambda: len(started(here)) >= 4)
        what(here)

    study, thread = load_study("study.yaml", {"sleep": "0.2"}), threading.Thread(target=strike)
    thread.start()
    expected = rf"script\.py: cannot be read on .*\({said}\); put it"
    with pytest.raises(ResumableError, match=expected) if said else contextlib.nullcontext():
        assert run_study(study, workers).exit_status == 0
    thread.join()
    assert {o.status for o in read_store("s.h5").outcomes.values()} == {Status.DONE}


def test_arrays_and_replicas(here, script, workers):
    script("""
        import dask_espresso, numpy as np
        params = dask_espresso.get_data_from_stdin()
        rng = np.random.default_rng(params["seed"])
        print(dask_espresso.encode_transport_data({"noise": rng.random(params["x"])}))
    """)
    study = load_study("study.yaml", {"x": "[1, 2, 3]"})
    run_study(study, workers)
    outcomes = read_store("s.h5").outcomes
    for simulation in study.simulations():
        expected = np.random.default_rng(simulation.seed).random(simulation.parameters["x"])
        np.testing.assert_array_equal(outcomes[simulation.id].result["noise"], expected)
