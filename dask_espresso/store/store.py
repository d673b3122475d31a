"""The store: every outcome of a study, in one HDF5 file and a journal beside it.

``NAME.h5`` is only ever replaced as a whole. Outcomes go to ``NAME.journal``
first, fsynced; publishing builds a new HDF5 file aside, out of the old one and
the journal, and renames it. A reader takes both, journal first, so that it
misses nothing that is published while it reads.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import logging
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import DaskEspressoError, InputError, ResumableError
from ..files import aside_of, describe_error, file_number, followed, remove_leftovers
from ..identity import IDS, simulation_id
from ..outcome import Outcome, Status, unpack
from ..process.modules import code_hash
from .claim import Claim, holder
from .hdf5 import Head, Published, Row, StoreContents, open_hdf5, write_hdf5
from .journal import Journal, read_journal
from .table import ID_TYPE, Table

if TYPE_CHECKING:
    from ..files import Record
    from ..inputs.study import Study
    from ..process.modules import Module

logger = logging.getLogger(__name__)

# a journal record begins with one of these; an outcome's sequence number follows
_DESCRIPTION, _OUTCOME = b"D", b"O"
_SEQUENCE = struct.Struct("<Q")
# What every simulation of one store has in common; the script's hash is compared separately.
_IDENTITY = ("name", "engine", "seed")
_MIN_PUBLISH = 64  # records below which a running driver does not publish


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
    return _read(store_path(path), lambda outcome: outcome, Published.outcomes)


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


def _read(
    path: Path,
    keep: Callable[[Outcome], Row],
    published_rows: Callable[[Published], dict[str, Row]],
    description: dict[str, Any] | None = None,
) -> StoreContents[Row]:
    """Read a store, or as much of each outcome as is to be kept.

    If none of its descriptions can be read, it has the given one.
    """
    for attempt in range(5):
        try:
            return _read_once(path, keep, published_rows, description)
        except OSError as error:
            # on NFS a file replaced while it is read goes stale: read the new one
            if error.errno != errno.ESTALE or attempt == 4:
                raise InputError(f"{path}: cannot be read: {error}") from error
    raise AssertionError


def _read_once(
    path: Path,
    keep: Callable[[Outcome], Row],
    published_rows: Callable[[Published], dict[str, Row]],
    description: dict[str, Any] | None,
) -> StoreContents[Row]:
    # the journal first: what is published meanwhile is then in the file
    descriptions: list[_Description] = []
    recorded: dict[str, Row] = {}
    n_recorded = 0
    for record in _read_records(path):
        if isinstance(record, Outcome):
            n_recorded += 1
            _put_latest(recorded, record.id, keep(record))
        else:
            descriptions.append(record)
    with open_hdf5(path) as published:
        if published is not None:
            contents = _contents_of(published, published_rows(published))
        elif descriptions or (n_recorded and description):
            described = descriptions[0] if descriptions else _Description(**description or {})
            contents = StoreContents(described.study, described.script_hash, outcomes={})
        elif n_recorded:
            raise InputError(
                f"{journal_path(path)}: what it says of its study is damaged; "
                "`dask-espresso run` with that study mends it"
            )
        else:
            raise InputError(f"{path}: there is no such store; `dask-espresso run` makes it")
    for described in descriptions:
        _check_same_study(path, contents.study, described)
        contents.study, contents.script_hash = described.study, described.script_hash
        contents.code_hash = described.code_hash
        contents.versions = {**contents.versions, **described.versions}
    for name, row in recorded.items():
        _put_latest(contents.outcomes, name, row)
    contents.n_unpublished = n_recorded
    contents.owner = holder(claim_path(path))
    return contents


def _contents_of(published: Published, outcomes: dict[str, Row]) -> StoreContents[Row]:
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
        n_published=len(outcomes),
    )


def _put_latest(rows: dict[str, Row], name: str, row: Row) -> None:
    before = rows.get(name)
    if before is None or before.sequence <= row.sequence:
        rows[name] = row


class _Description(NamedTuple):
    """What a driver says of the store when it opens the journal."""

    study: dict[str, Any]
    script_hash: str
    ids: int = 1
    code_hash: str = ""
    versions: dict[str, dict[str, str]] = {}  # noqa: RUF012


def _read_records(path: Path) -> Iterator[Outcome | _Description]:
    """Read what the journal beside a store holds, one after the other."""
    ids = 1
    for record in read_journal(journal_path(path)):
        try:
            if record[:1] == _DESCRIPTION:
                described = _Description(**json.loads(record[1:]))
                described.study.keys()
                ids = described.ids
                yield described
            elif record[:1] == _OUTCOME:
                outcome = unpack(memoryview(record)[1 + _SEQUENCE.size :])
                (outcome.sequence,) = _SEQUENCE.unpack_from(record, 1)
                if ids < IDS:
                    outcome.id = simulation_id(outcome.parameters, outcome.replica)
                yield outcome
        except (ValueError, TypeError, KeyError, AttributeError, struct.error) as error:
            raise InputError(
                f"{journal_path(path)}: holds what no driver wrote ({error}); move it away"
            ) from error


def _check_same_study(path: Path, study: dict[str, Any], described: _Description) -> None:
    """Refuse file and journal that are not of the same study."""
    if not _is_same(study, described.study):
        differences = _differences(study, described.study, ("in the file", "in the journal"))
        raise InputError(
            f"{path}: holds another study than the journal beside it ({differences}): one of them "
            f"was put there; move the wrong one away, and mind that {journal_path(path).name} may "
            "hold the only copy of what is in it"
        )


def _is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one.get(key) == other.get(key) for key in _IDENTITY)


class Entry(NamedTuple):
    """An outcome on its way into the store, packed by the worker already."""

    id: str
    status: Status
    record: Record


class Store:
    """A store held by this driver.

    Opened with :func:`open_store`, which refuses what must not be written to.

    Attributes
    ----------
    path : Path
        The HDF5 file.
    statuses : dict of str to Status
        What is recorded, by the simulation's id.
    """

    def __init__(
        self,
        path: Path,
        study: Study,
        claim: Claim,
        keep: StoreContents[Head],
        modules: tuple[Module, ...],
    ) -> None:
        self.path = path
        self.statuses = {name: outcome.status for name, outcome in keep.outcomes.items()}
        self._study = study
        self._claim = claim
        self._sequence = max((o.sequence for o in keep.outcomes.values()), default=0)
        self._file_number = file_number(path)
        self._published, self._unpublished = keep.n_published, keep.n_unpublished
        self._description = _description(study, modules, keep)
        self._is_changed = keep.published_as not in (None, self._description)
        record = _DESCRIPTION + json.dumps({**self._description, "ids": IDS}).encode()
        self._journal = Journal(journal_path(path), record, lambda: claim.is_ours)
        if keep.published_as is None:  # only the journal knows the study: twice, damage is local
            self._journal.append([(record,)])

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}, {len(self.statuses)} outcomes)"

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def record(self, entries: list[Entry]) -> None:
        """Write outcomes down; when this returns they are on disk.

        Raises
        ------
        ResumableError
            If they cannot be written, such as for a full disk.
        """
        if not entries:
            return
        records = [
            (_OUTCOME + _SEQUENCE.pack(self._sequence + i), *entry.record)
            for i, entry in enumerate(entries, 1)
        ]
        try:
            self._journal.append(records)
        except OSError as error:
            self._check_ours()
            raise ResumableError(
                f"{self._journal.path}: {describe_error(error)}, and run again: "
                "all that was recorded before is safe"
            ) from error
        self._check_ours()
        self._sequence += len(entries)
        self._unpublished += len(entries)
        self.statuses.update((entry.id, entry.status) for entry in entries)

    def _check_ours(self) -> None:
        try:
            is_ours = self._claim.look()
        except OSError as error:
            raise ResumableError(
                f"{self._claim.path}: {describe_error(error)}, and run again: "
                "all that was recorded before is safe"
            ) from error
        if not is_ours:
            raise ResumableError(
                f"{self.path}: another driver has taken the store over, or its claim "
                f"{self._claim.path.name} was deleted; this one stops"
            )

    def _check_in_place(self) -> None:
        """Expect the HDF5 file to be the one that this driver has found, or has published."""
        self._check_ours()
        if not self._is_in_place():
            raise ResumableError(
                f"{self.path}: was moved, deleted or replaced during the run; put it back and run "
                f"again: {self._journal.path.name} holds what was not in it yet"
            )

    @property
    def should_publish(self) -> bool:
        """Whether enough is new: publishing then costs a constant share of the work."""
        return self._unpublished >= max(_MIN_PUBLISH, self._published)

    def publish(self) -> None:
        """Put everything recorded into the HDF5 file, unless it is there already.

        Raises
        ------
        ResumableError
            If it cannot be written; the journal then still holds everything.
        """
        self._check_in_place()
        if not self._unpublished and not self._is_changed:
            return
        try:
            self._journal.put_back()
            n_published = self._write()
            self._check_in_place()  # not before it is there does the journal forget
            self._journal.restart(self._is_in_place)
            self._check_in_place()
            self._published, self._unpublished, self._is_changed = n_published, 0, False
        except OSError as error:
            self._check_in_place()
            raise ResumableError(
                f"{self.path}: could not be published ({describe_error(error)}); "
                f"{self._journal.path} holds everything, and the next run publishes it"
            ) from error
        except DaskEspressoError:
            raise
        except Exception as error:
            raise ResumableError(
                f"{self.path}: could not be published ({type(error).__name__}: {error}), which is "
                f"a fault of dask_espresso: please report it. {self._journal.path} holds "
                "everything; status, show, plot and export read it"
            ) from error

    def _write(self) -> int:
        """Write the HDF5 file, out of the one before and the journal; give its number of rows."""
        with open_hdf5(self.path) as published:
            table = Table(published)
            for record in _read_records(self.path):
                if isinstance(record, Outcome):
                    table.add(record)
                elif published:
                    _check_same_study(self.path, published.study, record)
            if missing := self.statuses.keys() - table.ids:
                raise ResumableError(
                    f"{self._journal.path}: {len(missing)} outcomes that were recorded cannot be "
                    "read back: it was damaged during the run; nothing was published; run again to "
                    "run those again"
                )
            table.sort(self._order)
            self._file_number = write_hdf5(
                self.path, table, **self._description, may_replace=self._may_publish
            )
            return len(table)

    @functools.cached_property
    def _order(self) -> np.ndarray[Any, Any]:
        """The study's ids in its order; as an array, for a tenth of the memory of strings."""
        return np.fromiter(self._study.ids(), ID_TYPE, self._study.count)

    def _is_in_place(self) -> bool:
        try:
            return file_number(self.path) == self._file_number
        except OSError:
            return False

    def _may_publish(self) -> bool:
        return self._claim.is_ours and self._is_in_place()

    def close(self) -> None:
        """Let go of the store; a journal that holds nothing new is removed."""
        try:
            if self._may_publish() and not self._unpublished:
                self._journal.remove()
        except OSError as error:  # the next run removes it
            logger.warning("%s: cannot be removed: %s", self._journal.path, describe_error(error))
        finally:
            self._journal.close()
            self._claim.release()


def _description(
    study: Study, modules: tuple[Module, ...], before: StoreContents[Head] | None = None
) -> dict[str, Any]:
    """Say what a store is of, as far as it is not in the outcomes."""
    version = code_hash(study.script_hash, modules)
    versions = {version: _files(study, modules)}
    if before:
        used = {head.code_hash for head in before.outcomes.values()}
        versions |= {name: files for name, files in before.versions.items() if name in used}
    return {
        "study": study.snapshot(),
        "script_hash": study.script_hash,
        "code_hash": version,
        "versions": versions,
    }


def _files(study: Study, modules: tuple[Module, ...]) -> dict[str, str]:
    """Give the hashes of the files that the code of a study consists of."""
    return {study.script_path.name: study.script_hash} | {m.name: m.hash for m in modules}


def check_store(
    path: Path,
    study: Study,
    *,
    changed_script: str | None = None,
    modules: tuple[Module, ...] = (),
) -> StoreContents[Head]:
    """Check that a study may be run into a store, without touching anything.

    Parameters
    ----------
    path : Path
        The HDF5 file, which need not exist.
    study : Study
        What is to be run.
    changed_script : {None, 'keep', 'rerun'}
        What to do if the script, or a module that it imports, has changed since: refuse, keep what
        was recorded, or run everything again.
    modules : tuple of Module
        Those of the user's own that the script imports.

    Returns
    -------
    StoreContents
        What is there already.

    Raises
    ------
    InputError
        If it may not; the message says why and what the choices are.
    """
    if path.suffix != ".h5":
        raise InputError(f"{path}: the name of a store ends in .h5")
    path = store_path(path)
    if not path.parent.is_dir():
        raise InputError(f"{path}: its directory does not exist; name another --store")
    _check_writable(path)
    if not path.exists() and not _has_journal(path):
        return StoreContents(study.snapshot(), study.script_hash, {})
    contents = _read(path, Head.of, Published.heads, _description(study, modules))
    if not _is_same(contents.study, study.snapshot()):
        differences = _differences(contents.study, study.snapshot(), ("there", "here"))
        raise InputError(
            f"{path}: the store of another study ({differences}); name another --store"
        )
    if contents.outcomes and not changed_script:
        _check_same_code(path, contents, study, modules)
    return contents


def _check_same_code(
    path: Path, contents: StoreContents[Head], study: Study, modules: tuple[Module, ...]
) -> None:
    """Refuse code that has changed since the store was written last, as far as is known."""
    if is_of(contents, study, modules):
        return
    what, kind = _change(contents, study, modules)
    raise InputError(
        f"{what} since the {len(contents.outcomes)} outcomes in "
        f"{path} were recorded; put the old {kind} back, or choose --changed-script keep "
        f"(run only what is missing, with the new {kind}), --changed-script rerun "
        "(run everything again), or another --store"
    )


def is_of(recorded: StoreContents[Head] | Head, study: Study, modules: tuple[Module, ...]) -> bool:
    """Say whether something was recorded with this code; of before only the script is known."""
    if not recorded.code_hash:
        return recorded.script_hash == study.script_hash
    return recorded.code_hash == code_hash(study.script_hash, modules)


def _change(
    contents: StoreContents[Head], study: Study, modules: tuple[Module, ...]
) -> tuple[str, str]:
    """Say which file has changed in which way, and what it is."""
    if contents.script_hash != study.script_hash:
        return f"{study.script_path}: has changed", "script"
    before = contents.versions.get(contents.code_hash, {})
    for module in modules:
        if module.name not in before:
            return f"{module.path}: has been added", "modules"
        if module.hash != before[module.name]:
            return f"{module.path}: has changed", "module"
    gone = sorted(before.keys() - _files(study, modules).keys())
    what = f"{', '.join(gone)}, which it imported, has gone" if gone else "has other modules"
    return f"{study.script_path}: {what}", "modules"


def _has_journal(path: Path) -> bool:
    try:
        return next(read_journal(journal_path(path)), None) is not None
    except OSError as error:
        raise InputError(f"{journal_path(path)}: cannot be read: {error}") from error


def _check_writable(path: Path) -> None:
    # root may write anything, but a file made read-only is meant to stay as it is
    for place in (path, journal_path(path), path.parent):
        with contextlib.suppress(FileNotFoundError):  # an ending driver takes its files away
            is_writable = os.access(place, os.W_OK)
            if place.stat().st_mode & 0o222 == 0 or not is_writable:
                raise InputError(f"{place}: read-only; make it writable or name another --store")


def _differences(one: dict[str, Any], other: dict[str, Any], places: tuple[str, str]) -> str:
    """Say in which way the studies in two places are not the same."""
    return ", ".join(
        f"{key} {one.get(key)!r} {places[0]} and {other.get(key)!r} {places[1]}"
        for key in _IDENTITY
        if one.get(key) != other.get(key)
    )


def open_store(
    path: Path,
    study: Study,
    *,
    changed_script: str | None = None,
    modules: tuple[Module, ...] = (),
) -> Store:
    """Claim a store for this driver and open it, making it if it is not there.

    Parameters and errors are those of :func:`check_store`; a store that another
    driver holds is refused too.
    """
    check_store(path, study, changed_script=changed_script, modules=modules)
    path = store_path(path)
    try:
        claim = Claim(claim_path(path))
        try:
            # now it is nobody else's, also if another driver only stands still
            for place in (path, journal_path(path), claim_path(path)):
                remove_leftovers(place)
            contents = check_store(path, study, changed_script=changed_script, modules=modules)
            store = Store(path, study, claim, contents, modules)
        except BaseException:
            claim.release()
            raise
    except OSError as error:
        raise ResumableError(
            f"{path}: cannot be written ({describe_error(error)}); nothing was run yet"
        ) from error
    if changed_script == "rerun":
        for name, head in contents.outcomes.items():
            if not is_of(head, study, modules):
                del store.statuses[name]
    return store
