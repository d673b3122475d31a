"""Compare results to the last bit, and say by how much they differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..kept import kept_files
from ..outcome import Outcome
from ..record import pack
from ..views.texts import literal

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
    """Say whether two values are the same bit for bit: type, shape, zeros' signs, NaN and all."""
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
    with np.errstate(all="ignore"):
        off = np.abs(ours - theirs)
        off = np.where((ours == theirs) | (np.isnan(ours) & np.isnan(theirs)), 0.0, off)
        scale = np.maximum(np.abs(ours), np.finfo(float).tiny)
        relative = off / scale
    if not np.any(off):
        return f"{values}; equal as numbers, but of another type, or sign of zero"
    if np.isnan(off).any():
        return f"{values}; {int(np.isnan(off).sum())} are NaN or infinite in one only"
    places = f" in {int(np.count_nonzero(off))} of them" if ours.shape else ""
    return f"{values}; they differ{places} by {off.max():.3g}, relative {relative.max():.3g}"


def _array(value: Any) -> np.ndarray[Any, Any] | None:
    """Give numbers as an array; None for what is none."""
    try:
        array = np.asarray(value)
        if array.dtype.kind in "biufc":
            return array.astype(complex if array.dtype.kind == "c" else float)
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
