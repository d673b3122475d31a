"""What kind of a column values make, which is how they stand in HDF5."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .columns import EXACT

_MAX_AXES = 30  # of an array; HDF5 has 32, one is for the simulations and one for complex numbers


def kind_of(values: Sequence[Any]) -> str:
    """Say how a column of these values is stored."""
    if not values:
        return "float"  # NaN in every row
    kinds = {_kind_of_one(value) for value in _telling(values)}
    if len(kinds) == 1:
        kind = kinds.pop()
        if not isinstance(kind, tuple):
            return str(kind)
        return "array" if any(value.size for value in values) else "json"
    if kinds == {"int", "float"}:
        whole = (v for v in values if isinstance(v, int))
        if all(abs(v) <= EXACT for v in whole):
            return "float"
    return "json"


def are_beyond_floats(kind: str, values: Sequence[Any]) -> bool:
    """Say whether floats would change one of these whole numbers."""
    if kind == "int":
        limits = [min(values), max(values)]
    elif kind == "array" and values[0].dtype in (np.int64, np.uint64):
        limits = [int(limit) for v in values if v.size for limit in (v.min(), v.max())]
    else:
        return False
    return any(abs(limit) > EXACT for limit in limits)


def _telling(values: Sequence[Any]) -> Iterable[Any]:
    """Give as few of the values as tell what kinds there are."""
    types = set(map(type, values))
    if types == {int}:
        return min(values), max(values)
    if types == {str}:
        return set(values)
    return values[:1] if types in ({bool}, {float}, {complex}) else values


def _kind_of_one(value: Any) -> Any:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if -(2**63) <= value < 2**63 else "json"
    if isinstance(value, float):
        return "float"
    if isinstance(value, complex):
        return "complex"
    if isinstance(value, str):
        return "str" if _is_plain(value) else "json"
    # arrays of text, and of no dimension or too many, have no better place than JSON
    if isinstance(value, np.ndarray) and value.dtype.kind != "U" and 0 < value.ndim <= _MAX_AXES:
        return ("array", value.dtype.str, value.ndim)
    return "json"


def _is_plain(text: str) -> bool:
    """Say whether HDF5 gives this string back as it is."""
    return "\0" not in text and not re.search("[\ud800-\udfff]", text)


def are_one_axis(values: Sequence[Any]) -> bool:
    """Say whether these are all the same row of numbers."""
    first = values[0]
    if not isinstance(first, np.ndarray) or first.ndim != 1 or first.dtype.kind not in "iuf":
        return False
    return (
        first.dtype != np.float16
        and first.size > 0
        and all(
            value is first
            or (
                isinstance(value, np.ndarray)
                and value.dtype == first.dtype
                and np.array_equal(value, first)
            )
            for value in values
        )
    )
