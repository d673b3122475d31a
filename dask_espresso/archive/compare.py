"""Compare results to the last bit, and say by how much they differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from ..kept import kept_files
from ..outcome import Outcome
from ..record import pack
from ..views.texts import literal

_Numbers: TypeAlias = np.ndarray[Any, Any]
_SHOWN = 60  # characters of a value


def differences_of_results(before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """Say in a line each which results are not the same bit for bit.

    Examples
    --------
    >>> list(differences_of_results({"p": 1.0, "n": 3}, {"p": 1.0, "n": 3}))
    []
    >>> list(differences_of_results({"p": 1.0}, {"p": 1.5}))
    ['p: 1.0 then, 1.5 now; they differ by 0.5, relative 0.5']
    """
    for name in dict.fromkeys([*before, *now]):
        shown = literal(name)
        if name not in now:
            yield f"{shown}: is not given any more"
        elif name not in before:
            yield f"{shown}: was not given then"
        elif not is_same(before[name], now[name]):
            yield f"{shown}: {_difference(before[name], now[name])}"


def is_same(one: Any, other: Any) -> bool:
    """Say whether two values are the same bit for bit: type, shape, zeros' signs, NaN and all.

    What a store does not keep is no difference: the sequence of a dict's keys, and that a whole
    number was one, where other simulations gave a float. `one` is from a store.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and type(one) is type(other):
        return len(one) == len(other) and all(map(is_same, one, other))
    if type(one) is float and type(other) is int:
        return one == other and _packed(one) == _packed(float(other))
    return _packed(one) == _packed(other)


def _packed(value: Any) -> bytes:
    return b"".join(map(bytes, pack(Outcome(id="", parameters={}, result={"": value}))))


def _difference(one: Any, other: Any) -> str:
    ours, theirs = _array(one), _array(other)
    if ours is None or theirs is None:
        return f"{_short(one)} then, {_short(other)} now"
    if ours.shape != theirs.shape:
        return f"shape {ours.shape} then, {theirs.shape} now"
    values = f"{_short(one)} then, {_short(other)} now" if not ours.shape else f"{ours.size} values"
    off, relative = _distances(ours, theirs)
    if not np.any(off):
        return f"{values}; equal as numbers, but not in type, sign of zero, or bits of a NaN"
    if np.isnan(off).any():
        return f"{values}; {int(np.isnan(off).sum())} are NaN or infinite in one only"
    places = f" in {int(np.count_nonzero(off))} of them" if ours.shape else ""
    return f"{values}; they differ{places} by {off.max():.3g}, relative {relative.max():.3g}"


def _distances(ours: _Numbers, theirs: _Numbers) -> tuple[_Numbers, _Numbers]:
    """Give how far numbers are apart, and that relative to ours; NaN where only one is NaN."""
    one, other = (array.astype(np.result_type(array, float)) for array in (ours, theirs))
    with np.errstate(all="ignore"):
        if {ours.dtype.kind, theirs.dtype.kind} <= {"i", "u"}:  # no float holds all of these
            off = np.asarray(np.abs(ours.astype(object) - theirs.astype(object)), float)
        else:
            is_same_number = (ours == theirs) | (np.isnan(one) & np.isnan(other))
            off = np.where(is_same_number, 0.0, np.abs(one - other))
        return off, off / np.maximum(np.abs(one), np.finfo(float).tiny)


def _array(value: Any) -> _Numbers | None:
    """Give numbers as an array; None for what is none."""
    try:
        array = np.asarray(value)
        if array.dtype.kind in "biufc":
            return array
    except (ValueError, TypeError, OverflowError):
        pass
    return None


def _short(value: Any) -> str:
    text = literal(repr(value))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def differences_of_files(before: Outcome, now: Outcome) -> tuple[list[str], int]:
    """Say which files that were kept are others now, and how many there were."""
    recorded = {file.name: file for file in kept_files(before.kept_files)}
    found = {file.name: file for file in kept_files(now.kept_files)}
    said = []
    for name in dict.fromkeys([*recorded, *found]):
        one, other = recorded.get(name), found.get(name)
        if one != other:
            sizes = [f"{file.size} bytes" if file else "not there" for file in (one, other)]
            said.append(f"file {literal(name)}: {sizes[0]} then, {sizes[1]} now, other content")
    return said, len({*recorded, *found})
