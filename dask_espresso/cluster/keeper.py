"""Keeps the worker jobs of a batch cluster: submits them, watches them, replaces them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import math
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import SchedulerPlugin
from distributed.core import Status as WorkerStatus

from ..inputs.profile import Jobs
from ..systems.batch import BatchError
from ..systems.queue import Queue, QueuedJob, cancel
from ..systems.refusals import is_final
from .roster import JobReport, Roster
from .settings import setting

logger = logging.getLogger(__name__)

_BACK_OFF = (2.0, 60.0)  # seconds: after the first failure, and at most
_SHORT_LIVED = 30.0  # seconds; a job lost sooner than that after its start counts as a failure
_MISSING = 15.0  # seconds in which a nanny brings a worker back
_HEARTBEATS = 1.5  # seconds in which every living worker sends one
_SETTLED = 5.0  # seconds after which a heartbeat has told what a worker does
_CANCEL_AGAIN = 60.0  # seconds
_END_TIMEOUT = 10.0  # seconds in which cancelled jobs leave the queue
_RETIRE_TIMEOUT = 30.0  # seconds in which a worker's results have been fetched
_UNSEEN = 30.0  # seconds in which a job whose id was not told appears in the queue
_LATE = 2.0  # seconds in which a job appears whose submission was cut off
_COLLECT_NEWS = 0.5  # seconds; workers that come or go together cause one look


@dataclass
class _WorkerJob:
    """A job that was submitted and is wanted.

    Times are monotonic, in seconds; None where it has not happened.
    """

    name: str
    job: Any
    processes: int
    submitted_at: float
    seen: QueuedJob | None = None
    running_since: float | None = None
    complete_since: float | None = None
    missing_since: float | None = None
    leaving_since: float | None = None
    silent_since: float | None = None
    idle_since: float | None = None
    is_well: bool = False  # it has done its work, and was ended by us

    @property
    def id(self) -> str:
        return str(self.job.job_id or self.name)

    @property
    def worker_names(self) -> set[str]:
        if self.processes == 1:
            return {self.name}
        return {f"{self.name}-{i}" for i in range(self.processes)}

    def look_up(self, queued: dict[str, QueuedJob]) -> None:
        """Find the job in the queue by its name, whatever its id was read as."""
        seen = queued.get(self.id)
        if seen is None or seen.name != self.name:
            ids = (job_id for job_id, other in queued.items() if other.name == self.name)
            if found := next(ids, None):
                self.job.job_id = found
            seen = queued[found] if found else None
        self.seen = seen

    def start_over(self) -> None:
        """Take note that the batch system has put the job back into its queue."""
        self.running_since = self.complete_since = self.missing_since = self.leaving_since = None

    def report(self) -> JobReport:
        reason = self.seen.reason if self.seen else ""
        if self.leaving_since is not None:
            return JobReport(self.id, self.name, "leaving", "its walltime ends")
        if self.complete_since is not None:
            return JobReport(self.id, self.name, "working")
        if self.running_since is not None:
            return JobReport(self.id, self.name, "starting")
        return JobReport(self.id, self.name, "waiting", reason)


@dataclass(frozen=True)
class _Fault:
    """Why a job is replaced; failures put off the next submission, losses do not."""

    reason: str
    is_failure: bool = False
    is_regular: bool = False


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
        self._cluster = cluster
        self._queue = queue
        self._limits = jobs if isinstance(jobs, Jobs) else Jobs(jobs, jobs)
        self._log_directory = log_directory
        self._record = record
        self._clock = clock
        self._spec = cluster.new_spec
        self._processes = self._spec["options"].get("processes") or 1
        cores = int(self._spec["options"].get("cores") or 1)
        self._slots = max(1, cores // self._processes // ranks) * self._processes
        beginning = self._spec["options"].get("job_name") or "dask-espresso"
        self._name = f"{beginning}-{uuid.uuid4().hex[:6]}-"  # of all jobs, and of nobody else's
        self._names: tuple[str, ...] = (self._name,)
        self._numbers = itertools.count(1)
        self._jobs: list[_WorkerJob] = []
        self._ending: dict[str, tuple[_WorkerJob, float]] = {}
        self._failures = 0
        self._problem = ""
        self._is_blind = False
        self._retry_at = 0.0
        self._last_look = clock()
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._news = asyncio.Event()
        self._is_closing = self._is_cut_off = self._has_come_up = False
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
        if leftovers:
            await self._cancel_leftovers(leftovers)
        self._publish()
        self._record(self.roster)
        self._cluster.scheduler.add_plugin(_News(self._news), name="dask-espresso-keeper")
        self._task = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Cancel all jobs."""
        self._is_closing = True
        self._news.set()
        if self._task:
            # a job that is being submitted just now is better known than looked for
            await asyncio.wait([self._task], timeout=_END_TIMEOUT)
            while not self._task.done():  # wait_for can swallow it (Python issue 86296)
                self._is_cut_off = True
                self._task.cancel()
                await asyncio.wait([self._task], timeout=1)
        async with self._lock:
            for job in self._jobs:
                job.is_well = job.complete_since is not None and job.missing_since is None
            leaving = [*self._jobs, *(job for job, _ in self._ending.values())]
            if self._is_without_jobs():
                self._names = ()
            else:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._cancel_all(leaving), 2 * _END_TIMEOUT)
            if self._names:
                logger.warning("worker jobs may be left; the next run of this store cancels them")
            for job in leaving:
                self._remove_logs(job)
            self._jobs, self._ending, self._problem = [], {}, ""
            self._publish()
            self._record(self.roster)

    def _is_without_jobs(self) -> bool:
        """Say whether there never was a job: the first submission was refused for good."""
        return bool(
            self.dead_end
            and self._failures == 1
            and self._names == (self._name,)
            and not (self._jobs or self._ending)
        )

    async def _cancel_all(self, jobs: list[_WorkerJob]) -> None:
        """Cancel everything of our names, what comes late too, until none is left in the queue."""
        settled = self._clock() + _LATE * self._is_cut_off
        while True:
            await self._cancel(jobs, self._names)
            queued = await self._look_at_queue()
            is_known = queued is not None and self._clock() >= settled
            left = [job for job in (queued or {}).values() if job.name.startswith(self._names)]
            if not left and not self._is_blind and (is_known or queued is None):
                self._names = ()  # nobody has to look for them any more
                return
            await asyncio.sleep(_COLLECT_NEWS)

    async def look(self) -> None:
        """Look at the jobs once, and do what is to be done about them."""
        async with self._lock:
            queued = await self._look_at_queue()
            now = self._clock()
            stalled = now - self._last_look > setting("keeper.hung-after") / 2
            self._last_look = now
            await self._forget_ended(queued, now)
            await self._cancel_strays(queued)
            registered = {ws.name: ws for ws in self._cluster.scheduler.workers.values()}
            for job in list(self._jobs):
                workers = [registered[name] for name in job.worker_names & registered.keys()]
                self._update(job, workers, queued, now)
                fault = None if stalled else self._fault(job, workers, queued, now)
                if fault:
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
        until_retry = self._retry_at - self._clock()
        return min(interval, until_retry) if self._failures and until_retry > 0 else interval

    async def _look_at_queue(self) -> dict[str, QueuedJob] | None:
        try:
            queued = await self._queue.look()
            self._is_blind = False
            return queued
        except BatchError as error:
            if not self._is_blind:
                logger.warning("the batch system does not answer: %s", error)
            self._is_blind = True
            return None  # that proves nothing about the jobs

    def _workers(self, job: _WorkerJob) -> list[Any]:
        names = job.worker_names
        return [ws for ws in self._cluster.scheduler.workers.values() if ws.name in names]

    def _update(
        self,
        job: _WorkerJob,
        workers: list[Any],
        queued: dict[str, QueuedJob] | None,
        now: float,
    ) -> None:
        """Take note of where a job is between submission and end."""
        if queued is not None:
            job.look_up(queued)
        if len(workers) == job.processes:
            if job.complete_since is None:
                job.complete_since = now
                self._has_come_up = True
                self._failures = 0
                self._problem = ""
            job.running_since = job.running_since or now
            job.missing_since = None
        elif job.seen and job.seen.state == "waiting" and not workers:
            job.start_over()
        else:
            if job.seen and job.running_since is None:
                job.running_since = now
            if job.complete_since is not None and job.missing_since is None:
                job.missing_since = now
        leaving = bool(workers) and all(
            ws.status is WorkerStatus.closing_gracefully for ws in workers
        )
        job.leaving_since = (job.leaving_since or now) if leaving else None
        # heartbeats carry the time of day, which may jump: the next one sets that right
        silent = any(time.time() - ws.last_seen > self._hung_after() for ws in workers)
        job.silent_since = (job.silent_since or now) if silent else None
        idle = bool(workers) and not any(ws.processing for ws in workers)
        job.idle_since = (job.idle_since or now) if idle else None

    def _fault(
        self,
        job: _WorkerJob,
        workers: list[Any],
        queued: dict[str, QueuedJob] | None,
        now: float,
    ) -> _Fault | None:
        lived = None if job.complete_since is None else now - job.complete_since
        short_lived = lived is None or lived < _SHORT_LIVED
        if job.leaving_since is not None and now - job.leaving_since > _SETTLED:
            if not any(ws.executing for ws in workers):
                return _Fault("left before the end of its walltime", is_regular=True)
            return None
        if queued is not None and job.seen is None and not workers:
            if not job.job.job_id:  # the batch system may have taken it, or not
                said = " ".join(job.job.said.split()) or "nothing"
                is_late = now - job.submitted_at > _UNSEEN
                message = f"is not in the queue, and its submission said: {said}"
                return _Fault(message, is_failure=True) if is_late else None
            if job.complete_since is None:
                return _Fault(f"ended before its worker registered{self._see_log(job)}", True)
            return _Fault("ended", is_failure=short_lived)
        if job.seen and job.seen.state == "held":
            return _Fault(f"was held: {job.seen.reason or 'no reason given'}", is_failure=True)
        if job.silent_since is not None and now - job.silent_since > _HEARTBEATS:
            return _Fault(f"did not answer for {self._hung_after():.0f} s")
        if job.missing_since is not None and now - job.missing_since > _MISSING:
            return _Fault(f"lost a worker{self._see_log(job)}", is_failure=short_lived)
        timeout = setting("keeper.start-timeout")
        is_starting = job.running_since is not None and job.complete_since is None
        if is_starting and now - (job.running_since or now) > timeout:
            message = f"ran for {timeout:.0f} s without its worker registering"
            return _Fault(message + self._see_log(job), is_failure=True)
        return None

    def _hung_after(self) -> float:
        # workers of large clusters send heartbeats less often
        return max(
            setting("keeper.hung-after"), 5 * (len(self._cluster.scheduler.workers) / 200 + 1)
        )

    def _see_log(self, job: _WorkerJob) -> str:
        return f"; see its log in {self._log_directory}" if self._logs(job) else ""

    async def _replace(self, job: _WorkerJob, fault: _Fault) -> None:
        said = f"worker job {job.id} {fault.reason}"
        logger.log(logging.DEBUG if fault.is_regular else logging.WARNING, "%s", said)
        if fault.is_failure:
            self._failed(said)
        scheduler, stimulus = self._cluster.scheduler, f"keeper-{time.time()}"
        addresses = [ws.address for ws in self._workers(job)]
        if fault.is_regular and addresses:
            retirement = scheduler.retire_workers(
                workers=addresses, close_workers=True, remove=True, stimulus_id=stimulus
            )
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(retirement, _RETIRE_TIMEOUT)
            if self._workers(job):
                return  # a result is still on its way; next time
        for ws in self._workers(job):
            await scheduler.remove_worker(ws.address, stimulus_id=stimulus)
        job.is_well = fault.is_regular
        self._jobs.remove(job)
        await self._cancel([job])  # also one that is gone: it may be about to be requeued
        if job.seen:  # it counts until the batch system no longer has it
            self._ending[job.id] = job, self._clock()
        else:
            self._remove_logs(job)

    async def _cancel(self, jobs: list[_WorkerJob], names: tuple[str, ...] = ()) -> None:
        if not self._spec["cls"].cancel_command:  # no job of a batch system
            await asyncio.gather(*(job.job.close() for job in jobs))
        elif jobs or names:
            with contextlib.suppress(BatchError):  # it is tried again
                await cancel(self._queue, {job.id: job.name for job in jobs}, names)

    async def _cancel_strays(self, queued: dict[str, QueuedJob] | None) -> None:
        """Cancel what comes late, of a submission that failed or of a killed driver."""
        ending = (job for job, _ in self._ending.values())
        known = {job.name for job in (*self._jobs, *ending)}
        strays = {
            job_id: job.name
            for job_id, job in (queued or {}).items()
            if job.name.startswith(self._names) and job.name not in known
        }
        if strays and self._spec["cls"].cancel_command:
            logger.info("cancelling worker jobs that nobody waits for: %s", ", ".join(strays))
            with contextlib.suppress(BatchError):  # it is tried again
                await cancel(self._queue, strays)

    async def _forget_ended(self, queued: dict[str, QueuedJob] | None, now: float) -> None:
        if queued is None:
            return
        for job_id, (job, since) in list(self._ending.items()):
            if job_id not in queued:
                del self._ending[job_id]
                self._remove_logs(job)
            elif now - since > _CANCEL_AGAIN:
                self._ending[job_id] = job, now
                await self._cancel([job])

    # ---- how many --------------------------------------------------------------------------------

    def _target(self) -> int:
        limits = self._limits
        if limits.minimum == limits.maximum:
            return min(limits.maximum, self.work_left)
        needed = math.ceil(self.work_left / self._slots)
        return min(max(needed, limits.minimum), limits.maximum) if self.work_left else 0

    async def _shrink(self, now: float) -> None:
        """Give back jobs of a range that have nothing to do any more."""
        if self._limits.minimum == self._limits.maximum:
            return
        waiting = [job for job in self._jobs if job.running_since is None]
        idle = [
            job
            for job in self._jobs
            if job.idle_since is not None and now - job.idle_since > _SETTLED
        ]
        for job in [*waiting, *idle][: max(0, len(self._jobs) - self._target())]:
            await self._replace(job, _Fault("is no longer needed", is_regular=True))

    async def _submit(self, now: float) -> None:
        if self.dead_end:
            return
        missing = self._target() - len(self._jobs) - len(self._ending)
        if self._failures:
            if now < self._retry_at or any(job.complete_since is None for job in self._jobs):
                return
            missing = min(missing, 1)
        for _ in range(missing):
            if self._is_closing:
                return
            try:
                self._jobs.append(await self._submit_one())
            except (RuntimeError, ValueError, OSError) as error:
                said = f"a worker job was refused: {_own_words(error)}"
                if is_final(error) and not self._has_come_up:
                    self.dead_end = said
                elif said != self._problem:
                    logger.warning("%s", said)
                self._failed(said)
                return

    async def _submit_one(self) -> _WorkerJob:
        name = f"{self._name}{next(self._numbers)}"
        options = {**self._spec["options"], "job_name": name}
        scheduler = self._cluster.scheduler
        address = getattr(scheduler, "contact_address", None) or scheduler.address
        job = await self._spec["cls"](address, name, **options)
        logger.info("submitted worker job %s (%s)", name, job.job_id)
        return _WorkerJob(name, job, self._processes, self._clock())

    def _failed(self, reason: str) -> None:
        first, most = _BACK_OFF
        self._retry_at = self._clock() + min(first * 2**self._failures, most)
        self._failures += 1
        self._problem = reason

    async def _cancel_leftovers(self, leftovers: Mapping[str, str]) -> None:
        if self._spec["cls"].cancel_command:
            with contextlib.suppress(BatchError):  # they leave by themselves, only later
                if ours := await cancel(self._queue, leftovers):
                    said = "cancelled worker jobs that a killed driver left: %s"
                    logger.info(said, ", ".join(ours))

    # ---- what is told ----------------------------------------------------------------------------

    def _publish(self) -> None:
        ending = (JobReport(i, job.name, "ending") for i, (job, _) in self._ending.items())
        jobs = (*(job.report() for job in self._jobs), *ending)
        self.roster = Roster(jobs, self._problem, self._names)

    def _logs(self, job: _WorkerJob) -> list[Path]:
        """Find the files that dask-jobqueue has a job write its output to."""
        if not self._log_directory:
            return []
        number = job.id.partition(";")[0]  # without the name of its cluster
        cluster = number.partition(".")[0]  # an HTCondor job is a cluster of its own
        ends = (f"-{number}.out", f"-{number}.err", f"worker-{cluster}.log")
        return [path for path in self._log_directory.glob("*") if path.name.endswith(ends)]

    def _remove_logs(self, job: _WorkerJob) -> None:
        """Remove the output of a job that ended well; after its end, which is written down, too."""
        if job.is_well:
            with contextlib.suppress(OSError):
                for path in self._logs(job):
                    path.unlink()


def _own_words(error: Exception) -> str:
    """Give what the batch system said, out of dask-jobqueue's report of a failed command."""
    _, found, said = str(error).partition("stderr:\n")
    return " ".join((said if found else str(error)).split())
