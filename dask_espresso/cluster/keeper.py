"""Keeps the worker jobs of a batch cluster: submits them, watches them, replaces them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from distributed import SchedulerPlugin

from ..inputs.profile import Jobs
from ..systems.queue import Queue
from .batch_side import BatchSide
from .demand import Demand
from .diagnosis import SETTLED, Fault, KeptJob, State, diagnose
from .roster import ListedJob, Roster
from .scheduler_side import SchedulerSide
from .settings import setting
from .submitter import Submitter

logger = logging.getLogger(__name__)

_END_TIMEOUT = 10.0  # seconds in which cancelled jobs leave the queue
_END_OF_EACH = 0.1  # seconds more for each, as not every batch system takes many at once
_COLLECT_NEWS = 0.5  # seconds; workers that come or go together cause one look
_TELL = 1.0  # seconds between two rosters while jobs are submitted
_NAMED = 5  # jobs of which the same is said
_UNWELL = (State.INCOMPLETE, State.GONE, State.HELD)


class _News(SchedulerPlugin):
    """Wakes the keeper when a worker has come or gone, and when it is to end."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._happened, self._ends = asyncio.Event(), asyncio.Event()

    def add_worker(self, *_: Any, **__: Any) -> None:
        self._happened.set()

    def remove_worker(self, *_: Any, **__: Any) -> None:
        self._happened.set()

    def end(self) -> None:
        """Wait no more."""
        self._ends.set()
        self._happened.set()

    @property
    def is_end(self) -> bool:
        return self._ends.is_set()

    async def wait(self, pause: float, last_look: float) -> None:
        """Wait for news, and then for more: while there always are some, the queue has peace."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._happened.wait(), pause)
            due = last_look + setting("keeper.interval") / 2
            await asyncio.wait_for(self._ends.wait(), max(_COLLECT_NEWS, due - self._clock()))
        self._happened.clear()


class Keeper:
    """Holds the number of worker jobs.

    It looks at the scheduler's workers and at the batch system's queue every few
    seconds, also between submissions where there are many, and replaces a job that
    is gone, held, has lost a worker, whose worker never came or no longer answers.
    What is to be done about several jobs is one command of the batch system. After
    a failure it waits, longer every time, and then submits one job at a time until
    one has come up.

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
        self._jobs: list[KeptJob] = []
        self._submitter = Submitter(self._batch, self._name, clock)
        self._last_look = clock()
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._news = _News(clock)
        self._has_more_to_submit = False
        self._told_at = clock()
        self.work_left = 0
        self.roster = Roster()

    @property
    def dead_end(self) -> str:
        """Why no job will ever be taken, or empty."""
        return self._submitter.dead_end

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
        self._scheduler.add_plugin(self._news, name="dask-espresso-keeper")
        self._task = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Cancel all jobs."""
        is_cut_off = False
        self._news.end()
        if self._task:
            is_cut_off = await _end(self._task)
        async with self._lock:
            for job in self._jobs:
                job.is_well = job.came_up_at is not None and job.state not in _UNWELL
            leaving = [*self._jobs, *(job for job, _ in self._batch.ending.values())]
            if not self._submitter.may_have_jobs and self._names == (self._name,):  # nobody has any
                self._names = ()
            else:
                ending = self._batch.cancel_all(leaving, self._names, is_cut_off)
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(ending, 2 * _END_TIMEOUT + _END_OF_EACH * len(leaving))
                    self._names = ()  # nobody has to look for them any more
            if self._names:
                logger.warning("worker jobs may be left; the next run of this store cancels them")
            self._batch.remove_logs(leaving)
            self._jobs, self._batch.ending = [], {}
            self._submitter.patience.succeeded()
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
            faults: list[tuple[KeptJob, Fault]] = []
            for job in self._jobs:
                view = self._workers.view(job, queue)
                job.update(view, now)
                if job.came_up_at == now:
                    self._submitter.came_up()
                if not stalled and (fault := diagnose(job, view, now)):
                    faults.append((job, fault))
            await self._replace(faults)
            await self._shrink(now)
            await self._submit()
            self._publish()

    # ---- one look --------------------------------------------------------------------------------

    async def _keep(self) -> None:
        while not self._news.is_end:
            try:
                await self.look()
            except Exception:  # whatever it is, it must not end the keeping
                logger.exception("looking at the worker jobs failed; trying again")
            await self._news.wait(self._pause(), self._last_look)

    def _pause(self) -> float:
        """Say how long to wait for news before the next look, in seconds."""
        if self._has_more_to_submit:
            return 0.0
        interval = setting("keeper.interval")
        until_retry = self._submitter.patience.until - self._clock()
        return min(interval, until_retry) if until_retry > 0 else interval

    async def _replace(self, found: list[tuple[KeptJob, Fault]]) -> None:
        """Have jobs replaced, all of a look together."""
        for fault, jobs in _by_fault(found).items():
            more = self._batch.see_log(jobs) if fault.has_log else ""
            said = f"{_named(jobs)} {fault.reason}{more}"
            logger.log(logging.DEBUG if fault.is_regular else logging.WARNING, "%s", said)
            if fault.is_failure:
                self._submitter.patience.failed(said, self._clock())
        for job, fault in found:
            job.is_well = fault.is_regular
        removed = await self._workers.retire([job for job, fault in found if fault.is_regular])
        removed += await self._workers.remove([job for job, fault in found if not fault.is_regular])
        names = {job.name for job in removed}  # the others next time
        self._jobs = [job for job in self._jobs if job.name not in names]
        await self._batch.end(removed)

    # ---- how many --------------------------------------------------------------------------------

    async def _shrink(self, now: float) -> None:
        """Give back jobs of a range that have nothing to do any more."""
        if self._demand.is_range:
            surplus = max(0, len(self._jobs) - self._demand.number(self.work_left))
            fault = Fault("is no longer needed", is_regular=True)
            idle = _without_work(self._jobs, now)[:surplus]
            await self._replace([(job, fault) for job in idle])

    async def _submit(self) -> None:
        """Submit jobs that are missing, until it is time for the next look."""
        self._has_more_to_submit, end = False, self._clock() + setting("keeper.interval")
        missing = self._demand.number(self.work_left) - len(self._jobs) - len(self._batch.ending)
        for _ in range(self._submitter.number(missing, self._jobs)):
            self._has_more_to_submit = self._clock() > end
            if self._has_more_to_submit or self._news.is_end:
                return
            if not (job := await self._submitter.submit()):
                return
            self._jobs.append(job)
            if self._clock() > self._told_at + _TELL:
                self._publish()

    # ---- what is told ----------------------------------------------------------------------------

    def _publish(self) -> None:
        self._told_at = self._clock()
        ending = (ListedJob(i, job.name, "ending") for i, (job, _) in self._batch.ending.items())
        jobs = (*(job.listed() for job in self._jobs), *ending)
        self.roster = Roster(jobs, self._submitter.patience.problem, self._names)


async def _end(task: asyncio.Task[None]) -> bool:
    """Wait until a task has ended, for a while; say whether it had to be cut off."""
    # a job that is being submitted just now is better known than looked for
    await asyncio.wait([task], timeout=_END_TIMEOUT)
    is_cut_off = not task.done()
    while not task.done():  # wait_for can swallow it (Python issue 86296)
        task.cancel()
        await asyncio.wait([task], timeout=1)
    return is_cut_off


def _by_fault(found: Iterable[tuple[KeptJob, Fault]]) -> dict[Fault, list[KeptJob]]:
    faults: dict[Fault, list[KeptJob]] = {}
    for job, fault in found:
        faults.setdefault(fault, []).append(job)
    return faults


def _named(jobs: list[KeptJob]) -> str:
    """Name jobs, of many of them only some, before what is said of each."""
    if len(jobs) == 1:
        return f"worker job {jobs[0].id}"
    ids = ", ".join(job.id for job in jobs[:_NAMED])
    more = f" and {len(jobs) - _NAMED} more" if len(jobs) > _NAMED else ""
    return f"each of {len(jobs)} worker jobs ({ids}{more})"


def _without_work(jobs: list[KeptJob], now: float) -> list[KeptJob]:
    """Give those that wait, and then those that have had nothing to do for a while."""
    waiting = [job for job in jobs if job.state is State.WAITING]
    idle = [j for j in jobs if j.idle_since is not None and now - j.idle_since > SETTLED]
    return [*waiting, *idle]
