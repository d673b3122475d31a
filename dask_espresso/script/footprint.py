"""What a process has that a forked one would share, lack or inherit in a state that it must not.

Runs in the engine's own interpreter: with the standard library alone, on Python 3.9 and newer.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import select
import signal
import stat
import sys

from . import supervisor
from .preload import started_mpi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Found = tuple[str, str, str]  # what it is, what it does, whether it is a "file" or not

_HARMLESS = frozenset(("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"))
_GPU_DEVICES = ("/dev/nvidia", "/dev/kfd", "/dev/dri/render")
_KINDS = {"socket": "a socket", "pipe": "a pipe", "anon_inode": "something of the kernel"}


def footprint(scratch: str) -> "set[Found]":
    """Give what this process has of threads, processes, open files and the like.

    Parameters
    ----------
    scratch : str
        The process's own directory.

    Returns
    -------
    set of (str, str, str)
        For each: what tells it from others; in words what the code did that it comes from;
        ``file`` for what comes from no MPI, otherwise empty.
    """
    parts = (_descriptors(), _threads(), _processes(), _mappings(), _files(scratch), _others())
    return {found for part in parts for found in part}


def open_gpu() -> str:
    """Give the GPU's device that this process has open, if it has one."""
    return next((path for _, path in _open() if path.startswith(_GPU_DEVICES)), "")


def _open() -> "Iterator[tuple[int, str]]":
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            yield int(fd), os.readlink(f"/proc/self/fd/{fd}")


def _descriptors() -> "Iterator[Found]":
    mapped = {path for _, _, path in _maps()}
    of_python = {
        thing.fileno()
        for thing in gc.get_objects()
        if isinstance(thing, io.FileIO) and not thing.closed
    }
    for fd, path in _open():
        # a file that is in memory is open, too, but nobody's place in it changes
        if path not in _HARMLESS and (path not in mapped or fd in of_python):
            kind = path.partition(":")[0] if not path.startswith("/") else ""
            name = _KINDS.get(kind, os.path.basename(path) or path)
            yield f"{fd} {path}", f"leaves {name} open", "file" if _is_regular(fd) else ""


def _is_regular(fd: int) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISREG(os.fstat(fd).st_mode)
    return False


def _threads() -> "Iterator[Found]":
    threading = sys.modules.get("threading")
    named = threading.enumerate() if threading else ()
    names = {thread.native_id or 0: f" ({thread.name})" for thread in named}
    for task in set(map(int, os.listdir("/proc/self/task"))) - {os.getpid()}:
        yield f"thread {task}", f"starts a thread{names.get(task, '')}", ""


def _processes() -> "Iterator[Found]":
    for pid in supervisor.children():
        yield f"process {pid}", "starts a process", ""


def _maps() -> "Iterator[tuple[str, str, str]]":
    """Give address, permissions and path of what is in memory."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            address, permissions, _, _, _, *path = line.rstrip("\n").split(maxsplit=5)
            yield address, permissions, path[0] if path else ""


def _mappings() -> "Iterator[Found]":
    for address, permissions, path in _maps():
        is_nameless = path.endswith("(deleted)") or path.startswith(("/dev/", "/memfd:", "/SYSV"))
        if permissions.startswith("rw") and permissions.endswith("s") and is_nameless:
            yield f"memory {address}", "shares memory with forked processes", ""


def _files(scratch: str) -> "Iterator[Found]":
    for folder in ("run", "tmp"):
        with contextlib.suppress(OSError):
            for name in os.listdir(os.path.join(scratch, folder)):
                yield f"{folder} {name}", f"makes {name} in its directory", ""


def _others() -> "Iterator[Found]":
    if started_mpi():
        yield "MPI", "starts MPI", ""
    for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
        if any(signal.getitimer(timer)):
            yield f"timer {timer}", "sets a timer", ""
    poll = select.poll()
    poll.register(0, select.POLLIN)
    if not any(event & select.POLLIN for _, event in poll.poll(0)):
        yield "input", "reads standard input", "file"
