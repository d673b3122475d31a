"""Axes of curves: along which results other ones stand."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..errors import BadValueError, InputError, describe
from .collect import sources_of

Axes = dict[str, list[str]]
_FORM = "write the results along which it stands, as in {g: [r], msd: [lag]}"


def checked_axes(value: Any) -> Axes | None:
    """Give axes as lists of names, by the result that has them.

    Raises
    ------
    BadValueError
        Says which cannot be used, and why.

    Examples
    --------
    >>> checked_axes({"g": "r", "map": ["x", "y"]})
    {'g': ['r'], 'map': ['x', 'y']}
    """
    if value is None:
        return None
    if not isinstance(value, dict) or not value:
        raise BadValueError(f"is {describe(value)}; {_FORM}")
    axes = {}
    for name, given in value.items():
        if not isinstance(name, str) or not name:
            raise BadValueError(f"has the key {name!r}, which is no name; put it in quotes")
        axes[name] = _names(name, given)
    for name, of in axes.items():
        for axis in of:
            if axis in axes:
                raise BadValueError(
                    f"has the axis `{axis}`, which has axes itself; an axis is a row of numbers",
                    name,
                )
    return axes


def _names(name: str, given: Any) -> list[str]:
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list) or not names:
        what = "an empty list" if names == [] else describe(given)
        raise BadValueError(f"is {what}; {_FORM}", name)
    for i, axis in enumerate(names):
        if not isinstance(axis, str) or not axis:
            raise BadValueError(f"is {describe(axis)}; write the name of a result", name, i)
        if axis == name:
            raise BadValueError("is its own axis; an axis needs none, remove the line", name)
        if axis in names[:i]:
            raise BadValueError(f"has the axis `{axis}` twice; name each once", name, i)
    return list(names)


def axes_of(
    study: Mapping[str, Any], said: Iterable[str] = (), silent: Collection[str] = ()
) -> Axes:
    """Give all axes of a store.

    Those that the study says hold: its own, and those of tables that are collected. Of scripts,
    those hold on which all simulations agree.

    Parameters
    ----------
    study : mapping
        Its snapshot.
    said : iterable of str
        What scripts have said, as `result_axes` of outcomes.
    silent : collection of str
        Results of which some simulations that have them have said nothing: they have no axes.
    """
    collect = study.get("collect")
    sources = () if collect is None else sources_of(collect)
    of_tables = {
        name: [source.axis]
        for source in sources
        if source.axis
        for name in source.columns
        if name != source.axis
    }
    agreed = {name: along for name, along in _agreed(said).items() if name not in silent}
    return {**agreed, **of_tables, **(study.get("axes") or {})}


def named_in(text: str) -> Collection[str]:
    """Name the results of which a script has said axes."""
    return _read(text).keys() if text else ()


def _agreed(said: Iterable[str]) -> Axes:
    """Give the axes on which nobody says something else."""
    found: dict[str, list[list[str]]] = {}
    for text in filter(None, said):
        for name, along in _read(text).items():
            found.setdefault(name, []).append(along)
    return {name: ways[0] for name, ways in found.items() if ways.count(ways[0]) == len(ways)}


def _read(text: str) -> Axes:
    try:
        return checked_axes(json.loads(text)) or {}
    except (ValueError, BadValueError):
        raise InputError(f"result_axes holds what no simulation said: {text[:200]!r}") from None
