"""Which values, and which rows of values, are equal, however they are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..identity import canonical_json
from .ranges import Numbers

Places = np.ndarray[Any, Any]

_EXACT = 2.0**53  # below it, floats tell whole numbers apart


def matching(ours: Sequence[Any], theirs: Sequence[Any]) -> Places:
    """Give for each of our values the place of the first of theirs that is equal, -1 for none."""
    left, right = _floats(ours), _floats(theirs)
    if left is not None and right is not None:
        known, firsts = np.unique(right, return_index=True)
        at = np.minimum(np.searchsorted(known, left), len(known) - 1)
        return np.where(known[at] == left, firsts[at], -1)
    places: dict[str, int] = {}
    for place, value in enumerate(theirs):
        places.setdefault(canonical_json(value), place)
    return np.array([places.get(canonical_json(value), -1) for value in ours], np.int64)


def _floats(values: Sequence[Any]) -> Places | None:
    """Give values as floats, None where these do not tell all of them apart."""
    if not isinstance(values, Numbers) and not {*map(type, values)} <= {int, float}:
        return None
    floats = np.fromiter(values, float, len(values))
    return floats if np.all(np.abs(floats) < _EXACT) else None


class Rows:
    """Rows of values, by the places of equal ones in each of their columns.

    Parameters
    ----------
    columns : list of array of int, shape (n,)
        For each row the place of the first one that has the same value there.

    Attributes
    ----------
    firsts : array of int
        Places of the rows that are in no earlier place, in order.
    """

    def __init__(self, columns: Sequence[Places]) -> None:
        self._size = len(columns[0])
        self._pairs: list[Places] = []  # that there are, of what is so far and the next column
        keys = columns[0]
        for column in columns[1:]:
            pairs, keys = np.unique(keys * self._size + column, return_inverse=True)
            self._pairs.append(pairs)
        self._keys, self._firsts = np.unique(keys, return_index=True)
        self.firsts = np.sort(self._firsts)

    def find(self, columns: Sequence[Places]) -> Places:
        """Give the places, among :attr:`firsts`, of rows with these values; -1 for none."""
        keys = columns[0]
        for pairs, column in zip(self._pairs, columns[1:], strict=True):
            wanted = np.where((keys < 0) | (column < 0), -1, keys * self._size + column)
            keys = _places(pairs, wanted)
        at = _places(self._keys, keys)
        return np.where(at < 0, -1, np.searchsorted(self.firsts, self._firsts[at]))


def _places(known: Places, wanted: Places) -> Places:
    """Give the places of numbers in sorted ones, -1 for none."""
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[at] == wanted, at, -1)


def is_among(known: Places, wanted: Places) -> Places:
    """Say which numbers are among sorted ones."""
    return np.asarray(_places(known, wanted) >= 0) if len(known) else np.zeros(len(wanted), bool)
