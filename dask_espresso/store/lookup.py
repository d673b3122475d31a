"""One simulation of a store, by its id or the beginning of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..inputs.stored_study import stored_study
from ..outcome import DEFAULTS, Outcome, Status
from .columns import ABSENT
from .reader import Reader
from .reading import look_at_rows
from .table import ID_TYPE

if TYPE_CHECKING:
    from pathlib import Path

    from .contents import StoreContents
    from .rows import Rows

_LENGTH = 16  # digits of an id
_NEAR = 2  # digits that may be wrong
_SHOWN = 5  # ids that a message lists
_TEXTS = tuple(name for name, default in DEFAULTS.items() if isinstance(default, str))


@dataclass(frozen=True)
class Found:
    """One simulation, with what became of it.

    Attributes
    ----------
    outcome : Outcome
        Without its result.
    is_in_study : bool
        Whether it is part of the study as it was run last.
    """

    outcome: Outcome
    is_in_study: bool


def find(path: Path, name: str) -> Found:
    """Find a simulation in a store; only what is said of it is read.

    Parameters
    ----------
    path : Path
    name : str
        Its id, or the beginning of it.

    Raises
    ------
    InputError
        If there is none, or more than one.
    """

    def read(rows: Rows, contents: StoreContents[Outcome]) -> Found:
        latest = rows.latest()
        ids = [rows.ids[row] for row in latest.tolist()]
        found = matching(ids, name)
        if len(found) != 1:
            said = "" if found else _what_to_do(path, contents, name)
            raise InputError(f"{path}: {not_one(ids, name, found)}{said}")
        row = int(latest[found[0]])
        is_other = row in Reader(stored_study(contents.study), rows).others.tolist()
        return Found(_outcome(rows, row), not is_other)

    return look_at_rows(path, read)


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
    given = name.encode("ascii", "replace")[:_LENGTH]
    if not ids or len(given) <= 2 * _NEAR:
        return ""
    letters = np.array(ids, ID_TYPE).view(np.uint8).reshape(len(ids), _LENGTH)[:, : len(given)]
    wrong = (letters != np.frombuffer(given, np.uint8)).sum(axis=1)
    at = int(np.argmin(wrong))
    return ids[at] if wrong[at] <= _NEAR else ""


def _what_to_do(path: Path, contents: StoreContents[Outcome], name: str) -> str:
    """Say where to look for ids; or that it is not recorded yet."""
    study = stored_study(contents.study)
    if any(other.startswith(_folded(name)) for other in study.ids()):
        return "; it is one of the study, and not recorded yet"
    return f"; `dask-espresso failures {path}` lists what is not done, `export` has all ids"


def _outcome(rows: Rows, row: int) -> Outcome:
    """Read all of an outcome but its result."""
    at = np.array([row])
    values: dict[str, Any] = {}
    for name in DEFAULTS:
        if name in _TEXTS and name != "id":
            (values[name],) = rows.texts(name, [row])
        elif name not in ("id", "parameters", "result"):
            values[name] = rows.objects(name)[row]
    values["status"] = Status(values["status"])
    names = dict.fromkeys(path[0] for path in rows.paths("parameter"))
    found = {name: rows.values("parameter", name, at)[0] for name in names}
    parameters = {name: value for name, value in found.items() if value is not ABSENT}
    return Outcome(id=rows.ids[row], parameters=parameters, **values)
