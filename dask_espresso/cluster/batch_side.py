"""Worker jobs as the batch system has them: submitted, seen in its queue, cancelled, their logs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..systems.batch import BatchError
from ..systems.queue import Queue, QueuedJob, cancel
from .diagnosis import KeptJob

logger = logging.getLogger(f"{__package__}.keeper")  # whose hand it is: both are quiet in checks

_CANCEL_AGAIN = 60.0  # seconds
_LATE = 2.0  # seconds in which a job appears whose submission was cut off
_PAUSE = 0.5  # seconds between two looks for what is left


class BatchSide:
    """Submits worker jobs of one kind, and finds and cancels them again.

    Parameters
    ----------
    cluster : dask_jobqueue.JobQueueCluster
        Knows how to submit.
    queue : Queue
        The batch system's view of the jobs.
    log_directory : Path, optional
        Where the jobs' output goes.
    clock : callable
        Gives the time of jobs, in seconds.

    Attributes
    ----------
    ending : dict of str to (KeptJob, float)
        Jobs that were cancelled, and when; by id, until the queue no longer has them.
    is_blind : bool
        Whether the queue could not be seen at the last look.
    """

    def __init__(
        self,
        cluster: Any,
        queue: Queue,
        log_directory: Path | None,
        clock: Callable[[], float],
    ) -> None:
        self.ending: dict[str, tuple[KeptJob, float]] = {}
        self.is_blind = False
        self._clock = clock
        self._scheduler = cluster.scheduler
        self._spec = cluster.new_spec
        self._queue = queue
        self._log_directory = log_directory

    async def submit(self, name: str) -> KeptJob:
        """Submit a job of this name."""
        options = {**self._spec["options"], "job_name": name}
        address = getattr(self._scheduler, "contact_address", None) or self._scheduler.address
        job = await self._spec["cls"](address, name, **options)
        logger.info("submitted worker job %s (%s)", name, job.job_id)
        processes = self._spec["options"].get("processes") or 1
        return KeptJob(name, job, processes, submitted_at=self._clock())

    async def look(self) -> dict[str, QueuedJob] | None:
        """Give the jobs in the queue; None if it cannot be seen: that proves nothing about them."""
        try:
            queue = await self._queue.look()
        except BatchError as error:
            if not self.is_blind:
                logger.warning("the batch system does not answer: %s", error)
            self.is_blind = True
            return None
        self.is_blind = False
        return queue

    async def cancel(self, jobs: Sequence[KeptJob], names: tuple[str, ...] = ()) -> None:
        """Cancel jobs, and all whose names begin so; what fails is tried again."""
        if not self._spec["cls"].cancel_command:  # no job of a batch system
            await asyncio.gather(*(job.job.close() for job in jobs))
        elif jobs or names:
            with contextlib.suppress(BatchError):
                await cancel(self._queue, {job.id: job.name for job in jobs}, names)

    async def end(self, jobs: Sequence[KeptJob]) -> None:
        """Cancel jobs; each counts until the batch system no longer has it."""
        await self.cancel(jobs)  # also those that are gone: they may be about to be requeued
        now = self._clock()
        self.ending |= {job.id: (job, now) for job in jobs if job.queued}
        self.remove_logs([job for job in jobs if not job.queued])

    async def forget_ended(self, queue: Mapping[str, QueuedJob] | None) -> None:
        """Take note of which jobs have left the queue; cancel again what stays for long."""
        if queue is None:
            return
        now = self._clock()
        gone = [job for job_id, (job, _) in self.ending.items() if job_id not in queue]
        self.ending = {job_id: ended for job_id, ended in self.ending.items() if job_id in queue}
        self.remove_logs(gone)
        late = {i: (j, now) for i, (j, since) in self.ending.items() if now - since > _CANCEL_AGAIN}
        self.ending |= late
        await self.cancel([job for job, _ in late.values()])

    async def cancel_all(
        self, jobs: Sequence[KeptJob], names: tuple[str, ...], may_come_late: bool
    ) -> None:
        """Cancel jobs and all whose names begin so, until none is left in the queue."""
        settled = self._clock() + _LATE * may_come_late
        while True:
            await self.cancel(jobs, names)
            queue = await self.look()
            is_known = queue is not None and self._clock() >= settled
            left = any(job.name.startswith(names) for job in (queue or {}).values())
            if not left and not self.is_blind and (is_known or queue is None):
                return
            await asyncio.sleep(_PAUSE)

    async def cancel_strays(
        self,
        queue: Mapping[str, QueuedJob] | None,
        names: tuple[str, ...],
        known: Collection[KeptJob],
    ) -> None:
        """Cancel what comes late, of a submission that failed or of a killed driver."""
        expected = {job.name for job in known} | {job.name for job, _ in self.ending.values()}
        strays = {
            job_id: job.name
            for job_id, job in (queue or {}).items()
            if job.name.startswith(names) and job.name not in expected
        }
        if strays and self._spec["cls"].cancel_command:
            logger.info("cancelling worker jobs that nobody waits for: %s", ", ".join(strays))
            with contextlib.suppress(BatchError):  # it is tried again
                await cancel(self._queue, strays)

    async def cancel_leftovers(self, leftovers: Mapping[str, str]) -> None:
        """Cancel what a killed driver has left, by id and name."""
        if leftovers and self._spec["cls"].cancel_command:
            with contextlib.suppress(BatchError):  # they leave by themselves, only later
                if ours := await cancel(self._queue, leftovers):
                    said = "cancelled worker jobs that a killed driver left: %s"
                    logger.info(said, ", ".join(ours))

    def see_log(self, jobs: Iterable[KeptJob]) -> str:
        """Say where the logs of jobs are, if there are any."""
        return f"; see its log in {self._log_directory}" if self._logs(jobs) else ""

    def remove_logs(self, jobs: Iterable[KeptJob]) -> None:
        """Remove the output of jobs that ended well; after their end, which is in it, too."""
        for path in self._logs(job for job in jobs if job.is_well):
            with contextlib.suppress(OSError):
                path.unlink()

    def _logs(self, jobs: Iterable[KeptJob]) -> list[Path]:
        """Find the files that dask-jobqueue has jobs write their output to."""
        ends = tuple(end for job in jobs for end in _ends_of_logs(job))
        if not self._log_directory or not ends:
            return []
        with contextlib.suppress(OSError):
            return [path for path in self._log_directory.iterdir() if path.name.endswith(ends)]
        return []


def _ends_of_logs(job: KeptJob) -> tuple[str, ...]:
    number = job.id.partition(";")[0]  # without the name of its cluster
    cluster = number.partition(".")[0]  # an HTCondor job is a cluster of its own
    return f"-{number}.out", f"-{number}.err", f"worker-{cluster}.log"
