r"""An append-only file of checksummed, fsynced records.

Layout: the line ``dask_espresso journal 1``, then records. A record is the
marker ``\xc1REC``, the payload's length and CRC-32 (little-endian, 32 bit
each), the payload, which is never empty. Every driver appends a record that
describes the store. ``\xc1`` occurs in no msgpack or UTF-8 text, so that reading
finds the next record behind a damaged one.
"""

from __future__ import annotations

import itertools
import logging
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..errors import InputError
from ..files import LARGE, close_file, is_open_at, join_small, open_file, replace_file, write_all

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ..files import Record

logger = logging.getLogger(__name__)

_MAGIC = b"dask_espresso journal "
_FIRST_LINE = _MAGIC + b"1\n"
_MARKER = b"\xc1REC"
_HEAD = struct.Struct("<4sII")


def journal_path(path: Path) -> Path:
    """Give the path of the journal beside a store."""
    return path.with_suffix(".journal")


def _frame(record: Record) -> Iterator[Buffer]:
    """Give what stands in the file for a record, in pieces."""
    size = sum(memoryview(part).nbytes for part in record)
    assert size  # zeros, as they are left of lost blocks, would read as an empty one
    if size >= 1 << 32:
        raise ValueError(f"a record of {size} bytes: a journal holds less than 4 GiB in one")
    checksum = 0
    for part in record:
        checksum = zlib.crc32(part, checksum)
    yield _HEAD.pack(_MARKER, size, checksum)
    yield from record


def _frames(records: Iterable[Record], beginning: bytes = b"") -> Iterator[Buffer]:
    """Give what stands in the file for records, in as few pieces as go without copying arrays."""
    parts = itertools.chain.from_iterable(map(_frame, records))
    return join_small(itertools.chain([beginning], parts))


def read_journal(path: Path, end: int | None = None) -> Iterator[bytes]:
    """Read all whole records, one at a time.

    Parameters
    ----------
    path : Path
        The journal, which may be growing meanwhile, or not exist.
    end : int, optional
        Up to where; by default as far as it goes now.

    Yields
    ------
    bytes
        The payload. Damaged records are passed over with a warning.

    Raises
    ------
    InputError
        If the file is no journal, or a newer version's.
    """
    try:
        file = open_file(path)
    except FileNotFoundError:
        return
    with file:
        yield from _Records(path, file, end=end)


class _Records:
    """The payloads of the whole records in a file, as long as it is now.

    Attributes
    ----------
    size : int
        Of the file, in bytes.
    end : int
        Where the last record read so far ends; behind the last of all is a torn tail.
    """

    def __init__(self, path: Path, file: BinaryIO, start: int = 0, end: int | None = None) -> None:
        self.size = file.seek(0, os.SEEK_END)
        if end is not None:
            self.size = min(self.size, end)
        self.end = start
        self._path, self._file = path, file

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        beginning = self._file.read(len(_FIRST_LINE))
        if beginning == _FIRST_LINE:
            self.end = max(self.end, len(_FIRST_LINE))
        for start, payload in _whole_records(self._file, self.end, self.size):
            if start > self.end:
                damaged = start - self.end
                logger.warning(
                    "%s: %d damaged bytes at %d passed over", self._path, damaged, self.end
                )
            self.end = start + _HEAD.size + len(payload)
            yield payload
        # one killed while it was being made is empty, and so is one whose blocks were lost
        if self.end == 0 and not _FIRST_LINE.startswith(beginning) and _holds_anything(self._file):
            if beginning.startswith(_MAGIC):
                raise InputError(
                    f"{self._path}: a journal of a newer dask_espresso; update this one"
                )
            raise InputError(f"{self._path}: not a journal of dask_espresso; move it away")


def _holds_anything(file: BinaryIO) -> bool:
    """Say whether there is more in a file than zeros."""
    file.seek(0)
    return any(piece.strip(b"\0") for piece in iter(lambda: file.read(LARGE), b""))


def _whole_records(file: BinaryIO, start: int, size: int) -> Iterator[tuple[int, bytes]]:
    while 0 <= (start := _find_marker(file, start)) < size:
        file.seek(start)
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return
        _, length, checksum = _HEAD.unpack(head)
        payload = file.read(length) if start + _HEAD.size + length <= size else b""
        if length and len(payload) == length and zlib.crc32(payload) == checksum:
            yield start, payload
            start += _HEAD.size + length
        else:
            start += 1


def _pieces(fd: int, start: int, end: int) -> Iterator[bytes]:
    """Read a part of a file, a piece at a time."""
    while start < end and (piece := os.pread(fd, min(LARGE, end - start), start)):
        yield piece
        start += len(piece)


def _find_marker(file: BinaryIO, start: int) -> int:
    """Find the next marker, which is mostly just there; -1 if there is none."""
    size = len(_MARKER)
    file.seek(start)
    while len(piece := file.read(size)) >= len(_MARKER):
        if (place := piece.find(_MARKER)) >= 0:
            return start + place
        start += len(piece) - len(_MARKER) + 1
        size = min(2 * size, LARGE)
        file.seek(start)
    return -1


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
        self._description = (description,)
        self._may_replace = may_replace
        self._fd, self._end = -1, 0
        try:
            with open_file(path) as before:
                self._copy(before)
        except FileNotFoundError:
            self._replace(_frames([self._description], _FIRST_LINE))

    def __repr__(self) -> str:
        return f"Journal({str(self.path)!r})"

    def _copy(self, before: BinaryIO) -> None:
        records = _Records(self.path, before)
        with_own = itertools.chain(((payload,) for payload in records), [self._description])
        self._replace(_frames(with_own, _FIRST_LINE))
        if torn := records.size - records.end:
            logger.warning("%s: a torn record of %d bytes at the end was cut off", self.path, torn)
        # what its driver appended until just now, it takes for recorded
        late = _Records(self.path, before, records.end)
        if late.size > records.size:
            self.append([*((payload,) for payload in late), self._description])

    def append(self, records: Iterable[Record]) -> None:
        """Write records and wait until they are on disk, under the journal's name.

        Raises
        ------
        OSError
            If they could not all be written; then none of them is there. Or if the journal has
            been taken away, and is not this driver's to put back.
        ValueError
            If one is larger than a journal can hold; then none of them is there, either.
        """
        try:
            for part in _frames(records):
                write_all(self._fd, part)
            os.fsync(self._fd)
        except BaseException:
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
        self._replace(_pieces(before, 0, self._end))
        close_file(before)
        logger.warning("%s: was moved or deleted, and has been written again", self.path)

    def _replace(self, parts: Iterable[Buffer]) -> None:
        self._fd = replace_file(self.path, parts, may_replace=self._may_replace)
        self._end = os.fstat(self._fd).st_size

    def forget(self, end: int, is_published: Callable[[], bool] = lambda: True) -> None:
        """Forget the records up to a place, unless what they were published to is gone.

        Parameters
        ----------
        end : int
            What :attr:`end` was when what was published was read.
        is_published : callable, optional
            Asked when they are forgotten.

        Raises
        ------
        OSError
            If it cannot be written, or is not this driver's to replace; then all are still there.
        """
        before, last = self._fd, self._end
        kept = _pieces(before, end, last)
        self._replace(itertools.chain(_frames([self._description], _FIRST_LINE), kept))
        try:
            if not is_published():
                emptied = self._fd
                self._replace(_pieces(before, 0, last))
                close_file(emptied)
        finally:
            close_file(before)

    @property
    def end(self) -> int:
        """Where the last record ends, in bytes."""
        return self._end

    def close(self) -> None:
        """Close the file; what was appended is on disk already."""
        if self._fd >= 0:
            close_file(self._fd)
            self._fd = -1

    def remove(self) -> None:
        """Close the journal and delete it, unless its name is another file's by now."""
        if is_open_at(self.path, self._fd):
            self.path.unlink(missing_ok=True)
        self.close()
