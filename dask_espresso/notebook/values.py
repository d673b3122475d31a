"""Values of Python and numpy as a study has them: numbers, texts, lists and dicts."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import numpy as np

from ..errors import BadValueError
from ..inputs.parameters import MAX_SIMULATIONS

_DEEPEST = 50  # lists in lists; one may be in itself
_LONG_RANGE = 100  # values; a longer one is written by its ends
_FORMS = "give numbers, text, booleans, lists, dicts, ranges, paths or numpy arrays of these"

At = tuple[str | int, ...]


def plain(value: Any, *at: str | int) -> Any:
    """Give a value in the types that a study has; equal numbers stay equal.

    Parameters
    ----------
    value
        Of Python or numpy; arrays, ranges, tuples, series and indexes become lists, a data frame a
        dict of lists.
    *at : str or int
        Where it stands, for the error.

    Raises
    ------
    BadValueError
        If it is of a type whose meaning would be a guess, such as a set, which has no order, or an
        array with units.

    Examples
    --------
    >>> plain({"x": np.linspace(0, 1, 3), "n": np.int64(4), "m": range(3)})
    {'x': [0.0, 0.5, 1.0], 'n': 4, 'm': [0, 1, 2]}
    """
    if len(at) > _DEEPEST:
        raise BadValueError(f"is nested more than {_DEEPEST} times; make it flat", *at[:2])
    if isinstance(value, np.generic):
        return _of_scalar(value, at)
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float):
        if isinstance(value, kind):  # also what is derived from it, such as an IntEnum
            return kind(value)
    if isinstance(value, str):
        return str.__str__(value)
    for kinds, convert in _CONVERTERS:
        if isinstance(value, kinds):
            return convert(value, at)
    if (found := _pandas(value)) is not None:
        return _of_pandas(value, found, at)
    raise BadValueError(f"is a {type(value).__name__}; {_FORMS}", *at)


def swept(value: Any, *at: str | int) -> Any:
    """Give a value as :func:`plain`, a long range by its ends."""
    if isinstance(value, range) and len(value) > _LONG_RANGE:
        return {"start": value[0], "stop": value[-1], "step": value.step}
    return plain(value, *at)


def _of_scalar(value: np.generic, at: At) -> Any:
    if value.dtype.kind not in "biufU" or value.dtype.char in "gG":
        raise BadValueError(f"is a {type(value).__name__} of numpy; {_FORMS}", *at)
    return plain(value.item(), *at)


def _of_array(value: np.ndarray[Any, Any], at: At) -> Any:
    if type(value) not in (np.ndarray, np.memmap):  # such as one with units, or with a mask
        raise BadValueError(
            f"is a {type(value).__name__}, and numpy would drop what it has beside its numbers; "
            "give the numbers as they are meant, as a plain array", *at,
        )  # fmt: skip
    if value.dtype.kind not in "biufUO" or value.dtype.char in "gG":
        raise BadValueError(f"is an array of {value.dtype}; {_FORMS}", *at)
    return plain(value.tolist(), *at)


def _of_list(value: Any, at: At) -> Any:
    if len(value) > MAX_SIMULATIONS:
        raise BadValueError(f"has {len(value):,} values, more than {MAX_SIMULATIONS:,}", *at)
    return [plain(item, *at, i) for i, item in enumerate(value)]


def _of_dict(value: dict[Any, Any], at: At) -> Any:
    names = {key: plain(key, *at) if isinstance(key, str) else key for key in value}
    return {names[key]: plain(item, *at, str(key)) for key, item in value.items()}


def _of_path(value: PurePath, at: At) -> str:
    return str(value)


def _of_interval(value: datetime.timedelta, at: At) -> str:
    if at != ("time_limit",):
        raise BadValueError(f"is a timedelta; {_FORMS}", *at)
    return f"{value.total_seconds()} s"


_CONVERTERS: tuple[tuple[Any, Callable[[Any, At], Any]], ...] = (
    (np.ndarray, _of_array),
    ((list, tuple, range), _of_list),
    (dict, _of_dict),
    (PurePath, _of_path),
    (datetime.timedelta, _of_interval),
)


def _pandas(value: Any) -> str | None:
    """Say which of pandas' types it is; who has one has imported pandas."""
    pandas = sys.modules.get("pandas")
    kinds = ("DataFrame", "Series", "Index") if pandas else ()
    return next((kind for kind in kinds if isinstance(value, getattr(pandas, kind))), None)


def _of_pandas(value: Any, kind: str, at: At) -> Any:
    if kind == "DataFrame":
        return {name: plain(value[name], *at, str(name)) for name in value}
    return plain(value.tolist(), *at)
