"""Why simulations are not done: those that failed for one cause are one group."""

from __future__ import annotations

import collections
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..outcome import Status
from ..process.cause import brief, pattern, pattern_of_names
from ..store.arrays import Values
from ..store.reader import Reader

_DIGITS = {ord(digit): None for digit in "0123456789"}


@dataclass(frozen=True)
class Group:
    """Simulations that are not done for one cause.

    Attributes
    ----------
    status : Status
    exit_code : int or None
    cause : str
        What all of them say, with … for what differs; `example` is what the first one says.
    rows : array of int
        Of the reader, in the order of the study.
    """

    status: Status
    exit_code: int | None
    cause: str
    example: str
    rows: Values


def groups_of(reader: Reader, chosen: Values) -> list[Group]:
    """Group what is not done by its cause, the largest group first.

    Parameters
    ----------
    reader : Reader
    chosen : array of int
        Its rows that are to be grouped.
    """
    hosts = pattern_of_names(filter(None, reader.coded("host")[0]))
    statuses = reader.field("status")[chosen].tolist()
    codes = reader.field("exit_code")[chosen].tolist()
    known: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    first: dict[tuple[Any, ...], _Said] = {}
    rows: dict[tuple[Any, ...], list[int]] = collections.defaultdict(list)
    are_alike: dict[tuple[Any, ...], bool] = {}
    errors = reader.texts("error", chosen)
    for row, status, code, error in zip(chosen.tolist(), statuses, codes, errors, strict=True):
        alike = status, code, error.translate(_DIGITS)
        if (key := known.get(alike)) is None:
            said = _Said.of(error)
            key = known[alike] = status, code, pattern(said.brief, hosts)
            first.setdefault(key, said)
        rows[key].append(row)
        are_alike[key] = are_alike.get(key, True) and first[key].is_in(error)
    groups = [
        Group(
            Status(key[0]), key[1], first[key].brief if are_alike[key] else key[2],
            first[key].brief, np.array(of_group),
        )
        for key, of_group in rows.items()
    ]  # fmt: skip
    return sorted(groups, key=lambda group: -len(group.rows))


class _Said(NamedTuple):
    """What a failure says, in one line, and the parts that this is made of."""

    brief: str
    reason: str
    why: str

    @classmethod
    def of(cls, error: str) -> _Said:
        said, reason = brief(error), error.strip().partition("\n")[0].strip()
        return cls(said, reason, said.removeprefix(reason).removeprefix(": "))

    def is_in(self, error: str) -> bool:
        """Say whether another failure says the same."""
        return error.lstrip().startswith(self.reason) and self.why in error
