"""Reading a store: its journal first, then its HDF5 file, so that nothing is missed.

What is published while somebody reads is then in the file.
"""

from __future__ import annotations

import errno
import json
import os
import struct
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from ..errors import InputError, ResumableError
from ..files import aside_of, followed
from ..identity import IDS, simulation_id
from ..inputs.stored_study import stored_study
from ..outcome import Outcome
from ..record import unpack
from .claim import holder
from .contents import Row, StoreContents
from .hdf5 import Published, open_hdf5
from .journal import read_journal
from .provenance import Provenance, checked, united
from .reader import Reader
from .rows import Rows
from .table import Table

T = TypeVar("T")

# a journal record begins with one of these; an outcome's sequence number follows. Those that a
# reader does not know it passes over
DESCRIPTION, OUTCOME, PROVENANCE = b"D", b"O", b"P"
SEQUENCE = struct.Struct("<Q")
# What every simulation of one store has in common; the script's hash is compared separately.
_IDENTITY = ("name", "engine", "seed")


def journal_path(path: Path) -> Path:
    """Give the path of the journal beside a store."""
    return path.with_suffix(".journal")


def claim_path(path: Path) -> Path:
    """Give the path of the claim beside a store."""
    return path.with_suffix(path.suffix + ".claim")


def read_store(path: str | os.PathLike[str]) -> StoreContents[Outcome]:
    """Read a store, also while a driver is writing it.

    Parameters
    ----------
    path : path
        The HDF5 file. It need not exist yet where its journal does.

    Returns
    -------
    StoreContents

    Raises
    ------
    InputError
        If there is no store, or the file is none or of a newer format.

    Examples
    --------
    >>> store = read_store("lj_pressure.h5")                       # doctest: +SKIP
    >>> [o.result["pressure"] for o in store.outcomes.values()]    # doctest: +SKIP
    """
    return read_rows(store_path(path), lambda outcome: outcome, Published.outcomes)


def store_path(path: str | os.PathLike[str]) -> Path:
    """Give the file itself where a store is named by a link: journal and claim are beside it.

    Raises
    ------
    InputError
        If no file of a store can be there.
    """
    path = Path(path)
    try:
        path = followed(path)
        wrong = _wrong_place(path)
    except (OSError, RuntimeError, ValueError) as error:  # a name too long, links in a circle
        wrong = getattr(error, "strerror", None) or str(error)
    if wrong:
        raise InputError(f"{path}: {wrong}; name another store")
    return path


def _wrong_place(path: Path) -> str:
    if not path.name or path.is_dir():
        return "a directory"
    if path.exists() and not path.is_file():
        return "not a regular file"
    longest = len(os.fsencode(aside_of(claim_path(path)).name))
    if path.parent.is_dir() and longest > (most := os.pathconf(path.parent, "PC_NAME_MAX")):
        room = most - longest + len(os.fsencode(path.name))
        return f"its name is too long: at most {room} bytes, since other files have longer ones"
    return ""


def read_rows(
    path: Path,
    keep: Callable[[Outcome], Row],
    published_rows: Callable[[Published], dict[str, Row]],
    description: dict[str, Any] | None = None,
) -> StoreContents[Row]:
    """Read a store, or as much of each outcome as is to be kept.

    If none of its descriptions can be read, it has the given one.
    """
    return _again_if_stale(path, lambda: _read_once(path, keep, published_rows, description))


def look(path: str | os.PathLike[str], view: Callable[[Reader, StoreContents[Outcome]], T]) -> T:
    """Look at as much of a store as is asked for, also while a driver is writing it.

    Parameters
    ----------
    path : path
        The HDF5 file. It need not exist yet where its journal does.
    view : callable
        Gets a reader, and what the store says of itself, without outcomes.

    Raises
    ------
    InputError
        If there is no store, or the file is none or of a newer format.
    """

    def read(rows: Rows, contents: StoreContents[Outcome]) -> T:
        try:
            study = stored_study(contents.study)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        return view(Reader(study, rows), contents)

    return look_at_rows(path, read)


def look_at_rows(
    path: str | os.PathLike[str], view: Callable[[Rows, StoreContents[Outcome]], T]
) -> T:
    """Look at a store as :func:`look`, at all that is there, whatever the study is."""
    place = store_path(path)
    return _again_if_stale(place, lambda: _look_once(place, view))


def _again_if_stale(path: Path, read: Callable[[], T]) -> T:
    for attempt in range(5):
        try:
            return read()
        except OSError as error:
            # on NFS a file replaced while it is read goes stale: read the new one
            if error.errno != errno.ESTALE or attempt == 4:
                raise InputError(f"{path}: cannot be read: {error}") from error
    raise AssertionError


def _look_once(path: Path, view: Callable[[Rows, StoreContents[Outcome]], T]) -> T:
    recorded = _Recorded(path, lambda outcome: outcome)
    with open_hdf5(path) as published:
        contents = _contents_of(path, published, {}, recorded, None)
        return view(Rows(published, recorded.rows.values()), contents)


def _read_once(
    path: Path,
    keep: Callable[[Outcome], Row],
    published_rows: Callable[[Published], dict[str, Row]],
    description: dict[str, Any] | None,
) -> StoreContents[Row]:
    # the journal first: what is published meanwhile is then in the file
    recorded = _Recorded(path, keep)
    with open_hdf5(path) as published:
        outcomes = published_rows(published) if published else {}
        contents = _contents_of(path, published, outcomes, recorded, description)
        for name, row in recorded.latest(published):
            outcomes[name] = row
    return contents


class _Recorded(Generic[Row]):
    """What is in the journal beside a store: of each simulation its latest outcome."""

    def __init__(self, path: Path, keep: Callable[[Outcome], Row]) -> None:
        self.descriptions: list[Description] = []
        self.rows: dict[str, Row] = {}
        self.count = 0
        self.provenance: Provenance = {}
        self._sequences: dict[str, int] = {}
        for record in _read_records(path):
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


def _contents_of(
    path: Path,
    published: Published | None,
    outcomes: dict[str, Row],
    recorded: _Recorded[Row],
    description: dict[str, Any] | None,
) -> StoreContents[Row]:
    """Say what the file holds, and what the journal says of the store."""
    descriptions = recorded.descriptions
    if published is not None:
        contents = _published_contents(published, outcomes)
    elif descriptions or (recorded.count and description):
        described = descriptions[0] if descriptions else Description(**description or {})
        contents = StoreContents(described.study, described.script_hash, outcomes)
    elif recorded.count:
        raise InputError(
            f"{journal_path(path)}: what it says of its study is damaged; "
            "`dask-espresso run` with that study mends it"
        )
    else:
        raise InputError(f"{path}: there is no such store; `dask-espresso run` makes it")
    for described in descriptions:
        check_same_study(path, contents.study, described)
        contents.study, contents.script_hash = described.study, described.script_hash
        contents.code_hash = described.code_hash
        contents.versions = {**contents.versions, **described.versions}
    contents.provenance = united(contents.provenance, recorded.provenance)
    contents.n_unpublished = recorded.count
    contents.last_sequence = max(contents.last_sequence, recorded.last_sequence)
    contents.owner = holder(claim_path(path))
    return contents


def _published_contents(published: Published, outcomes: dict[str, Row]) -> StoreContents[Row]:
    return StoreContents(
        published.study,
        published.script_hash,
        outcomes,
        published.code_hash,
        published.versions,
        published_as={
            "study": published.study,
            "script_hash": published.script_hash,
            "code_hash": published.code_hash,
            "versions": published.versions,
        },
        provenance=published.provenance,
        n_published=published.size,
        last_sequence=int(published.field("sequence").max(initial=0)),
    )


class Description(NamedTuple):
    """What a driver says of the store when it opens the journal."""

    study: dict[str, Any]
    script_hash: str
    ids: int = 1
    code_hash: str = ""
    versions: dict[str, dict[str, str]] = {}  # noqa: RUF012


def all_recorded(path: Path, published: Published | None, wanted: Collection[str]) -> Table:
    """Give all outcomes of file and journal.

    Raises
    ------
    ResumableError
        If one of those that are wanted is not there any more.
    """
    table = Table(published)
    for record in _read_records(path):
        if isinstance(record, Outcome):
            table.add(record)
        elif published and isinstance(record, Description):
            check_same_study(path, published.study, record)
    if missing := set(wanted) - table.ids:
        raise ResumableError(
            f"{journal_path(path)}: {len(missing)} outcomes that were recorded cannot be "
            "read back: it was damaged during the run; nothing was published; run again to "
            "run those again"
        )
    return table


def _read_records(path: Path) -> Iterator[Outcome | Description | Provenance]:
    """Read what the journal beside a store holds, one after the other."""
    ids = 1
    for record in read_journal(journal_path(path)):
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
