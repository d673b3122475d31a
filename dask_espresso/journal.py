r"""An append-only file of checksummed, fsynced records.

Layout: the line ``dask_espresso journal 1``, then records. A record is the
marker ``\xc1REC``, the payload's length, a CRC-32 of marker, length and payload
(little-endian, 32 bit each), the payload. Every driver begins with a record that
describes the store.
``\xc1`` occurs in no msgpack or UTF-8 text, so that reading finds the
next record behind a damaged one.
"""

from __future__ import annotations

import logging
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from .errors import InputError

logger = logging.getLogger(__name__)

_MAGIC = b"dask_espresso journal "
_FIRST_LINE = _MAGIC + b"1\n"
_MARKER = b"\xc1REC"
_HEAD, _LENGTH = struct.Struct("<4sII"), struct.Struct("<4sI")


def _frame(payload: bytes) -> bytes:
    return _HEAD.pack(_MARKER, len(payload), _checksum(payload)) + payload


def _checksum(payload: bytes | memoryview) -> int:
    # with marker and length, so that zeros, as they are left of lost blocks, are no empty record
    return zlib.crc32(payload, zlib.crc32(_LENGTH.pack(_MARKER, len(payload))))


def read_journal(path: Path) -> tuple[list[bytes], int]:
    """Read all whole records.

    Parameters
    ----------
    path : Path
        The journal, which may be growing meanwhile, or not exist.

    Returns
    -------
    records : list of bytes
        The payloads. Damaged records are passed over with a warning.
    end : int
        Where the last whole record ends, in bytes; what follows is a torn tail.

    Raises
    ------
    InputError
        If the file is no journal, or a newer version's.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    if not data.startswith(_FIRST_LINE):
        if _FIRST_LINE.startswith(data):  # killed while it was being made
            return [], 0
        if data.startswith(_MAGIC):
            raise InputError(f"{path}: a journal of a newer dask_espresso; update this one")
        raise InputError(f"{path}: not a journal of dask_espresso; move it away")
    records, end = [], len(_FIRST_LINE)
    for start, payload in _whole_records(data, end):
        if start > end:
            logger.warning("%s: %d damaged bytes at %d passed over", path, start - end, end)
        records.append(payload)
        end = start + _HEAD.size + len(payload)
    return records, end


def _whole_records(data: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    view = memoryview(data)
    while (start := data.find(_MARKER, start)) >= 0 and start + _HEAD.size <= len(data):
        _, size, checksum = _HEAD.unpack_from(data, start)
        payload = view[start + _HEAD.size : start + _HEAD.size + size]
        if len(payload) == size and _checksum(payload) == checksum:
            yield start, bytes(payload)
            start += _HEAD.size + size
        else:
            start += 1


class Journal:
    """A journal open for appending.

    Parameters
    ----------
    path : Path
        Made if it is not there; a torn tail is cut, with a warning.
    description : bytes
        The record that every opening appends, and a new journal begins with.
    """

    def __init__(self, path: Path, description: bytes) -> None:
        self.path = path
        self._description = description
        _, end = read_journal(path)
        if end == 0:
            self.restart()
            return
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        self._end = end
        torn = os.fstat(self._fd).st_size - end
        if torn:
            logger.warning("%s: a torn record of %d bytes at the end was cut off", path, torn)
            os.ftruncate(self._fd, end)
        self.append([description])

    def __repr__(self) -> str:
        return f"Journal({str(self.path)!r})"

    def append(self, payloads: list[bytes]) -> None:
        """Write records and wait until they are on disk.

        Raises
        ------
        OSError
            If they could not all be written; then none of them is there.
        """
        try:
            _write_all(self._fd, b"".join(map(_frame, payloads)))
            os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, self._end)
            raise
        self._end = os.fstat(self._fd).st_size

    def restart(self) -> None:
        """Begin an empty journal in place of this one, at once and as a whole."""
        aside = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        fd = os.open(aside, flags, 0o666)
        try:
            _write_all(fd, _FIRST_LINE + _frame(self._description))
            os.fsync(fd)
            aside.replace(self.path)
            sync_directory(self.path.parent)
        except OSError:
            os.close(fd)
            aside.unlink(missing_ok=True)
            raise
        self.close()
        self._fd = fd
        self._end = os.fstat(fd).st_size

    def close(self) -> None:
        """Close the file; what was appended is on disk already."""
        if hasattr(self, "_fd"):
            os.close(self._fd)
            del self._fd

    def remove(self) -> None:
        """Close and delete the journal."""
        self.close()
        self.path.unlink(missing_ok=True)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync_directory(path: Path) -> None:
    """Make a rename in this directory survive a power failure."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
