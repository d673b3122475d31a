"""The checks on this machine, and on a Slurm made of three small shell scripts."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace

import dask
import psutil
import pytest
from click.testing import CliRunner
from distributed import Client, LocalCluster
from processes import NO_PAGES, is_running, wait_until

from dask_espresso.check import check, file_checks, simulation_checks
from dask_espresso.check.check import check_profile
from dask_espresso.check.connection_checks import check_clocks
from dask_espresso.check.file_checks import check_scratch
from dask_espresso.check.findings import Case, FaultError, Findings
from dask_espresso.check.on_worker import Machine, Scratch
from dask_espresso.check.simulation_checks import check_machine
from dask_espresso.cli import main
from dask_espresso.cluster import connection, keeper
from dask_espresso.engines import Engine
from dask_espresso.inputs.engine_settings import EngineSettings
from dask_espresso.inputs.profile import Profile
from dask_espresso.inputs.study import load_study

STUDY = "name: s\nengine: python\nscript: echo\nparameters: {x: [1, 2, 3]}\ntime_limit: 1 min\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def report():
    """Give a report, and what it was told, as lines."""
    lines = []
    report = Findings(lambda mark, text: lines.append(f"{mark} {text}"))
    return SimpleNamespace(of=report, lines=lines)


@pytest.fixture
def run(study_file, report):
    """Check a profile with a study; give the lines that are no good news."""

    def run(profile=None, study=STUDY, change=lambda study: None, timeout=60.0):
        loaded = load_study(study_file(study)) if study else None
        change(loaded)
        check_profile(profile or Profile(), loaded, timeout=timeout, findings=report.of)
        return [line for line in report.lines if line.startswith("FAIL")]

    return run


@pytest.fixture
def programs(here, monkeypatch):
    """Put shell scripts first in the PATH; without any, leave nothing in it."""

    def write(**texts):
        directory = here / "programs"
        directory.mkdir()
        for name, text in texts.items():
            path = directory / name
            path.write_text(f"#!/bin/bash\ncd {here}\n{textwrap.dedent(text)}")
            path.chmod(0o755)
        rest = [os.environ["PATH"]] if texts else []
        monkeypatch.setenv("PATH", os.pathsep.join([str(directory), *rest]))

    with dask.config.set({"dask-espresso.keeper.interval": "200ms"}):
        yield write


def slurm(**options):
    return Profile(
        cluster="slurm", options={"interface": "lo", "cores": 2, "memory": "1 GB", **options}
    )


def invoke(*arguments, status=0):
    result = CliRunner().invoke(main, ["check", *map(str, arguments)])
    assert result.exit_code == status, result.output
    return result.output


# ---- what works ----------------------------------------------------------------------------------


def test_a_study_on_this_machine(study_file):
    lines = invoke(study_file(STUDY)).splitlines()
    assert all(re.match("(ok  |note|wait)  ", line) for line in lines[:-1]), lines
    assert lines[-1].startswith("it works")
    said = "\n".join(lines)
    assert "study s: 3 simulations of at most 1 min 0 s" in said
    assert "engine python Python 3" in said
    assert re.search(r"simulation \w{16} done in [\d.]+ s, [\d.]+ MiB", said)
    assert re.search(r"all 3 simulations take about [\d.]+ s with \d+ at a time", said)


def test_without_a_study(here, workers):
    said = invoke("--profile", workers.path)
    assert "note  no study was named" in said
    assert "the worker sees this directory" in said
    assert "engine" not in said
    assert not list(here.iterdir())


@pytest.mark.parametrize("is_shared", [True, False])
def test_files_that_are_to_stay(study_file, here, workers, monkeypatch, is_shared):
    if not is_shared:  # what the worker sees there is not what the driver has made

        @contextlib.contextmanager
        def elsewhere(place, _mark):
            place.mkdir()
            yield

        monkeypatch.setattr(file_checks, "prepared", elsewhere)
    study = study_file(f"{STUDY}\nkeep: [out]\n")
    said = invoke(study, "--profile", workers.path, status=1)
    if is_shared:
        assert f"ok    the worker can keep files in {here}, beside the store" in said
    else:
        assert "FAIL  files that are to stay cannot be kept: keep: /" in said
        assert ".files is another directory on this machine: workers have to see the" in said
    assert "keep: no file is 'out'" in said  # the simulation leaves none
    assert not list(here.glob(".dask-espresso-*"))


def test_a_worker_job(programs, run, report, here):
    programs(
        sbatch="""
            cp "$1" job.sh
            sed -n 's/^#SBATCH -J //p' "$1" > name
            SLURM_JOB_ID=7 setsid bash job.sh > job.log 2>&1 < /dev/null &
            echo $! > job
            touch dask-espresso-logs/mine-7.err dask-espresso-logs/other-7-1.err
            echo Submitted batch job 7
        """,
        squeue='[ ! -e job ] || echo "7|R|$(cat name)|None"',
        scancel="""
            [ ! -e job ] || kill -KILL -- -$(cat job)
            rm -f job
        """,
    )
    assert run(slurm(), timeout=120.0) == []
    said = "\n".join(report.lines)
    assert "slurm, 1 worker job of 2 cores: 2 simulations at a time" in said
    assert "which fit into the worker jobs' 30 min 0 s" in said
    assert "the queue answers; it has no jobs of yours" in said
    assert re.search(r"ok worker job 7 came up after [\d.]+ s", said)
    assert re.search(r"tls://.*\(lo\) reach each other, encrypted", said)
    assert re.search(
        r"note other machines do not reach the scheduler at tls://127\.0\.0\.1:\d+;", said
    )
    assert "with 2 at a time, if they are like this one and all jobs run" in said
    assert report.lines[-1] == "ok the worker job is gone, and nothing of it is left"
    logs = here / "dask-espresso-logs"
    assert [path.name for path in logs.iterdir()] == ["other-7-1.err"]
    assert not list(here.glob(".dask-espresso-*"))


def test_a_running_scheduler(run, report, workers):
    assert run(workers) == []
    assert any(line.startswith("note connections are not encrypted") for line in report.lines)
    assert any("done in" in line for line in report.lines)


# ---- what does not -------------------------------------------------------------------------------


def test_engine_that_does_not_start(study_file, here, workers):
    engines = "engines: {espresso: {command: /no/such/pypresso}}"
    (here / "profile.yaml").write_text(f"cluster: {workers.cluster}\n{engines}\n")
    study = study_file(STUDY.replace("engine: python", "engine: espresso"))
    said = invoke(study, "--profile", "profile.yaml", status=1)
    assert re.search(
        "FAIL  engine 'espresso', command '/no/such/pypresso'.*under `engines` in the profile", said
    )
    assert "the worker sees the script" in said
    assert "done in" not in said
    assert said.endswith("1 FAIL: mend the first one first, and check again\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_text("print()"), "is another one on the worker"),
        (lambda path: path.unlink(), "the worker cannot read it .No such file"),
    ],
)
def test_script_that_the_worker_does_not_see(run, report, script, workers, change, message):
    script("pass", "other.py")
    faults = run(
        workers, STUDY.replace("echo", "other.py"), change=lambda study: change(study.script_path)
    )
    assert len(faults) == 1
    assert re.match(f"FAIL .*other.py: {message}", faults[0])
    assert any(line.startswith("ok engine python") for line in report.lines)


def test_one_fault_does_not_hide_another(programs, run):
    programs()
    faults = run(slurm(walltime="00:05:00"), study=STUDY.replace("1 min", "10 min"))
    assert re.match("FAIL .*end after 5 min 0 s.*raise the walltime", faults[0])
    assert re.match("FAIL sbatch and scancel not found in the PATH; .*login node", faults[1])
    assert len(faults) == 2


def test_refused_job(programs, run):
    programs(sbatch="echo 'sbatch: error: no partition gpu' >&2; exit 1", squeue="", scancel="")
    faults = run(slurm(), timeout=3.0)
    assert len(faults) == 1
    assert re.match(
        "FAIL a worker job was refused: sbatch: error: no partition gpu; .*`dask-espresso job-scr",
        faults[0],
    )


def test_job_that_ends_at_once(programs, run, report, monkeypatch):
    monkeypatch.setattr(check, "_PERSISTS", 1.0)
    programs(
        sbatch="""
            n=$(($(cat count 2>/dev/null) + 1))
            echo $n > count
            echo "no module $n" > dask-espresso-logs/worker-$n.err
            echo Submitted batch job $n
        """,
        squeue="",
        scancel="",
    )
    (fault,) = run(slurm())
    assert re.match(r"FAIL no worker after .*worker job \d+ ended before its worker", fault)
    assert re.search(r"\nthe end of worker-(\d+).err:\nno module \1$", fault)
    assert report.lines[-1].endswith("their logs are in dask-espresso-logs")


LOG = """\
Traceback (most recent call last):
  File "tcp.py", line 1, in connect
{cause}

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
{frames}
RuntimeError: Worker failed to start.
"""


@pytest.mark.parametrize(
    ("cause", "remedy"),
    [
        ("OSError: Timed out trying to connect to tls://192.0.2.1:4000 after 30 s", "`interface`"),
        (
            "ssl.SSLCertVerificationError: certificate verify failed: certificate is not yet valid",
            "the clock of that machine is behind",
        ),
    ],
)
def test_a_log_that_says_why_high_up(programs, run, monkeypatch, cause, remedy):
    monkeypatch.setattr(check, "_PERSISTS", 1.0)
    frames = "\n".join(f'  File "core.py", line {i}, in start' for i in range(40))
    Path("said").write_text(LOG.format(cause=cause, frames=frames))
    programs(
        sbatch="cp said dask-espresso-logs/worker-7.err; echo Submitted batch job 7",
        squeue="",
        scancel="",
    )
    (fault,) = run(slurm())
    assert f"worker-7.err says why:\n{cause}\nRuntimeError: Worker failed to start." in fault
    assert remedy in fault
    assert "core.py" not in fault


def test_job_that_waits(programs, run, report):
    programs(
        sbatch="sed -n 's/^#SBATCH -J //p' $1 > queued; echo Submitted batch job 5",
        squeue='[ ! -e queued ] || echo "5|PD|$(cat queued)|Priority"',
        scancel="rm queued",
    )
    (fault,) = run(slurm(), timeout=1.5)
    assert "wait jobs: 1 waiting (Priority)" in report.lines
    assert re.match(
        r"FAIL no worker after 1.\d s: jobs: 1 waiting .Priority.; the queue may be full", fault
    )


def test_job_that_does_not_leave(programs, run, monkeypatch):
    monkeypatch.setattr(check, "_LEAVE", 0.0)
    monkeypatch.setattr(keeper, "_END_TIMEOUT", 0.5)
    programs(
        sbatch="sed -n 's/^#SBATCH -J //p' $1 > queued; echo Submitted batch job 5",
        squeue='[ ! -e queued ] || echo "5|PD|$(cat queued)|Priority"',
        scancel="",
    )
    faults = run(slurm(), timeout=1.5)
    assert re.match(r"FAIL still in the queue .*worker jobs 5; cancel them", faults[1])


def test_option_that_the_cluster_refuses(programs, run):
    programs(sbatch="", squeue="", scancel="")
    (fault,) = run(slurm(interface="no0"))
    assert re.match("FAIL .*no0", fault)


def test_queue_that_does_not_answer(programs, run, monkeypatch):
    monkeypatch.setattr(keeper, "_END_TIMEOUT", 0.5)
    programs(sbatch="exit 1", squeue="echo slurmctld is down >&2; exit 1", scancel="")
    faults = run(slurm(), timeout=1.0)
    assert faults[0].startswith("FAIL the queue does not answer: squeue: slurmctld is down")


def test_scheduler_without_workers(run):
    with LocalCluster(n_workers=0, **NO_PAGES) as running:
        address = running.scheduler_address
        faults = run(Profile(cluster=address), timeout=0.5)
    assert len(faults) == 1
    assert faults[0].endswith(f"start one with `dask worker {address}`")


def test_no_scheduler(run, monkeypatch):
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT", 0.5)
    (fault,) = run(Profile(cluster="tcp://127.0.0.1:9"))
    assert fault.startswith("FAIL profile: cluster: no Dask scheduler answers at tcp://127.0.0.1:9")


def test_simulation_that_fails(run, script, workers):
    script("raise ValueError('unstable')", "other.py")
    (fault,) = run(workers, STUDY.replace("echo", "other.py"))
    assert re.match(
        "FAIL simulation .* failed: exit code 1: ValueError: unstable; .*`dask-espresso try", fault
    )
    assert fault.endswith(f"--profile {workers.path}`")


def test_simulation_that_is_not_finite(run, script, report, workers):
    script(
        "import dask_espresso\nprint(dask_espresso.encode_transport_data({'p': float('nan')}))",
        "other.py",
    )
    assert run(workers, STUDY.replace("echo", "other.py")) == []
    said = "\n".join(report.lines)
    assert re.search(
        r"note simulation \w+ not finite in .*: result\['p'\] is nan; .*`dask-espresso try", said
    )
    assert "all 3 simulations take about" in said


def test_simulation_without_a_time_limit(run, script, report, workers):
    script("import time; time.sleep(60)", "other.py")
    study = STUDY.replace("echo", "other.py").replace("time_limit: 1 min\n", "")
    assert run(workers, study, timeout=2.0) == []
    assert any(re.match("note study s: 3 .*without a time limit", line) for line in report.lines)
    assert any(
        re.match("note simulation .* was not done after 2.0 s", line) for line in report.lines
    )


@pytest.mark.slow
def test_simulation_that_needs_much(run, script, report, monkeypatch):
    monkeypatch.setattr(simulation_checks, "_NARROW", 0.01)
    script(
        """
        import time, dask_espresso
        much = b"x" * (450 << 20)
        time.sleep(1)
        print(dask_espresso.encode_transport_data({"n": len(much)}))
        """,
        "other.py",
    )
    study = STUDY.replace("echo", "other.py")
    profile = Profile(options={"threads_per_worker": 1, "memory_limit": "400 MB"})
    assert run(profile, study) == []
    assert any(re.search("% of the study's `time_limit`", line) for line in report.lines)
    assert any(re.search("ask for more `memory`", line) for line in report.lines)


@pytest.mark.slow
def test_worker_that_dies(run, script):
    script(
        """
        import os, signal
        from pathlib import Path
        NAMES = ("supervisor.py", "forkserver.py")
        pid = os.getppid()
        while any(name in Path(f"/proc/{pid}/cmdline").read_text() for name in NAMES):
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(pid, signal.SIGKILL)
        """,
        "other.py",
    )
    (fault,) = run(study=STUDY.replace("echo", "other.py"))
    assert fault.startswith("FAIL the worker has died")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "is_local"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_interrupted(study_file, script, workers, number, is_local):
    script("import time; time.sleep(60)", "other.py")
    study = study_file(STUDY.replace("echo", "other.py"))
    profile = "local" if is_local else workers.path
    command = [sys.executable, "-m", "dask_espresso", "check", str(study), "--profile", profile]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        children = psutil.Process(process.pid).children
        assert any(line.startswith("wait  simulation") for line in process.stdout)
        started = children(recursive=True)
        for _ in range(2):
            process.send_signal(number)
            time.sleep(0.2)
        assert "it works" not in process.stdout.read()
    assert process.returncode == 75
    assert bool(started) is is_local
    assert wait_until(lambda: not any(is_running(worker.pid) for worker in started))


def test_versions_that_differ(run, report, workers, monkeypatch):
    get_versions = Client.get_versions

    def with_other_python(self, **options):
        found = get_versions(self, **options)
        for worker in found["workers"].values():
            worker["packages"] |= {"python": "3.8.20.final.0", "dask-espresso": None}
        return found

    monkeypatch.setattr(Client, "get_versions", with_other_python)
    (fault,) = run(workers)
    assert re.match(
        r"FAIL versions differ: python 3\.\d+ here and on the scheduler, 3\.8 on the worker; "
        r"dask-espresso .* here and on the scheduler, missing on the worker .*; start scheduler",
        fault,
    )
    assert report.lines[-1] == fault


# ---- what a worker may answer --------------------------------------------------------------------


def test_several_ranks_on_this_machine(run, report, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    ranks = len(os.sched_getaffinity(0))
    assert run(Profile(engines={"python": EngineSettings(ranks=ranks)})) == []
    said = "\n".join(report.lines)
    assert f"1 simulation of {ranks} ranks at a time on {ranks} cores" in said
    assert f"{ranks} ranks with {Path(sys.executable).with_name('mpirun')} (MPICH)" in said
    assert "with 1 at a time" in said


def answering(report, answer, engines=()):
    """Give a worker with two slots that always answers the same."""
    case = Case(Profile(), None, engines, 60.0, report.of)
    client = SimpleNamespace(nthreads=lambda: {"tcp://w": 2})
    return SimpleNamespace(
        case=case,
        address="tcp://w",
        cluster=SimpleNamespace(client=client),
        ask=lambda function: answer(),
        call=lambda function: answer(),
    )


@pytest.mark.parametrize(
    ("scratch", "message"),
    [
        (Scratch("/home", "nfs4", 1 << 40), "on a network file system .nfs4"),
        (Scratch("/tmp", "tmpfs", 1 << 40), "in memory .tmpfs"),
        (Scratch("/tmp", "ext4", 1 << 20), "1.00 MiB is little for 2 simulations"),
    ],
)
def test_scratch_directories(report, scratch, message):
    check_scratch(answering(report, lambda: scratch))
    assert report.lines[0].startswith("ok simulations run in")
    assert re.match(f"note .*{message}.*`export TMPDIR=", report.lines[1])


def test_scratch_that_cannot_be_written(report):
    scratch = Scratch("/scratch", error="Permission denied")
    with pytest.raises(FaultError, match=r"cannot run in /scratch \(Permission denied\)"):
        check_scratch(answering(report, lambda: scratch))


def test_simulations_of_several_ranks(report):
    machine = Machine("n1", 1, 2, 16 << 30)
    engines = [Engine("python"), Engine("espresso", ranks=2)]
    check_machine(answering(report, lambda: machine, engines))
    assert "machine n1: 1 simulation of 2 ranks at a time on 2 cores, with 16" in report.lines[0]
    assert len(report.lines) == 1


def test_more_simulations_than_cores(report):
    check_machine(answering(report, lambda: Machine("n1", 16, 4, 16 << 30)))
    assert report.lines[0].endswith("on 4 cores, with 1.00 GiB of memory each")
    assert report.lines[1].startswith("note 16 simulations at a time share 4 cores")


@pytest.mark.parametrize(
    ("offset", "message"),
    [(0.0, "ok clocks agree to 0.00 s"), (-60.0, "note the worker's clock is 1 min 0 s behind")],
)
def test_clocks(report, offset, message):
    check_clocks(answering(report, lambda: time.time() + offset))
    assert report.lines[0].startswith(message)


def test_input_errors(study_file):
    study = study_file(STUDY)
    assert "--timeout is the text 'soon', which is no length" in invoke(
        "--timeout", "soon", status=2
    )
    assert "nowhere.yaml" in invoke("nowhere.yaml", status=2)
    assert "nowhere.yaml" in invoke("--profile", "nowhere.yaml", status=2)
    assert "without a study" in invoke("--set", "x=1", status=2)
    study.write_text(STUDY.replace("engine: python", "engine: pyton"))
    assert "pyton" in invoke(study, status=2)
