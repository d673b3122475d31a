"""Columns of the store as arrays, for those who look at many outcomes at once."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import h5py
import numpy as np

from .columns import ABSENT, DIMENSION, SCALARS, STATES, read_column, restore, states_of

Values = np.ndarray[Any, Any]
_TYPES = {bool: "bool", int: "int", float: "float", complex: "complex", str: "str"}


class Column(NamedTuple):
    """A column as arrays.

    Attributes
    ----------
    kind : str
        ``float``, ``int``, ``bool``, ``complex``, ``str``, ``array`` (all of one shape) or
        ``object`` (anything).
    values : array, shape (n, …)
        One for each of n simulations; anything where there is none, and where it was not read.
    states : array of uint8, shape (n,)
        0 where there is a value, 1 where there is none, 2 where it is None.
    """

    kind: str
    values: Values
    states: Values

    def take(self, rows: Values) -> Column:
        """Give these rows of it."""
        return Column(self.kind, self.values[rows], self.states[rows])

    def without(self, rows: Values) -> Column:
        """Give it with no value in some rows, which are marked by true."""
        return self._replace(states=np.where(rows, 1, self.states).astype(np.uint8))

    def plain(self) -> list[Any]:
        """Give the values as Python's own, ABSENT or None where there is none."""
        values: list[Any] = self.values.tolist()
        for row in np.flatnonzero(self.states).tolist():
            values[row] = ABSENT if self.states[row] == 1 else None
        return values


def read_array(file: h5py.File, name: str, unread: Sequence[str] = ()) -> Column:
    """Read back a column as arrays; only its states if it is of the kinds left unread."""
    dataset, kind = file[name], file[name].attrs["kind"]
    is_left = kind in ("ragged", "padded") and "array" in unread
    kind = "array" if kind == "axis" or is_left else kind
    if kind not in ("float", "int", "bool", "complex", "str", "array"):
        return column_of(read_column(file, name))
    found = file.get(f"{STATES}/{name}")
    states = np.zeros(_size(file, dataset), np.uint8) if found is None else found[:]
    if kind in unread:
        return Column(kind, np.zeros(len(states), bool), states)
    if kind == "str":
        return Column(kind, objects(read_column(file, name)), states)
    values = dataset[:]
    if kind == "array":
        values = restore(values, dataset.attrs["dtype"])
        if dataset.attrs["kind"] == "axis":
            values = np.broadcast_to(values, (len(states), *values.shape))
    elif kind == "bool":
        values = values == 1
    elif kind == "complex":
        values = restore(values, "c16")
    return Column(kind, values, states)


def _size(file: h5py.File, dataset: h5py.Dataset) -> int:
    """Give the number of simulations; arrays of several shapes stand one behind the other."""
    if dataset.attrs["kind"] == "axis":
        return len(file[DIMENSION])
    return len(file[dataset.attrs["shapes"]] if "shapes" in dataset.attrs else dataset)


def column_of(values: Sequence[Any]) -> Column:
    """Make a column of values, each of them a simulation's, None or ABSENT."""
    states = states_of(values)
    types = {type(v) for v in values if v is not ABSENT and v is not None}
    kind = _TYPES.get(next(iter(types)), "") if len(types) == 1 else ""
    if kind in SCALARS:
        with contextlib.suppress(OverflowError):
            filled = [0 if state else value for value, state in zip(values, states, strict=True)]
            return Column(kind, np.array(filled, SCALARS[kind]), states)
    return Column("str" if kind == "str" else "object", objects(values), states)


def objects(values: Sequence[Any]) -> Values:
    """Make an array of any values, each an object by itself."""
    array = np.empty(len(values), object)
    for i, value in enumerate(values):
        array[i] = value
    return array


def joined(one: Column, other: Column) -> Column | None:
    """Put two columns one behind the other; None where they are of two kinds."""
    states = np.concatenate([one.states, other.states])
    if (other.states > 0).all():
        return Column(one.kind, _lengthened(one.values, len(other.states)), states)
    if (one.states > 0).all():
        return Column(other.kind, _lengthened(other.values, -len(one.states)), states)
    if one.kind != other.kind or one.kind == "array":
        return None
    return Column(one.kind, np.concatenate([one.values, other.values]), states)


def _lengthened(values: Values, count: int) -> Values:
    """Put anything behind values, or before them if the count is negative."""
    filling = np.zeros((abs(count), *values.shape[1:]), values.dtype)
    return np.concatenate([values, filling] if count >= 0 else [filling, values])


def is_plain_text(file: h5py.File, name: str) -> bool:
    """Say whether a column is of texts, one for every simulation."""
    return name in file and file[name].attrs["kind"] == "str" and f"{STATES}/{name}" not in file


def read_texts(file: h5py.File, name: str, rows: Sequence[int]) -> list[str]:
    """Read some texts, of rows in ascending order."""
    return [text.decode() for text in file[name][rows]]


def different(numbers: Values) -> list[Any]:
    """Give the different ones, in order; `np.unique` would first import all of numpy.ma."""
    return sorted(set(numbers.tolist()))
