"""The points of a study: its sets of parameters, each with its replicas, which are pooled."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..script.replicas import PooledRows, pool_groups
from ..store.arrays import Values
from ..store.reader import Reader
from .numbers import Numbers
from .texts import literal, told_apart
from .versions import Versions


class Points:
    """The outcomes of a study in groups, each of one set of parameters.

    Parameters
    ----------
    reader : Reader
    versions : Versions, optional
        Outcomes of these are groups by themselves, which are not to be pooled. Those that do not
        know theirs get no group of their own.

    Attributes
    ----------
    rows : array of int, shape (n,)
        Rows of the reader, group after group, in each by replica.
    groups : array of int, shape (n,)
        The group of each of these.
    firsts : array of int, shape (groups,)
        The first row of each group.
    swept : list of str
        Names of the parameters that are not the same in all groups.
    beside : callable
        Names those of them that tell groups apart where one, given by its name, is the same; what
        is computed of others is not among them.
    marks : dict of str to list of str
        What tells the versions apart, a text a group, under names that no parameter has.
    """

    def __init__(self, reader: Reader, versions: Versions | None = None) -> None:
        self._reader = reader
        self.swept = reader.study.swept
        self.beside = reader.study.space.beside
        marks = versions.marks if versions else {}
        self.rows, self.groups = _grouped(_points(reader), *_combined(marks, len(reader)))
        self.firsts = self.rows[_are_first(self.groups)]
        self.marks = {
            name if name not in reader.study.names else f"outcome.{name}": [
                texts[code] for code in codes[self.firsts].tolist()
            ]
            for name, (texts, codes) in marks.items()
        }

    def __len__(self) -> int:
        return len(self.firsts)

    def parameter(self, name: str) -> list[Any]:
        """Give the value of a parameter in each group."""
        values, codes = self.coded(name)
        return [values[code] for code in codes.tolist()]

    def coded(self, name: str) -> tuple[list[Any], Values]:
        """Give the different values of a parameter, or a mark, and which of them each group has."""
        if name in self.marks:
            found: dict[str, int] = {}
            codes = [found.setdefault(text, len(found)) for text in self.marks[name]]
            return list(found), np.array(codes, np.intp)
        return self._reader.study.coded(name, self._reader.places[self.firsts])

    def texts(
        self,
        name: str,
        groups: Values | None = None,
        write: Callable[[Sequence[Any]], list[str]] = told_apart,
    ) -> list[str]:
        """Write a parameter, or a mark, of groups so that different values look different."""
        values, codes = self.coded(name)
        used, codes = np.unique(codes if groups is None else codes[groups], return_inverse=True)
        texts = write([values[number] for number in used.tolist()])
        return [texts[code] for code in codes.tolist()]

    def place(self, group: int) -> str:
        """Say which group this is, by its swept parameters and marks."""
        names = [*self.swept, *self.marks]
        texts = {name: self.texts(name, np.array([group]))[0] for name in names}
        return ", ".join(f"{literal(name)} = {text}" for name, text in texts.items())

    def members(self) -> list[Values]:
        """Give the rows of each group."""
        starts = np.flatnonzero(_are_first(self.groups))
        return np.split(self.rows, starts[1:]) if len(self) else []

    def count(self, rows: Values) -> Values:
        """Count in each group the rows that are marked by true."""
        return np.bincount(self.groups[rows[self.rows]], minlength=len(self))

    def pooled(self, numbers: Numbers, name: str) -> PooledRows:
        """Give a result's mean over the replicas that are done and have it, and its standard error.

        Both are NaN where they are not known; the mean is infinite if a value is beyond floats.
        """
        there = (numbers.done & numbers.have(name))[self.rows]
        rows, groups = self.rows[there], self.groups[there]
        values = numbers.values(name)[rows]
        errors, dofs, n_effs = (column[rows] for column in numbers.of_errors(name))
        beyond = groups[~np.isfinite(values)]
        values = np.where(np.isfinite(values), values, 0)
        counts = np.bincount(groups, minlength=len(self))
        pooled = pool_groups(values, errors, dofs, n_effs, counts)
        pooled.means[beyond], pooled.differ[beyond] = math.inf, False
        pooled.sems[beyond] = pooled.sigmas[beyond] = math.nan
        return pooled


def _points(reader: Reader) -> Values:
    """Give the point of each row, as the row that is its first."""
    places = reader.places % reader.study.n_points
    _, first, inverse = np.unique(places, return_index=True, return_inverse=True)
    return np.asarray(first[inverse])


def _combined(marks: dict[str, tuple[list[str], Values]], size: int) -> tuple[Values, Values]:
    """Give the marks of each row as one number, and whether any of them is not known."""
    numbers, are_unknown = np.zeros(size, np.intp), np.zeros(size, bool)
    for texts, codes in marks.values():
        numbers = numbers * len(texts) + codes
        are_unknown |= np.array([text == "" for text in texts], bool)[codes]
    return numbers, are_unknown


def _grouped(points: Values, marks: Values, are_unknown: Values) -> tuple[Values, Values]:
    """Give the rows, group after group, and the group of each."""
    rows = np.lexsort((are_unknown, points))
    points, marks, are_unknown = points[rows], marks[rows], are_unknown[rows]
    is_first = _are_first(points)
    numbers = np.cumsum(is_first) - 1
    marks = np.where(are_unknown, marks[is_first][numbers], marks)
    keys = numbers * (marks.max(initial=0) + 1) + marks
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    groups = np.argsort(np.argsort(first))[inverse]
    order = np.argsort(groups, kind="stable")
    return rows[order], groups[order]


def _are_first(groups: Values) -> Values:
    """Say which are the first of their group, of those that stand one behind the other."""
    is_first = np.ones(len(groups), bool)
    is_first[1:] = groups[1:] != groups[:-1]
    return is_first
