"""Simulations that misbehave: each has its own outcome, in time, and harms nothing but itself."""

import contextlib
import ctypes
import gc
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import pytest
from distributed import Client, LocalCluster
from processes import NO_PAGES, is_running, wait_until
from simulators import close_all, simulate

from dask_espresso.engines import Engine
from dask_espresso.files import file_hash
from dask_espresso.inputs.shipped import SIMULATIONS
from dask_espresso.outcome import Status
from dask_espresso.process.environment import SCRIPT
from dask_espresso.process.order import Order, Workload
from dask_espresso.process.task import simulate_one
from dask_espresso.record import pack, unpack

pytestmark = pytest.mark.slow

LATE = 60  # seconds after its time limit in which a simulation has to be gone
MARK = ("DASK_ESPRESSO_TEST", uuid.uuid4().hex)  # in the environment of all that is started here

# what the scripts below begin with
PRELUDE = """
import ctypes, os, resource, shutil, signal, sys, time
import dask_espresso

def give(result):
    print(dask_espresso.encode_transport_data(result), flush=True)

def daemon():
    # as daemons are made: a session of its own, no terminal, no parent; deaf to all but SIGKILL
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(600)
"""


@dataclass
class Fault:
    """What a script does, and what has to become of it."""

    code: str
    status: Status = Status.FAILED
    error: str = ""
    time_limit: float = 20.0
    parameters: dict = field(default_factory=dict)


def done(code, **options):
    return Fault(code, Status.DONE, "$", **options)


def hangs(code, **options):
    return Fault(code, Status.TIMED_OUT, "stopped at its time limit of 1 s", 1.0, **options)


LARGE = {"text": "x" * 1_000_000}  # more than a pipe holds

FAULTS = {
    # ---- processes
    "leaves daemons": done("for _ in range(5): daemon()\ngive({})"),
    "leaves a child in a group of its own": done("""
        if not os.fork():
            os.setpgid(0, 0)
            time.sleep(600)
        give({})
    """),
    "leaves a child that forks on and on": done("""
        if not os.fork():
            while not os.fork(): pass
            os._exit(0)
        give({})
    """),
    "leaves daemons and hangs": hangs("daemon()\ntime.sleep(600)"),
    "ignores SIGTERM": hangs("signal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)"),
    "waits for a child that changed its group": hangs("""
        child = os.fork()
        if not child:
            os.setpgid(0, 0)
            time.sleep(600)
        os.waitpid(child, 0)
    """),
    "becomes another program": hangs("os.execvp('sleep', ['sleep', '600'])"),
    "stops itself": hangs("os.kill(os.getpid(), signal.SIGSTOP)"),
    "stops its group": hangs("daemon()\nos.killpg(0, signal.SIGSTOP)"),
    "kills its group": Fault("daemon()\nos.killpg(0, signal.SIGKILL)", error="ended by SIGKILL"),
    "kills its supervisor": Fault(
        "daemon()\nos.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(600)",
        error="its supervisor process died",
    ),
    "ends its supervisor, as batch systems end all processes of a job": done("""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(os.getppid(), number)
        time.sleep(0.2)
        daemon()
        give({})
    """),
    "stops its supervisor": hangs("""
        daemon()
        os.kill(os.getppid(), signal.SIGSTOP)
        time.sleep(600)
    """),
    # ---- pipes
    "closes standard output and goes on": Fault(
        "os.close(1)\ntime.sleep(0.3)", error="no payload on standard output.*printed nothing"
    ),
    "closes all": Fault("os.closerange(0, 1000)", error="no payload on standard output"),
    "closes all and hangs": hangs("os.closerange(0, 1000)\ntime.sleep(600)"),
    "writes into all that is open": done("""
        for fd in range(3, 100):
            try: os.write(fd, b"garbage")
            except OSError: pass
        give({})
    """),
    "never reads its parameters": done("time.sleep(0.3)\ngive({})", parameters=LARGE),
    "never reads its parameters and hangs": hangs("time.sleep(600)", parameters=LARGE),
    "refuses its parameters": done("os.close(0)\ntime.sleep(0.3)\ngive({})", parameters=LARGE),
    # ---- results
    "gives no result": Fault("", error="no payload on standard output.*it printed nothing"),
    "gives two results": Fault("give({})\ngive({})", error="two payloads: hand over"),
    "gives a result and hangs": hangs("give({})\ntime.sleep(600)"),
    "gives a result without a line's end": done(
        "sys.stdout.write(dask_espresso.encode_transport_data({}))"
    ),
    "gives half a result": Fault(
        "print(dask_espresso.encode_transport_data(list(range(99)))[:200])", error="broken payload"
    ),
    "gives a result with its bytes in disorder": Fault(
        "text = dask_espresso.encode_transport_data({'a': list(range(99))})\n"
        "print(text[:24] + text[40:] + text[24:40])",
        error="broken payload",
    ),
    "gives a result that runs a program": Fault(
        """
        class Forged:
            def __reduce__(self):
                return os.mkdir, (os.path.dirname(__file__) + "/forged",)
        give({"a": Forged()})
        """,
        error="broken payload.*posix.mkdir.*no plain data",
    ),
    "gives an object of its own": Fault(
        "class Mine: pass\ngive({'a': Mine()})", error="broken payload.*__main__.Mine"
    ),
    "gives a number without end": Fault(
        "give({'a': [10 ** 5000]})",
        error=r"result\['a'\]\[0\] is a whole number of 16610 bits, which the store cannot hold",
    ),
    "prints binary garbage": Fault(
        "import random\nos.write(1, random.Random(1).randbytes(1 << 20))", error="no payload"
    ),
    "prints binary garbage around its result": done("""
        os.write(1, bytes(range(256)) * 1000)
        os.write(1, dask_espresso.encode_transport_data({}).encode())
        os.write(1, bytes(range(256)) * 1000)
    """),
    # ---- limits of the machine
    "dumps core": Fault(
        "resource.setrlimit(resource.RLIMIT_CORE, [resource.getrlimit(resource.RLIMIT_CORE)[1]]*2)"
        "\nos.abort()",
        error="ended by SIGABRT",
    ),
    "reads where no memory is": Fault("ctypes.string_at(0)", error="ended by SIGSEGV"),
    "wants more memory than its limit": Fault(
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\nbytearray(2 << 30)",
        error="exit code 1.*MemoryError",
    ),
    # what the kernel does to a process that a cgroup's or the machine's memory is too small for
    "uses up the memory": Fault(
        "block = bytearray(b'1') * (150 << 20)\nos.kill(os.getpid(), signal.SIGKILL)",
        error=r"ended by SIGKILL.*where memory runs out.*up to 1\d\d MiB",
    ),
    "uses up its processor time": Fault(
        "resource.setrlimit(resource.RLIMIT_CPU, (1, 2))\nwhile True: pass",
        error="ended by SIGXCPU",
    ),
    # ---- its directory
    "nests directories without end": done(
        "for _ in range(2100):\n    os.mkdir('d')\n    os.chdir('d')\ngive({})"
    ),
    "makes its directory unreadable": done("""
        os.makedirs("a/b")
        open("a/b/c", "w").close()
        os.chmod("a/b", 0)
        os.chmod("a", 0)
        give({})
    """),
    "removes its directory": done("shutil.rmtree(os.getcwd())\ngive({})"),
}


@pytest.fixture(autouse=True, scope="module")
def scratch(tmp_path_factory):
    """The directory that simulations get theirs in."""
    scratch = tmp_path_factory.mktemp("scratch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(scratch))
        patch.setattr(tempfile, "tempdir", str(scratch))
        yield scratch


@pytest.fixture(params=["spawn", "fork"], scope="module")
def warm_engine(request, scratch):
    """Plain Python, forked and not, for one simulation after the other as in a worker."""
    engine = Engine("python", environment=(MARK,), start=request.param)
    run(engine, SIMULATIONS / "echo.py", {"n": 1})  # what is warm stays; it is not what is timed
    yield engine
    close_all()
    assert not list(scratch.glob("dask-espresso-*"))


@pytest.fixture
def nothing_left(scratch):
    """Check that nothing that a test starts is left in the end."""
    before = set(scratch.glob("dask-espresso-*"))
    yield
    there = marked()
    assert gone([process.pid for process in there], 30), there
    assert set(scratch.glob("dask-espresso-*")) == before


@pytest.fixture
def engine(warm_engine, nothing_left):
    return warm_engine


def marked():
    """Find the processes that have the mark, but for the warm ones that fork them."""
    found = psutil.process_iter(["environ"])
    there = [process for process in found if MARK in (process.info["environ"] or {}).items()]
    servers = {p.pid for p in there if p.ppid() == os.getpid() and "forkserver" in str(p.cmdline())}
    return [process for process in there if session(process.pid) not in servers]


def session(pid):
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def gone(pids, timeout):
    """Wait until none of the processes is there any more; say whether that came to be."""
    return wait_until(lambda: not any(map(is_running, pids)), timeout)


@pytest.fixture
def write_script(script):
    return lambda code: script(PRELUDE + textwrap.dedent(code))


def run(engine, script, parameters=(), time_limit=None):
    workload = Workload(engine, str(script), file_hash(script), time_limit)
    return simulate(workload, Order("id", dict(parameters), replica=0, seed=1, attempt=1))


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_each_fault_has_its_own_outcome(engine, write_script, tmp_path, scratch, fault):
    path = write_script(fault.code)
    before = [set(place.iterdir()) for place in (Path.cwd(), tmp_path, scratch)]
    started = time.monotonic()
    outcome = run(engine, path, fault.parameters, fault.time_limit)
    assert time.monotonic() - started < fault.time_limit + LATE
    assert outcome.status is fault.status, outcome.error
    assert re.match(fault.error, outcome.error, re.DOTALL), outcome.error
    assert unpack(b"".join(pack(outcome))).error == outcome.error

    assert not marked()
    # no directory is left, no core file, and nothing that a forged result made
    assert [set(place.iterdir()) for place in (Path.cwd(), tmp_path, scratch)] == before
    assert run(engine, SIMULATIONS / "echo.py", {"n": 1}).result["n"] == 1


def test_a_directory_replaced_by_a_link_is_not_followed(engine, write_script, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/data").touch()
    path = write_script(f"""
        here = os.getcwd()
        os.rmdir(here)
        os.symlink({str(tmp_path / "precious")!r}, here)
        give({{}})
    """)
    assert run(engine, path).is_done
    assert (tmp_path / "precious/data").exists()


# ---- much data -----------------------------------------------------------------------------------


def memory(key):
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{key}:\s+(\d+) kB", status)[1]) * 1024


@contextlib.contextmanager
def growth_below(limit):
    """Check how much memory this process needs at most in the meantime, beyond what it has."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what is free here would hide as much growth
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = memory("VmRSS")
    yield
    assert memory("VmHWM") - before < limit


OUTPUT = """
    import base64, random
    p = dask_espresso.get_data_from_stdin()
    chunk = {
        "lines": b"step 17 energy -1.5\\n" * 52429,
        "zeros": bytes(1 << 20),
        "a line without end": base64.b64encode(random.Random(1).randbytes(768 << 10)),
        "starts of results": b"gAWV" * (256 << 10),
    }[p["kind"]]
    for _ in range(p["megabytes"]):
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(p["fd"], rest):]
    print()
    give({"a": 1})
"""


@pytest.mark.parametrize(
    ("kind", "fd"),
    [
        ("lines", 1),
        ("lines", 2),
        ("zeros", 1),
        ("a line without end", 1),
        ("starts of results", 1),
    ],
)
def test_much_output_needs_no_memory(engine, write_script, kind, fd):
    path = write_script(OUTPUT)
    with growth_below(16e6):
        outcome = run(engine, path, {"kind": kind, "fd": fd, "megabytes": 32}, 120)
    assert outcome.result == {"a": 1}, outcome.error
    assert len(outcome.log) < 20_000


def test_a_result_of_16_megabytes(engine, write_script):
    path = write_script("""
        import numpy
        give({"a": numpy.arange(2_000_000)})
    """)
    with growth_below(160e6):  # its text, its pickle, the array and the record
        outcome = run(engine, path, time_limit=60)
        record = pack(outcome)
    assert outcome.is_done, outcome.error
    assert sum(map(len, record)) > 16e6
    np.testing.assert_array_equal(unpack(b"".join(record)).result["a"], np.arange(2_000_000))


def test_a_result_of_16_megabytes_by_a_pipe_of_its_own(engine, write_script):
    path = write_script("""
        import numpy
        dask_espresso.send_result({"a": numpy.arange(2_000_000)})
    """)
    with growth_below(26e6):  # once, also as a record
        outcome = run(engine, path, time_limit=60)
        record = pack(outcome)
    assert outcome.is_done, outcome.error
    np.testing.assert_array_equal(unpack(b"".join(record)).result["a"], np.arange(2_000_000))


def test_a_result_larger_than_the_limit_is_refused(engine, write_script, monkeypatch):
    monkeypatch.setattr("dask_espresso.process.payload.PayloadScanner.MAX_ENCODED_SIZE", 1 << 20)
    path = write_script("give({'a': 'x' * 10_000_000})\ntime.sleep(0.3)")
    with growth_below(10e6):
        outcome = run(engine, path, time_limit=10)
    assert outcome.status is Status.FAILED
    assert "more than 1 MiB: write such results to a file" in outcome.error


# ---- a full disk ---------------------------------------------------------------------------------

SMALL_DISK = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
SMALL_DISK += ['mount -t tmpfs -o size=8m none "$TMPDIR" && exec "$@"', "sh"]


def can_mount(directory):
    with contextlib.suppress(FileNotFoundError):
        environment = {**os.environ, "TMPDIR": str(directory)}
        return not subprocess.run([*SMALL_DISK, "true"], env=environment, check=False).returncode
    return False


def test_full_scratch_directory(write_script, scratch):
    if not can_mount(scratch):
        pytest.skip("needs user namespaces")
    path = write_script("open('trajectory', 'wb').write(bytes(64 << 20))")
    worker = f"""
        from dask_espresso.inputs.shipped import SIMULATIONS
        from dask_espresso.engines import Engine
        from dask_espresso.files import file_hash
        from dask_espresso.process.order import Order, Workload
        from dask_espresso.process.simulator import Simulator
        for script in ({str(path)!r}, str(SIMULATIONS / "echo.py")):
            workload = Workload(Engine("python"), script, file_hash(script), None)
            order = Order("id", {{"n": 1}}, replica=0, seed=1, attempt=1)
            outcome = Simulator().simulate(workload, order)
            print(outcome.error or outcome.result["n"] == 1)
    """
    command = [*SMALL_DISK, sys.executable, "-c", textwrap.dedent(worker)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    assert re.fullmatch(r"exit code 1.*No space left on device\nTrue\n", said, re.DOTALL), said


# ---- the end of a worker -------------------------------------------------------------------------

FAMILY = """
    for _ in range(3): daemon()
    p = dask_espresso.get_data_from_stdin()
    with open(p["file"] + "~", "w") as file: print(os.getpid(), os.getppid(), file=file)
    os.rename(p["file"] + "~", p["file"])
    time.sleep(600)
"""


def wait_for_families(*files):
    """Wait until simulations are at work; give their processes, and their supervisors."""
    end = time.monotonic() + 30
    while not all(file.exists() for file in files) or len(marked()) < 4 * len(files):
        assert time.monotonic() < end
        time.sleep(0.02)
    supervisors = " ".join(file.read_text() for file in files)
    return {*(process.pid for process in marked()), *map(int, supervisors.split())}


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGHUP], ids=lambda n: n.name
)
def test_nothing_outlives_its_worker(engine, write_script, tmp_path, scratch, number):
    path, file = write_script(FAMILY), tmp_path / "family"
    before = set(scratch.iterdir())
    code = f"""
        from dask_espresso.engines import Engine
        from dask_espresso.process.run import Runner
        Runner().run({engine!r}, {str(path)!r}, {{"file": {str(file)!r}}})
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)]) as worker:
        family = wait_for_families(file)
        worker.send_signal(number)
    assert gone(family, 30)
    assert wait_until(lambda: set(scratch.iterdir()) == before)


@pytest.mark.usefixtures("nothing_left")
def test_nothing_outlives_a_dask_worker_that_is_killed(write_script, tmp_path):
    path = write_script(FAMILY)
    engines = [Engine("python", environment=(MARK,), start=s) for s in ("spawn", "fork")] * 2
    files = [tmp_path / f"family {i}" for i in range(4)]
    with (
        LocalCluster(n_workers=1, threads_per_worker=4, **NO_PAGES) as cluster,
        Client(cluster) as client,
    ):
        (worker,) = client.run(os.getpid).values()
        futures = [
            client.submit(
                simulate_one,
                Workload(engine, str(path), file_hash(path), None),
                Order(str(file), {"file": str(file)}, replica=0, seed=1, attempt=1),
            )
            for engine, file in zip(engines, files, strict=True)
        ]
        family = wait_for_families(*files)
        os.kill(worker, signal.SIGKILL)
        assert gone(family, 30)
        for future in futures:  # the nanny starts a new worker, which would do it all again
            future.cancel()


def test_what_the_supervisor_runs_is_the_standard_library_alone():
    """It starts with every simulation, so that each import in it is paid for each time."""
    imports = re.findall(r"^(?:import|from) (\w+)", (SCRIPT / "supervisor.py").read_text(), re.M)
    assert set(imports) <= sys.stdlib_module_names
    assert shutil.which("rm")  # what removes the directory of a worker that died
