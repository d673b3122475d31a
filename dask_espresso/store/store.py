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

from ..errors import ResumableError
from ..files import describe_error, remove_leftovers
from ..identity import IDS
from ..inputs.stored_study import stored_study
from ..kept import announce_removal, files_path, remove_announced
from ..outcome import Status
from .admission import check_contents, check_place, description, is_of
from .claim import Claim
from .contents import Head, StoreContents
from .hdf5 import Published
from .journal import Journal, journal_path
from .place import Place
from .provenance import Provenance, news, united
from .publisher import Publisher
from .reading import claim_path, read_rows
from .reading import read_store as read_store
from .recorded import DESCRIPTION, OUTCOME, PROVENANCE, SEQUENCE

if TYPE_CHECKING:
    from ..files import Record
    from ..inputs.simulations import Simulations
    from ..inputs.study import Study
    from ..process.modules import Module

logger = logging.getLogger(__name__)


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
        self._claim, self._sequence = claim, keep.last_sequence
        self._is_named_anew = _is_named_anew(keep.published_as or described, described)
        self._place = Place(path, claim)
        record = DESCRIPTION + json.dumps({**described, "ids": IDS}).encode()
        self._journal = Journal(journal_path(path), record, lambda: claim.is_ours)
        self._publisher = Publisher(
            self._place, self._journal, study, described, self.statuses, lambda: self.provenance
        )
        self._publisher.n_published = keep.n_published
        self._publisher.n_unpublished = keep.n_unpublished
        self._publisher.is_changed = keep.published_as not in (None, described)
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
            self._place.check_ours()
            raise ResumableError(
                f"{self._journal.path}: {describe_error(error)}, and run again: "
                "all that was recorded before is safe"
            ) from error
        self._place.check_ours()
        self._sequence += len(entries)
        self._publisher.n_unpublished += len(entries)
        self.statuses.update((entry.id, entry.status) for entry in entries)
        if self._is_named_anew and self._publisher.is_changed:
            self.publish()  # a table of the file has all simulations under the same names

    def note(self, provenance: Provenance) -> None:
        """Write down where code came from, as far as that is not known yet."""
        if new := news(self.provenance, provenance):
            self._journal.append([(PROVENANCE + json.dumps(new).encode(),)])
            self.provenance = united(self.provenance, new)
            self._publisher.is_changed = True

    def publish(self) -> None:
        """Put everything recorded into the HDF5 file, unless it is there already.

        Raises
        ------
        ResumableError
            If it cannot be written; the journal then still holds everything.
        """
        self._publisher.publish()

    def publish_beside(self) -> None:
        """Publish if enough is new: that costs a constant share of the work.

        Where it is much, it is only begun, and ends in a later call: the work goes on meanwhile.

        Raises
        ------
        ResumableError
            As of :meth:`publish`.
        """
        self._publisher.publish_beside()

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
            self._publisher.leave_out(ids)
        except OSError as error:
            self._place.check()
            raise ResumableError(
                f"{self.path}: cannot be written ({describe_error(error)}); nothing was forgotten"
            ) from error
        for name in ids:
            self.statuses.pop(name, None)
        remove_announced(files_path(self.path), self.statuses)

    def close(self) -> None:
        """Let go of the store; a journal that holds nothing new is removed."""
        self._publisher.stop()
        try:
            if self._place.may_replace() and not self._publisher.n_unpublished:
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
