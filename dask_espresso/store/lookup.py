"""One simulation of a store, by its id or the beginning of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..identity import matching, not_one
from ..inputs.stored_study import stored_study
from ..outcome import DEFAULTS, Outcome, Status
from .columns import ABSENT
from .reader import Reader
from .reading import look_at_rows

if TYPE_CHECKING:
    from pathlib import Path

    from .contents import StoreContents
    from .rows import Rows

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


def _what_to_do(path: Path, contents: StoreContents[Outcome], name: str) -> str:
    """Say where to look for ids; or that it is not recorded yet."""
    study = stored_study(contents.study)
    if any(matching([other], name) for other in study.ids()):
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
