"""A result of a store for programs: a row a point, its replicas pooled."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..outcome import Outcome
from ..script.estimate import OF_ERRORS
from ..script.replicas import PooledRows, pool_rows
from ..store.arrays import Column, Values
from ..store.contents import StoreContents
from ..store.reader import Reader
from ..store.reading import look
from .intervals import check_confidence, half_widths
from .numbers import Numbers, known_counts, known_errors
from .points import Points
from .show import result_names
from .texts import some_of
from .versions import Versions

_SAME = 1e-9  # relative difference of numbers of an axis that is none


class PooledPoint(NamedTuple):
    """What the replicas of a point come to: floats, or arrays of the shape that the result has.

    Attributes
    ----------
    parameters : dict
        The swept parameters; where there are several versions of code or engine, also which one.
    mean : float or array
        Mean of the replicas' means; nan where there are none.
    sem : float or array
        Its standard error (one sigma), in the same unit; nan where not known.
    dof : float or array
        Degrees of freedom of `sem`; nan where that is not known.
    n_replicas : int
        How many replicas there are: those that are done and have the result.
    half_width : float or array
        The interval of the confidence is ``mean`` give or take this; nan where not known.
    differ : bool or array of bool
        Whether replicas differ by more than their own errors can explain.
    axes : dict of str to array
        Of a curve, the numbers along each of its dimensions; empty where it has no axes.
    """

    parameters: dict[str, Any]
    mean: Any
    sem: Any
    dof: Any
    n_replicas: int
    half_width: Any
    differ: Any
    axes: dict[str, Any] = {}  # noqa: RUF012


def pooled(path: str | os.PathLike[str], name: str, confidence: float = 95) -> list[PooledPoint]:
    """Pool a result over the replicas of each point, as ``dask-espresso show`` does.

    Arrays, and lists of numbers, are pooled element by element.

    Parameters
    ----------
    path : path
        The store; a driver may be writing it.
    name : str
        The result, called as `show` calls it. Of its own errors tell ``name_sem``, ``name_dof`` and
        ``name_n_eff``; for arrays they are arrays of the same shape, or numbers that hold for all
        elements.
    confidence : float
        Of the intervals, in percent, by Student's t: from 50 to below 100.

    Returns
    -------
    list of PooledPoint
        One a point, in the order of the study. A point none of whose replicas has the result is
        there, with ``n_replicas`` 0.

    Raises
    ------
    InputError
        If there is no store, or no such result; if it is no number in some simulation, or has not
        one shape, and the same axes, in all replicas of a point.

    See Also
    --------
    dask_espresso.script.replicas.pool_replicas : how they are pooled.

    Examples
    --------
    >>> for row in pooled("my_study.h5", "pressure"):                              # doctest: +SKIP
    ...     print(row.parameters["volume_fraction"], row.mean, "+-", row.half_width)
    """
    confidence = check_confidence(confidence)
    return look(path, functools.partial(pooled_points, Path(path), name, confidence))


def pooled_points(
    path: Path,
    name: str,
    confidence: float | None,
    reader: Reader,
    contents: StoreContents[Outcome],
) -> list[PooledPoint]:
    """Pool a result as :func:`pooled`; widths are standard errors without a confidence."""
    points, numbers = Points(reader, Versions(reader, contents.versions)), Numbers(reader)
    whole = numbers.whole(name)
    if whole is None:
        there = some_of([*result_names(reader, numbers), *numbers.others(points.rows)])
        raise InputError(f"{path}: no result {name!r}" + (f"; there are {there}" if there else ""))
    is_other = numbers.done & (whole.states == 0) & ~numbers.have(name)
    if is_other.any():
        axes = reader.axes.get(name, [])
        found = _pooled_arrays(path, points, numbers, name, axes, confidence)
    else:
        found = _pooled_numbers(points, numbers, name, confidence)
    names = [*points.swept, *points.marks]
    values = zip(*map(points.parameter, names), strict=True) if names else [()] * len(points)
    return [
        PooledPoint(dict(zip(names, of_point, strict=True)), *row)
        for of_point, row in zip(values, found, strict=True)
    ]


def _pooled_numbers(
    points: Points, numbers: Numbers, name: str, confidence: float | None
) -> list[tuple[Any, ...]]:
    """Give what follows the parameters of each point."""
    columns = _columns(points.pooled(numbers, name), confidence)
    counts = points.count(numbers.done & numbers.have(name))
    columns.insert(3, counts)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _columns(found: PooledRows, confidence: float | None) -> list[Values]:
    """Give means, errors, degrees of freedom, widths of the intervals, and whether they differ."""
    dofs = np.where(np.isnan(found.sems), np.nan, found.dofs)
    widths = half_widths(found.sems, dofs, confidence)
    return [found.means, found.sems, dofs, widths, found.differ]


# ---- arrays --------------------------------------------------------------------------------------


def _pooled_arrays(
    path: Path,
    points: Points,
    numbers: Numbers,
    name: str,
    axes: Sequence[str],
    confidence: float | None,
) -> list[tuple[Any, ...]]:
    """Give what follows the parameters of each point, element by element."""
    of_axes = {axis: numbers.whole(axis) for axis in axes}
    columns = [numbers.whole(f"{name}{suffix}") for suffix in ("", *OF_ERRORS)]
    found = []
    for group, rows in enumerate(points.members()):
        at = f" at {text}" if (text := points.place(group)) else ""
        where = f"{path}: result {name!r}{at}"
        there = [
            row for row in rows[numbers.done[rows]].tolist() if _value(columns[0], row) is not None
        ]
        replicas = [
            _floats_of(where, *(_value(column, row) for column in columns)) for row in there
        ]
        pooled = _pooled_elements(where, replicas, confidence)
        along = {
            axis: _common_axis(f"{where} stands along {axis!r}, which", column, there)
            for axis, column in of_axes.items()
        }
        are_there = there and all(row is not None for row in along.values())
        found.append((*pooled, _fitting(along, np.shape(pooled[0])) if are_there else {}))
    return found


def _common_axis(where: str, column: Column | None, rows: list[int]) -> Values | None:
    """Give the axis of a point's replicas, None where they have none; they may not differ in it."""
    given = [_value(column, row) for row in rows]
    if all(value is None for value in given):
        return None
    axes = [None if value is None else _floats(value) for value in given]
    first = axes[0]
    for axis in axes:
        if axis is None or first is None or not _is_same_axis(axis, first):
            raise InputError(
                f"{where} is not the same in its replicas: their values do not belong together; "
                "bin alike in all replicas, or pool what dask_espresso.read_store gives yourself"
            )
    return first


def _is_same_axis(one: Values, other: Values) -> bool:
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=_SAME, atol=0))


def _fitting(axes: dict[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    """Give axes where they are as long as the curve."""
    lengths = tuple(len(axis) for axis in axes.values() if np.ndim(axis) == 1)
    return axes if lengths == shape else {}


def _value(column: Column | None, row: int) -> Any:
    return None if column is None or column.states[row] else column.values[row]


def _floats_of(where: str, value: Any, *of_errors: Any) -> tuple[Values, ...]:
    """Give a replica's values, and what is known of their errors, all of one shape."""
    values = _floats(value)
    if values is None:
        kind = type(value).__name__
        raise InputError(f"{where} is no number, nor an array of numbers, but of type {kind}")
    filled = []
    for suffix, given in zip(OF_ERRORS, of_errors, strict=True):
        numbers = np.array(np.nan) if given is None else _floats(given)
        if numbers is None or numbers.shape not in ((), values.shape):
            if suffix != "_n_eff":
                said = f"{where} has another shape than its {suffix}, or that is no number"
                raise InputError(said)
            numbers = np.array(np.nan)  # stores of before may have something else of this name
        filled.append(np.broadcast_to(numbers, values.shape))
    errors, dofs, n_effs = filled
    return values, known_errors(errors), known_counts(dofs), known_counts(n_effs)


def _floats(value: Any) -> Values | None:
    """Give a number, an array or a list of numbers as floats; None for anything else."""
    try:
        array = np.asarray(value)
    except ValueError:  # a ragged list
        return None
    return array.astype(float) if array.dtype.kind in "iuf" else None


def _pooled_elements(
    where: str, replicas: list[tuple[Values, ...]], confidence: float | None
) -> tuple[Any, ...]:
    """Pool the replicas of one point."""
    count = len(replicas)
    if not count:
        return np.nan, np.nan, np.nan, 0, np.nan, False
    shapes = dict.fromkeys(values.shape for values, *_ in replicas)
    if len(shapes) > 1:
        raise InputError(
            f"{where} has several shapes, {', '.join(map(str, shapes))}: pool what they have in "
            "common yourself, of what dask_espresso.dataset gives, where the ends of shorter ones "
            "are NaN"
        )
    (shape,) = shapes
    of_elements = (
        np.stack(columns).reshape(count, -1).T for columns in zip(*replicas, strict=True)
    )
    columns = [c.reshape(shape) for c in _columns(pool_rows(*of_elements), confidence)]
    means, sems, dofs, widths, differ = columns if shape else (c.item() for c in columns)
    return means, sems, dofs, count, widths, differ
