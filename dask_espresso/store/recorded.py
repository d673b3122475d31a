"""What the journal beside a store holds: outcomes, what drivers say of the store, provenance."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, NamedTuple

from ..errors import InputError
from ..identity import IDS, simulation_id
from ..outcome import Outcome
from ..record import unpack
from .contents import Row
from .hdf5 import Published
from .journal import journal_path, read_journal
from .provenance import Provenance, checked, united

# a journal record begins with one of these; an outcome's sequence number follows. Those that a
# reader does not know it passes over
DESCRIPTION, OUTCOME, PROVENANCE = b"D", b"O", b"P"
SEQUENCE = struct.Struct("<Q")
# What every simulation of one store has in common; the script's hash is compared separately.
_IDENTITY = ("name", "engine", "seed")


class Description(NamedTuple):
    """What a driver says of the store when it opens the journal."""

    study: dict[str, Any]
    script_hash: str
    ids: int = 1
    code_hash: str = ""
    versions: dict[str, dict[str, str]] = {}  # noqa: RUF012


class Recorded(Generic[Row]):
    """What is in the journal beside a store: of each simulation its latest outcome."""

    def __init__(self, path: Path, keep: Callable[[Outcome], Row]) -> None:
        self.descriptions: list[Description] = []
        self.rows: dict[str, Row] = {}
        self.count = 0
        self.provenance: Provenance = {}
        self._sequences: dict[str, int] = {}
        for record in read_records(path):
            if isinstance(record, Outcome):
                self.count += 1
                if self._sequences.get(record.id, 0) <= record.sequence:
                    self._sequences[record.id] = record.sequence
                    self.rows[record.id] = keep(record)
            elif isinstance(record, Description):
                self.descriptions.append(record)
            else:
                self.provenance = united(self.provenance, record)

    def latest(self, published: Published | None) -> Iterator[tuple[str, Row]]:
        """Give those that are later than what the HDF5 file has of the simulation."""
        before: dict[str, int] = {}
        if published and self.rows:
            sequences = published.field("sequence")
            numbers = (at for at, name in enumerate(published.ids) if name in self.rows)
            before = {published.ids[at]: int(sequences[at]) for at in numbers}
        for name, row in self.rows.items():
            if before.get(name, 0) <= self._sequences[name]:
                yield name, row

    @property
    def last_sequence(self) -> int:
        """The largest number of an outcome."""
        return max(self._sequences.values(), default=0)


def read_records(
    path: Path, end: int | None = None
) -> Iterator[Outcome | Description | Provenance]:
    """Read what the journal beside a store holds, up to a place, one after the other."""
    ids = 1
    for record in read_journal(journal_path(path), end):
        try:
            if record[:1] == DESCRIPTION:
                described = Description(**json.loads(record[1:]))
                described.study.keys()
                ids = described.ids
                yield described
            elif record[:1] == OUTCOME:
                outcome = unpack(memoryview(record)[1 + SEQUENCE.size :])
                (outcome.sequence,) = SEQUENCE.unpack_from(record, 1)
                if ids < IDS:
                    outcome.id = simulation_id(outcome.parameters, outcome.replica)
                yield outcome
            elif record[:1] == PROVENANCE:
                yield checked(json.loads(record[1:]))
        except (ValueError, TypeError, KeyError, AttributeError, struct.error) as error:
            raise InputError(
                f"{journal_path(path)}: holds what no driver wrote ({error}); move it away"
            ) from error


def check_same_study(path: Path, study: dict[str, Any], described: Description) -> None:
    """Refuse file and journal that are not of the same study."""
    if not is_same(study, described.study):
        how = differences(study, described.study, ("in the file", "in the journal"))
        raise InputError(
            f"{path}: holds another study than the journal beside it ({how}): one of them "
            f"was put there; move the wrong one away, and mind that {journal_path(path).name} may "
            "hold the only copy of what is in it"
        )


def is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Say whether two studies may have one store."""
    return all(one.get(key) == other.get(key) for key in _IDENTITY)


def differences(one: dict[str, Any], other: dict[str, Any], places: tuple[str, str]) -> str:
    """Say in which way the studies in two places are not the same."""
    return ", ".join(
        f"{key} {one.get(key)!r} {places[0]} and {other.get(key)!r} {places[1]}"
        for key in _IDENTITY
        if one.get(key) != other.get(key)
    )
