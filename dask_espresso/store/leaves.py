"""The parameters, or the results, of many outcomes: a column a leaf, in the order of the dicts."""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable, Sequence

import numpy as np

from .arrays import Column, Values
from .columns import Path
from .rows import Rows


class Leaves:
    """The leaves of what is in some rows.

    Parameters
    ----------
    rows : Rows
    role : str
        ``parameter`` or ``result``.
    order : array of int
        The rows, in the order in which they are looked at.
    unread : sequence of str, optional
        Kinds of columns of which the values are not needed.
    """

    def __init__(self, rows: Rows, role: str, order: Values, unread: Sequence[str] = ()) -> None:
        self._rows, self._role, self._order, self._unread = rows, role, order, unread

    @functools.cached_property
    def columns(self) -> dict[Path, Column]:
        """Those of all leaves, a value for each of the rows."""
        return {
            path: self._rows.column(self._role, path, self._unread).take(self._order)
            for path in self._rows.paths(self._role)
        }

    def in_order(self, count: Callable[[Path], Values], order: Values | None = None) -> list[Path]:
        """Give the leaves as they come, row after row, and in a row as its dict has them.

        Parameters
        ----------
        count : callable
            Says of a leaf in which rows it counts; one that counts nowhere is left out.
        order : array of int, optional
            Of the rows, if it is not the one in which they are looked at.
        """
        order = np.arange(len(self._order)) if order is None else order
        firsts: dict[int, list[Path]] = collections.defaultdict(list)
        for path in self.columns:
            counts = count(path)[order]
            if counts.any():
                firsts[int(np.argmax(counts))].append(path)
        return [
            path
            for place in sorted(firsts)
            for path in self._sorted(firsts[place], int(order[place]))
        ]

    def _sorted(self, paths: list[Path], row: int) -> list[Path]:
        """Sort paths as the dict of a row has them."""
        if len(paths) == 1:
            return paths
        present = [path for path, column in self.columns.items() if column.states[row] != 1]
        in_row = self._rows.leaves(self._role, int(self._order[row]), present)
        return sorted(paths, key=in_row.index)
