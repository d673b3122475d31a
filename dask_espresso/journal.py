r"""An append-only file of checksummed, fsynced records.

Layout: the line ``dask_espresso journal 1``, then records. A record is the
marker ``\xc1REC``, the payload's length and CRC-32 (little-endian, 32 bit
each), the payload, which is never empty. Every driver appends a record that
describes the store. ``\xc1`` occurs in no msgpack or UTF-8 text, so that reading
finds the next record behind a damaged one.
"""

from __future__ import annotations

import logging
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from .errors import InputError
from .files import is_open_at, open_file, replace_file, write_all

logger = logging.getLogger(__name__)

_MAGIC = b"dask_espresso journal "
_FIRST_LINE = _MAGIC + b"1\n"
_MARKER = b"\xc1REC"
_HEAD = struct.Struct("<4sII")


def _frame(payload: bytes) -> bytes:
    assert payload  # zeros, as they are left of lost blocks, would read as an empty one
    return _HEAD.pack(_MARKER, len(payload), zlib.crc32(payload)) + payload


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
        with open_file(path) as file:
            return _parse(path, file.read())
    except FileNotFoundError:
        return [], 0


def _parse(path: Path, data: bytes) -> tuple[list[bytes], int]:
    is_begun = data.startswith(_FIRST_LINE)
    records, end = [], len(_FIRST_LINE) if is_begun else 0
    for start, payload in _whole_records(data, end):
        if start > end:
            logger.warning("%s: %d damaged bytes at %d passed over", path, start - end, end)
        records.append(payload)
        end = start + _HEAD.size + len(payload)
    # one killed while it was being made is empty, and so is one whose blocks were lost
    if end == 0 and not _FIRST_LINE.startswith(data) and any(data):
        if data.startswith(_MAGIC):
            raise InputError(f"{path}: a journal of a newer dask_espresso; update this one")
        raise InputError(f"{path}: not a journal of dask_espresso; move it away")
    return records, end


def _whole_records(data: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    view = memoryview(data)
    while (start := data.find(_MARKER, start)) >= 0 and start + _HEAD.size <= len(data):
        _, size, checksum = _HEAD.unpack_from(data, start)
        payload = view[start + _HEAD.size : start + _HEAD.size + size]
        if size and len(payload) == size and zlib.crc32(payload) == checksum:
            yield start, bytes(payload)
            start += _HEAD.size + size
        else:
            start += 1


class Journal:
    """A journal open for appending, in a file that nobody had open before.

    Opening copies it: a driver that held it before, and goes on after all, then writes to a file
    that has lost its name, and can tell.

    Parameters
    ----------
    path : Path
        Made if it is not there; damage and a torn tail are left out, with a warning.
    description : bytes
        The record that every opening appends, and an emptied journal begins with.
    may_replace : callable, optional
        Says whether the file at the path is this driver's to replace.
    """

    def __init__(
        self, path: Path, description: bytes, may_replace: Callable[[], bool] | None = None
    ) -> None:
        self.path = path
        self._description = description
        self._may_replace = may_replace
        self._fd, self._end = -1, 0
        try:
            with open_file(path) as before:
                self._copy(before)
        except FileNotFoundError:
            self._replace(_FIRST_LINE + _frame(description))

    def __repr__(self) -> str:
        return f"Journal({str(self.path)!r})"

    def _copy(self, before: BinaryIO) -> None:
        data = before.read()
        records, end = _parse(self.path, data)
        if torn := len(data) - end:
            logger.warning("%s: a torn record of %d bytes at the end was cut off", self.path, torn)
        self._replace(_FIRST_LINE + b"".join(map(_frame, [*records, self._description])))
        # what its driver appended until just now, it takes for recorded
        if late := before.read():
            found, _ = _parse(self.path, data + late)
            self.append([*found[len(records) :], self._description])

    def append(self, payloads: list[bytes]) -> None:
        """Write records and wait until they are on disk, under the journal's name.

        Raises
        ------
        OSError
            If they could not all be written; then none of them is there. Or if the journal has
            been taken away, and is not this driver's to put back.
        """
        try:
            write_all(self._fd, b"".join(map(_frame, payloads)))
            os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, self._end)
            raise
        self._end = os.fstat(self._fd).st_size
        self.put_back()

    def put_back(self) -> None:
        """Write the journal again if somebody has moved or deleted it.

        Raises
        ------
        OSError
            If it cannot be written, or is not this driver's to put back.
        """
        if is_open_at(self.path, self._fd):
            return
        before = self._fd
        self._replace(os.pread(before, self._end, 0))
        os.close(before)
        logger.warning("%s: was moved or deleted, and has been written again", self.path)

    def _replace(self, data: bytes) -> None:
        self._fd = replace_file(self.path, data, may_replace=self._may_replace)
        self._end = len(data)

    def restart(self, is_published: Callable[[], bool] = lambda: True) -> None:
        """Forget all records, unless what they were published to turns out to be gone."""
        records = os.pread(self._fd, self._end, len(_FIRST_LINE))
        # in place, so that a driver that has lost its store can do no harm
        self._end = len(_FIRST_LINE)
        os.ftruncate(self._fd, self._end)
        self.append([self._description])
        if not is_published():
            write_all(self._fd, records)
            os.fsync(self._fd)
            self._end += len(records)

    def close(self) -> None:
        """Close the file; what was appended is on disk already."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def remove(self) -> None:
        """Close the journal and delete it, unless its name is another file's by now."""
        if is_open_at(self.path, self._fd):
            self.path.unlink(missing_ok=True)
        self.close()
