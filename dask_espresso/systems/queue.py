"""The queue of a batch system: the jobs that wait or run in it."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from .batch import BatchError


@dataclass(frozen=True)
class QueuedJob:
    """A job as the batch system sees it.

    Attributes
    ----------
    name : str
        As it was submitted.
    state : str
        ``waiting``, ``running`` or ``held``.
    reason : str
        Why it waits or is held, in the batch system's own words.
    """

    name: str
    state: str
    reason: str = ""


class Queue(Protocol):
    """The user's own jobs.

    Attributes
    ----------
    at_once : int
        Jobs that are asked for, and cancelled, together.
    """

    at_once: int

    async def look(self) -> dict[str, QueuedJob] | None:
        """Give the jobs that have not ended, by their ids; None if that cannot be known.

        Raises
        ------
        BatchError
            If the batch system does not answer.
        """

    async def names(self, ids: Collection[str]) -> Mapping[str, str]:
        """Give the names of jobs, by their ids: of these jobs, or of all; raises as `look`."""

    async def cancel(self, ids: Collection[str]) -> None:
        """Cancel jobs, whosever they are: for `cancel` alone, which knows whose they are."""


class ListedQueue(abc.ABC):
    """A queue that shows all jobs at once."""

    at_once = 10_000  # a command line takes more

    @abc.abstractmethod
    async def look(self) -> dict[str, QueuedJob]:
        """Give the jobs that have not ended, by their ids."""

    @abc.abstractmethod
    async def cancel(self, ids: Collection[str]) -> None:
        """Cancel jobs."""

    async def names(self, _: Collection[str]) -> dict[str, str]:
        """Give the names of all jobs, by their ids."""
        return {job_id: job.name for job_id, job in (await self.look()).items()}


async def cancel(queue: Queue, jobs: Mapping[str, str], beginning: Iterable[str] = ()) -> list[str]:
    """Cancel jobs that are ours, by what the queue itself says: a wrong id is a stranger's job.

    Parameters
    ----------
    queue : Queue
        Where they are.
    jobs : mapping of str to str
        Ids and names of jobs; of those that the queue shows with both.
    beginning : iterable of str
        More of them, of any id: those whose names begin so.

    Returns
    -------
    list of str
        The ids of those that were there.

    Raises
    ------
    BatchError
        If the queue cannot be looked at.
    """
    begins, ids = tuple(beginning), list(jobs)
    cancelled: list[str] = []
    for first in range(0, max(1, len(ids)), queue.at_once):
        names = await queue.names(ids[first : first + queue.at_once])
        ours = [i for i, name in names.items() if jobs.get(i) == name or name.startswith(begins)]
        if ours:
            with contextlib.suppress(BatchError):  # gone already, or it is tried again
                await queue.cancel(ours)
        cancelled += ours
    return cancelled
