"""Which outcomes of a store are meant: by conditions on their parameters, and by how they ended."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import BadValueError, InputError
from ..inputs.expression import Expression
from ..inputs.lineage import Lineage
from ..outcome import Status
from .arrays import Values
from .columns import ABSENT
from .rows import Rows

_REPLICA = "replica"  # a name in conditions, where no parameter has it


class Selection(NamedTuple):
    """Outcomes that were asked for.

    Attributes
    ----------
    ids : list of str
        Of their simulations.
    statuses : dict of Status to int
        How many of them ended how.
    size : int
        Outcomes in the store, all in all.
    """

    ids: list[str]
    statuses: dict[Status, int]
    size: int


def select(
    rows: Rows, where: Sequence[str], statuses: Collection[Status], lineage: Lineage
) -> Selection:
    """Find the outcomes that meet all conditions and ended in one of these ways.

    Parameters
    ----------
    rows : Rows
    where : sequence of str
        Conditions as in a study, of parameters and ``replica``. Outcomes that do not have a
        parameter in it do not meet a condition.
    statuses : collection of Status
        Any, where empty.
    lineage : Lineage
        How parameters of the study were recorded before: conditions have the names of now.

    Raises
    ------
    InputError
        If a condition cannot be read, or is neither true nor false somewhere.
    """
    latest = rows.latest()
    ended = rows.field("status")
    chosen = latest
    if statuses:
        chosen = chosen[np.isin(ended[chosen], [int(status) for status in statuses])]
    chosen = meeting(where, rows, chosen, lineage)
    counts = {status: int((ended[chosen] == status).sum()) for status in Status}
    ids = [rows.ids[row] for row in chosen.tolist()]
    return Selection(ids, {status: count for status, count in counts.items() if count}, len(latest))


def meeting(where: Sequence[str], rows: Rows, chosen: Values, lineage: Lineage) -> Values:
    """Give those of some rows that meet all conditions; all else is as in :func:`select`."""
    for text in where:
        try:
            chosen = _meeting(text, rows, chosen, lineage)
        except BadValueError as error:
            raise InputError(f"--where {text!r}: {error}") from error
    return chosen


def _meeting(text: str, rows: Rows, chosen: Values, lineage: Lineage) -> Values:
    """Give those of some rows that meet a condition."""
    recorded = dict.fromkeys(path[0] for path in rows.paths("parameter"))
    names = {**recorded, **lineage.now(recorded)}
    condition = Expression(text, [*names, *({_REPLICA} - names.keys())])
    columns = [_values(name, name in names, rows, chosen, lineage) for name in condition.names]
    points = zip(*columns, strict=True) if columns else [()] * len(chosen)
    holds = [
        all(value is not ABSENT for value in point) and condition.holds(point) for point in points
    ]
    found: Values = chosen[np.array(holds, bool)]
    return found


def _values(
    name: str, is_parameter: bool, rows: Rows, chosen: Values, lineage: Lineage
) -> list[Any]:
    """Give a parameter of some rows, or their replica; ABSENT where there is none."""
    if not is_parameter:
        replicas: list[Any] = rows.field(_REPLICA)[chosen].tolist()
        return replicas
    first, default = lineage.first(name), lineage.defaults.get(name, ABSENT)
    values = rows.values("parameter", name, chosen)
    if first != name:
        before = rows.values("parameter", first, chosen)
        values = [b if v is ABSENT else v for v, b in zip(values, before, strict=True)]
    return [default if value is ABSENT else value for value in values]
