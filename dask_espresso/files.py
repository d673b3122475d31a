"""Files that are replaced as a whole: built aside, fsynced, renamed.

A driver that has lost its store to another one may stand still anywhere and go on at any time.
What it is building aside is removed by the one that took over (:func:`remove_leftovers`), so that
its rename fails; and before it renames it looks whether the store is still its own.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from .errors import ResumableError

if TYPE_CHECKING:
    from typing_extensions import Buffer

    Record: TypeAlias = tuple[Buffer, ...]  # one behind the other they are what stands in the file

LARGE = 1 << 20  # bytes from which on a copy is one too many
_RANDOM = 8  # characters of a name aside, so that it is nobody else's


def replace_file(
    path: Path, parts: Iterable[Buffer], may_replace: Callable[[], bool] | None = None
) -> int:
    """Replace a file, or make it, at once and as a whole.

    Parameters
    ----------
    path : Path
        If it is a link, what it leads to is replaced.
    parts : iterable of bytes-like
        The content, in pieces.
    may_replace : callable, optional
        Asked at the last moment.

    Returns
    -------
    int
        Descriptor of the new file, open for appending; the caller closes it.

    Raises
    ------
    OSError
        If it cannot be written, or may not be replaced; the old file is then untouched.
    """
    aside = Aside(path)
    try:
        for part in parts:
            write_all(aside.fd, part)
        aside.replace(may_replace)
    except BaseException:
        aside.discard()
        raise
    return aside.fd


class Aside:
    """The next version of a file, which is built beside it.

    Parameters
    ----------
    path : Path
        What it is to replace; if that is a link, what it leads to.
    flags : int, optional
        How it is opened, beside for reading and writing.

    Attributes
    ----------
    fd : int
        Its descriptor, which the caller closes.

    Raises
    ------
    OSError
        If it cannot be made.
    """

    def __init__(self, path: Path, flags: int = os.O_APPEND) -> None:
        self._path = path.resolve()
        self._aside = aside_of(self._path)
        flags |= os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self.fd = os.open(self._aside, flags, 0o666)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(self.fd, self._path.stat().st_mode & 0o777)
        except BaseException:
            self.discard()
            raise

    def replace(self, may_replace: Callable[[], bool] | None = None) -> None:
        """Take the place of the file, if it may, which is asked at the last moment.

        Raises
        ------
        OSError
            If it cannot be done; the old file is then untouched.
        """
        os.fsync(self.fd)
        if may_replace and not may_replace():
            raise OSError(errno.EBUSY, "another driver has taken the store over")
        self._aside.replace(self._path)
        sync_directory(self._path.parent)

    def discard(self) -> None:
        """Close and remove it."""
        close_file(self.fd)
        with contextlib.suppress(OSError):
            self._aside.unlink(missing_ok=True)


def aside_of(path: Path) -> Path:
    """Give a name, beside a file and nobody else's, to build its next version under."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:_RANDOM]}.tmp")


def remove_leftovers(path: Path) -> None:
    """Remove what drivers before were building aside of a file."""
    path = path.resolve()
    random = "?" * _RANDOM
    aside = f".{path.name}.{random}.tmp"
    for pattern in (aside, f".{aside}.{random}.tmp"):  # also of what was itself being built
        for leftover in path.parent.glob(pattern):
            leftover.unlink(missing_ok=True)


def write_all(fd: int, data: Buffer) -> None:
    """Write all of it."""
    view = memoryview(data).cast("B")
    while view:
        view = view[os.write(fd, view) :]


def join_small(parts: Iterable[Buffer]) -> Iterator[Buffer]:
    """Join small pieces, so that few calls write them; large ones are not copied."""
    small: list[Buffer] = []
    size = 0
    for part in parts:
        is_large = memoryview(part).nbytes >= LARGE
        if small and (is_large or size >= LARGE):
            yield b"".join(small)
            small, size = [], 0
        if is_large:
            yield part
        else:
            small.append(part)
            size += memoryview(part).nbytes
    if small:
        yield b"".join(small)


def close_file(fd: int) -> None:
    """Close a file that needs nothing of its closing: what had to be on disk was fsynced before.

    A file server that is away makes this fail; the descriptor is free nevertheless.
    """
    with contextlib.suppress(OSError):
        os.close(fd)


_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)
_AWAY = (
    errno.EIO,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.ENOLINK,
    errno.ENOTCONN,
    errno.EREMOTEIO,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ECONNABORTED,
    errno.ENODEV,
    errno.ENXIO,
)


def is_away(error: OSError) -> bool:
    """Say whether the file system has failed, rather than refused: that passes."""
    return error.errno in _AWAY


def describe_error(error: OSError) -> str:
    """Say why a file cannot be used, and what helps against that."""
    said = error.strerror or str(error)
    if error.errno in _FULL:
        return f"{said}; make room"
    if error.errno in _FORBIDDEN:
        return f"{said}; make it writable"
    if is_away(error):
        return f"{said}; wait until its file system is well again: its server or disk may be away"
    return said


@contextlib.contextmanager
def failing_files(path: Path) -> Iterator[None]:
    """Say in one message that a file system fails, wherever that is noticed."""
    try:
        yield
    except OSError as error:
        if error.errno is None or isinstance(error, ConnectionError):
            raise
        raise ResumableError(
            f"{error.filename or path}: {describe_error(error)}, and run again: "
            "all that was recorded is safe"
        ) from error


def is_open_at(path: Path, fd: int) -> bool:
    """Say whether a path still leads to the file that is open."""
    return file_number(path) == os.fstat(fd).st_ino


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading; never one that could make a reader wait, or that has no end.

    Raises
    ------
    OSError
        If it cannot be opened, or is a pipe, a device, a directory.
    """
    # without waiting for somebody to write into a pipe
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        is_directory = stat.S_ISDIR(os.fstat(fd).st_mode)
        close_file(fd)
        number = errno.EISDIR if is_directory else errno.EINVAL
        raise OSError(number, os.strerror(number) if is_directory else "Not a regular file", path)
    return os.fdopen(fd, "rb")


def followed(path: Path) -> Path:
    """Give the file itself where a path is a link, and else the path as it is.

    Raises
    ------
    OSError, RuntimeError
        If links lead in a circle.
    """
    if not path.is_symlink():
        return path
    resolved = path.resolve()
    if resolved.is_symlink():  # a circle; before 3.13, Python itself says so, with a RuntimeError
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return resolved


def file_number(path: Path) -> int | None:
    """Give a number that no other file there has; None where there is no file."""
    # opening asks an NFS server, where stat would do with what it said a minute ago
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return os.fstat(fd).st_ino
    finally:
        close_file(fd)


def sync_directory(path: Path) -> None:
    """Make a rename in this directory survive a power failure."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # there is nothing to be done about it
            raise
    finally:
        close_file(fd)


def file_hash(path: str | os.PathLike[str]) -> str:
    """Give a file's SHA-256 as hexadecimal digits."""
    digest = hashlib.sha256()
    with open_file(path) as file:
        while piece := file.read(LARGE):  # a trajectory may be larger than the memory
            digest.update(piece)
    return digest.hexdigest()
