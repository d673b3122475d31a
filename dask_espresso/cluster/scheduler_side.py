"""The workers of worker jobs as the scheduler has them: seen, retired, removed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any

from distributed.core import Status

from ..systems.queue import QueuedJob
from .diagnosis import KeptJob, View
from .settings import setting

_RETIRE_TIMEOUT = 30.0  # seconds in which a worker's results have been fetched


class SchedulerSide:
    """Looks after the workers of jobs.

    Parameters
    ----------
    scheduler : distributed.Scheduler
        Which they register with.
    """

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler

    def workers(self, job: KeptJob) -> list[Any]:
        """Give those of a job that have registered."""
        workers, addresses = self._scheduler.workers, self._scheduler.aliases
        found = (addresses.get(name) for name in job.worker_names)
        return [workers[address] for address in found if address in workers]

    def view(self, job: KeptJob, queue: dict[str, QueuedJob] | None) -> View:
        """Look at a job, here and in the queue, where that could be seen."""
        if queue is not None:
            job.look_up(queue)
        workers, hung_after = self.workers(job), self.hung_after
        return View(
            queued=job.queued,
            is_absent=queue is not None and job.queued is None,
            n_workers=len(workers),
            is_complete=len(workers) == job.processes,
            is_leaving=bool(workers)
            and all(ws.status is Status.closing_gracefully for ws in workers),
            # heartbeats carry the time of day, which may jump: the next one sets that right
            is_silent=any(time.time() - ws.last_seen > hung_after for ws in workers),
            is_executing=any(ws.executing for ws in workers),
            is_idle=bool(workers) and not any(ws.processing for ws in workers),
            hung_after=hung_after,
            start_timeout=setting("keeper.start-timeout"),
        )

    @property
    def hung_after(self) -> float:
        """Seconds without a heartbeat that mean silence."""
        # workers of large clusters send heartbeats less often
        longest = 5 * (len(self._scheduler.workers) / 200 + 1)
        return max(setting("keeper.hung-after"), longest)

    async def retire(self, jobs: Sequence[KeptJob]) -> list[KeptJob]:
        """Have the results of jobs' workers fetched, and remove them.

        Returns
        -------
        list of KeptJob
            Those of which no worker is left; of the others a result is still on its way.
        """
        if addresses := self._addresses(jobs):
            retirement = self._scheduler.retire_workers(
                workers=addresses, close_workers=True, remove=True, stimulus_id=_stimulus()
            )
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(retirement, _RETIRE_TIMEOUT)
        return [job for job in jobs if not self.workers(job)]

    async def remove(self, jobs: Sequence[KeptJob]) -> list[KeptJob]:
        """Remove the workers of jobs, whatever they have; give the jobs."""
        for address in self._addresses(jobs):
            await self._scheduler.remove_worker(address, stimulus_id=_stimulus())
        return list(jobs)

    def _addresses(self, jobs: Sequence[KeptJob]) -> list[str]:
        return [ws.address for job in jobs for ws in self.workers(job)]


def _stimulus() -> str:
    return f"keeper-{time.time()}"
