"""Warm start: an engine process that has done its imports, and forks instead of starting anew.

Three generations of processes:

* The *server*, started by a worker under the engine's own command, imports what the engine needs
  and forks a *slot* for every simulation that its worker runs at a time.
* A slot serves one simulation after the other. It is their supervisor, with all that this one
  promises (see :mod:`dask_espresso.supervisor`), and forks one *child* a simulation.
* The child becomes what a fresh interpreter would be that has been told to run the script, except
  that the engine's modules are there already, and runs it as ``__main__``.

Server and slots each have a connection to the worker, of whole messages: in JSON, but for what a
slot is asked to run, which is a pickle, read by one function of C. End of file on it means that the
worker is gone, or wants nothing more of this process. A slot needs no server to go on.

Usage: ``ENGINE-COMMAND forkserver.py FD SCRATCH``, with the connection and the server's directory,
which it removes when the worker is gone. Standard library only, Python 3.9 and newer.
"""

import sys

_AT_START = frozenset(sys.modules)  # what a fresh interpreter has before it runs a script
if not (getattr(sys.flags, "safe_path", False) or sys.flags.isolated):
    del sys.path[0]  # this file's own directory: its modules are not for everybody

import _signal  # noqa: E402
import _socket  # noqa: E402
import contextlib  # noqa: E402
import gc  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import select  # noqa: E402
import signal  # noqa: E402
import struct  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

from dask_espresso import supervisor  # noqa: E402
from dask_espresso.endings import Endings  # noqa: E402
from dask_espresso.fingerprint import KNOWN, MPI_ENGINES, top_of  # noqa: E402
from dask_espresso.footprint import footprint, open_gpu  # noqa: E402
from dask_espresso.fresh import flush_c, print_error  # noqa: E402
from dask_espresso.preload import PARTS, fingerprint, in_order  # noqa: E402
from dask_espresso.rehearsal import rehearse  # noqa: E402
from dask_espresso.scripts import Scripts  # noqa: E402
from dask_espresso.shelf import Shelf  # noqa: E402
from dask_espresso.slot import MAX_MESSAGE, ROOM, Mark, Slot  # noqa: E402

_SLOTS_END = 6.0  # seconds that slots have to end after the worker
_NUMBERS_OF_RANKS = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS")


def main(control: _socket.socket, scratch: str) -> None:
    """Serve the worker, and leave nothing behind, at whatever moment it goes."""
    if any(int(os.environ.get(name) or 1) > 1 for name in _NUMBERS_OF_RANKS):
        sys.exit("its command starts several MPI ranks, which cannot be forked")
    _restore_signals()
    with contextlib.suppress(ConnectionError):
        if message := control.recv(MAX_MESSAGE):
            request = json.loads(message)
            engine = _Engine(scratch)
            refusal = engine.warm_up(request["preload"])
            _silence()
            control.send(json.dumps({"refusal": refusal}).encode())
            if not refusal:
                _Server(control, engine, Mark(request["mark"])).serve()
    os.execvp("rm", ["rm", "-rf", "--", scratch])


def _restore_signals() -> None:
    """Treat signals as a fresh interpreter does, whatever this worker was started by ignores."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # workers block some
    for number in (signal.SIGCHLD, *supervisor.TO_ALL):
        if signal.getsignal(number) == signal.SIG_IGN:
            is_interrupt = number == signal.SIGINT
            signal.signal(number, signal.default_int_handler if is_interrupt else signal.SIG_DFL)


def _silence() -> None:
    """Say nothing more to the worker, which has heard how the start went."""
    for stream in (sys.stdout, sys.stderr):  # a forked process would write it once more
        with contextlib.suppress(Exception):
            stream.flush()
    flush_c()
    nothing = os.open(os.devnull, os.O_WRONLY)
    for fd in (1, 2):
        os.dup2(nothing, fd)
    os.close(nothing)


def _freeze() -> None:
    """Have collections leave alone what is there: children go on sharing it, and are quick."""
    gc.collect()
    gc.freeze()


class _Engine:
    """What this process has imported for the engine's simulations.

    Parameters
    ----------
    scratch : str
        This process's own directory.
    """

    def __init__(self, scratch: str) -> None:
        self.scratch = scratch
        self.shelf = Shelf()
        self.endings = Endings(self.shelf)

    def warm_up(self, modules: "list[str]") -> str:
        """Import the engine's modules; say why there can be no warm start, if there cannot."""
        for name in in_order(modules):
            try:
                if refusal := self._import(name):
                    return refusal
            except BaseException as error:  # SystemExit, too
                print_error()
                return f"{name} cannot be imported beforehand ({type(error).__name__}: {error})"
        fingerprint(modules)  # as it is before any simulation
        for part in (part for name in modules for part in PARTS.get(name, ())):
            with contextlib.suppress(ImportError):  # of another version
                self.shelf.load(part)
        self.shelf.hide()
        _freeze()
        rehearse(self.shelf, self.scratch)
        _freeze()
        return ""

    def _import(self, name: str) -> str:
        """Import a module; say what it does that a forked process would not get over."""
        if top_of(name) in KNOWN:
            self.shelf.load(name)
            found = set()
        else:
            before, modules = footprint(self.scratch), frozenset(sys.modules)
            with self.endings.kept():
                self.shelf.load(name)
            found = footprint(self.scratch) - before
            if MPI_ENGINES & (sys.modules.keys() - modules):  # what its MPI does is known
                found = {each for each in found if each[2]}
        if device := open_gpu():
            return f"its modules open a GPU ({device}), which no forked process can use"
        for _, does, _ in sorted(found):
            return f"importing {name} {does}, which no forked process can use as its own"
        return ""


class _Server:
    """Forks a slot whenever the worker asks for one.

    Parameters
    ----------
    control : socket
        The connection to the worker.
    engine : _Engine
        That has been warmed up.
    mark : Mark
        Of this process.
    """

    def __init__(self, control: _socket.socket, engine: _Engine, mark: Mark) -> None:
        self._control = control
        self._engine = engine
        self._mark = mark
        self._handlers = {
            number: _signal.SIG_DFL if (handler := _signal.getsignal(number)) is None else handler
            for number in (signal.SIGCHLD, *supervisor.TO_ALL)
        }
        self._wakeup, self._wakeup_write = supervisor.become_supervisor()
        self._others = set(supervisor.children())  # of MPI, say
        self._slots: "set[int]" = set()

    def serve(self) -> None:
        """Serve the worker until it is gone, or wants nothing more."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        while True:
            ready = [fd for fd, _ in poll.poll()]
            if self._wakeup in ready:
                os.read(self._wakeup, 1 << 12)
                self._bury()
            if self._control.fileno() in ready:
                message, ancillary, _, _ = self._control.recvmsg(MAX_MESSAGE, ROOM)
                if not message:
                    break
                (fd,) = struct.unpack_from("i", ancillary[0][2])
                with contextlib.closing(_socket.socket(fileno=fd)) as connection:
                    self._fork_slot(connection, message.decode())
        self._wait_for_slots()

    def _fork_slot(self, connection: _socket.socket, mark: str) -> None:
        """Fork a slot, or say why that cannot be done now."""
        server = os.getpid()
        try:
            with warnings.catch_warnings():  # of threads, such as those of MPI
                warnings.simplefilter("ignore")
                pid = os.fork()
        except OSError as error:  # too many processes, too little memory
            refusal = f"the warm engine process cannot be forked ({error.strerror})"
            with contextlib.suppress(ConnectionError):
                connection.send(json.dumps({"refusal": refusal}).encode())
            return
        if pid:
            self._slots.add(pid)
        else:
            self._serve_slot(connection, mark, server)

    def _serve_slot(self, connection: _socket.socket, mark: str, server: int) -> "NoReturn":
        """Be a slot, to its end."""
        for fd in (self._wakeup, self._wakeup_write):
            os.close(fd)
        self._control.close()
        engine = self._engine
        with contextlib.suppress(ConnectionError):
            scripts = Scripts(engine.shelf, _AT_START)
            slot = Slot(
                connection, self._mark, self._handlers, engine.scratch, engine.shelf, scripts
            )
            engine.endings.take()
            slot.serve(mark)
        if os.getppid() != server:  # which cannot do so any more
            os.execvp("rm", ["rm", "-rf", "--", engine.scratch])
        os._exit(0)

    def _bury(self) -> None:
        """Take note of slots that have ended, and end what theirs have left behind."""
        with contextlib.suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                self._slots.discard(pid)
        for pid in supervisor.children():
            if pid not in self._slots and pid not in self._others:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _wait_for_slots(self) -> None:
        """Wait for the slots to end, which know as well that the worker is gone."""
        end = time.monotonic() + _SLOTS_END
        self._others = set()
        while self._slots:
            self._bury()
            if time.monotonic() > end:
                self._slots = set()
                self._bury()
                return
            time.sleep(0.01)


if __name__ == "__main__":
    with contextlib.closing(_socket.socket(fileno=int(sys.argv[1]))) as control:
        os.set_inheritable(control.fileno(), False)
        main(control, sys.argv[2])
