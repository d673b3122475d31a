"""Axes of curves: along which results other ones stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import BadValueError, describe
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


def axes_of(study: Mapping[str, Any]) -> Axes:
    """Give all axes that a study says: its own, and those of tables that are collected.

    Parameters
    ----------
    study : mapping
        Its snapshot.
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
    return {**of_tables, **(study.get("axes") or {})}
