"""Which region of the parameters some simulations fill: a statement that is exact, or none."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BadValueError
from ..inputs.expression import Expression
from ..store.arrays import Values
from ..store.columns import EXACT

if TYPE_CHECKING:
    from ..inputs.simulations import Simulations

_FEWEST = 2  # simulations: one alone has its own region, which says nothing
_MOST_VALUES = 8  # that `x in [a, b]` lists


@dataclass(frozen=True)
class Region:
    """A region of parameters in which nothing is done.

    Attributes
    ----------
    condition : str
        As `where` of a study and ``--where`` take it.
    recorded : int
        Simulations there, of those that are recorded. None of them is done.
    """

    condition: str
    recorded: int


@dataclass(frozen=True)
class _Bound:
    """A condition on one parameter: at least, at most, or one of some values."""

    name: str
    kind: str
    value: Any
    holds: Values


class Regions:
    """Finds the regions of a study's simulations.

    Parameters
    ----------
    study : Simulations
    places : array of int, shape (n,)
        Of the simulations that are recorded.
    are_done : array of bool, shape (n,)
    """

    def __init__(self, study: Simulations, places: Values, are_done: Values) -> None:
        self._study, self._places, self._are_done = study, places, are_done

    @functools.cached_property
    def _columns(self) -> list[tuple[str, list[Any], Values]]:
        """Give for each parameter that can be in a condition its values, and which a row has."""
        study, names = self._study, [*self._study.names, "replica"]
        columns = [
            (name, *study.coded(name, self._places))
            for name in study.swept if _is_usable(name, names)
        ]  # fmt: skip
        if study.replicas > 1 and "replica" not in study.names:
            columns.append(("replica", [*range(study.replicas)], self._places // study.n_points))
        return [column for column in columns if all(map(_is_plain, column[1]))]

    def find(self, group: Values) -> Region | None:
        """Give the region that a group fills, if it fills one.

        Parameters
        ----------
        group : array of bool, shape (n,)
            None of them is done.

        Returns
        -------
        Region or None
            All of the group are in it, and of what is recorded there nothing is done; None if
            there is no such region, or it is everything.
        """
        if np.count_nonzero(group) < _FEWEST:
            return None
        bounds = [bound for column in self._columns for bound in _bounds(*column, group)]
        if self._has_done(bounds):
            return None
        for bound in reversed(bounds):  # what the region does not need, beginning with the replica
            fewer = [other for other in bounds if other is not bound]
            if not self._has_done(fewer):
                bounds = fewer
        if not bounds:
            return None
        return Region(_in_words(bounds), int(np.count_nonzero(self._inside(bounds))))

    def _inside(self, bounds: Sequence[_Bound]) -> Values:
        inside = np.ones(len(self._places), bool)
        for bound in bounds:
            inside &= bound.holds
        return inside

    def _has_done(self, bounds: Sequence[_Bound]) -> bool:
        return bool(np.any(self._inside(bounds) & self._are_done))


def _is_usable(name: str, names: Sequence[str]) -> bool:
    """Say whether a name can be written into a condition."""
    try:
        return Expression(name, names).names == (name,)
    except BadValueError:
        return False


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | bool | int | float | None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < EXACT


def _bounds(name: str, values: list[Any], codes: Values, group: Values) -> Iterator[_Bound]:
    """Give what is true of a parameter in the whole group, and not of all that is recorded."""
    if not all(map(_is_number, values)):
        yield from _membership(name, values, codes, group)
        return
    numbers = np.array(values, float)[codes]
    of_group = codes[group]
    least, most = (
        values[of_group[choose(numbers[group])]] for choose in (np.argmin, np.argmax)
    )  # fmt: skip
    if least == most:
        yield from _membership(name, values, codes, group)
        return
    if not (is_least := numbers >= least).all():
        yield _Bound(name, ">=", least, is_least)
    if not (is_most := numbers <= most).all():
        yield _Bound(name, "<=", most, is_most)


def _membership(name: str, values: list[Any], codes: Values, group: Values) -> Iterator[_Bound]:
    there = sorted(set(codes[group].tolist()))
    is_there = np.isin(codes, there)
    if len(there) <= _MOST_VALUES and not is_there.all():
        yield _Bound(name, "in", [values[code] for code in there], is_there)


def _in_words(bounds: Sequence[_Bound]) -> str:
    """Write bounds as one condition."""
    by_name: dict[str, dict[str, Any]] = {}
    for bound in bounds:
        by_name.setdefault(bound.name, {})[bound.kind] = bound.value
    return " and ".join(_of_one(name, kinds) for name, kinds in by_name.items())


def _of_one(name: str, kinds: dict[str, Any]) -> str:
    if "in" in kinds:
        values = kinds["in"]
        return f"{name} == {values[0]!r}" if len(values) == 1 else f"{name} in {values!r}"
    if len(kinds) == 1:
        ((kind, value),) = kinds.items()
        return f"{name} {kind} {value!r}"
    return f"{kinds['>=']!r} <= {name} <= {kinds['<=']!r}"
