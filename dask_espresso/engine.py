"""Start one simulation process, watch it, and say what became of it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil

from .files import open_file
from .transport import PayloadScanner, TransportError, encode_transport_data

PACKAGE = Path(__file__).resolve().parent
SIMULATIONS = PACKAGE / "simulations"

# A one-rank simulation started inside a batch job takes these for its own MPI job and hangs or
# fails; OMPI_MCA_* are the user's own settings of Open MPI.
_LEAKING = re.compile(r"(SLURM|SLURMD|SRUN|SBATCH|PMI|PMI2|PMIX|PALS|HYDRA)_|OMPI_(?!MCA_)|PMIX?$")
_LOG_HEAD, _LOG_TAIL = 4096, 12288
_SUPERVISOR_GRACE = 4.0  # seconds that a supervisor may be late before it is killed itself
_LOOKS, _LOOK_AGAIN = 4, 0.02  # times, seconds
_MARK = "DASK_ESPRESSO_SIMULATION"  # in the environment of all that a simulation starts


@dataclass(frozen=True)
class Engine:
    """How a simulation process is started.

    Attributes
    ----------
    name : str
        The engine's name in studies and profiles.
    command : tuple of str
        Program and arguments in front of the script; empty for the engine's own default.
    module : str
        The module that makes the interpreter this engine, such as ``espressomd``.
    environment : tuple of (str, str)
        Environment variables set on top of the worker's own.
    preload : tuple of str
        Modules that a warm start imports beforehand.
    """

    name: str
    command: tuple[str, ...] = ()
    module: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    preload: tuple[str, ...] = ()


@dataclass
class ProcessReport:
    """What the kernel and the pipes say of one finished simulation process.

    Attributes
    ----------
    exit_code : int or None
        Exit code, minus the number of a signal, or None where it never started.
    timed_out : bool
        Whether it was stopped at its time limit.
    time_limit : float or None
        In seconds.
    elapsed_time, cpu_time : float
        In seconds.
    peak_memory : int
        In bytes.
    error : str
        Why the process did not start, or empty.
    stderr, log : str
        Standard error, and both streams without the payload; each shortened in the middle.
    output : PayloadScanner
        Holds the payload.
    """

    exit_code: int | None = None
    timed_out: bool = False
    time_limit: float | None = None
    elapsed_time: float = 0.0
    cpu_time: float = 0.0
    peak_memory: int = 0
    error: str = ""
    stderr: str = ""
    log: str = ""
    output: PayloadScanner = field(default_factory=lambda: PayloadScanner(lambda noise: None))

    def failure(self) -> str:
        """Say what went wrong, with the end of standard error; empty if nothing did."""
        reason = self._reason()
        if not reason:
            return ""
        last = self.stderr.strip()[-4000:]
        return f"{reason}\n{last}" if last else reason

    def _reason(self) -> str:
        if self.error:
            return self.error
        if self.timed_out:
            return f"stopped at its time limit of {self.time_limit:g} s"
        if self.exit_code is None:
            return "its supervisor process died"
        if self.exit_code == -signal.SIGKILL:
            return (
                "ended by SIGKILL, as the kernel does where memory runs out; "
                f"it had used up to {self.peak_memory / 2**20:.0f} MiB"
            )
        if self.exit_code < 0:
            return f"ended by {signal_name(-self.exit_code)}"
        if self.exit_code > 0:
            return f"exit code {self.exit_code}"
        try:
            self.output.payload()
        except TransportError as error:
            return f"{error}{self._printed()}"
        return ""

    def _printed(self) -> str:
        return f"; it printed: {self.log[-1000:]!r}" if self.log else "; it printed nothing"


def brief(failure: str) -> str:
    """Give a failure's reason, and the last line of standard error, which names the exception."""
    lines = [line.strip() for line in failure.splitlines() if line.strip()]
    return ": ".join(dict.fromkeys([lines[0], lines[-1]])) if lines else ""


def signal_name(number: int) -> str:
    """Name a signal, such as SIGSEGV."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class BoundedText:
    """The beginning and the end of a text of any length."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0

    def add(self, data: bytes) -> None:
        """Append to the text."""
        space = _LOG_HEAD - len(self._head)
        self._head += data[:space]
        self._tail += data[space:]
        excess = len(self._tail) - _LOG_TAIL
        if excess > 0:
            del self._tail[:excess]
            self._left_out += excess

    def __str__(self) -> str:
        gap = f"\n[… {self._left_out} bytes left out …]\n".encode() if self._left_out else b""
        return (bytes(self._head) + gap + bytes(self._tail)).decode("utf-8", "replace")


def simulation_environment(engine: Engine, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the environment of a simulation process.

    Parameters
    ----------
    engine : Engine
        Its own variables have the last word.
    base : mapping, optional
        The environment to start from, by default this process's own.

    Returns
    -------
    dict
        Without what batch systems and MPI launchers left for other programs (source:
        measurements on Slurm with Open MPI singletons), with this package, and nothing that is
        installed beside it, in front of PYTHONPATH.
    """
    base = os.environ if base is None else base
    kept = {name: value for name, value in base.items() if not _LEAKING.match(name)}
    kept.setdefault("OMPI_MCA_hwloc_base_binding_policy", "none")
    kept["OMP_NUM_THREADS"] = "1"
    kept["PYTHONPATH"] = os.pathsep.join(
        [str(PACKAGE / "for_scripts"), *_foreign_python_path(base.get("PYTHONPATH", ""))]
    )
    return kept | dict(engine.environment)


def _foreign_python_path(python_path: str) -> Iterator[str]:
    """Give the entries of PYTHONPATH that are not this interpreter's own packages."""
    for entry in filter(None, python_path.split(os.pathsep)):
        own = Path(entry).resolve() in {PACKAGE.parent, *map(Path, _own_site_packages())}
        if not own:
            yield entry


@functools.cache
def _own_site_packages() -> tuple[str, ...]:
    import sysconfig

    return tuple(str(Path(sysconfig.get_path(kind)).resolve()) for kind in ("purelib", "platlib"))


def engine_command(engine: Engine) -> tuple[str, ...]:
    """Give the program and arguments that the script's name is appended to.

    An ESPResSo without a command of its own is ``pypresso``, or, where a module
    system offers none, the ``python3`` that can import espressomd.
    """
    if engine.command:
        return engine.command
    if engine.name == "espresso":
        return ("pypresso",) if shutil.which("pypresso") else ("python3",)
    return (sys.executable,)


def run_process(
    engine: Engine,
    script: str | os.PathLike[str],
    parameters: Any,
    *,
    time_limit: float | None = None,
    directory: str | os.PathLike[str] | None = None,
    on_output: Callable[[bytes], None] | None = None,
) -> ProcessReport:
    """Run one simulation process to its end.

    Parameters
    ----------
    engine : Engine
        How to start it.
    script : path
        The simulation script.
    parameters
        What the script's ``get_data_from_stdin()`` gives.
    time_limit : float, optional
        In seconds; then SIGTERM, and two seconds later SIGKILL.
    directory : path, optional
        Working directory, by default a fresh one that is removed afterwards.
    on_output : callable, optional
        Called with everything printed but the payload, as it comes.

    Returns
    -------
    ProcessReport
        Never raises for anything that the simulation does, or that this machine lacks.
    """
    with contextlib.ExitStack() as stack:
        try:
            scratch = stack.enter_context(_scratch_directory())
        except OSError as error:  # Python looks for a place that can be written to
            said = error.strerror or error
            return ProcessReport(error=f"no directory to run in can be made ({said})")
        # MPI and others leave files in TMPDIR if they are killed
        base = {**os.environ, "TMPDIR": str(scratch / "tmp"), _MARK: uuid.uuid4().hex}
        environment = simulation_environment(engine, base)
        command = _absolute_command(engine_command(engine), environment)
        request = {
            "command": [*command, os.fspath(script)],
            "environment": environment,
            "directory": os.fspath(directory or scratch / "run"),
            "scratch": str(scratch),
            "time_limit": time_limit,
        }
        return _supervise(request, encode_transport_data(parameters).encode(), on_output)


@contextlib.contextmanager
def _scratch_directory() -> Iterator[Path]:
    """Name a directory that the supervisor makes and removes, whatever becomes of this worker."""
    path = Path(tempfile.gettempdir(), f"dask-espresso-{uuid.uuid4().hex[:12]}")
    try:
        yield path
    finally:
        if path.exists():  # the supervisor was killed, or the simulation has made it read-only
            for command in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
                subprocess.run([*command, "--", path], check=False, capture_output=True)


def _absolute_command(command: tuple[str, ...], environment: Mapping[str, str]) -> list[str]:
    # a path relative to here would otherwise be looked up in the simulation's directory
    found = shutil.which(command[0], path=environment.get("PATH"))
    return [os.path.abspath(found) if found else command[0], *command[1:]]  # noqa: PTH100


def _supervise(
    request: dict[str, Any], stdin: bytes, on_output: Callable[[bytes], None] | None
) -> ProcessReport:
    request_read, request_write = os.pipe()
    report_read, report_write = os.pipe()
    to_supervisor = os.fdopen(request_write, "wb", buffering=0)
    with to_supervisor, os.fdopen(report_read, "rb") as report:
        supervisor = [sys.executable, "-I", "-S", str(PACKAGE / "supervisor.py")]
        command = [*supervisor, str(request_read), str(report_write)]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(request_read, report_write),
                start_new_session=True,
            )
        finally:
            os.close(request_read)
            os.close(report_write)
        with process, to_supervisor:  # closed before the process is waited for, which then ends
            with contextlib.suppress(BrokenPipeError):  # there will be no report, either
                to_supervisor.write(json.dumps(request).encode() + b"\n")
            return _Conversation(process, report, request, on_output).hold(stdin)


def _kill_marked(mark: str) -> None:
    """Kill what a simulation has started, where its supervisor could not."""
    end = time.monotonic() + 3
    looks = 0  # in a row that found nothing: one alone may miss what was just being forked
    while looks < _LOOKS and time.monotonic() < end:
        looks += 1
        # the newest first, before they have forked again and ended
        for pid in sorted(psutil.pids(), reverse=True):
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if process.environ().get(_MARK) == mark:
                    process.kill()
                    looks = 0
        time.sleep(_LOOK_AGAIN)


class _Conversation:
    """Everything said between a worker and one simulation process."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        report: IO[bytes],
        request: dict[str, Any],
        on_output: Callable[[bytes], None] | None,
    ) -> None:
        self._process = process
        self._report = report
        self._time_limit: float | None = request["time_limit"]
        self._mark: str = request["environment"][_MARK]
        self._on_output = on_output
        self._stderr = BoundedText()
        self._log = BoundedText()
        self._scanner = PayloadScanner(self._note)

    def _note(self, data: bytes) -> None:
        self._log.add(data)
        if self._on_output:
            self._on_output(data)

    def _note_stderr(self, data: bytes) -> None:
        self._stderr.add(data)
        self._note(data)

    def hold(self, stdin: bytes) -> ProcessReport:
        """Feed the simulation, hear it out, and give the report."""
        started = time.monotonic()
        said = self._exchange(memoryview(stdin))
        error = said.get("error", "")
        self._scanner.close()
        return ProcessReport(
            exit_code=said.get("exit_code"),
            timed_out=said.get("timed_out", False),
            time_limit=self._time_limit,
            elapsed_time=said.get("elapsed_time", time.monotonic() - started),
            cpu_time=said.get("cpu_time", 0.0),
            peak_memory=said.get("peak_memory", 0),
            error=f"the engine did not start: {error}" if "errno" in said else error,
            stderr=str(self._stderr),
            log=str(self._log),
            output=self._scanner,
        )

    def _exchange(self, stdin: memoryview) -> dict[str, Any]:
        """Move data until the supervisor has reported and every pipe is closed."""
        process, poll = self._process, select.poll()
        assert process.stdin
        assert process.stdout
        assert process.stderr
        os.set_blocking(process.stdin.fileno(), False)
        readers: dict[int, Callable[[bytes], None]] = {
            process.stdout.fileno(): self._scanner.feed,
            process.stderr.fileno(): self._note_stderr,
        }
        report = bytearray()
        readers[self._report.fileno()] = report.extend
        for fd in readers:
            poll.register(fd, select.POLLIN)
        poll.register(process.stdin.fileno(), select.POLLOUT)
        end = None if self._time_limit is None else self._time_limit + _SUPERVISOR_GRACE
        deadline = None if end is None else time.monotonic() + end
        is_late = False
        while readers:
            is_late = deadline is not None and time.monotonic() > deadline
            is_over = self._report.fileno() not in readers
            # of a supervisor that was killed nothing is to be waited for: this worker may be next
            ready = [fd for fd, _ in poll.poll(500 if report or not is_over else 0)]
            is_late = is_late and not is_over and self._report.fileno() not in ready
            if is_late or (is_over and not (report and ready)):
                # the supervisor hangs, or has not killed all that the simulation had started
                process.kill()
                _kill_marked(self._mark)
                break
            for fd in ready:
                if fd in readers:
                    data = os.read(fd, 1 << 20)
                    if data:
                        readers[fd](data)
                    else:
                        poll.unregister(fd)
                        del readers[fd]
                else:
                    stdin = self._write(stdin, poll)
        return json.loads(report) if report else {"timed_out": is_late}

    def _write(self, stdin: memoryview, poll: select.poll) -> memoryview:
        assert self._process.stdin
        pipe = self._process.stdin
        try:
            stdin = stdin[os.write(pipe.fileno(), stdin[: 1 << 20]) :]
        except BlockingIOError:
            return stdin
        except BrokenPipeError:  # a script need not read its parameters
            stdin = stdin[:0]
        if not stdin:
            poll.unregister(pipe.fileno())
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        return stdin


@dataclass(frozen=True)
class Probe:
    """What starting the engine once has shown.

    Attributes
    ----------
    version : str
        The engine's version, such as ``4.2.2``; empty if it does not start.
    error : str
        Why it does not start, or empty.
    """

    version: str = ""
    error: str = ""


@functools.lru_cache(maxsize=32)
def probe(engine: Engine) -> Probe:
    """Start the engine once on this machine, to see that it works and which version it is."""
    report = run_process(
        engine, SIMULATIONS / "probe.py", {"module": engine.module}, time_limit=120
    )
    failure = report.failure()
    if failure:
        command = " ".join(engine_command(engine))
        wants = f", which has to import {engine.module}" if engine.module else ""
        return Probe(error=f"engine {engine.name!r}, command {command!r}{wants}: {brief(failure)}")
    return Probe(version=str(report.output.payload()["version"]))


def file_hash(path: str | os.PathLike[str]) -> str:
    """Give a file's SHA-256 as hexadecimal digits."""
    with open_file(path) as file:
        return hashlib.sha256(file.read()).hexdigest()
