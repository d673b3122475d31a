"""The worker's end of the pipe for the result."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from typing import Any

from ..script.result_pipe import HEAD, MAGIC, UNREAD
from .plain import load_plain

MAX_SIZE = 4 * 2**30 - 2**20  # of the journal's records
_MAX_PIECES = 1 << 16


class ResultReader:
    """Reads what :func:`send_result` writes, each piece right into the memory it is to have.

    Attributes
    ----------
    is_begun, is_complete : bool
        Whether something has come, and all.
    is_of_script : bool
        Whether its head is one that :func:`send_result` writes, and not noise of what writes
        into all files that are open.
    is_of_unread : bool
        Whether it is names of parameters that the script never asked for.
    error : str
        Why it is nothing of the kind, or empty.
    """

    def __init__(self) -> None:
        self.is_begun = self.is_of_script = self.is_of_unread = self.is_complete = False
        self._pieces: list[bytearray] = []
        self.error = ""
        self._at = 0  # which piece is being read
        self._expect([HEAD.size])

    def _expect(self, sizes: Iterable[int]) -> None:
        self._pieces += [bytearray(size) for size in sizes]
        self._view = memoryview(self._pieces[self._at])

    def read(self, fd: int) -> int:
        """Read once; give the number of bytes, none at the end."""
        if self.error:
            return len(os.read(fd, 1 << 20))
        size = os.readv(fd, [self._view])
        self.is_begun = self.is_begun or size > 0
        self._view = self._view[size:]
        while not self._view and not self.error and not self.is_complete:
            self._next()
        return size

    def _next(self) -> None:
        """Go on to the next piece."""
        self._at += 1
        if self._at == 1:
            magic, count = HEAD.unpack(self._pieces[0])
            self.is_of_unread = magic == UNREAD
            self.is_of_script = magic in (MAGIC, UNREAD) and 0 < count <= _MAX_PIECES
            if not self.is_of_script:
                self.error = "it was not written by send_result()"
                return
            self._expect([8 * count])
        elif self._at == 2:
            sizes = struct.unpack(f"<{len(self._pieces[1]) // 8}Q", self._pieces[1])
            if sum(sizes) > MAX_SIZE:
                self.error = too_large(MAX_SIZE)
                return
            self._expect(sizes)
        elif self._at < len(self._pieces):
            self._view = memoryview(self._pieces[self._at])
        else:
            self.is_complete = True

    def load(self) -> Any:
        """Unpickle it, around the pieces as they are."""
        return load_plain(self._pieces[2], self._pieces[3:])

    def load_unread(self) -> list[str]:
        """Give the names of parameters that it is."""
        names = self._pieces[2].decode("utf-8", "surrogatepass")
        return names.split("\0") if names else []


def too_large(limit: int) -> str:
    """Say that a result has more bytes than it may have."""
    return f"it has more than {limit >> 20} MiB: write such results to a file"
