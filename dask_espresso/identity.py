"""What tells simulations apart: ids, which stores are resumed by, and seeds."""

from __future__ import annotations

import hashlib
import json
from typing import Any

IDS = 2  # the way ids are computed in; in the first one, 1 and 1.0 had different ones
LARGEST_SEED = 900_000_000  # that LAMMPS takes; ESPResSo takes 31 bits, numpy.random.seed() 32
_HALF = 15  # bits: all seeds are below 2**30


def canonical_json(value: Any) -> str:
    """Write a value in the one way that ids are computed from: equal values have equal texts."""
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
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


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
