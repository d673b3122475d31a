"""Warm start: an engine process that has done its imports, and forks instead of starting anew.

Three generations of processes:

* The *server*, started by a worker under the engine's own command, imports what the engine needs
  and forks a *slot* for every simulation that its worker runs at a time.
* A slot serves one simulation after the other. It is their supervisor, with all that this one
  promises (see :mod:`dask_espresso.supervisor`), and forks one *child* a simulation.
* The child becomes what a fresh interpreter would be that has been told to run the script, except
  that the engine's modules are there already, and runs it as ``__main__``.

Server and slots each have a connection to the worker, of whole messages, in JSON. End of file on it
means that the worker is gone, or wants nothing more of this process. A slot needs no server to go
on.

Usage: ``ENGINE-COMMAND forkserver.py FD SCRATCH``, with the connection and the server's directory,
which it removes when the worker is gone. Standard library only, Python 3.9 and newer.
"""

import sys

_AT_START = frozenset(sys.modules)  # what a fresh interpreter has before it runs a script
_HAS_SCRIPT_PATH = not (getattr(sys.flags, "safe_path", False) or sys.flags.isolated)
if _HAS_SCRIPT_PATH:
    del sys.path[0]  # this file's own directory: its modules are not for everybody

import atexit  # noqa: E402
import builtins  # noqa: E402
import contextlib  # noqa: E402
import ctypes  # noqa: E402
import gc  # noqa: E402
import importlib.machinery  # noqa: E402
import io  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import select  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import subprocess  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
import traceback  # noqa: E402
import types  # noqa: E402
import warnings  # noqa: E402
import weakref  # noqa: E402
from typing import Any, Dict, Iterator, List, NoReturn, Optional, Tuple  # noqa: E402

from dask_espresso import supervisor  # noqa: E402
from dask_espresso.fingerprint import KNOWN, MPI_ENGINES, is_of_python, top_of  # noqa: E402
from dask_espresso.footprint import footprint, open_gpu  # noqa: E402
from dask_espresso.preload import PARTS, fingerprint, in_order  # noqa: E402
from dask_espresso.result_pipe import RESULT, pipe_number  # noqa: E402
from dask_espresso.shelf import Shelf  # noqa: E402

MAX_MESSAGE = 1 << 17  # bytes
_LIBC = ctypes.CDLL(None)
_SLOTS_END = 6.0  # seconds that slots have to end after the worker
_NUMBERS_OF_RANKS = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS")
_Handlers = Dict[signal.Signals, Any]


# ---- the server ----------------------------------------------------------------------------------


def main(control: socket.socket, scratch: str) -> None:
    """Serve the worker, and leave nothing behind, at whatever moment it goes."""
    if any(int(os.environ.get(name) or 1) > 1 for name in _NUMBERS_OF_RANKS):
        sys.exit("its command starts several MPI ranks, which cannot be forked")
    _restore_signals()
    with contextlib.suppress(ConnectionError):
        if message := control.recv(MAX_MESSAGE):
            serve(control, scratch, json.loads(message))
    os.execvp("rm", ["rm", "-rf", "--", scratch])


def _restore_signals() -> None:
    """Treat signals as a fresh interpreter does, whatever this worker was started by ignores."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # workers block some
    for number in (signal.SIGCHLD, *supervisor.TO_ALL):
        if signal.getsignal(number) == signal.SIG_IGN:
            is_interrupt = number == signal.SIGINT
            signal.signal(number, signal.default_int_handler if is_interrupt else signal.SIG_DFL)


def serve(control: socket.socket, scratch: str, request: Dict[str, Any]) -> None:
    """Get warm, then fork a slot whenever the worker asks for one."""
    refusal = _warm_up(request["preload"], scratch)
    _silence()
    control.send(json.dumps({"refusal": refusal}).encode())
    if refusal:
        return
    server, mark = os.getpid(), _Mark(request["mark"])
    handlers = {
        number: signal.SIG_DFL if (handler := signal.getsignal(number)) is None else handler
        for number in (signal.SIGCHLD, *supervisor.TO_ALL)
    }
    wakeup, wakeup_write = supervisor.become_supervisor()
    others = set(supervisor.children())  # of MPI, say
    slots: "set[int]" = set()
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(wakeup, select.POLLIN)
    while True:
        ready = [fd for fd, _ in poll.poll()]
        if wakeup in ready:
            os.read(wakeup, 1 << 12)
            _bury(slots, others)
        if control.fileno() in ready:
            message, fds, _, _ = socket.recv_fds(control, MAX_MESSAGE, 1)
            if not message:
                break
            connection = socket.socket(fileno=fds[0])
            slot = _fork()
            if slot == 0:
                for fd in (wakeup, wakeup_write):
                    os.close(fd)
                control.close()
                with contextlib.suppress(ConnectionError):
                    _Slot(connection, mark, handlers, scratch).serve(message.decode())
                if os.getppid() != server:  # which cannot do so any more
                    os.execvp("rm", ["rm", "-rf", "--", scratch])
                os._exit(0)
            connection.close()
            slots.add(slot)
    _wait_for(slots)


def _warm_up(modules: List[str], scratch: str) -> str:
    """Import the engine's modules; say why there can be no warm start, if there cannot."""
    for name in in_order(modules):
        try:
            if refusal := _import(name, scratch):
                return refusal
        except BaseException as error:  # SystemExit, too
            traceback.print_exc()
            return f"{name} cannot be imported beforehand ({type(error).__name__}: {error})"
    fingerprint(modules)  # as it is before any simulation
    for part in (part for name in modules for part in PARTS.get(name, ())):
        with contextlib.suppress(ImportError):  # of another version
            _shelf.load(part)
    _shelf.hide()
    gc.collect()
    gc.freeze()  # collections in the children leave alone, and so shared, what is there already
    return ""


def _import(name: str, scratch: str) -> str:
    """Import a module; say what it does that a forked process would not get over."""
    if top_of(name) in KNOWN:
        _shelf.load(name)
        found = set()
    else:
        before, modules = footprint(scratch), frozenset(sys.modules)
        with _endings.kept():
            _shelf.load(name)
        found = footprint(scratch) - before
        if MPI_ENGINES & (sys.modules.keys() - modules):  # what its MPI does is known
            found = {each for each in found if each[2]}
    if device := open_gpu():
        return f"its modules open a GPU ({device}), which no forked process can use"
    for _, does, _ in sorted(found):
        return f"importing {name} {does}, which no forked process can use as its own"
    return ""


def _silence() -> None:
    """Say nothing more to the worker, which has heard how the start went."""
    _flush()
    nothing = os.open(os.devnull, os.O_WRONLY)
    for fd in (1, 2):
        os.dup2(nothing, fd)
    os.close(nothing)


def _flush() -> None:
    """Write out what is buffered: a forked process would write it once more."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    _LIBC.fflush(None)


def _fork() -> int:
    with warnings.catch_warnings():  # of threads, such as those of MPI
        warnings.simplefilter("ignore")
        return os.fork()


def _bury(slots: "set[int]", others: "set[int]") -> None:
    """Take note of slots that have ended, and end what theirs have left behind."""
    with contextlib.suppress(ChildProcessError):
        while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            slots.discard(pid)
    for pid in supervisor.children():
        if pid not in slots and pid not in others:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _wait_for(slots: "set[int]") -> None:
    """Wait for the slots to end, which know as well that the worker is gone."""
    end = time.monotonic() + _SLOTS_END
    while slots:
        _bury(slots, set())
        if time.monotonic() > end:
            _bury(set(), set())
            return
        time.sleep(0.01)


class _Mark:
    """The mark by which a worker finds the processes that a simulation has started.

    It stands in their environment. What the kernel shows of that is what a process was started
    with; a forked one has to be marked in the very place.
    """

    def __init__(self, mark: str) -> None:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        with open("/proc/self/environ", "rb") as file:
            environment = file.read()
        self._address = int(fields[47]) + environment.index(mark.encode())
        self._size = len(mark)

    def set(self, mark: str) -> None:
        """Mark this process."""
        assert len(mark) == self._size
        ctypes.memmove(self._address, mark.encode(), self._size)


# ---- a slot --------------------------------------------------------------------------------------


class _Slot:
    """Runs one simulation after the other."""

    def __init__(
        self, connection: socket.socket, mark: _Mark, handlers: _Handlers, scratch: str
    ) -> None:
        self._connection = connection
        self._scratch = scratch  # the server's
        self._mark = mark
        self._handlers = handlers
        self._scripts = _Scripts()
        self._wakeup, self._wakeup_write = supervisor.become_supervisor()
        _endings.take()

    def serve(self, mark: str) -> None:
        """Run what the worker asks for, until it wants nothing more."""
        self._mark.set(mark)
        self._say({})
        while True:
            message, fds, _, _ = socket.recv_fds(self._connection, MAX_MESSAGE, 4)
            if not message:
                return
            with contextlib.suppress(BrokenPipeError):  # the worker is gone: the next message is ""
                self._serve(json.loads(message), fds)

    def _serve(self, request: Dict[str, Any], fds: List[int]) -> None:
        """Run one simulation, and report on it."""
        scratch = request["scratch"]
        try:
            supervisor.make_scratch(scratch)
            os.chdir(request["directory"])
            script = self._scripts.find(request["script"])
            if script.refusal:
                report = {"refusal": script.refusal}
            else:
                child = self._start(request, script, fds)
                _close(fds)  # keeping them would hide their end of file
                report = supervisor.watch(
                    child, self._connection.fileno(), self._wakeup, request["time_limit"]
                )
                supervisor.remove_shared_memory([child, *supervisor.kill_everything()])
        except OSError as error:
            report = supervisor.not_started(error)
        _close(fds)
        os.chdir("/")
        is_clean = supervisor.remove_scratch(scratch)
        try:
            self._say({**report, "is_clean": is_clean})
        finally:
            if not is_clean:
                subprocess.run(["rm", "-rf", "--", scratch], check=False)
                self._say({})

    def _say(self, message: Dict[str, Any]) -> None:
        self._connection.send(json.dumps(message).encode() + b"\n")

    def _start(self, request: Dict[str, Any], script: "_Script", fds: List[int]) -> int:
        """Fork the simulation, in a session of its own; give its process id."""
        slot = os.getpid()
        child = os.fork()
        if child:
            return child
        try:
            os.setsid()
            supervisor.prctl(supervisor.PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != slot:
                os._exit(1)
            self._connection.close()
            for place in range(3):
                os.dup2(fds[place], place)
            _close([*fds[:3], self._wakeup, self._wakeup_write])
            self._mark.set(request["mark"])
            self._restore_signals()
            result = {RESULT: f"{fds[3]}:{pipe_number(fds[3])}"}
            _move_environment(self._scratch, request["scratch"])
            _become_fresh({**request["environment"], **result})
            script.run()
        except BaseException:  # a fault of this module
            traceback.print_exc()
        finally:
            os._exit(70)

    def _restore_signals(self) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)


def _close(fds: List[int]) -> None:
    while fds:
        os.close(fds.pop())


class _Endings:
    """What is to be done when a process ends.

    What belongs to the engine's modules, MPI above all, is left to the server; what other modules
    have asked for is done by every simulation, as it would be by a fresh process.
    """

    def __init__(self) -> None:
        self._functions: List[Tuple[Any, Any, Any]] = []
        self._finalizers: Dict[Any, Any] = {}

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Keep what is asked for meanwhile."""
        register = atexit.register
        before = dict(_registry())

        def note(function: Any, *args: Any, **kwargs: Any) -> Any:
            top = top_of(sys._getframe(1).f_globals.get("__name__", ""))
            if not (top in KNOWN or is_of_python(top)):
                self._functions.append((function, args, kwargs))
            return register(function, *args, **kwargs)

        atexit.register = note  # type: ignore[assignment]
        try:
            yield
        finally:
            atexit.register = register
            self._finalizers.update((k, v) for k, v in _registry().items() if k not in before)

    def take(self) -> None:
        """Forget the server's endings, and have those that were kept done by this process."""
        atexit._clear()
        _registry().clear()
        _registry().update(self._finalizers)
        # whether it has told atexit of itself
        weakref.finalize._registered_with_atexit = bool(self._finalizers)  # type: ignore[attr-defined]
        if self._finalizers:
            atexit.register(weakref.finalize._exitfunc)  # type: ignore[attr-defined]
        for module, name in (("logging", "shutdown"), ("multiprocessing.util", "_exit_function")):
            if found := _shelf.find(module):
                atexit.register(getattr(found, name))
        for function, args, kwargs in self._functions:
            atexit.register(function, *args, **kwargs)


def _registry() -> Dict[Any, Any]:
    return weakref.finalize._registry  # type: ignore[attr-defined, no-any-return]


_endings = _Endings()
_shelf = Shelf()


class _Scripts:
    """Scripts that were read already."""

    def __init__(self) -> None:
        self._known: Dict[str, Tuple[Any, _Script]] = {}
        self._preloaded = set(map(top_of, _shelf.names())) - set(map(top_of, _AT_START))

    def find(self, path: str) -> "_Script":
        """Read a script, unless it is the one that was read before."""
        directory = os.path.dirname(os.path.realpath(path))
        state = [_state(path), _state(directory)]
        before, script = self._known.get(path, (None, None))
        if script is None or before != state:
            script = _Script(path, directory, self._hidden(directory))
            self._known = {path: (state, script)}
        return script

    def _hidden(self, directory: str) -> str:
        """Give a module beside the script that a fresh process would take in place of another."""
        if not _HAS_SCRIPT_PATH:
            return ""
        with contextlib.suppress(OSError):
            for entry in sorted(os.listdir(directory)):
                name = entry.partition(".")[0]
                path = os.path.join(directory, entry)
                if name in self._preloaded and _is_module(path) and not _is_of(path, name):
                    return entry
        return ""


def _state(path: str) -> Any:
    """Give what changes when a file or a directory does; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _is_module(path: str) -> bool:
    if os.path.isdir(path):
        return os.path.exists(os.path.join(path, "__init__.py"))
    return path.endswith(tuple(importlib.machinery.all_suffixes()))


def _is_of(path: str, name: str) -> bool:
    """Say whether it is this file, or this folder, that a module has been imported from."""
    file = os.path.realpath(getattr(_shelf.find(name), "__file__", None) or "")
    return os.path.realpath(path) in (file, os.path.dirname(file))


class _Script:
    """A script, ready to run."""

    def __init__(self, path: str, directory: str, hidden: str) -> None:
        self._path = path
        self._directory = directory
        self._code: Optional[types.CodeType] = None
        self.refusal = ""
        if hidden:
            self.refusal = f"{hidden} beside the script has the name of a module that is imported"
            return
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("error")  # each child then gives its warnings, or its error, anew
            self._code = self._compile()

    def _compile(self) -> types.CodeType:
        with open(self._path, "rb") as file:
            return compile(file.read(), self._path, "exec", dont_inherit=True)

    def run(self) -> NoReturn:
        """Run the script as a fresh interpreter would, and end this process as that would."""
        modules = _shelf.names()
        status = self._execute()
        _end(status, modules)

    def _execute(self) -> int:
        """Run the script; give the exit code, or minus the number of a signal."""
        try:
            code = self._code or self._compile()
        except OSError as error:
            said = f"[Errno {error.errno}] {error.strerror}"
            print(f"{sys.executable}: can't open file {self._path!r}: {said}", file=sys.stderr)
            return 2
        except BaseException as error:
            return _report(error)
        try:
            exec(code, self._become_main())
        except SystemExit as end:
            return _status_of(end)
        except BaseException as error:
            return _report(error)
        return 0

    def _become_main(self) -> Dict[str, Any]:
        """Make the module ``__main__`` that the script is; give its names."""
        self._server = sys.modules["__main__"]  # which is still needed
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        main.__file__ = self._path
        main.__loader__ = importlib.machinery.SourceFileLoader("__main__", self._path)
        main.__dict__.update(__builtins__=builtins, __cached__=None, __annotations__={})
        sys.argv[:] = [self._path]
        if _HAS_SCRIPT_PATH:
            sys.path.insert(0, self._directory)
        return main.__dict__


# ---- a child -------------------------------------------------------------------------------------


def _move_environment(there: str, here: str) -> None:
    """Have variables mean this process's own directory, as PWD does that a shell has set."""
    for name, value in os.environ.items():
        if there in value:
            os.environ[name] = value.replace(there, here)


def _become_fresh(environment: Dict[str, Optional[str]]) -> None:
    """Take the simulation's environment, and randomness of its own."""
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    # Python's own random numbers are seeded anew at every fork; numpy's seed() is slow and imports
    if random := _shelf.find("numpy.random"):
        key = _shelf.find("numpy").frombuffer(os.urandom(4 * 624), "u4")
        random.set_state(("MT19937", key, 624))
    if tempfile := _shelf.find("tempfile"):  # which has perhaps looked at TMPDIR already
        tempfile.tempdir = None


def _status_of(end: SystemExit) -> int:
    """Give the exit code that a script asks for."""
    if end.code is None or isinstance(end.code, int):
        return (end.code or 0) & 0xFF
    print(end.code, file=sys.stderr)
    return 1


def _report(error: BaseException) -> int:
    """Say what ended a script, without the frames of this module; give the exit code."""
    at = error.__traceback__
    while at and at.tb_frame.f_code.co_filename == __file__:
        at = at.tb_next
    sys.excepthook(type(error), error.with_traceback(at), at)
    return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1


def _end(status: int, modules: "frozenset[str]") -> NoReturn:
    """End this process as Python ends, but for what belongs to the server: MPI, above all.

    Parameters
    ----------
    status : int
        Exit code, or minus the number of the signal to die of.
    modules : frozenset of str
        Those that were there before the script ran.
    """
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # waits for all but daemons
        atexit._run_exitfuncs()
    except BaseException:
        traceback.print_exc()
    _flush_files()
    # whoever else has something to do at the end does it when nobody holds it any more
    sys.modules.pop("__main__", None)
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    gc.collect()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream and not stream.closed:
                stream.flush()
        except BaseException as error:
            said = "".join(traceback.format_exception_only(type(error), error))
            print(f"Exception ignored in: {stream!r}\n{said}", end="", file=sys.stderr)
            status = 120  # as Python has it
    _LIBC.fflush(None)
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def _flush_files() -> None:
    """Write to its end what the script has left open, also where it is not let go in order."""
    writers = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
    for thing in gc.get_objects():
        if type(thing) in writers:
            with contextlib.suppress(Exception):
                thing.flush()


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as control:
        control.set_inheritable(False)
        main(control, sys.argv[2])
