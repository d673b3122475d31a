"""A file in memory that grows piece by piece.

`io.BytesIO` grows by moving to a larger place, again and again, and what it leaves behind is of
little use to others: a large file costs about twice its size.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

_PIECE = 1 << 20  # bytes


class Image(io.RawIOBase):
    """A file in memory, open for reading and writing."""

    def __init__(self) -> None:
        self._pieces: list[bytearray] = []
        self._size = self._place = 0

    def parts(self) -> list[memoryview]:
        """Give what it holds, in pieces."""
        return list(self._span(0, self._size))

    def _span(self, start: int, end: int) -> Iterator[memoryview]:
        while start < end:
            number, offset = divmod(start, _PIECE)
            part = memoryview(self._pieces[number])[offset : offset + end - start]
            yield part
            start += len(part)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to another place."""
        beginnings = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}
        self._place = beginnings[whence] + offset
        return self._place

    def readinto(self, buffer: Buffer) -> int:
        """Read as much as there is."""
        data = memoryview(buffer).cast("B")
        start, end = self._place, min(self._place + len(data), self._size)
        for part in self._span(start, end):
            data[: len(part)] = part
            data = data[len(part) :]
        self._place = max(start, end)
        return self._place - start

    def write(self, data: Buffer) -> int:
        """Write all of it."""
        rest = memoryview(data).cast("B")
        size, end = len(rest), self._place + len(rest)
        if size and end > self._size:
            self.truncate(end)
        for part in self._span(self._place, end):
            part[:] = rest[: len(part)]
            rest = rest[len(part) :]
        self._place = end
        return size

    def truncate(self, size: int | None = None) -> int:
        """Make it longer, with zeros, or shorter."""
        size = self._place if size is None else size
        if size < self._size:
            del self._pieces[-(-size // _PIECE) :]
            for part in self._span(size, len(self._pieces) * _PIECE):
                part[:] = bytes(len(part))
        while len(self._pieces) * _PIECE < size:
            self._pieces.append(bytearray(_PIECE))
        self._size = size
        return size

    def readable(self) -> bool:
        """Say yes."""
        return True

    def writable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True
