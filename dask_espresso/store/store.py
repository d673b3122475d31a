"""The store: every outcome of a study, in one HDF5 file and a journal beside it.

``NAME.h5`` is only ever replaced as a whole. Outcomes go to ``NAME.journal``
first, fsynced; publishing builds a new HDF5 file aside, out of the old one and
the journal, and renames it. A reader takes both, journal first, so that it
misses nothing that is published while it reads.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import DaskEspressoError, ResumableError
from ..files import describe_error, file_number, remove_leftovers
from ..identity import IDS
from ..inputs.stored_study import stored_study
from ..kept import announce_removal, files_path, remove_announced
from ..outcome import Status
from .admission import check_contents, check_place, description, is_of
from .claim import Claim
from .contents import Head, StoreContents
from .hdf5 import Published, open_hdf5, write_hdf5
from .journal import Journal, journal_path
from .provenance import Provenance, news, of_versions, united
from .publishing import all_recorded
from .reading import claim_path, read_rows
from .reading import read_store as read_store
from .recorded import DESCRIPTION, OUTCOME, PROVENANCE, SEQUENCE

if TYPE_CHECKING:
    from ..files import Record
    from ..inputs.simulations import Simulations
    from ..inputs.study import Study
    from ..process.modules import Module

logger = logging.getLogger(__name__)

_MIN_PUBLISH = 64  # records below which a running driver does not publish


class Entry(NamedTuple):
    """An outcome on its way into the store, packed by the worker already."""

    id: str
    status: Status
    record: Record


class Store:
    """A store held by this driver.

    Opened with :func:`open_store`, which refuses what must not be written to, or
    :func:`mend_store`.

    Attributes
    ----------
    path : Path
        The HDF5 file.
    statuses : dict of str to Status
        What is recorded, by the simulation's id.
    provenance : dict
        Where the versions of the code came from, see :mod:`.provenance`.
    """

    def __init__(
        self,
        path: Path,
        study: Simulations,
        claim: Claim,
        keep: StoreContents[Head],
        described: dict[str, Any],
    ) -> None:
        self.path = path
        self.statuses = {name: outcome.status for name, outcome in keep.outcomes.items()}
        self.provenance = keep.provenance
        self._study, self._claim = study, claim
        self._sequence = keep.last_sequence
        self._file_number = file_number(path)
        self._published, self._unpublished = keep.n_published, keep.n_unpublished
        self._description = described
        self._is_changed = keep.published_as not in (None, self._description)
        self._is_named_anew = _is_named_anew(keep.published_as or described, described)
        record = DESCRIPTION + json.dumps({**self._description, "ids": IDS}).encode()
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
            (OUTCOME + SEQUENCE.pack(self._sequence + i), *entry.record)
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
        if self._is_named_anew and self._is_changed:
            self.publish()  # a table of the file has all simulations under the same names

    def note(self, provenance: Provenance) -> None:
        """Write down where code came from, as far as that is not known yet."""
        if new := news(self.provenance, provenance):
            self._journal.append([(PROVENANCE + json.dumps(new).encode(),)])
            self.provenance = united(self.provenance, new)
            self._is_changed = True

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
            raise _fault(self.path, self._journal.path, error) from error

    def forget(self, ids: Collection[str]) -> None:
        """Take outcomes out of the store, at once, and then files that they have left.

        Raises
        ------
        ResumableError
            If it cannot be written; then none of them is forgotten.
        """
        self.publish()  # then one file holds everything, and is replaced
        try:
            announce_removal(files_path(self.path), ids)
            self._published = self._write(forgotten=ids)
        except OSError as error:
            self._check_in_place()
            raise ResumableError(
                f"{self.path}: cannot be written ({describe_error(error)}); nothing was forgotten"
            ) from error
        self.statuses = {name: self.statuses[name] for name in self.statuses.keys() - {*ids}}
        remove_announced(files_path(self.path), self.statuses)

    def _write(self, forgotten: Collection[str] = ()) -> int:
        """Write the HDF5 file, out of the one before and the journal; give its number of rows."""
        with open_hdf5(self.path) as published:
            table = all_recorded(self.path, published, self.statuses.keys())
            table.remove(forgotten)
            table.sort(self._study)
            if self._study.lineage or (published and published.has_names_of_study):
                table.take_parameters(self._study)
            known = of_versions(self.provenance, self._description["versions"])
            self._file_number = write_hdf5(
                self.path, table, **self._description, provenance=known,
                may_replace=self._may_publish,
            )  # fmt: skip
            return len(table)

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


def _is_named_anew(before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Say whether simulations that are recorded have their parameters under other names now."""
    keys = ("defaults", "rename")
    return any(before["study"].get(key) != now["study"].get(key) for key in keys)


def _fault(path: Path, journal: Path, error: Exception) -> ResumableError:
    return ResumableError(
        f"{path}: could not be published ({type(error).__name__}: {error}), which is a fault of "
        f"dask_espresso: please report it. {journal} holds everything; status, show, plot and "
        "export read it"
    )


def open_store(
    path: Path,
    study: Study,
    *,
    changed_script: str | None = None,
    modules: tuple[Module, ...] = (),
) -> Store:
    """Claim a store for this driver and open it, making it if it is not there.

    Parameters and errors are those of :func:`~dask_espresso.store.admission.check_store`; a store
    that another driver holds is refused too.
    """

    def check(place: Path) -> tuple[Study, StoreContents[Head], dict[str, Any]]:
        contents = check_contents(place, study, changed_script=changed_script, modules=modules)
        return study, contents, description(study, modules, contents)

    store, contents = _opened(path, check)
    if changed_script == "rerun":
        for name, head in contents.outcomes.items():
            if not is_of(head, study, modules):
                del store.statuses[name]
    return store


def mend_store(path: Path) -> Store:
    """Claim a store that is there, to change what is in it; what it is of stays.

    Raises
    ------
    InputError
        If there is none, it cannot be read, or a driver holds it.
    ResumableError
        If it cannot be written.
    """

    def check(place: Path) -> tuple[Simulations, StoreContents[Head], dict[str, Any]]:
        contents = read_rows(place, Head.of, Published.heads)
        names = ("study", "script_hash", "code_hash", "versions")
        described = {name: getattr(contents, name) for name in names}
        return stored_study(contents.study), contents, described

    return _opened(path, check)[0]


def _opened(
    path: Path, check: Callable[[Path], tuple[Simulations, StoreContents[Head], dict[str, Any]]]
) -> tuple[Store, StoreContents[Head]]:
    """Claim a store, look what is in it, and open it."""
    path = check_place(path)  # before anything is written there
    try:
        claim = Claim(claim_path(path))
        try:
            # now it is nobody else's, also if another driver only stands still
            for place in (path, journal_path(path), claim_path(path)):
                remove_leftovers(place)
            study, contents, described = check(path)
            remove_announced(files_path(path), contents.outcomes)
            return Store(path, study, claim, contents, described), contents
        except BaseException:
            claim.release()
            raise
    except OSError as error:
        raise ResumableError(
            f"{path}: cannot be written ({describe_error(error)}); nothing was run yet"
        ) from error
