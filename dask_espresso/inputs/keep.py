"""Which of the files that a simulation leaves in its directory stay."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from ..errors import BadValueError, describe, unknown

MOST_FILES = 1000  # of one simulation
_LIMIT = "1 GiB"  # of one simulation, where the study says nothing else
_UNITS = {
    "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip
_KEYS = ("files", "limit")
_FORM = 'write patterns such as ["*.vtf", traj.h5], or {files: ["*.vtf"], limit: 5 GiB}'


@dataclass(frozen=True)
class Keep:
    """What is to stay of one simulation, and where.

    Attributes
    ----------
    patterns : tuple of str
        Of paths in its directory, with wildcards for names; empty: nothing stays.
    limit : int
        How much that may be, in bytes.
    place : str
        The directory that has one for each simulation; empty: it is looked whether everything is
        there, and nothing stays.
    name : str
        Of the simulation's own directory in it: its id.
    mark : str
        Of the directory that the driver has made, by which a worker knows it; empty: by its path.
    """

    patterns: tuple[str, ...] = ()
    limit: int = 0
    place: str = ""
    name: str = ""
    mark: str = ""


NOTHING = Keep()


def keep_of(given: Any) -> Keep:
    """Say what is to stay, as a study says it.

    Raises
    ------
    BadValueError
        Says what cannot be used, and why.
    """
    if given is None:
        return NOTHING
    if not isinstance(given, dict):
        return Keep(_patterns(given), _bytes(_LIMIT))
    for key in given:
        if key not in _KEYS:
            raise BadValueError(unknown("key", str(key), _KEYS), str(key))
    if "files" not in given:
        raise BadValueError(f"names no files; {_FORM}")
    return Keep(_patterns(given["files"], "files"), _bytes(given.get("limit", _LIMIT)))


def _patterns(given: Any, *at: str) -> tuple[str, ...]:
    patterns = [given] if isinstance(given, str) else given
    if not isinstance(patterns, list) or not patterns:
        raise BadValueError(f"is {describe(given)}; {_FORM}", *at)
    for i, pattern in enumerate(patterns):
        wrong = wrong_pattern(pattern) if isinstance(pattern, str) else "put it in quotes"
        if wrong:
            place = (i,) if isinstance(given, list) else ()
            raise BadValueError(f"is {describe(pattern)}; {wrong}", *at, *place)
    return tuple(patterns)


def wrong_pattern(pattern: str) -> str:
    """Say what is wrong with a pattern, and what to do; empty if nothing is."""
    path = PurePath(pattern)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in pattern:
        return "write a path in the simulation's own directory"
    if any("**" in part for part in path.parts):
        return "name a folder, such as out, and all in it stays"
    return ""


def _bytes(text: Any) -> int:
    found = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*([A-Za-z]+)\s*", str(text))
    size = int(float(found[1]) * _UNITS.get(found[2], 0)) if found else 0
    if not size:
        raise BadValueError(
            f"is {describe(text)}; write a size such as 5 GiB, with one of {', '.join(_UNITS)}",
            "limit",
        )
    return size
