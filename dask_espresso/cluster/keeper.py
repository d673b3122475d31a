"""Keeps the worker jobs of a batch cluster: submits them, watches them, replaces them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import SchedulerPlugin

from ..inputs.profile import Jobs
from ..systems.queue import Queue
from ..systems.refusals import is_final, is_not_taken
from .batch_side import BatchSide
from .demand import Demand
from .diagnosis import SETTLED, Fault, KeptJob, State, diagnose
from .roster import ListedJob, Roster
from .scheduler_side import SchedulerSide
from .settings import setting

logger = logging.getLogger(__name__)

_BACK_OFF = (2.0, 60.0)  # seconds: after the first failure, and at most
_END_TIMEOUT = 10.0  # seconds in which cancelled jobs leave the queue
_COLLECT_NEWS = 0.5  # seconds; workers that come or go together cause one look
_UNWELL = (State.INCOMPLETE, State.GONE, State.HELD)


@dataclass
class _Patience:
    """How long to wait after failures: longer every time, until a job has come up."""

    n_failures: int = 0
    until: float = 0.0  # on the keeper's clock
    problem: str = ""  # what keeps jobs from coming up, or empty

    def failed(self, reason: str, now: float) -> None:
        first, most = _BACK_OFF
        self.until = now + min(first * 2**self.n_failures, most)
        self.n_failures += 1
        self.problem = reason

    def succeeded(self) -> None:
        self.n_failures, self.until, self.problem = 0, 0.0, ""


class _News(SchedulerPlugin):
    """Tells the keeper when a worker has come or gone."""

    def __init__(self, happened: asyncio.Event) -> None:
        self._happened = happened

    def add_worker(self, *_: Any, **__: Any) -> None:
        self._happened.set()

    def remove_worker(self, *_: Any, **__: Any) -> None:
        self._happened.set()


class Keeper:
    """Holds the number of worker jobs.

    It looks at the scheduler's workers and at the batch system's queue every few
    seconds, and replaces a job that is gone, held, has lost a worker, whose
    worker never came or no longer answers. After a failure it waits, longer
    every time, and then submits one job at a time until one has come up.

    Parameters
    ----------
    cluster : dask_jobqueue.JobQueueCluster
        Runs the scheduler and knows how to submit; it is not scaled itself.
    queue : Queue
        The batch system's view of the jobs.
    jobs : int or Jobs
        How many to keep; a range follows the work.
    log_directory : Path, optional
        Where the jobs' output goes; that of jobs which ended well is removed.
    record : callable, optional
        Takes the roster before the first job is submitted, and at the end.

    Attributes
    ----------
    work_left : int
        Simulations that are still to be done; set by the driver.
    roster : Roster
        All jobs, as of the last look.
    dead_end : str
        Why no job will ever be taken, or empty.
    """

    def __init__(
        self,
        cluster: Any,
        queue: Queue,
        jobs: int | Jobs,
        *,
        ranks: int = 1,
        log_directory: Path | None = None,
        record: Callable[[Roster], object] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._scheduler = cluster.scheduler
        self._batch = BatchSide(cluster, queue, log_directory, clock)
        self._workers = SchedulerSide(cluster.scheduler)
        self._demand = Demand.of(jobs, cluster.new_spec["options"], ranks)
        self._record = record
        self._clock = clock
        beginning = cluster.new_spec["options"].get("job_name") or "dask-espresso"
        self._name = f"{beginning}-{uuid.uuid4().hex[:6]}-"  # of all jobs, and of nobody else's
        self._names: tuple[str, ...] = (self._name,)
        self._numbers = itertools.count(1)
        self._jobs: list[KeptJob] = []
        self._patience = _Patience()
        self._last_look = clock()
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._news = asyncio.Event()
        self._is_closing = self._has_come_up = self._may_have_jobs = False
        self.work_left = 0
        self.roster = Roster()
        self.dead_end = ""

    # ---- from outside ----------------------------------------------------------------------------

    async def start(self, leftovers: Mapping[str, str] | None = None, *names: str) -> None:
        """Begin to keep jobs.

        Parameters
        ----------
        leftovers : mapping of str to str, optional
            Ids and names of jobs that a killed driver has left; they are cancelled.
        *names : str
            What the names of more of them begin with; also those that come late are cancelled.
        """
        self._names += names
        await self._batch.cancel_leftovers(leftovers or {})
        self._publish()
        self._record(self.roster)
        self._scheduler.add_plugin(_News(self._news), name="dask-espresso-keeper")
        self._task = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Cancel all jobs."""
        self._is_closing, is_cut_off = True, False
        self._news.set()
        if self._task:
            is_cut_off = await _end(self._task)
        async with self._lock:
            for job in self._jobs:
                job.is_well = job.came_up_at is not None and job.state not in _UNWELL
            leaving = [*self._jobs, *(job for job, _ in self._batch.ending.values())]
            if not self._may_have_jobs and self._names == (self._name,):  # nobody has any
                self._names = ()
            else:
                ending = self._batch.cancel_all(leaving, self._names, is_cut_off)
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(ending, 2 * _END_TIMEOUT)
                    self._names = ()  # nobody has to look for them any more
            if self._names:
                logger.warning("worker jobs may be left; the next run of this store cancels them")
            for job in leaving:
                self._batch.remove_logs(job)
            self._jobs, self._batch.ending, self._patience = [], {}, _Patience()
            self._publish()
            self._record(self.roster)

    async def look(self) -> None:
        """Look at the jobs once, and do what is to be done about them."""
        async with self._lock:
            queue = await self._batch.look()
            now = self._clock()
            stalled = now - self._last_look > setting("keeper.hung-after") / 2
            self._last_look = now
            await self._batch.forget_ended(queue)
            await self._batch.cancel_strays(queue, self._names, known=self._jobs)
            for job in list(self._jobs):
                view = self._workers.view(job, queue)
                job.update(view, now)
                if job.came_up_at == now:
                    self._has_come_up = True
                    self._patience.succeeded()
                if not stalled and (fault := diagnose(job, view, now)):
                    await self._replace(job, fault)
            await self._shrink(now)
            await self._submit(now)
            self._publish()

    # ---- one look --------------------------------------------------------------------------------

    async def _keep(self) -> None:
        while not self._is_closing:
            try:
                await self.look()
            except Exception:  # whatever it is, it must not end the keeping
                logger.exception("looking at the worker jobs failed; trying again")
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._news.wait(), self._pause())
                await asyncio.sleep(_COLLECT_NEWS)
            self._news.clear()

    def _pause(self) -> float:
        """Say how long to wait for news before the next look, in seconds."""
        interval = setting("keeper.interval")
        until_retry = self._patience.until - self._clock()
        return min(interval, until_retry) if until_retry > 0 else interval

    async def _replace(self, job: KeptJob, fault: Fault) -> None:
        more = self._batch.see_log(job) if fault.has_log else ""
        said = f"worker job {job.id} {fault.reason}{more}"
        logger.log(logging.DEBUG if fault.is_regular else logging.WARNING, "%s", said)
        if fault.is_failure:
            self._patience.failed(said, self._clock())
        if not await self._workers.remove(job, retire=fault.is_regular):
            return  # next time
        job.is_well = fault.is_regular
        self._jobs.remove(job)
        await self._batch.end(job)

    # ---- how many --------------------------------------------------------------------------------

    async def _shrink(self, now: float) -> None:
        """Give back jobs of a range that have nothing to do any more."""
        if self._demand.is_range:
            surplus = max(0, len(self._jobs) - self._demand.number(self.work_left))
            for job in _without_work(self._jobs, now)[:surplus]:
                await self._replace(job, Fault("is no longer needed", is_regular=True))

    async def _submit(self, now: float) -> None:
        if self.dead_end:
            return
        missing = self._demand.number(self.work_left) - len(self._jobs) - len(self._batch.ending)
        if self._patience.n_failures:
            if now < self._patience.until or any(job.came_up_at is None for job in self._jobs):
                return
            missing = min(missing, 1)
        for _ in range(missing):
            if self._is_closing:
                return
            before, self._may_have_jobs = self._may_have_jobs, True
            try:
                name = f"{self._name}{next(self._numbers)}"
                self._jobs.append(await self._batch.submit(name))
            except (RuntimeError, ValueError, OSError) as error:
                self._may_have_jobs = before or not is_not_taken(error)
                said = f"a worker job was refused: {_own_words(error)}"
                if is_final(error) and not self._has_come_up:
                    self.dead_end = said
                elif said != self._patience.problem:
                    logger.warning("%s", said)
                self._patience.failed(said, self._clock())
                return

    # ---- what is told ----------------------------------------------------------------------------

    def _publish(self) -> None:
        ending = (ListedJob(i, job.name, "ending") for i, (job, _) in self._batch.ending.items())
        jobs = (*(job.listed() for job in self._jobs), *ending)
        self.roster = Roster(jobs, self._patience.problem, self._names)


async def _end(task: asyncio.Task[None]) -> bool:
    """Wait until a task has ended, for a while; say whether it had to be cut off."""
    # a job that is being submitted just now is better known than looked for
    await asyncio.wait([task], timeout=_END_TIMEOUT)
    is_cut_off = not task.done()
    while not task.done():  # wait_for can swallow it (Python issue 86296)
        task.cancel()
        await asyncio.wait([task], timeout=1)
    return is_cut_off


def _without_work(jobs: list[KeptJob], now: float) -> list[KeptJob]:
    """Give those that wait, and then those that have had nothing to do for a while."""
    waiting = [job for job in jobs if job.state is State.WAITING]
    idle = [j for j in jobs if j.idle_since is not None and now - j.idle_since > SETTLED]
    return [*waiting, *idle]


def _own_words(error: Exception) -> str:
    """Give what the batch system said, out of dask-jobqueue's report of a failed command."""
    _, found, said = str(error).partition("stderr:\n")
    return " ".join((said if found else str(error)).split())
