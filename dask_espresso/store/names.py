"""Names of the columns: each stands beside all others, whatever a script calls its results.

The store's own columns always have their plain names, and a parameter its own beside a result. What
has a name that is taken, or one that netCDF keeps for itself, has its role in front of it, as in
``result.status``. Names do not depend on the order in which simulations ended.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Iterator, Mapping

from ..outcome import FIELDS
from ..script.estimate import OF_ERRORS, REASON
from .columns import DIMENSION, REST, Path

ROLES = ("outcome", "parameter", "result")  # the first has its names before the others
_OWN = frozenset((DIMENSION, *FIELDS))
_OF_ROLES = tuple(f"{role}." for role in ROLES)
_OF_ERRORS = {**OF_ERRORS, REASON: "what is to be said of the standard error"}
_REST_NAME = "more"
_LONGEST = 200  # bytes; netCDF has 255, and a role or `_element` comes along


def safe(text: str) -> str:
    """Make a name that HDF5 and the lists of names in netCDF attributes can hold.

    Different names stay different.
    """
    text = re.sub(r"[\s/\x00-\x1f\x7f\ud800-\udfff%]", lambda m: f"%{ord(m[0]):02X}", text)
    return text if text not in ("", ".", "..") else f"%{text}"


def is_long(path: Path) -> bool:
    """Say whether a column of this name could not be read by all that read netCDF."""
    return len(_without_dots(path, safe).encode()) > _LONGEST


def column_names(
    paths: Mapping[str, Collection[Path]], write: Callable[[str], str] = safe
) -> dict[tuple[str, Path], str]:
    """Give every column a name of its own.

    Parameters
    ----------
    paths : dict of str to paths
        The columns of each role.
    write : callable, optional
        How each part of a name is written.

    Returns
    -------
    dict
        The names by role and path: parts are joined by dots.

    Examples
    --------
    >>> paths = {"parameter": [("x",)], "result": [("x",), ("status",), ("rdf", "r")]}
    >>> list(column_names(paths).values())
    ['x', 'rdf.r', 'result.status', 'result.x']
    """
    names: dict[tuple[str, Path], str] = {}
    taken: set[str] = set()
    # what is left of all names comes last, and of a.b the one of nested dicts first
    columns = [(role, path) for role in ROLES for path in paths.get(role, ())]
    columns.sort(key=lambda column: (column[1] == REST, ROLES.index(column[0]), _dots(column[1])))
    for role, path in columns:
        name = next(name for name in _candidates(role, path, write) if name not in taken)
        taken.add(name)
        names[role, path] = name
    return names


def _dots(path: Path) -> tuple[int, Path]:
    return sum(part.count(".") for part in path), path


def _candidates(role: str, path: Path, write: Callable[[str], str]) -> Iterator[str]:
    plain = ".".join(map(write, path)) or _REST_NAME
    # names that begin with an underscore are reserved in netCDF
    if role == "outcome" or not (plain in _OWN or plain.startswith(("_", *_OF_ROLES))):
        yield plain
    yield f"{role}.{plain}"
    unlike_others = f"{role}.{_without_dots(path, write) or '%'}"
    yield unlike_others
    yield from (f"{unlike_others}.{i}" for i in itertools.count(2))


def _without_dots(path: Path, write: Callable[[str], str]) -> str:
    return ".".join(write(part).replace(".", "%2E") for part in path)


def of_error(role: str, path: Path, names: Mapping[tuple[str, Path], str]) -> dict[str, str]:
    """Give the HDF5 attributes of a result that says how good another one is.

    Examples
    --------
    >>> paths = {"result": [("p",), ("p_sem",)]}
    >>> of_error("result", ("p_sem",), column_names(paths))
    {'long_name': 'standard error (one sigma) of p'}
    """
    for suffix, what in _OF_ERRORS.items() if role == "result" and path != REST else ():
        of = names.get((role, (*path[:-1], path[-1].removesuffix(suffix))))
        if path[-1].endswith(suffix) and of:
            return {"long_name": f"{what} of {of}"}
    return {}
