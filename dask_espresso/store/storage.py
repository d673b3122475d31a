"""What stands in the file for values, and for those that are not there."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Any

import numpy as np


def without_values(
    data: np.ndarray[Any, Any], rows: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], Any]:
    """Mark places as missing: by NaN, or by a number that is nowhere, which is given too."""
    if data.dtype.kind == "f":
        data[rows] = math.nan
        return data, None
    fill = free_number(data)
    data = data.astype(fill.dtype, copy=False)
    data[rows] = fill
    return data, fill


def free_number(data: np.ndarray[Any, Any]) -> Any:
    """Give a whole number that is none of these; of a wider type where they are all there are."""
    limits = np.iinfo(data.dtype)
    numbers = range(limits.min, limits.max + 1)
    if limits.min == 0:
        numbers = numbers[::-1]
    if not (data == data.dtype.type(numbers[0])).any():
        return data.dtype.type(numbers[0])
    taken = set(np.unique(data).tolist())
    free = next((number for number in numbers if number not in taken), None)
    if free is not None:
        return data.dtype.type(free)
    wider = np.promote_types(f"i{data.itemsize}", f"u{data.itemsize}")
    return wider.type(np.iinfo(wider).min)


def free_text(texts: Iterable[str]) -> str:
    """Give a text that is none of these."""
    taken = set(texts)
    candidates = itertools.chain(("", "missing"), (f"missing {i}" for i in itertools.count(2)))
    return next(text for text in candidates if text not in taken)


def storage(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Give the array in a type that netCDF knows; complex numbers with one more dimension."""
    if array.dtype.kind == "b":
        return array.astype(np.int8)
    if array.dtype == np.float16:
        return array.astype(np.float32)
    if array.dtype.kind == "c":
        parts = array.real.dtype
        return np.ascontiguousarray(array).view(parts).reshape(*array.shape, 2)
    return array
