"""A process that forks one simulation after the other, and is their supervisor.

Runs in the engine's own interpreter: with the standard library alone, on Python 3.9 and newer.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import contextlib
import ctypes
import gc
import json
import os
import pickle
import signal
import struct

from . import supervisor
from .fresh import become_fresh, print_error
from .result_pipe import RESULT, pipe_number
from .scripts import Script, Scripts
from .shelf import Shelf
from .spare import SpareScratch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_MESSAGE = 1 << 17  # bytes
_FDS = struct.Struct("4i")  # standard input, output, error, and the pipe for the result
ROOM = _socket.CMSG_SPACE(_FDS.size)


class Mark:
    """The mark by which a worker finds the processes that a simulation has started.

    It stands in their environment. What the kernel shows of that is what a process was started
    with; a forked one has to be marked in the very place.
    """

    def __init__(self, mark: str) -> None:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        with open("/proc/self/environ", "rb") as file:
            environment = file.read()
        address = int(fields[47]) + environment.index(mark.encode())
        self._place = memoryview((ctypes.c_char * len(mark)).from_address(address)).cast("B")

    def set(self, mark: str) -> None:
        """Mark this process."""
        self._place[:] = mark.encode()


class Slot:
    """Runs one simulation after the other.

    Parameters
    ----------
    connection : socket
        To the worker, of whole messages.
    mark : Mark
        Of this process.
    handlers : dict
        What a simulation does at the signals that this process treats in its own way, as
        ``_signal`` has it.
    scratch : str
        The server's directory.
    shelf : Shelf
        Has the engine's modules.
    scripts : Scripts
        To find scripts with.
    """

    def __init__(
        self,
        connection: _socket.socket,
        mark: Mark,
        handlers: dict[int, Any],
        scratch: str,
        shelf: Shelf,
        scripts: Scripts,
    ) -> None:
        self._connection = connection
        self._scratch = scratch
        self._directories = SpareScratch(scratch)
        # such as PWD, which a shell has set
        self._of_scratch = {name: text for name, text in os.environ.items() if scratch in text}
        self._mark = mark
        self._handlers = handlers
        self._shelf = shelf
        self._scripts = scripts
        self._wakeup, self._wakeup_write = supervisor.become_supervisor()
        self._die_with_slot = supervisor.prepared_prctl(supervisor.PR_SET_PDEATHSIG, signal.SIGKILL)

    def serve(self, mark: str) -> None:
        """Run what the worker asks for, until it wants nothing more."""
        self._mark.set(mark)
        self._shelf.take_note()
        self._say({})
        while True:
            message, ancillary, _, _ = self._connection.recvmsg(MAX_MESSAGE, ROOM)
            if not message:
                return
            fds = list(_FDS.unpack(ancillary[0][2])) if ancillary else []
            with contextlib.suppress(BrokenPipeError):  # the worker is gone: the next message is ""
                self._serve(pickle.loads(message), fds)

    def _serve(self, request: dict[str, Any], fds: list[int]) -> None:
        """Run one simulation, and say what became of it."""
        scratch = request["scratch"]
        try:
            self._directories.make(scratch)
            os.chdir(request["directory"])
            script = self._scripts.find(request["script"])
            if script.refusal:
                said = {"refusal": script.refusal}
            else:
                if request["stdin_file"]:
                    supervisor.save_input(fds[0], request["stdin_file"])
                child = self._start(request, script, fds)
                _close(fds)  # keeping them would hide their end of file
                said = supervisor.watch(
                    child, self._connection.fileno(), self._wakeup, request["time_limit"]
                )
                supervisor.remove_shared_memory([child, *supervisor.kill_everything()])
        except OSError as error:
            said = supervisor.not_started(error)
        _close(fds)
        os.chdir("/")
        is_clean = not request["holds"] and self._directories.remove(scratch)
        try:
            self._say({**said, "is_clean": is_clean})
            if request["holds"]:
                self._connection.recv(1)  # the worker has looked at it, or is gone
        finally:
            if not is_clean:
                os.waitpid(os.posix_spawnp("rm", ["rm", "-rf", "--", scratch], os.environ), 0)
                self._say({})

    def _say(self, message: dict[str, Any]) -> None:
        self._connection.send(json.dumps(message).encode() + b"\n")

    def _start(self, request: dict[str, Any], script: Script, fds: list[int]) -> int:
        """Fork the simulation, in a session of its own; give its process id."""
        # before the fork, after which every page that is written to is copied
        slot = os.getpid()
        result = {RESULT: f"{fds[3]}:{pipe_number(fds[3])}"}
        environment = {**self._moved(request), **request["environment"], **result}
        not_its_own = [*fds[:3], self._wakeup, self._wakeup_write, self._connection.fileno()]
        gc.freeze()  # what is there already needs no look at the end
        child = os.fork()
        if child:
            return child
        try:
            os.setsid()
            self._die_with_slot()
            if os.getppid() != slot:
                os._exit(1)
            for place in range(3):
                os.dup2(fds[place], place)
            _close(not_its_own)
            self._mark.set(request["mark"])
            self._restore_signals()
            become_fresh(environment, self._shelf)
            script.run(request["arguments"])
        except BaseException:  # a fault of this module
            print_error()
        finally:
            os._exit(70)

    def _moved(self, request: dict[str, Any]) -> dict[str, str]:
        """Have variables mean the simulation's directory that mean the server's."""
        here = request["scratch"]
        return {n: text.replace(self._scratch, here) for n, text in self._of_scratch.items()}

    def _restore_signals(self) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            _signal.signal(number, handler)  # without making names of numbers, in each child


def _close(fds: list[int]) -> None:
    while fds:
        os.close(fds.pop())
