"""The results of a study that are numbers, by the names that their columns have."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..outcome import Status
from ..script.estimate import REASON
from ..store.arrays import Column, Values, objects
from ..store.columns import Path
from ..store.names import column_names
from ..store.reader import Reader

_KINDS = {"bool": "true or false", "str": "text", "ndarray": "array", "complex": "complex",
          "list": "list", "tuple": "list", "dict": "nested"}  # fmt: skip
_NUMBERS = ("float", "int")


class Numbers:
    """The results of all outcomes that a reader reads.

    Parameters
    ----------
    reader : Reader

    Attributes
    ----------
    done : array of bool, shape (n,)
        Whether the outcome of a row is done.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.done = reader.field("status") == int(Status.DONE)
        self._leaves = reader.numbers()
        self._columns = self._leaves.columns
        there = [path for path, column in self._columns.items() if (column.states != 1).any()]
        self._names = _names(there)
        self._paths = {name: path for path, name in self._names.items()}
        self._are_numbers: dict[Path, Values] = {}

    def have(self, name: str) -> Values:
        """Say in which rows a result is a number."""
        path = self._paths.get(name)
        return np.zeros(len(self.done), bool) if path is None else self._which(path)

    def _which(self, path: Path) -> Values:
        if path not in self._are_numbers:
            self._are_numbers[path] = _are_numbers(self._columns[path])
        return self._are_numbers[path]

    def plain(self, name: str) -> list[Any]:
        """Give the numbers of a result, in the rows that have one."""
        return list(self._columns[self._paths[name]].values[self.have(name)].tolist())

    def values(self, name: str) -> Values:
        """Give a result as floats, NaN where it is no number, infinite where that is too large."""
        values = np.full(len(self.done), math.nan)
        if (there := self.have(name)).any():
            numbers = self._columns[self._paths[name]].values[there]
            is_plain = numbers.dtype.kind in "fi"
            values[there] = numbers if is_plain else list(map(_float, numbers.tolist()))
        return values

    def errors(self, name: str) -> Values:
        """Give a result's standard error, NaN where it has none."""
        return known_errors(self.values(f"{name}_sem"))

    def of_errors(self, name: str) -> tuple[Values, Values, Values]:
        """Give a result's standard error, its degrees of freedom, and the effective samples.

        NaN where they are not known.
        """
        dofs, n_effs = (known_counts(self.values(name + suffix)) for suffix in ("_dof", "_n_eff"))
        return self.errors(name), dofs, n_effs

    def whole(self, name: str) -> Column | None:
        """Read a result whatever it is; None where there is none of this name."""
        path = self._paths.get(name)
        return None if path is None else self._reader.result(path, ())

    @property
    def all_names(self) -> list[str]:
        """Names of all results, whatever they are."""
        return list(self._paths)

    def say_errors(self, name: str) -> bool:
        """Say whether any simulation has an error of a result, or says why it has none."""
        return not self._paths.keys().isdisjoint((f"{name}_sem", f"{name}{REASON}"))

    def reasons(self, name: str) -> Values:
        """Give what simulations say of a result's error, in every row; empty for nothing."""
        column = self.whole(f"{name}{REASON}")
        values = column.plain() if column else []
        texts = [value if isinstance(value, str) else "" for value in values]
        return objects(texts or [""] * len(self.done))

    def every(self) -> Iterator[tuple[str, Column]]:
        """Read all results, whatever they are, with their names."""
        for name, path in self._paths.items():
            yield name, self._reader.result(path, ())

    def names(self, order: Values) -> list[str]:
        """Name the results that are numbers anywhere, as they come in this order of the rows."""
        return [self._names[path] for path in self._leaves.in_order(self._which, order)]

    def others(self, order: Values) -> list[str]:
        """Name the results that are anywhere no numbers, and what they are there first.

        What is said of a result's error is left out.
        """
        said = []
        for path in self._leaves.in_order(self._which_other, order):
            if self._is_reason(path):
                continue
            row = order[np.argmax(self._which_other(path)[order])]
            said.append(f"{self._names[path]} ({_kind(self._columns[path], int(row))})")
        return said

    def _is_reason(self, path: Path) -> bool:
        name = self._names[path]
        return name.endswith(REASON) and name.removesuffix(REASON) in self._paths

    def _which_other(self, path: Path) -> Values:
        return np.asarray((self._columns[path].states == 0) & ~self._which(path))


def _names(paths: list[Path]) -> dict[Path, str]:
    """Name leaves of nested results, and those with dots, as their columns are named."""
    dotted = {path for path in paths if "." in ".".join(path)}
    names = {path: path[0] for path in paths if path not in dotted}
    return names | {path: n for (_, path), n in column_names({"result": dotted}, str).items()}


def _are_numbers(column: Column) -> Values:
    there: Values = column.states == 0
    if column.kind == "object":
        there[there] = [is_number(value) for value in column.values[there]]
    elif column.kind not in _NUMBERS:
        there[:] = False
    return there


def _kind(column: Column, row: int) -> str:
    """Say what a value is that is no number."""
    kind = type(column.values[row]).__name__ if column.kind == "object" else column.kind
    return _KINDS.get("ndarray" if kind == "array" else kind, "no number")


def known_errors(errors: Values) -> Values:
    """Give standard errors, NaN in place of what cannot be one."""
    return np.where((errors >= 0) & (errors < math.inf), errors, math.nan)


def known_counts(numbers: Values) -> Values:
    """Give degrees of freedom, or effective samples, NaN in place of what cannot be one."""
    return np.where(numbers > 0, numbers, math.nan)


def is_number(value: Any) -> bool:
    """Say whether a value is a real number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _float(number: float) -> float:
    """Give the nearest float, infinity for whole numbers that are beyond all of them."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
