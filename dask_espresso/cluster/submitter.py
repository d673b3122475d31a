"""Submits worker jobs, and waits after failures."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass

from ..systems.refusals import is_final, is_not_taken
from .batch_side import BatchSide
from .diagnosis import KeptJob

logger = logging.getLogger(f"{__package__}.keeper")  # whose hand it is: both are quiet in checks

_BACK_OFF = (2.0, 60.0)  # seconds: after the first failure, and at most
_MOST_FAILURES = 10  # that count: a power of more of them is no number at some time


@dataclass
class Patience:
    """How long to wait after failures: longer every time, until a job has come up.

    Attributes
    ----------
    n_failures : int
        In a row.
    until : float
        On the keeper's clock, in seconds.
    problem : str
        What keeps jobs from coming up, or empty.
    """

    n_failures: int = 0
    until: float = 0.0
    problem: str = ""

    def failed(self, reason: str, now: float) -> None:
        """Wait longer than the last time."""
        first, most = _BACK_OFF
        self.until = now + min(first * 2**self.n_failures, most)
        self.n_failures = min(self.n_failures + 1, _MOST_FAILURES)
        self.problem = reason

    def succeeded(self) -> None:
        """Wait no more."""
        self.n_failures, self.until, self.problem = 0, 0.0, ""


class Submitter:
    """Submits worker jobs one after the other.

    Parameters
    ----------
    batch : BatchSide
        Where to.
    name : str
        What the names of all jobs begin with.
    clock : callable
        Gives the time of jobs, in seconds.

    Attributes
    ----------
    patience : Patience
        After failures.
    dead_end : str
        Why no job will ever be taken, or empty.
    may_have_jobs : bool
        Whether one may have been taken.
    """

    def __init__(self, batch: BatchSide, name: str, clock: Callable[[], float]) -> None:
        self.patience = Patience()
        self.dead_end = ""
        self.may_have_jobs = False
        self._has_come_up = False
        self._batch = batch
        self._clock = clock
        self._names = (f"{name}{number}" for number in itertools.count(1))

    def came_up(self) -> None:
        """Take note that the workers of a job have come."""
        self._has_come_up = True
        self.patience.succeeded()

    def number(self, missing: int, jobs: Collection[KeptJob]) -> int:
        """Say how many of those jobs that are missing may be submitted now, beside those there are.

        After a failure that is one at a time, until one has come up.
        """
        if self.dead_end:
            return 0
        if not self.patience.n_failures:
            return missing
        if self._clock() < self.patience.until or any(job.came_up_at is None for job in jobs):
            return 0
        return min(missing, 1)

    async def submit(self) -> KeptJob | None:
        """Submit a job; None if it is refused."""
        before, self.may_have_jobs = self.may_have_jobs, True
        try:
            return await self._batch.submit(next(self._names))
        except (RuntimeError, ValueError, OSError) as error:
            self.may_have_jobs = before or not is_not_taken(error)
            said = f"a worker job was refused: {_own_words(error)}"
            if is_final(error) and not self._has_come_up:
                self.dead_end = said
            elif said != self.patience.problem:
                logger.warning("%s", said)
            self.patience.failed(said, self._clock())
            return None


def _own_words(error: Exception) -> str:
    """Give what the batch system said, out of dask-jobqueue's report of a failed command."""
    _, found, said = str(error).partition("stderr:\n")
    return " ".join((said if found else str(error)).split())
