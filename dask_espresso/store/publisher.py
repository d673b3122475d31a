"""Putting what is recorded into the HDF5 file, beside the work where it is much."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import DaskEspressoError, ResumableError
from ..files import close_file, describe_error
from .beside import Publication
from .hdf5 import replace_hdf5
from .provenance import of_versions
from .publishing import Edition

if TYPE_CHECKING:
    from ..inputs.simulations import Simulations
    from ..outcome import Status
    from .journal import Journal
    from .place import Place
    from .provenance import Provenance

logger = logging.getLogger(__name__)

_MIN_PUBLISH = 64  # records below which a running driver does not publish
_BESIDE = 10_000  # rows from which on a process of its own builds the file: 0.3 s or more


class Publisher:
    """Replaces the HDF5 file of a store by one with everything that is recorded.

    Parameters
    ----------
    place : Place
        Of the file.
    journal : Journal
        What is in it is forgotten when it is in the file.
    study : Simulations
        Gives the order of the rows.
    described : dict
        What the store is of.
    statuses : dict of str to Status
        What is recorded, by the simulation's id.
    provenance : callable
        Gives where the code came from.

    Attributes
    ----------
    n_published, n_unpublished : int
        Outcomes in the file, and records of outcomes that are not.
    is_changed : bool
        Whether something else is to be published.
    """

    def __init__(
        self,
        place: Place,
        journal: Journal,
        study: Simulations,
        described: dict[str, Any],
        statuses: dict[str, Status],
        provenance: Callable[[], Provenance],
    ) -> None:
        self._place, self._journal, self._study = place, journal, study
        self._described, self._statuses, self._provenance = described, statuses, provenance
        self.n_published = self.n_unpublished = 0
        self.is_changed = False
        self._publication: Publication | None = None
        self._not_before = 0  # so much is unpublished, after what was killed

    @property
    def should_publish(self) -> bool:
        """Whether enough is new: publishing then costs a constant share of the work."""
        return self.n_unpublished >= max(_MIN_PUBLISH, self.n_published, self._not_before)

    def publish(self) -> None:
        """Put everything recorded into the file, unless it is there already.

        Raises
        ------
        ResumableError
            If it cannot be written; the journal then still holds everything.
        """
        self.stop()  # what is being built lacks the latest
        self._place.check()
        if not self.n_unpublished and not self.is_changed:
            return
        with self._in_words():
            if self._is_large:
                self._begin()
                self._finish()
            else:
                self._publish_at_once()

    def publish_beside(self) -> None:
        """Publish if enough is new; where it is much, begin it, or look whether that is over.

        Where the process that builds the file was killed, that is said, and tried again later: the
        journal holds everything.

        Raises
        ------
        ResumableError
            As of :meth:`publish`.
        """
        if self._publication:
            if self._publication.is_over:
                self._place.check()
                with self._in_words():
                    self._finish_if_not_killed()
        elif self.should_publish and not self._is_large:
            self.publish()
        elif self.should_publish:
            self._place.check()
            with self._in_words():
                self._begin()

    def leave_out(self, ids: Collection[str]) -> None:
        """Replace the file by one without these outcomes; the journal holds nothing.

        Raises
        ------
        OSError, ResumableError
            If it cannot be written.
        """
        self.n_published = self._replace(ids)

    def stop(self) -> None:
        """End what is being built, if anything is."""
        if self._publication:
            publication, self._publication = self._publication, None
            publication.cancel()
            self.is_changed |= publication.is_change

    @property
    def _is_large(self) -> bool:
        return self.n_published + self.n_unpublished >= _BESIDE

    def _edition(self) -> Edition:
        self._journal.put_back()
        known = of_versions(self._provenance(), self._described["versions"])
        return Edition(self._place.path, self._journal.end, self._described, known)

    def _publish_at_once(self) -> None:
        rows, end = self._replace(), self._journal.end
        self._forget(end, rows, self.n_unpublished)
        self.is_changed = False

    def _replace(self, forgotten: Collection[str] = ()) -> int:
        """Replace the file; give its number of rows."""
        edition = self._edition()
        fd, rows = replace_hdf5(
            self._place.path,
            lambda stream: edition.write(stream, self._study, self._statuses, forgotten),
            self._place.may_replace,
        )
        self._is_put(fd)
        return rows

    def _is_put(self, fd: int) -> None:
        """Take note of which file is in the place, and close it."""
        self._place.number = os.fstat(fd).st_ino
        close_file(fd)

    def _begin(self) -> None:
        edition, ids = self._edition(), self._statuses.keys()
        self._publication = Publication(edition, ids, self.n_unpublished, self.is_changed)
        self.is_changed = False

    def _finish(self) -> None:
        """Wait for what is built, and put it in its place."""
        publication, self._publication = self._publication, None
        assert publication
        try:
            rows = publication.wait()
            publication.file.replace(self._place.may_replace)
        except BaseException:
            publication.cancel()
            self.is_changed |= publication.is_change
            raise
        self._is_put(publication.file.fd)
        self._forget(publication.edition.end, rows, publication.n_records)

    def _finish_if_not_killed(self) -> None:
        try:
            self._finish()
        except ChildProcessError as error:
            self._not_before = 2 * self.n_unpublished
            logger.warning(
                "%s: not published now: %s; %s holds everything, and it is tried again later",
                self._place.path, error.strerror, self._journal.path,
            )  # fmt: skip

    def _forget(self, end: int, rows: int, n_records: int) -> None:
        """Have the journal forget what is in the file."""
        self._place.check()  # not before it is there does the journal forget
        self._journal.forget(end, self._place.is_kept)
        self._place.check()
        self.n_published, self.n_unpublished = rows, self.n_unpublished - n_records
        self._not_before = 0

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        path, journal = self._place.path, self._journal.path
        try:
            yield
        except OSError as error:
            self._place.check()
            raise ResumableError(
                f"{path}: could not be published ({describe_error(error)}); "
                f"{journal} holds everything, and the next run publishes it"
            ) from error
        except DaskEspressoError:
            raise
        except Exception as error:
            raise ResumableError(
                f"{path}: could not be published ({type(error).__name__}: {error}), which is a "
                f"fault of dask_espresso: please report it. {journal} holds everything; status, "
                "show, plot and export read it"
            ) from error
