"""Whether simulations were run with the parameters that a study has for their ids.

`rename` and `defaults` may give the same ids other parameters than those that a script got once:
its results would then be shown where they do not belong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..identity import canonical_json
from ..inputs.simulations import Simulations
from ..inputs.stored_study import StoredStudy
from .arrays import Values
from .columns import ABSENT
from .reading import look_at_rows

Recorded = Callable[[str, Values], Sequence[Any]]


def check_rows(path: Path, study: Simulations) -> None:
    """Refuse a study by which what is recorded was run with other parameters.

    Parameters
    ----------
    path : Path
        The store.
    study : Simulations
        Parameters that were not recorded, or under another name, agree with anything.

    Raises
    ------
    InputError
        Names a simulation, and what to do.
    """
    if not study.lineage:
        return

    def read(rows: Any, _: Any) -> str:
        latest = rows.latest()
        ids = [rows.ids[row] for row in latest.tolist()]
        return disagreement(
            study, ids, lambda name, which: rows.values("parameter", name, latest[which])
        )

    if found := look_at_rows(path, read):
        raise InputError(
            f"{path}: {found}; put `defaults` and `rename` back as they were when that was run, "
            "remove it with `dask-espresso forget`, or name another --store"
        )


def disagreement(study: Simulations, ids: Sequence[str], recorded: Recorded) -> str:
    """Say which simulation was run with other parameters than a study has; empty if none was.

    Parameters
    ----------
    study : Simulations
    ids : sequence of str
        Of what is recorded; those that are not in the study count for nothing.
    recorded : callable
        Gives a parameter, by its name, of some of them, by their numbers; ABSENT where they have
        none of that name.
    """
    if not ids or not study.count:
        return ""
    places = study.places_of(ids)
    inside = np.flatnonzero(places >= 0)
    for name in study.names:
        values, codes = study.coded(name, places[inside])
        texts = [canonical_json(value) for value in values]
        there = zip(recorded(name, inside), codes.tolist(), inside.tolist(), strict=True)
        for value, code, number in there:
            if value is not ABSENT and canonical_json(value) != texts[code]:
                return (
                    f"simulation {ids[number]} was run with {name} = {canonical_json(value)}, and "
                    f"is the one with {name} = {texts[code]} by `defaults` and `rename` of "
                    f"the study"
                )
    return ""


def difference(one: StoredStudy, other: StoredStudy) -> str:
    """Say in what `defaults` and `rename` of two studies contradict each other."""
    for name in one.lineage.defaults.keys() & other.lineage.defaults.keys():
        texts = [canonical_json(study.lineage.defaults[name]) for study in (one, other)]
        if texts[0] != texts[1]:
            return f"`defaults` has {name} = {texts[0]} in the one, {texts[1]} in the other"
    for name in {*(one.rename or {}).values()} & {*(other.rename or {}).values()}:
        first = [study.lineage.first(name) for study in (one, other)]
        if first[0] != first[1]:
            return f"`{name}` was `{first[0]}` in the one, `{first[1]}` in the other, by `rename`"
    return ""
