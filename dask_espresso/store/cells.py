"""Cells of a column that is being filled, row after row, in little memory."""

from __future__ import annotations

import itertools
import operator
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .columns import ABSENT, Path

_PIECE = 4096  # values that are put together when there are so many
_TYPES = {float: "d", int: "q"}  # of those that an array holds as they are


class Cells:
    """The rows that have a value in a column, in ascending order, and these values.

    Plain numbers stand in arrays; rows without gaps between them take no room.
    """

    def __init__(self) -> None:
        # first and last row of those without gaps
        self._firsts, self._lasts = array("I"), array("I")
        self._pieces: list[Sequence[Any]] = []
        self._latest: list[Any] = []

    def append(self, row: int, value: Any) -> None:
        """Add a value in a row behind all others."""
        if self._lasts and self._lasts[-1] == row - 1:
            self._lasts[-1] = row
        else:
            self._firsts.append(row)
            self._lasts.append(row)
        self._latest.append(value)
        if len(self._latest) == _PIECE:
            self._pieces.append(_packed(self._latest))
            self._latest = []

    def rows(self) -> Iterator[int]:
        """Give the rows."""
        runs = zip(self._firsts, self._lasts, strict=True)
        return itertools.chain.from_iterable(range(first, last + 1) for first, last in runs)

    def values(self) -> Iterator[Any]:
        """Give the values."""
        return itertools.chain(*self._pieces, self._latest)

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        return zip(self.rows(), self.values(), strict=True)


def _packed(values: list[Any]) -> Sequence[Any]:
    types = set(map(type, values))
    if len(types) == 1 and (code := _TYPES.get(types.pop())):
        try:
            return array(code, values)
        except OverflowError:  # whole numbers of more than 64 bits
            pass
    return values


class CellColumns(dict[Path, Cells]):
    """Columns that are being filled, by their paths."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[str, str] = {}

    def put(self, row: int, leaves: Iterable[tuple[Path, Any]]) -> None:
        """Add the leaves of a row behind all others."""
        for path, leaf in leaves:
            cells = self.get(path)
            if cells is None:
                cells = self[path] = Cells()
            # most texts are those of thousands of other outcomes
            cells.append(row, self._known.setdefault(leaf, leaf) if type(leaf) is str else leaf)

    def fill(self, path: Path, rows: Sequence[int], values: Sequence[Any]) -> None:
        """Add a column, of values or ABSENT in rows of any order."""
        for row, value in sorted(zip(rows, values, strict=True), key=operator.itemgetter(0)):
            if value is not ABSENT:
                self.put(row, [(path, value)])
