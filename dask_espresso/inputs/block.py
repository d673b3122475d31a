"""Points that are all combinations of a few axes, such as those of a product of ranges."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .expression import Expression
from .overlap import Places, Rows, is_among, matching

_PIECE = 1 << 16  # points that are looked at together


class Picked(Sequence[Any]):
    """Some of the values of a sequence."""

    def __init__(self, values: Sequence[Any], places: Places) -> None:
        self._values, self._places = values, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: Any) -> Any:
        places = self._places[index]
        if isinstance(index, slice):
            return [self._values[place] for place in places.tolist()]
        return self._values[int(places)]


class Axis:
    """Parameters that vary together, and with nothing else.

    Parameters
    ----------
    columns : mapping of str to sequence
        The values of each, equally many.
    are_different : bool
        Whether no row of them is there twice; else it is only taken once.
    """

    def __init__(self, columns: Mapping[str, Sequence[Any]], are_different: bool) -> None:
        self.columns = dict(columns)
        if not are_different:
            firsts = self._rows.firsts
            if len(firsts) < len(self):
                self.columns = {name: Picked(c, firsts) for name, c in self.columns.items()}
                del self._rows

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @functools.cached_property
    def _rows(self) -> Rows:
        return Rows([matching(column, column) for column in self.columns.values()])

    def find(self, places: Mapping[str, Places]) -> Places:
        """Give the places with these values, which are given as places of each column."""
        if len(self.columns) == 1:
            (name,) = self.columns
            return places[name]
        return self._rows.find([places[name] for name in self.columns])


class Block:
    """All combinations of axes that meet conditions; the last axis is the fastest.

    Parameters
    ----------
    constants : dict
        Parameters that are the same in all points.
    axes : list of Axis
    formulas : dict of str to Expression
        What is computed of parameters, and of those before.

    Attributes
    ----------
    n_candidates : int
        Points without conditions.
    n_unmet : int
        Those of them that do not meet the conditions.
    n_shared : int
        Of the others, those that are in an earlier block.
    """

    def __init__(
        self, constants: dict[str, Any], axes: list[Axis], formulas: dict[str, Expression]
    ) -> None:
        self.constants, self.axes, self.formulas = constants, axes, formulas
        self.n_candidates = math.prod(map(len, axes))
        self.n_unmet = self.n_shared = 0
        self._axis_of = {name: i for i, axis in enumerate(axes) for name in axis.columns}
        self._inner = [math.prod(map(len, axes[i + 1 :])) for i in range(len(axes))]
        self._kept: Places | None = None  # places of the points among the candidates

    def __len__(self) -> int:
        return self.n_candidates if self._kept is None else len(self._kept)

    def candidates(self, points: Places) -> Places:
        """Give the places of points among the candidates, which other methods take."""
        return points if self._kept is None else self._kept[points].astype(np.int64)

    def values(self, name: str) -> Sequence[Any]:
        """Give the values of a parameter, also those that no point has."""
        return [self.constants[name]] if name in self.constants else self._column(name)

    def _column(self, name: str) -> Sequence[Any]:
        return self.axes[self._axis_of[name]].columns[name]

    def is_swept(self, name: str) -> bool:
        """Say whether something differs between candidates."""
        return bool(self.axes_of((name,)))

    def axes_of(self, names: Sequence[str]) -> tuple[int, ...]:
        """Give the axes that parameters, and what is computed, depend on."""
        found: set[int] = set()
        for name in names:
            if name in self._axis_of:
                found.add(self._axis_of[name])
            elif name in self.formulas:
                found.update(self.axes_of(self.formulas[name].names))
        return tuple(sorted(found))

    # ---- values at places ----

    def numbers(self, name: str, places: Places) -> Places:
        """Give the places in :meth:`values` of a parameter's values."""
        if name in self.constants:
            return np.zeros_like(places)
        return self._digits(self._axis_of[name], places)

    def _digits(self, axis: int, places: Places) -> Places:
        return np.asarray(places // self._inner[axis] % len(self.axes[axis]))

    def value(self, name: str, place: int) -> Any:
        """Give the value of a parameter at one place."""
        if name in self.constants:
            return self.constants[name]
        if name in self.formulas:
            formula = self.formulas[name]
            return formula.value([self.value(part, place) for part in formula.names])
        axis = self._axis_of[name]
        return self._column(name)[place // self._inner[axis] % len(self.axes[axis])]

    def coded(self, name: str, places: Places) -> tuple[list[Any], Places]:
        """Give values of a parameter, and which of them it has at places.

        Returns
        -------
        values : list
            Those that are needed.
        codes : array of int, shape (n,)
        """
        if name in self.formulas:
            formula = self.formulas[name]
            some, codes = self._alike(self.axes_of(formula.names), places)
            return self._each(formula, formula.value, some), codes
        used, codes = np.unique(self.numbers(name, places), return_inverse=True)
        values = self.values(name)
        if len(used) == len(values):
            return list(values[:]), codes
        return [values[number] for number in used.tolist()], codes

    def column(self, name: str, places: Places) -> list[Any]:
        """Give the value of a parameter at each place."""
        values, codes = self.coded(name, places)
        return [values[code] for code in codes.tolist()]

    def _alike(self, axes: tuple[int, ...], places: Places) -> tuple[Places, Places]:
        """Give one place of those that differ by no axis of these, and for each which one."""
        _, firsts, codes = np.unique(
            self._along(axes, places), return_index=True, return_inverse=True
        )
        return places[firsts], codes

    def _along(self, axes: tuple[int, ...], places: Places) -> Places:
        """Give places among the combinations of some axes."""
        if len(axes) == len(self.axes):
            return places
        found = np.zeros_like(places)
        for axis in axes:
            found = found * len(self.axes[axis]) + self._digits(axis, places)
        return found

    def without(self, axis: int, places: Places) -> Places:
        """Give places that differ by one axis alone the same number."""
        outer = self._inner[axis] * len(self.axes[axis])
        return np.asarray(places // outer * self._inner[axis] + places % self._inner[axis])

    def _each(self, what: Expression, compute: Callable[[Any], Any], places: Places) -> list[Any]:
        columns = [self.column(name, places) for name in what.names]
        rows = zip(*columns, strict=True) if columns else iter([()] * len(places))
        return list(map(compute, rows))

    # ---- which points there are ----

    def _pieces(self) -> Iterator[Places]:
        for start in range(0, len(self), _PIECE):
            stop = min(start + _PIECE, len(self))
            yield self.candidates(np.arange(start, stop, dtype=np.int64))

    def narrow(self, conditions: Sequence[tuple[Expression, bool]]) -> None:
        """Leave the points in which each condition, one after the other, is what it has to be."""
        if not conditions:
            return
        checks = [(self._check(condition), wanted) for condition, wanted in conditions]
        kept = []
        for places in self._pieces():
            for holds, wanted in checks:
                places = places[holds(places) == wanted]
            kept.append(places.astype(np.uint32))
        self._kept = np.concatenate(kept)
        self.n_unmet = self.n_candidates - len(self._kept)

    def _check(self, condition: Expression) -> Callable[[Places], Places]:
        """Make what says where a condition holds; it is computed once for equal values."""
        axes = self.axes_of(condition.names)
        known = np.full(math.prod(len(self.axes[axis]) for axis in axes), -1, np.int8)

        def holds(places: Places) -> Places:
            along = self._along(axes, places)
            new, firsts = np.unique(along[known[along] < 0], return_index=True)
            at = places[known[along] < 0][firsts]
            known[new] = self._each(condition, condition.holds, at)
            return np.asarray(known[along] == 1)

        return holds

    def leave_out(self, others: Sequence[Block]) -> None:
        """Leave out the points that are in other blocks."""
        finders = [_finder(self, other) for other in others]
        if not finders:
            return
        kept = []
        for places in self._pieces():
            is_there = functools.reduce(np.logical_or, (find(places) for find in finders))
            kept.append(places[~is_there].astype(np.uint32))
        found = np.concatenate([*kept, np.zeros(0, np.uint32)])
        self.n_shared = len(self) - len(found)
        if self.n_shared:
            self._kept = found

    def has(self, places: Places) -> Places:
        """Say which candidates are points."""
        return np.ones(len(places), bool) if self._kept is None else is_among(self._kept, places)

    def check(self) -> None:
        """Compute all that is computed, once for equal values; raises where that cannot be."""
        for name, formula in self.formulas.items():
            axes = self.axes_of(formula.names)
            seen = np.zeros(math.prod(len(self.axes[axis]) for axis in axes), bool)
            for places in self._pieces():
                along = self._along(axes, places)
                new = places[~seen[along]]
                self.coded(name, new)
                seen[along] = True


def _finder(block: Block, other: Block) -> Callable[[Places], Places]:
    """Make what says which candidates of a block are points of another one."""
    names = [*other.constants, *(name for axis in other.axes for name in axis.columns)]
    equal = {name: matching(block.values(name), other.values(name)) for name in names}

    def find(places: Places) -> Places:
        at = {name: equal[name][block.numbers(name, places)] for name in names}
        found = np.ones(len(places), bool)
        for name in other.constants:
            found &= at[name] >= 0
        theirs = np.zeros_like(places)
        for axis in other.axes:
            digits = axis.find(at)
            found &= digits >= 0
            theirs = theirs * len(axis) + digits
        found[found] = other.has(theirs[found])
        return found

    return find
