"""The workers of worker jobs as the scheduler has them: seen, retired, removed."""

from __future__ import annotations

import asyncio
import contextlib
import time
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
        names = job.worker_names
        return [ws for ws in self._scheduler.workers.values() if ws.name in names]

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

    async def remove(self, job: KeptJob, *, retire: bool) -> bool:
        """Remove the workers of a job.

        Parameters
        ----------
        job : KeptJob
            Whose they are.
        retire : bool
            Whether their results are fetched first.

        Returns
        -------
        bool
            False if a result is still on its way.
        """
        stimulus = f"keeper-{time.time()}"
        addresses = [ws.address for ws in self.workers(job)]
        if retire and addresses:
            retirement = self._scheduler.retire_workers(
                workers=addresses, close_workers=True, remove=True, stimulus_id=stimulus
            )
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(retirement, _RETIRE_TIMEOUT)
            if self.workers(job):
                return False
        for ws in self.workers(job):
            await self._scheduler.remove_worker(ws.address, stimulus_id=stimulus)
        return True
