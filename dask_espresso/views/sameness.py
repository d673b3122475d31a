"""Which results of simulations are the same, and whether that means something."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ..outcome import Status
from ..store.arrays import Column, Values
from ..store.columns import Path as ColumnPath
from ..store.reader import Reader

# what differs between two runs of the same simulation
_OWN = re.compile(
    r"(^|_)(elapsed|cpu|wall|wall_?(time|clock)|run_?time|duration|timings?|timestamp|seconds|memory"
    r"|rss|pid|per_(s|sec|second|minute|hour|day))$|(^|_)(elapsed|cpu|wall|run_?time)_?(time|s)|seed"
    r"|^replica$",
    re.IGNORECASE,
)
_FEW = 3  # whole numbers that may well be the same by chance
_MAX_NAMES = 5  # that a sentence lists
_PIECE = 1 << 14  # rows of arrays that are compared together
_NUMBERS = ("float", "int", "complex")


class Results:
    """Results of the simulations that are done, compared column by column.

    Parameters
    ----------
    reader : Reader

    Attributes
    ----------
    names : list of str
        Of the results.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.names = list(reader.results)
        self._columns: dict[ColumnPath, Column] = {}

    @functools.cached_property
    def done(self) -> Values:
        """Rows of the simulations that are done, and gave any result."""
        is_done = self.reader.field("status") == int(Status.DONE)
        has_any = np.zeros(len(is_done), bool)
        for name in self.names:
            if not (is_done & ~has_any).any():
                break
            for path in self.reader.results[name]:
                has_any |= self._column(path).states != 1
        return np.flatnonzero(is_done & has_any)

    @property
    def is_complete(self) -> bool:
        """Whether all simulations have gone, with or without success."""
        return len(self.reader) == self.reader.study.count

    @functools.cached_property
    def quickest_first(self) -> list[str]:
        """The names, first those of plain numbers: mostly these differ, and that is enough."""
        return sorted(self.names, key=lambda name: not self.reader.is_quick(name))

    def _column(self, path: ColumnPath) -> Column:
        if path not in self._columns:
            self._columns[path] = self.reader.result(path)
        return self._columns[path]

    def _leaves(self, name: str) -> list[tuple[ColumnPath, Column]]:
        return [(path, self._column(path)) for path in self.reader.results[name]]

    def are_equal(self, name: str, rows: Values, others: Values) -> Values:
        """Say of pairs of outcomes whether a result is the same, bit by bit; texts are the same."""
        equal = np.ones(len(rows), bool)
        for path, column in self._leaves(name):
            states, other_states = column.states[rows], column.states[others]
            if len(path) == 1:  # no result is the same as None
                states, other_states = np.minimum(states, 1), np.minimum(other_states, 1)
            equal &= states == other_states
            both = np.flatnonzero(equal & (states == 0))
            equal[both] = _are_equal(column, rows[both], others[both])
        return equal

    def are_continuous(self, name: str, rows: Values) -> Values:
        """Say whether values are such as chance does not give twice: no counts, no 0 and no 1."""
        continuous = np.zeros(len(rows), bool)
        for _, column in self._leaves(name):
            there = np.flatnonzero(column.states[rows] == 0)
            if there.size:
                continuous[there] |= _are_continuous(column, rows[there])
        return continuous

    def are_numbers(self, name: str, rows: Values) -> Values:
        """Say whether a result is a number."""
        found = np.zeros(len(rows), bool)
        if (column := self._plain(name)) is not None:
            found = column.states[rows] == 0
            if column.kind == "object":
                found &= _each(_is_number, column, rows)
            else:
                found &= column.kind in _NUMBERS
        return found

    def _plain(self, name: str) -> Column | None:
        """Give the column of what is no dict."""
        path = (name,)
        return self._column(path) if path in self.reader.results.get(name, ()) else None

    def have_errors(self, name: str, rows: Values) -> Values:
        """Say whether a result has a standard error beside it that is not zero."""
        column = self._plain(f"{name}_sem")
        if column is None or column.kind not in ("float", "object"):
            return np.zeros(len(rows), bool)
        if column.kind == "object":
            found = _each(lambda error: isinstance(error, float) and error > 0, column, rows)
        else:
            found = column.values[rows] > 0
        return np.asarray(found & (column.states[rows] == 0))

    def differ(self, name: str, rows: Values, others: Values) -> Values:
        """Say whether outcomes differ by a result that is neither their own nor a copy."""
        differ = ~self.are_equal(name, rows, others)
        for excuses in (self._are_own, self._are_copies):
            where = np.flatnonzero(differ)
            if where.size:
                differ[where] = ~(excuses(name, rows[where]) & excuses(name, others[where]))
        return differ

    def tell(self, name: str, rows: Values) -> Values:
        """Say whether a result is no copy of a parameter, and does not differ by itself."""
        there = np.zeros(len(rows), bool)
        for _, column in self._leaves(name):
            there |= column.states[rows] != 1
        return there & ~self._are_own(name, rows) & ~self._are_copies(name, rows, of_seed=False)

    def _are_own(self, name: str, rows: Values) -> Values:
        """Say whether a result is of the run rather than of the simulation."""
        if _OWN.search(name):
            return np.ones(len(rows), bool)
        # a time that is about as long as the process ran has been taken from a clock
        column = self._plain(name) if "time" in name.lower() else None
        if column is None or column.kind not in ("float", "object"):
            return np.zeros(len(rows), bool)
        values = column.values[rows]
        if column.kind == "object":
            floats = [v if isinstance(v, float) else math.nan for v in values]
            values = np.array(floats, float)
        values = np.where(column.states[rows] == 0, values, math.nan)
        return (values > 0) & (values <= self.reader.field("elapsed_time")[rows])

    def _are_copies(self, name: str, rows: Values, *, of_seed: bool = True) -> Values:
        """Say whether a result is a number that the script was given."""
        copies = self.are_numbers(name, rows)
        column, there = self._plain(name), np.flatnonzero(copies)
        if column is None or not there.size:
            return copies
        found = np.zeros(len(there), bool)
        for given in [*self._parameters, *([self._seeds] if of_seed else [])]:
            found |= _are_equal_numbers(column.take(rows[there]), given.take(rows[there]))
        copies[there] = found
        return copies

    @functools.cached_property
    def _seeds(self) -> Column:
        seeds = self.reader.field("seed")
        kind = "int" if seeds.dtype.kind == "i" else "object"
        return Column(kind, seeds, np.zeros(len(seeds), np.uint8))

    @functools.cached_property
    def _parameters(self) -> list[Column]:
        """The parameters that are numbers."""
        columns = [self.reader.parameter(name) for name in self.reader.study.names]
        return [column for column in columns if column and column.kind in (*_NUMBERS, "object")]


# ---- values of one column ------------------------------------------------------------------------


def _each(is_so: Callable[[Any], bool], column: Column, rows: Values) -> Values:
    return np.fromiter((is_so(value) for value in column.values[rows]), bool, len(rows))


def _are_equal(column: Column, rows: Values, others: Values) -> Values:
    """Say of values that are there whether they are the same."""
    if column.kind == "str":
        return np.ones(len(rows), bool)
    if column.kind == "array":
        pieces = [slice(start, start + _PIECE) for start in range(0, len(rows), _PIECE)]
        same = [_bytes(column, rows[p]) == _bytes(column, others[p]) for p in pieces]
        return np.concatenate([np.ones(0, bool), *(piece.all(axis=1) for piece in same)])
    ours, theirs = column.values[rows], column.values[others]
    if column.kind == "object":
        return np.fromiter(map(_is_equal, ours, theirs), bool, len(rows))
    return np.asarray((ours == theirs) | ((ours != ours) & (theirs != theirs)))


def _bytes(column: Column, rows: Values) -> Values:
    return np.ascontiguousarray(column.values[rows]).view(np.uint8).reshape(len(rows), -1)


def _are_continuous(column: Column, rows: Values) -> Values:
    values = column.values[rows]
    if column.kind == "object":
        return _each(_is_continuous, column, rows)
    if column.kind == "float":
        return _are_fractions(values)
    if column.kind == "complex":
        return _are_fractions(values.real) | _are_fractions(values.imag)
    if column.kind == "array" and values.dtype.kind in "iufc":
        flat = values.reshape(len(rows), -1)
        if flat.shape[1] > _FEW:
            return np.ones(len(rows), bool)
        return np.asarray(values.dtype.kind in "fc" and (flat != np.round(flat)).any(axis=1))
    return np.zeros(len(rows), bool)


def _are_fractions(values: Values) -> Values:
    return np.asarray(np.isfinite(values) & (np.floor(values) != values))


def _are_equal_numbers(one: Column, other: Column) -> Values:
    """Say whether values are the same number; one of them may be no number."""
    there: Values = (one.states == 0) & (other.states == 0)
    if "object" not in (one.kind, other.kind):
        with np.errstate(invalid="ignore"):
            there &= one.values == other.values
        if one.kind == other.kind:
            return there
    # whole numbers that are beyond floats are compared as Python does
    for row in np.flatnonzero(there).tolist():
        ours, theirs = (column.values[row : row + 1].tolist()[0] for column in (one, other))
        there[row] = _is_number(ours) and _is_number(theirs) and ours == theirs
    return there


def _is_equal(one: Any, other: Any) -> bool:
    """Say whether two results are the same, bit by bit; texts are not compared."""
    if isinstance(one, str) and isinstance(other, str):
        return True
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        is_alike = (one.dtype, one.shape) == (other.dtype, other.shape)
        return is_alike and (one.dtype.kind == "U" or one.tobytes() == other.tobytes())
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_equal(one[n], other[n]) for n in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_is_equal, one, other))
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return False
    return bool(one == other or (one != one and other != other))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | complex) and not isinstance(value, bool)


def _is_continuous(value: Any) -> bool:
    """Say whether a value is one that chance does not give twice: no count, no 0 and no 1."""
    if isinstance(value, dict):
        return any(map(_is_continuous, value.values()))
    if isinstance(value, list | tuple):
        return len(value) > _FEW or any(map(_is_continuous, value))
    if isinstance(value, np.ndarray):
        is_fine = value.dtype.kind in "fc" and bool((value != np.round(value)).any())
        return value.dtype.kind in "iufc" and (is_fine or value.size > _FEW)
    if isinstance(value, complex):
        return _is_continuous(value.real) or _is_continuous(value.imag)
    return isinstance(value, float) and math.isfinite(value) and not value.is_integer()
