"""A driver's claim on a store: one driver at a time, on one machine or many."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import socket
import time
import uuid
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import aside_of, close_file, describe_error, is_open_at, open_file, write_all
from ..lease import Lease, age, last_sign, lock, open_locked

logger = logging.getLogger(__name__)

HEARTBEAT = 10.0  # seconds between two signs of life
STALE = 60.0  # seconds without one after which an owner on another host counts as dead
_SETTLE = 2.0  # seconds in which of two drivers that take a store over at once one wins
_MAX_SIZE = 1 << 16  # bytes of a claim
_READERS = 0.5  # seconds in which those who only look at a claim let go of its lock


class Claim:
    """Holds a store for this driver until it is released or the driver dies.

    A new owner's claim is a new file, of other content: the one before can tell that it has lost
    the store. Numbers of files would not do: some file systems, such as sshfs, give a file's
    every name another one.

    Parameters
    ----------
    path : Path
        The claim file.

    Raises
    ------
    InputError
        If another driver holds the store; the message says which.
    OSError
        If the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lease = Lease(_take(path), HEARTBEAT)

    def __repr__(self) -> str:
        return f"Claim({str(self.path)!r})"

    @property
    def is_ours(self) -> bool:
        """Whether the file on disk is for certain still the one that this driver holds."""
        try:
            return self.look()
        except OSError:
            return False

    def look(self) -> bool:
        """Say whether the file on disk is still the one that this driver holds.

        Raises
        ------
        OSError
            If that cannot be known.
        """
        return _is_at(self.path, self._lease.fd)

    def release(self) -> None:
        """Give the store up."""
        try:
            if self.is_ours:
                self.path.unlink(missing_ok=True)
        except OSError as error:  # the next driver on this host sees that nobody holds it
            logger.warning("%s: cannot be removed: %s", self.path, describe_error(error))
        self._lease.release()


def read_claim(path: Path) -> dict[str, Any]:
    """Say which driver holds the store; empty where none does or it is unknown."""
    try:
        with open_file(path) as file:
            owner = json.load(file)
        return owner if isinstance(owner, dict) else {}
    except (OSError, ValueError):
        return {}


def holder(path: Path) -> dict[str, Any]:
    """Say which living driver holds the store; empty where none does."""
    owner = read_claim(path)
    if not owner:
        return {}
    try:
        if _is_here(owner) and _is_free(path):
            return {}
        return owner if _age_as_seen(path) < STALE else {}
    except BlockingIOError:
        return owner
    except OSError:  # it has just been released
        return {}


def _age_as_seen(path: Path) -> float:
    """Give it by the clock here where nothing can be written, as for a reader."""
    try:
        return age(path)
    except OSError:
        return time.time() - last_sign(path)


def _myself() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "boot": _boot(),
        "pid": os.getpid(),
        "job_id": os.environ.get("SLURM_JOB_ID", ""),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "token": uuid.uuid4().hex,
    }


def _boot() -> str:
    """Name this start of this machine: other machines may have the same name."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _is_here(owner: dict[str, Any]) -> bool:
    """Say whether the kernel here knows if an owner lives."""
    return owner.get("host") == socket.gethostname() and owner.get("boot", "") == _boot()


def _take(path: Path) -> int:
    """Put a claim of this driver's in place, and give its descriptor."""
    while True:
        fd, aside = _write_aside(path)
        try:
            _put(aside, path, fd)
            if not _is_at(path, fd):  # where there are no hard links, another one came between
                raise _refused(path)
            return fd
        except FileNotFoundError:  # released at this moment: once more
            close_file(fd)
        except BaseException:
            close_file(fd)
            raise
        finally:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)


def _write_aside(path: Path) -> tuple[int, Path]:
    """Write a claim that has its content and its lock before anybody sees it."""
    aside = aside_of(path)
    fd = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        lock(fd)
        write_all(fd, json.dumps(_myself()).encode())
        os.fsync(fd)  # to where its other names are read
    except BaseException:
        close_file(fd)
        aside.unlink(missing_ok=True)
        raise
    return fd, aside


def _put(aside: Path, path: Path, fd: int) -> None:
    """Give the claim its name, where no living driver's has it."""
    try:
        if _has_links(aside, fd):
            os.link(aside, path)
            return
    except FileExistsError:
        pass
    else:
        if not path.exists():
            aside.replace(path)
            return
    before = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        owner = read_claim(path)
        is_dead = (_lock_before_refusing(before, path) and _is_here(owner)) or _is_same_job(owner)
        if not is_dead:
            _wait_until_stale(path)
        if not _is_at(path, before):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        aside.replace(path)
    finally:
        close_file(before)
    if not is_dead:  # another one on a third host may have thought so too: the last one has it
        time.sleep(_SETTLE)
        if not _is_at(path, fd):
            raise _refused(path)


def _has_links(path: Path, fd: int) -> bool:
    """Say whether the file system has hard links, of which each is the same file, locks and all."""
    other = aside_of(path)
    try:
        os.link(path, other)
    except OSError:
        return False
    try:
        return is_open_at(other, fd)
    finally:
        other.unlink(missing_ok=True)


def _is_at(path: Path, fd: int) -> bool:
    """Say whether a path leads to the claim that is open, or to one of the very same content."""
    try:
        with open_file(path) as file:
            return file.read(_MAX_SIZE) == os.pread(fd, _MAX_SIZE, 0)
    except FileNotFoundError:
        os.fsync(fd)  # which fails where not the file is gone, but its file system
        return False


def _is_same_job(owner: dict[str, Any]) -> bool:
    """Say whether the owner was this job, which has been requeued since."""
    job_id = os.environ.get("SLURM_JOB_ID")
    return bool(job_id) and owner.get("job_id") == job_id


def _lock_before_refusing(fd: int, path: Path) -> bool:
    """Lock a claim that nobody holds; False where the file system has no locks."""
    deadline = time.monotonic() + _READERS
    while True:
        try:
            return lock(fd)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise _refused(path) from None
            time.sleep(_READERS / 10)


def _is_free(path: Path) -> bool:
    """Say whether locks work here and nobody holds it; BlockingIOError if somebody does."""
    fd, is_locked = open_locked(path, fcntl.LOCK_SH)
    close_file(fd)
    return is_locked


def _wait_until_stale(path: Path) -> None:
    """Wait out an owner on another host that gives no sign of life; refuse a living one."""
    seconds, last = age(path), last_sign(path)
    if seconds >= STALE:
        return
    who = _who(read_claim(path))
    logger.warning(
        "%s was held by %s, %.0f s ago; waiting to see if it is alive", path, who, seconds
    )
    # no longer than that also where its clock was ahead
    end = time.monotonic() + STALE - max(seconds, 0)
    while time.monotonic() < end:
        time.sleep(min(1, HEARTBEAT))
        if last_sign(path) != last:
            raise _refused(path)


def describe_owner(owner: dict[str, Any]) -> str:
    """Say in words which driver this is."""
    job = f", job {owner['job_id']}" if owner.get("job_id") else ""
    return f"driver on {owner.get('host')}, pid {owner.get('pid')}{job}"


def _who(owner: dict[str, Any]) -> str:
    return f"the {describe_owner(owner)}" if owner else "another driver"


def _refused(path: Path) -> InputError:
    owner = read_claim(path)
    since = f", since {owner['since']}" if owner.get("since") else ""
    return InputError(
        f"{path.with_suffix('')}: in use by {_who(owner)}{since}; "
        "wait for it, stop it, or use another --store"
    )
