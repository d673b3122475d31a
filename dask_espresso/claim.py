"""A driver's claim on a store: one driver at a time, on one machine or many."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

from .errors import InputError

logger = logging.getLogger(__name__)

HEARTBEAT = 10.0  # seconds between two signs of life
STALE = 60.0  # seconds without one after which an owner on another host counts as dead


class Claim:
    """Holds a store for this driver until it is released or the driver dies.

    On one host the kernel's file lock decides: it goes when its owner goes,
    however that happens. Between hosts, where file locks cannot be relied on,
    the claim file's age does: a living owner touches it every few seconds.

    Parameters
    ----------
    path : Path
        The claim file.

    Raises
    ------
    InputError
        If another driver holds the store; the message says which.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = _open_locked(path)
        try:
            _wait_until_stale(path)
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, json.dumps(_myself()).encode(), 0)
        except BaseException:
            os.close(self._fd)
            raise
        self._released = threading.Event()
        threading.Thread(target=self._keep_alive, name="claim", daemon=True).start()

    def __repr__(self) -> str:
        return f"Claim({str(self.path)!r})"

    @property
    def is_ours(self) -> bool:
        """Whether the file on disk is still the one that this driver holds."""
        try:
            return self.path.stat().st_ino == os.fstat(self._fd).st_ino
        except OSError:
            return False

    def _keep_alive(self) -> None:
        while not self._released.wait(HEARTBEAT):
            with contextlib.suppress(OSError):
                os.utime(self._fd)

    def release(self) -> None:
        """Give the store up."""
        self._released.set()
        if self.is_ours:
            self.path.unlink(missing_ok=True)
        os.close(self._fd)


def read_claim(path: Path) -> dict[str, Any]:
    """Say which driver holds the store; empty where none does or it is unknown."""
    try:
        owner = json.loads(path.read_text())
        return owner if isinstance(owner, dict) else {}
    except (OSError, ValueError):
        return {}


def holder(path: Path) -> dict[str, Any]:
    """Say which living driver holds the store; empty where none does."""
    owner = read_claim(path)
    if not owner:
        return {}
    if owner.get("host") == socket.gethostname():
        return owner if _is_locked(path) else {}
    return owner if _age(path) < STALE else {}


def _myself() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "job_id": os.environ.get("SLURM_JOB_ID", ""),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _open_locked(path: Path) -> int:
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise _refused(path) from None
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                os.close(fd)
                raise
        # the owner before may have deleted the file between open and lock
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(fd).st_ino:
                return fd
        os.close(fd)


def _is_locked(path: Path) -> bool:
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
    return False


def _age(path: Path) -> float:
    """Give the claim's age in seconds, by the clock of the server that keeps the file."""
    probe = path.with_name(f".{path.name}.{os.getpid()}.now")
    try:
        probe.touch()
        now = probe.stat().st_mtime
        return now - path.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _wait_until_stale(path: Path) -> None:
    """Wait out an owner on another host that gives no sign of life; refuse a living one."""
    owner = read_claim(path)
    job_id = os.environ.get("SLURM_JOB_ID")
    same_job = job_id and owner.get("job_id") == job_id  # our own job, requeued
    if not owner or owner.get("host") == socket.gethostname() or same_job:
        return
    age = _age(path)
    if age < STALE:
        logger.warning(
            "%s was held by the %s, %.0f s ago; waiting to see if it is alive",
            path, describe_owner(owner), age,
        )  # fmt: skip
    while age < STALE:
        time.sleep(1)
        before, age = age, _age(path)
        if age < before:
            raise _refused(path)


def describe_owner(owner: dict[str, Any]) -> str:
    """Say in words which driver this is."""
    job = f", job {owner['job_id']}" if owner.get("job_id") else ""
    return f"driver on {owner.get('host')}, pid {owner.get('pid')}{job}"


def _refused(path: Path) -> InputError:
    owner = read_claim(path)
    since = f", since {owner['since']}" if owner.get("since") else ""
    return InputError(
        f"{path.with_suffix('')}: in use by the {describe_owner(owner)}{since}; "
        "wait for it, stop it, or use another --store"
    )
