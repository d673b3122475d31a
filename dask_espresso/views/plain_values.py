"""Values in the types that JSON has."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from ..store.arrays import Column


def plain_values(column: Column) -> list[Any]:
    """Give the values, or ABSENT, in the types that JSON has."""
    values = column.plain()
    return [*map(plain, values)] if column.kind in ("array", "complex") else values


def plain(value: Any) -> Any:
    """Give a value in the types that JSON has, and text that every encoding of Unicode has."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        named = {plain(str(key)): plain(item) for key, item in value.items()}
        if len(named) == len(value):
            return named
        return [[plain(key), plain(item)] for key, item in value.items()]  # such as 1 and "1"
    if isinstance(value, complex):
        return [value.real, value.imag]
    return value


def json_text(value: Any) -> str:
    """Write a value as JSON, null where it has no number for it."""
    return json.dumps(without_nan(value), allow_nan=False)


def without_nan(value: Any) -> Any:
    """Replace what JSON has no number for by null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    return value
