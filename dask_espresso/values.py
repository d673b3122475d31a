"""What a result may hold: values that the store gives back equal."""

from __future__ import annotations

import cmath
from collections.abc import Iterable
from typing import Any

import numpy as np

from .script.curves import CURVE
from .script.estimate import OF_ERRORS

MAX_DEPTH = 64  # of lists in dicts in lists
_MAX_BITS = 2048  # of a whole number: Python writes no more than 640 digits, if told so
_PIECE = 1 << 16  # numbers of an array that are looked at together
_HOLDABLE = "numbers, strings, booleans, None, numpy arrays, lists and dicts of these"


def storable(value: Any, where: str = "result", depth: int = 0) -> Any:
    """Check that the store can hold a value, and give it with numpy's scalars made plain.

    Parameters
    ----------
    value
        Numbers, strings, booleans, None, numpy arrays, lists, tuples and dicts of these. Keys that
        are tuples, as in ESPResSo's energies, become names: ``("coulomb", 0)`` is ``coulomb.0``.
    where : str
        What the value is called in the error.

    Raises
    ------
    TypeError
        If the store cannot hold it; the message says which part of it.
    """
    if depth > MAX_DEPTH:
        raise TypeError(f"{where} is nested more than {MAX_DEPTH} deep")
    if isinstance(value, np.generic) and not isinstance(value, np.longdouble | np.clongdouble):
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        bits = value.bit_length()
        raise TypeError(f"{where} is a whole number of {bits} bits, which the store cannot hold")
    plain: Any
    for plain in (int, float, complex, str):
        if isinstance(value, plain):
            return plain(value)
    if isinstance(value, np.ndarray):
        return _storable_array(value, where)
    if isinstance(value, list | tuple):
        items = [storable(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, dict):
        if CURVE in value:
            raise TypeError(f"{where} is a curve inside of something; make it a result of its own")
        keys = _plain_keys(value, where)
        return {
            plain: storable(value[key], f"{where}[{key!r}]", depth + 1)
            for plain, key in keys.items()
        }
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    raise TypeError(f"{where} is a {kind}, which the store cannot hold ({_HOLDABLE})")


def _plain_keys(value: dict[Any, Any], where: str) -> dict[Any, Any]:
    """Give a dict's keys as the store has them, and as they are."""
    keys: dict[Any, Any] = {}
    for key in value:
        plain = _plain_key(key, where)
        if plain in keys:
            raise TypeError(f"{where} has the keys {keys[plain]!r} and {key!r}: both are {plain!r}")
        keys[plain] = key
    return keys


def _plain_key(key: Any, where: str) -> Any:
    plain = key.item() if isinstance(key, np.generic) else key
    if isinstance(plain, tuple) and plain:
        return ".".join(str(_plain_key(part, where)) for part in plain)
    if isinstance(plain, int) and plain.bit_length() > _MAX_BITS:
        raise TypeError(f"{where} has a key of {plain.bit_length()} bits")
    for kind in (bool, int, float, str):
        if isinstance(plain, kind):
            return kind(plain)
    if plain is not None:
        raise TypeError(
            f"{where} has the key {key!r}: keys are strings, numbers or tuples of these"
        )
    return None


def named(result: dict[Any, Any]) -> dict[str, Any]:
    """Give a result by the names that it has in the store.

    Examples
    --------
    >>> named({"total": 2.5, ("non_bonded", 0, 1): 1.5, 3: 0.5})
    {'total': 2.5, 'non_bonded.0.1': 1.5, '3': 0.5}
    """
    names: dict[str, Any] = {}
    for plain, key in _plain_keys(result, "result").items():
        name = str(plain)
        if plain is None or name == "":
            raise TypeError(f"result has the key {key!r}: results have names")
        if name in names:
            raise TypeError(f"result has the key {key!r}, and another one that is {name!r}, too")
        names[name] = result[key]
    return names


def _storable_array(array: np.ndarray[Any, Any], where: str) -> np.ndarray[Any, Any]:
    if array.dtype.kind not in "biufcU" or array.dtype.char in "gG":
        raise TypeError(
            f"{where} is an array of {array.dtype}, which the store cannot hold "
            "(arrays of booleans, integers, floats, complex numbers or strings)"
        )
    return np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")


def not_finite(result: dict[str, Any]) -> str:
    """Say which number of a result is NaN or infinite.

    Parameters
    ----------
    result : dict
        As :func:`storable` gives it. What is said of its errors, by the names ``…_sem``, ``…_dof``,
        ``…_n_eff``, may be NaN: so :mod:`~dask_espresso.statistics` writes what is not known.

    Returns
    -------
    str
        The first such number; empty if there is none.

    Examples
    --------
    >>> not_finite({"pressure": float("nan"), "pressure_sem": 0.1})
    "result['pressure'] is nan"
    >>> not_finite({"pressure": None, "pressure_sem": float("nan")})
    ''
    """
    for name, value in result.items():
        if said := _first_not_finite(value, may_be_nan=name.endswith(tuple(OF_ERRORS))):
            return f"result[{name!r}]{said}"
    return ""


def _first_not_finite(value: Any, may_be_nan: bool) -> str:
    """Say what follows the value's name: the place in it, and what is there."""
    if isinstance(value, float | complex):
        is_bad = cmath.isinf(value) if may_be_nan else not cmath.isfinite(value)
        return f" is {value}" if is_bad else ""
    if isinstance(value, np.ndarray):
        count = _count_not_finite(value, may_be_nan)
        what = "infinite" if may_be_nan else "nan or infinite"
        return f" is {what} in {count} of {value.size} places" if count else ""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, list | tuple):
        items = enumerate(value)
    elif isinstance(value, dict):
        items = value.items()
    for key, item in items:
        if said := _first_not_finite(item, may_be_nan):
            return f"[{key!r}]{said}"
    return ""


def _count_not_finite(array: np.ndarray[Any, Any], may_be_nan: bool) -> int:
    if array.dtype.kind not in "fc":
        return 0
    flat = array.reshape(-1)
    pieces = (flat[start : start + _PIECE] for start in range(0, flat.size, _PIECE))
    if may_be_nan:
        return sum(int(np.count_nonzero(np.isinf(piece))) for piece in pieces)
    return sum(piece.size - int(np.count_nonzero(np.isfinite(piece))) for piece in pieces)
