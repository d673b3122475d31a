"""Points of a study that are written down one by one."""

from __future__ import annotations

from typing import Any

from ..errors import BadValueError, describe
from .parameters import check_name, listed_value

MAX_POINTS = 100_000  # a store holds all of them, to go on without their file
FORM = "- {x: 0.1, y: 2} for each, or the path of a .csv or .parquet file"

Columns = dict[str, list[Any]]


def checked_points(given: Any) -> Any:
    """Give points as columns: a list of values for each parameter.

    Parameters
    ----------
    given : list of dict, or dict of str to list
        Points, or such columns.

    Raises
    ------
    BadValueError
        Says what cannot be used, and what to write.
    """
    if isinstance(given, str):
        raise BadValueError(f"is {describe(given)}, a file that only load_study reads; use that")
    columns = _columns(given) if isinstance(given, list) else given
    if not isinstance(columns, dict) or not columns:
        what = describe(given) if given else "empty"
        raise BadValueError(f"is {what} but must be a list of points; write {FORM}")
    for name, values in columns.items():
        check_name(name)
        if not isinstance(values, list) or not values:
            raise BadValueError(f"is {describe(values)} but must be a list of values", name)
        for i, value in enumerate(values):
            try:
                listed_value(value)
            except BadValueError as error:
                at = (name, i) if columns is given else (i, name)
                raise BadValueError(str(error), *at) from None
    lengths = {name: len(values) for name, values in columns.items()}
    if len({*lengths.values()}) > 1:
        said = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise BadValueError(f"is not equally long everywhere: {said} values; add what is missing")
    _check_count(max(lengths.values()))
    return columns


def _check_count(count: int) -> None:
    if count > MAX_POINTS:
        raise BadValueError(
            f"has {count:,} points, more than {MAX_POINTS:,}; write ranges, or a `sample`, instead"
        )


def _columns(points: list[Any]) -> Columns:
    first = points[0] if points else {}
    for i, point in enumerate(points):
        if not isinstance(point, dict) or not point:
            raise BadValueError(f"is {describe(point)} but must be a point; write {{x: 0.1}}", i)
        for name in first:
            if name not in point:
                raise BadValueError(f"has no `{name}`, which the first point has; add it", i)
        for name in point:
            if name not in first:
                raise BadValueError("is not in the first point; add it there, too", i, name)
    return {name: [point[name] for point in points] for name in first}
