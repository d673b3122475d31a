"""An engine process that forks, and its slots, as the worker has them.

The other side is :mod:`dask_espresso.script.forkserver`.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import select
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from ..script import supervisor
from .bounded_text import BoundedText
from .conversation import Pipes
from .environment import SCRIPT
from .process_order import ProcessOrder, kill_marked, scratch_path
from .report import ProcessReport

_PROGRAM = SCRIPT / "forkserver.py"
_MAX_MESSAGE = 1 << 17  # bytes
_START_TIMEOUT = 300.0  # seconds; many nodes that import from one file system can take long
_SLOT_TIMEOUT = 30.0  # seconds
_END_TIMEOUT = 8.0  # seconds, somewhat longer than the server waits for its slots


class NoWarmStartError(RuntimeError):
    """Simulations of this engine, or of this script, cannot be forked; the message says why."""


class NoForkError(NoWarmStartError):
    """One simulation cannot be forked now; the next one may well be."""


class StartAbandonedError(RuntimeError):
    """The engine process was ended before it was warm, since it is not wanted any more."""


class WarmServer:
    """The engine process itself."""

    def __init__(
        self,
        command: Callable[[Mapping[str, str]], list[str]],
        environment: Callable[[str, str], dict[str, str]],
    ) -> None:
        self._is_abandoned = False
        self._scratch = Path(scratch_path())
        self._mark = uuid.uuid4().hex
        self._base = environment(str(self._scratch), self._mark)
        try:
            supervisor.make_scratch(str(self._scratch))
            self._start(command(self._base))
        except OSError as error:
            self._remove_scratch()
            raise NoWarmStartError(supervisor.not_started(error)["error"]) from error

    def _start(self, command: list[str]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._process = subprocess.Popen(
                [*command, str(_PROGRAM), str(theirs.fileno()), str(self._scratch)],
                stdin=subprocess.PIPE,  # pipes, as simulations have them
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self._scratch / "run",
                env=self._base,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except OSError:
            self._control.close()
            raise
        finally:
            theirs.close()

    def warm_up(self, preload: tuple[str, ...]) -> None:
        """Wait until it has done its imports; if it cannot be used then, it is gone.

        Raises
        ------
        NoWarmStartError
            If it cannot be used.
        StartAbandonedError
            If it was abandoned.
        """
        try:
            if refusal := self._wait_until_warm(preload):
                raise NoWarmStartError(refusal)
        except BaseException as error:
            self._process.kill()
            self.close()
            kill_marked(self._mark)  # what its imports have started
            if self._is_abandoned:
                raise StartAbandonedError(str(error)) from error
            raise

    def abandon(self) -> None:
        """Have whoever waits for it to get warm wait no longer."""
        self._is_abandoned = True
        with contextlib.suppress(OSError):  # it is gone already
            self._control.shutdown(socket.SHUT_RDWR)

    def _wait_until_warm(self, preload: tuple[str, ...]) -> str:
        """Hear what it prints until it is ready; give why it cannot be used, if so."""
        assert self._process.stdin
        assert self._process.stdout
        with contextlib.suppress(BrokenPipeError), self._process.stdin as stdin:
            stdin.write(b"\n")  # so that a module that reads it is found
        request = {"preload": preload, "mark": self._mark}
        with contextlib.suppress(BrokenPipeError):
            self._control.send(json.dumps(request).encode())
        printed, stdout = BoundedText(), self._process.stdout
        end = time.monotonic() + _START_TIMEOUT
        fds = [stdout.fileno(), self._control.fileno()]
        while ready := select.select(fds, [], [], max(0, end - time.monotonic()))[0]:
            if fds[0] in ready and (data := os.read(fds[0], 1 << 16)):
                printed.add(data)
            elif fds[1] in ready:
                if message := self._control.recv(_MAX_MESSAGE):
                    return str(json.loads(message)["refusal"])
                break
        last = (str(printed).strip().splitlines() or ["it printed nothing"])[-1]
        late = f" within {_START_TIMEOUT:.0f} s" if not ready else ""
        return f"the engine does not get warm{late}: {last}"

    def is_alive(self) -> bool:
        """Say whether it still runs."""
        return self._process.poll() is None

    def fork(self) -> WarmSlot:
        """Have it fork a slot.

        Raises
        ------
        NoForkError
            If it cannot just now.
        OSError
            If it is gone, or does not answer.
        """
        connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        mark = uuid.uuid4().hex
        try:
            with theirs:
                socket.send_fds(self._control, [mark.encode()], [theirs.fileno()])
            connection.settimeout(_SLOT_TIMEOUT)
            if not (message := connection.recv(_MAX_MESSAGE)):
                raise ConnectionResetError("it has ended")
            if refusal := json.loads(message).get("refusal"):
                raise NoForkError(refusal)
            connection.settimeout(None)
        except BaseException:
            connection.close()
            raise
        return WarmSlot(connection, mark, self._base)

    def close(self) -> None:
        """Have it end, and see that it does."""
        self._control.close()
        try:
            self._process.wait(_END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            kill_marked(self._mark)
        if self._process.stdout:
            self._process.stdout.close()
        self._remove_scratch()

    def _remove_scratch(self) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)


class WarmSlot:
    """The process that forks one simulation after the other.

    Attributes
    ----------
    is_usable : bool
        Whether it can run another one.
    """

    def __init__(self, connection: socket.socket, mark: str, base: Mapping[str, str]) -> None:
        self.is_usable = True
        self._connection = connection
        self._mark = mark
        self._base = base

    def run(self, order: ProcessOrder) -> ProcessReport:
        """Run one simulation to its end.

        Raises
        ------
        NoWarmStartError
            If its script cannot be run by forking.
        """
        with Pipes() as pipes:
            request = {
                "script": order.script,
                "arguments": order.given.arguments,
                "environment": self._changes(order.environment),
                "mark": order.mark,
                "directory": order.directory,
                "scratch": order.scratch,
                "time_limit": order.time_limit,
                "holds": order.holds,
                "stdin_file": order.given.stdin_file,
            }
            self.is_usable = False
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                socket.send_fds(self._connection, [pickle.dumps(request, 4)], pipes.theirs)
            pipes.hand_over()

            def kill() -> None:
                self._connection.close()
                kill_marked(self._mark, order.mark)

            heard, said = order.converse(pipes, self._connection.fileno(), kill)
        if said and not said["is_clean"]:
            with contextlib.suppress(OSError):
                if order.holds:
                    self._connection.send(b"{}")
                self._connection.recv(_MAX_MESSAGE)  # it has removed what the simulation left
        self.is_usable = bool(said) and self._connection.fileno() >= 0
        if refusal := said.get("refusal"):
            raise NoWarmStartError(refusal)
        return heard

    def _changes(self, environment: Mapping[str, str]) -> dict[str, str | None]:
        """Give what is other in an environment than in the server's; None for what is not there."""
        changed: dict[str, str | None] = {
            name: value for name, value in environment.items() if self._base.get(name) != value
        }
        changed.update((name, None) for name in self._base.keys() - environment.keys())
        return changed

    def is_alive(self) -> bool:
        """Say whether it waits for something to do."""
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Have it end."""
        self._connection.close()
