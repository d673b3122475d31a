"""Processes that are ready before Dask asks for workers on this machine.

A new worker process takes most of a second to import what the driver has imported already. One that
was forked here has that at once. It is forked while there are no threads yet, waits to be told what
`multiprocessing` tells a new interpreter, and is then like one: what is told comes with the
environment of that moment, and what only the driver has is forgotten.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import fcntl
import gc
import json
import logging
import os
import signal
import socket
import sys
import threading
import traceback
import types
import warnings
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ..inputs.profile import Profile
from ..signals import signals_stay_here
from .safe_worker import Spawn, safe_children, spawned_by

_MOST_FILES = 64  # that a worker process is given
_TITLE = b"dask worker (spawn_main)"  # instead of the driver's, whom others may look for


@dataclass(frozen=True)
class _Ready:
    """A process that waits to be told what to do."""

    pid: int
    connection: socket.socket

    def tell(self, words: Sequence[Any], files: Sequence[int]) -> None:
        """Have it do what an interpreter with these arguments would."""
        told = {"words": words, "numbers": files, "environment": dict(os.environ)}
        with self.connection:
            socket.send_fds(self.connection, [b"."], list(files))
            self.connection.sendall(json.dumps(told).encode())

    def dismiss(self) -> None:
        """End it."""
        self.connection.close()
        os.waitpid(self.pid, 0)


_ready: list[_Ready] = []


@contextlib.contextmanager
def workers_ahead(profile: Profile) -> Iterator[None]:
    """Have the processes of a profile's first workers ready, where they are on this machine.

    Those that come later, in place of some that have died, start as ever.
    """
    number = profile.options.get("n_workers", 1) if profile.cluster == "local" else 0
    try:
        if isinstance(number, int) and threading.active_count() == 1:
            with safe_children(), signals_stay_here():
                for _ in range(number):
                    _ready.append(_fork())
        yield
    finally:
        while _ready:
            _ready.pop().dismiss()


@contextlib.contextmanager
def taken_from_reserve() -> Iterator[None]:
    """Have `multiprocessing` take processes that are ready, as long as there are any."""

    def take(start: Spawn, path: bytes, words: Sequence[Any], files: Sequence[int]) -> int:
        if "--multiprocessing-fork" in words and len(files) <= _MOST_FILES:
            while _ready:
                one = _ready.pop()
                try:
                    one.tell(words[words.index("-c") + 1 :], files)
                except OSError:  # it has died
                    one.dismiss()
                else:
                    return one.pid
        return start(path, words, files)

    with spawned_by(take):
        yield


def _fork() -> _Ready:
    ours, theirs = socket.socketpair()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # or both would write what waits there
    with warnings.catch_warnings():
        # threads of numpy's library are none of Python's, and that library knows of forks
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if not pid:
        ours.close()
        _wait(theirs)
    theirs.close()
    return _Ready(pid, ours)


# ---- in the process that was forked --------------------------------------------------------------


def _wait(connection: socket.socket) -> NoReturn:
    """Be what is told; end if nothing is, which is also when the driver is gone."""
    status = 1
    try:
        _forget(connection.fileno())
        files = socket.recv_fds(connection, 1, _MOST_FILES)[1]
        told = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        connection.close()
        status = _run(files=files, **json.loads(told)) if told else 0
        atexit._run_exitfuncs()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)  # what the driver does at its end is not done here


def _forget(connection: int) -> None:
    """Forget what a new interpreter would not know."""
    while _ready:
        _ready.pop().connection.detach()
    for fd in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208
        if fd > 2 and fd != connection:
            with contextlib.suppress(OSError):
                os.close(fd)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            is_ctrl_c = number == signal.SIGINT
            signal.signal(number, signal.default_int_handler if is_ctrl_c else signal.SIG_DFL)
    for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]
        finalizer.atexit = False
    weakref.finalize._registered_with_atexit = False  # type: ignore[attr-defined]
    atexit._clear()
    sys.unraisablehook = sys.__unraisablehook__
    logging.root.handlers.clear()
    logging.root.setLevel(logging.WARNING)
    gc.set_threshold(700)
    gc.freeze()  # what is there is shared with the driver as long as it is left alone


def _run(
    words: list[str], environment: dict[str, str], files: list[int], numbers: list[int]
) -> int:
    """Be ``python -c WORDS…`` with these files under these numbers; give its exit status."""
    os.environ.clear()
    os.environ.update(environment)
    _renumber(files, numbers)
    _set_title()
    code, *arguments = words
    sys.argv = ["-c", *arguments]
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        exec(code, vars(main))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _renumber(files: list[int], numbers: list[int]) -> None:
    """Give open files other numbers, none of which is in the way of another."""
    beyond = max(numbers) + 1
    for fd, number in zip([_moved(fd, beyond) for fd in files], numbers, strict=True):
        os.dup2(fd, number)
        os.close(fd)


def _moved(fd: int, beyond: int) -> int:
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, beyond)
    os.close(fd)
    return moved


def _set_title() -> None:
    """Have lists of processes show a worker; the memory of the arguments is this process's own."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])
    if size := end - begin:
        ctypes.memmove(begin, _TITLE[: size - 1].ljust(size, b"\0"), size)
