"""Curves that a script hands over with their axes, as results of their own."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from ..inputs.axes import Axes
from ..script.curves import ALONG, CURVE, check_lengths


def unfold(
    result: dict[str, Any], declared: Axes | None = None, parameters: Collection[str] = ()
) -> tuple[dict[str, Any], Axes]:
    """Make results of the axes of curves.

    Parameters
    ----------
    result : dict
        As the script gave it, by names.
    declared : dict, optional
        The axes that the study says.
    parameters : collection of str
        Names of the study's parameters, which are none of axes.

    Returns
    -------
    result : dict
        Of curves their values, and their axes behind them, as arrays.
    axes : dict of str to list of str
        The axes of the curves.

    Raises
    ------
    ValueError
        If an axis does not fit, or has a name that is another's; the message says which.

    Examples
    --------
    >>> unfold({"g": {"$curve": [0, 1.5], "along": {"r": [1, 2]}}, "e": 1.0})
    ({'g': array([0. , 1.5]), 'r': array([1, 2]), 'e': 1.0}, {'g': ['r']})
    """
    curves = {name: value for name, value in result.items() if _is_curve(value)}
    if not curves:
        return result, {}
    unfolded: dict[str, Any] = {}
    axes: Axes = {}
    for name, value in result.items():
        if name not in curves:
            unfolded.setdefault(name, value)
            continue
        of_name = _axes(name, value)
        unfolded[name] = _numbers(f"the curve {name!r}", value[CURVE], "biufc")
        axes[name] = list(of_name)
        _check_declared(name, axes[name], (declared or {}).get(name))
        for axis, given in of_name.items():
            if axis in parameters:
                raise ValueError(f"{_called(name, axis)}, as is a parameter; {_RENAME}")
            if axis in curves:
                raise ValueError(f"{_called(name, axis)}, which is a curve itself; {_RENAME}")
            row = _numbers(f"the axis {axis!r} of {name!r}", given, "iuf")
            for other in (unfolded.get(axis), result.get(axis)):
                if other is not None and not _is_same(row, other):
                    raise ValueError(
                        f"{_called(name, axis)}, as is another result or axis, of other "
                        f"numbers; {_RENAME}"
                    )
            unfolded[axis] = row
    return unfolded, axes


_RENAME = "give the axis another name"


def _called(name: str, axis: str) -> str:
    return f"the axis of the curve {name!r} is called {axis!r}"


def _is_curve(value: Any) -> bool:
    return isinstance(value, dict) and CURVE in value


def _axes(name: str, value: dict[str, Any]) -> dict[str, Any]:
    """Give the axes of a curve, which fit."""
    axes = value.get(ALONG)
    if value.keys() != {CURVE, ALONG} or not isinstance(axes, dict):
        raise ValueError(
            f"result {name!r} has the key {CURVE!r}, and is no curve as dask_espresso.curve "
            "gives it"
        )
    for axis in axes:
        if not isinstance(axis, str) or not axis or axis == name:
            raise ValueError(f"{_called(name, axis)}; {_RENAME}")
    try:
        check_lengths(value[CURVE], axes)
    except ValueError as error:
        raise ValueError(f"the curve {name!r}: {error}") from None
    return axes


def _numbers(what: str, values: Any, kinds: str) -> Any:
    array = np.asarray(values)
    if array.dtype.kind not in kinds:
        raise ValueError(
            f"{what} holds something else than numbers ({array.dtype}); leave out what is not known"
        )
    return array


def _is_same(row: Any, other: Any) -> bool:
    """Say whether a result is this row of numbers."""
    try:
        return bool(np.array_equal(row, np.asarray(other)))
    except ValueError:  # a ragged list
        return False


def _check_declared(name: str, said: list[str], declared: list[str] | None) -> None:
    if declared and declared != said:
        raise ValueError(
            f"the curve {name!r} stands along {', '.join(said)}, as the script says, and along "
            f"{', '.join(declared)}, as the study does; remove one of the two, or make them equal"
        )
