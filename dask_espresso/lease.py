"""A hold on a file or a folder that other drivers see.

On one host the kernel's lock decides: it goes when its owner goes, however that happens. Between
hosts, where locks cannot be relied on, the age does: a living owner touches it every few seconds.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
from pathlib import Path

from .files import aside_of, close_file

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
_LAST_SIGN = 1.0  # seconds in which a sign of life that is being given comes to its end


class Lease:
    """Gives signs of life for what is open and locked, until it is released.

    Parameters
    ----------
    fd : int
        The open file or folder; the lease closes it.
    heartbeat : float
        Seconds between two signs of life.

    Attributes
    ----------
    fd : int
        As given.
    """

    def __init__(self, fd: int, heartbeat: float) -> None:
        self.fd = fd
        self._heartbeat = heartbeat
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._keep_alive, name="lease", daemon=True)
        self._thread.start()

    def _keep_alive(self) -> None:
        while not self._is_over.wait(self._heartbeat):
            with contextlib.suppress(OSError):
                os.utime(self.fd)

    def release(self) -> None:
        """Give it up."""
        self._is_over.set()
        self._thread.join(_LAST_SIGN)  # a file server that is away could keep it
        close_file(self.fd)


def lock(fd: int, how: int = fcntl.LOCK_EX) -> bool:
    """Lock what is open; False where the file system has no locks.

    Raises
    ------
    BlockingIOError
        If another one holds it.
    """
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True


def open_locked(path: Path, how: int = fcntl.LOCK_EX) -> tuple[int, bool]:
    """Open a file or a folder, and lock it as :func:`lock` does; the caller closes it."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return fd, lock(fd, how)
    except BaseException:
        close_file(fd)
        raise


def last_sign(path: Path) -> float:
    """Give the time of an owner's last sign of life."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # opened, so that an NFS server is asked
    try:
        return os.fstat(fd).st_mtime
    finally:
        close_file(fd)


def age(path: Path) -> float:
    """Give the seconds since then, by the clock of the server that keeps the file.

    Raises
    ------
    OSError
        If that cannot be known, since nothing can be written there: clocks of hosts may differ.
    """
    probe = aside_of(path)
    try:
        probe.touch()
        now = probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)
    return now - last_sign(path)
