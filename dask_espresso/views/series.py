"""What tells the curves of a plot apart: swept parameters, and versions of code and engine."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from .numbers import is_number
from .texts import literal, short, some_of

_LARGEST = 1e300  # matplotlib needs room for margins and ticks, and floats end at 1.8e308


class Series:
    """Points in curves, each of one setting of what tells them apart.

    Parameters
    ----------
    path : Path
        The store, for errors.
    columns : mapping of str to sequence
        Parameters and versions, a value a point.
    swept : collection of str
        Those of them that are parameters.
    beside : sequence of str
        Those that may tell curves apart by themselves; what is computed of others is left out.
    wanted : str, optional
        The parameter that is to do so alone, but for versions, which are never mixed.

    Attributes
    ----------
    told : list of str
        What tells them apart.
    fixed : dict of str to str
        What does not, since all points have this one value.

    Raises
    ------
    InputError
        If there is no such parameter.
    """

    def __init__(
        self,
        path: Path,
        columns: Mapping[str, Sequence[Any]],
        swept: Collection[str],
        beside: Sequence[str],
        wanted: str | None = None,
    ) -> None:
        self._path, self._columns, self._swept = path, columns, swept
        varying = [name for name, values in columns.items() if len({*map(repr, values)}) > 1]
        self.told = [name for name in beside if name in varying]
        if wanted is not None:
            choose(path, "other swept parameter", wanted, [n for n in columns if n in swept])
            self.told = [wanted, *(name for name in varying if name not in swept)]
        left = [name for name in beside if name not in varying and name not in self.told]
        self.fixed = {name: short(columns[name])[0] for name in left if columns[name]}

    def check_alone(
        self, asked: str, places: Sequence[Any], within: str, told: Sequence[str]
    ) -> None:
        """Refuse to mix points which differ by something else.

        Parameters
        ----------
        asked : str
            What was asked for, and what would mix them.
        places : sequence
            Where each point is.
        within : str
            What that is called.
        told : sequence of str
            What else may tell points apart.
        """
        alone: dict[Any, list[int]] = {}
        keys = zip(map(repr, places), *(map(repr, self._columns[n]) for n in told), strict=True)
        for i, key in enumerate(keys):
            alone.setdefault(key, []).append(i)
        mixed = next((rows for rows in alone.values() if len(rows) > 1), None)
        if mixed is None:
            return
        given = {name: [values[i] for i in mixed] for name, values in self._columns.items()}
        further = {n: values for n, values in given.items() if len({*map(repr, values)}) > 1}
        said = "; ".join(
            f"{literal(name)} = {some_of(list(dict.fromkeys(short(values))))}"
            for name, values in further.items()
        )
        name, (value, *_) = next(iter(further.items()))
        choice = f"choose some, as by --where '{name} == {value!r}', or "
        raise InputError(
            f"{self._path}: {asked} differ by more than {within}: {said}; "
            f"{choice if name in self._swept else ''}leave that option out: then each has a curve "
            "of its own"
        )

    def curves(self, count: int) -> list[tuple[dict[str, str], list[int]]]:
        """Give what tells each curve from the others, and its points in their order.

        Parameters
        ----------
        count : int
            Number of points.

        Returns
        -------
        list of (dict of str to str, list of int)
            In the order of their numbers, if one parameter with numbers tells them apart, else in
            that of the points.
        """
        texts = [short(self._columns[one]) for one in self.told]
        found: dict[tuple[str, ...], list[int]] = {}
        for i in range(count):
            found.setdefault(tuple(text[i] for text in texts), []).append(i)
        curves = list(found.items())
        if len(self.told) == 1 and all(map(is_number, self._columns[self.told[0]])):
            numbers = self._columns[self.told[0]]
            curves.sort(key=lambda curve: numbers[curve[1][0]])
        return [(dict(zip(self.told, key, strict=True)), rows) for key, rows in curves]


def choose(
    path: Path, kind: str, name: str | None, known: list[str], others: Sequence[str] = ()
) -> str:
    """Give a name that is known, by default the first.

    Raises
    ------
    InputError
        If there is none of it; the message lists what there is, and the others, too.
    """
    if name in known:
        return str(name)
    if name is None and known:
        return known[0]
    wanted = f"no {kind} {name!r}" if name else f"no numeric {kind}"
    there = f"; there are {some_of(known)}" if known else ""
    there += f"; no numbers: {some_of(others)}" if others else ""
    raise InputError(f"{path}: {wanted} to plot{there}")


def check_range(what: str, values: Iterable[float]) -> None:
    """Expect numbers that a figure has room for."""
    for value in values:
        if abs(value) > _LARGEST:  # NaN is not
            said = f"{value:.6g}" if math.isfinite(value) else "beyond floats"
            raise InputError(f"{what} is {said}; numbers above {_LARGEST:g} cannot be drawn")
