"""What tells simulations apart: ids, which stores are resumed by, and seeds."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

IDS = 2  # the way ids are computed in; in the first one, 1 and 1.0 had different ones
LARGEST_SEED = 900_000_000  # that LAMMPS takes; ESPResSo takes 31 bits, numpy.random.seed() 32
_LENGTH = 16  # digits of an id
_NEAR = 2  # digits of one that may be wrong
_SHOWN = 5  # ids that a message lists
_HALF = 15  # bits: all seeds are below 2**30


def canonical_json(value: Any) -> str:
    """Write a value in the one way that ids are computed from: equal values have equal texts."""
    kind = type(value)
    if kind is int:  # most values are numbers, of which there may be a million
        return str(value)
    if kind is float and math.isfinite(value):
        return str(int(value) if value.is_integer() else value)
    return json.dumps(
        _canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def _canonical(value: Any) -> Any:
    """Give a whole number for every float that is equal to one."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    return value


def simulation_id(parameters: dict[str, Any], replica: int) -> str:
    """Give the beginning of the SHA-256 of the canonical JSON of parameters and replica."""
    return id_of(canonical_json({"parameters": parameters, "replica": replica}))


def id_of(text: str) -> str:
    """Give the id whose canonical JSON this is."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:_LENGTH]


def simulation_seed(study_seed: int, parameters: dict[str, Any], replica: int) -> int:
    """Give a simulation's seed, which numpy, ESPResSo and LAMMPS take as it is.

    Every point shuffles all possible seeds, and deals them to its replicas: no two of these have
    the same one. Two simulations of different points have the same one by chance.

    Returns
    -------
    int
        From 1 to 900,000,000.
    """
    key = hashlib.blake2b(f"{study_seed} {canonical_json(parameters)}".encode("ascii")).digest()
    place = _shuffled(replica, key)
    while place >= LARGEST_SEED:
        place = _shuffled(place, key)
    return 1 + place


def _shuffled(number: int, key: bytes) -> int:
    """Give a number's place in an order of all numbers of 30 bits: a Feistel network."""
    left, right = divmod(number, 1 << _HALF)
    for turn in range(4):
        digest = hashlib.blake2b(b"%d %d" % (turn, right), key=key, digest_size=4).digest()
        left, right = right, left ^ int.from_bytes(digest, "little") % (1 << _HALF)
    return left << _HALF | right


def matching(ids: Iterable[str], name: str) -> list[int]:
    """Give the places of ids that begin like this; one, where it is a whole one or long enough.

    Examples
    --------
    >>> matching(["0123456789abcdef", "0f23456789abcdef"], "0f")
    [1]
    """
    name = _folded(name)
    return [place for place, other in enumerate(ids) if other.startswith(name)] if name else []


def not_one(ids: Sequence[str], name: str, found: Sequence[int]) -> str:
    """Say why an id, or the beginning of one, is not that of one simulation.

    Parameters
    ----------
    ids : sequence of str
        Of all simulations.
    name : str
    found : sequence of int
        What :func:`matching` gives.

    Examples
    --------
    >>> not_one(["0123456789abcdef", "0f23456789abcdef"], "0123456789abcdee", [])
    'no simulation has the id 0123456789abcdee; the nearest is 0123456789abcdef'
    """
    if found:
        shown = ", ".join(ids[place] for place in found[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        return f"{name} begins {len(found)} ids: {shown}{more}; write more of it"
    near = _nearest(ids, _folded(name))
    return f"no simulation has the id {name}" + (f"; the nearest is {near}" if near else "")


def _folded(name: str) -> str:
    return name.strip().lower()


def _nearest(ids: Sequence[str], name: str) -> str:
    """Give the id that differs least, if that is by one or two digits."""
    import numpy as np  # which the driver's side has, and not all that import this need

    given = name.encode("ascii", "replace")[:_LENGTH]
    if not ids or len(given) <= 2 * _NEAR:
        return ""
    letters = (
        np.array(ids, f"S{_LENGTH}").view(np.uint8).reshape(len(ids), _LENGTH)[:, : len(given)]
    )
    wrong = (letters != np.frombuffer(given, np.uint8)).sum(axis=1)
    at = int(np.argmin(wrong))
    return ids[at] if wrong[at] <= _NEAR else ""
