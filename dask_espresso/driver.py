"""Feed a study's simulations to the workers, collect their outcomes, record them, stop well."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextlib
import itertools
import math
import os
import queue
import time
import traceback
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from distributed import CancelledError, Client, Future, KilledWorker

from .check.findings import is_loopback, on_loopback
from .check.limits import check_time_limit
from .cluster.certificates import remove_leftovers
from .cluster.cluster import Cluster, cancel_leftovers, open_cluster
from .cluster.crew import Crew
from .cluster.dashboard import describe_dashboard, is_elsewhere
from .cluster.roster import Roster, read_roster, write_roster
from .cluster.transfers import Arrival, Transfers
from .errors import DaskEspressoError, InputError, ResumableError
from .files import describe_error
from .inputs.profile import Profile, load_profile
from .inputs.study import Study, load_study
from .outcome import Status, pack
from .paths import expand
from .process.order import Order, Workload
from .process.probe import Probe, probe
from .process.task import Batch, ScriptChangedError, run_simulations
from .signals import StopRequest, stop_requests
from .store.store import Entry, Store, open_store
from .views.dependence import store_warnings
from .views.progress import Counts, Display
from .walltime import format_duration

MAX_LOSSES = 5  # a simulation that cost so many workers their life is lost
_SUSPICIOUS = 2  # after so many losses only one at a time is tried
_LATENCY = 0.2  # seconds that a worker may have to wait for its next task
_BATCH_TIME = 0.25  # seconds that a task shall take: Dask's own cost is a few milliseconds each
_MAX_BATCH = 256  # simulations of one task
_RECENT = 50  # simulations that the expected duration of one is the mean of
_LAST_CALL = 5.0  # seconds that what is on its way at the end gets to arrive
_ANSWER_TIMEOUT = 5.0  # seconds; a scheduler that stands still does not answer

_NO_SCHEDULER = "the Dask scheduler is gone; run again to go on"
_TICK = 0.2  # seconds between looks at signals and display


@dataclass(frozen=True)
class Summary:
    """What a run has come to.

    Attributes
    ----------
    total : int
        Simulations of the study.
    recorded : dict of Status to int
        Of them, how many the store holds, by status.
    started : int
        How many outcomes this run recorded.
    elapsed_time : float
        Of the run, in seconds.
    interrupted : str
        The signal that stopped it, or empty.
    warnings : tuple of str
        Seeds and parameters that change nothing, as far as the store tells.
    """

    total: int
    recorded: dict[Status, int]
    started: int
    elapsed_time: float
    interrupted: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def exit_status(self) -> int:
        """0 all done, 1 some did not end as done, 75 interrupted and resumable."""
        if self.recorded.get(Status.DONE, 0) == self.total:
            return 0
        return 75 if self.interrupted else 1


class InterruptedRunError(ResumableError):
    """A signal, such as that of Ctrl-C, stopped a run early.

    Attributes
    ----------
    summary : Summary
        What the run had come to by then.
    """

    def __init__(self, message: str, summary: Summary) -> None:
        super().__init__(message)
        self.summary = summary


def run_study(
    study: Study | str | os.PathLike[str],
    profile: Profile | str | os.PathLike[str] | None = None,
    store: str | os.PathLike[str] | None = None,
    *,
    retry_failed: bool = False,
    changed_script: str | None = None,
    display: Display | None = None,
) -> Summary:
    """Run what of a study is not in its store yet.

    Parameters
    ----------
    study : Study or path
        What to simulate; of a path, what :func:`~dask_espresso.load_study` makes of it.
    profile : Profile or path, optional
        Where; by default on this machine.
    store : path, optional
        The HDF5 file, by default ``NAME.h5`` here.
    retry_failed : bool
        Also run again what did not end as done.
    changed_script : {None, 'keep', 'rerun'}
        See :func:`dask_espresso.store.store.check_store`.
    display : Display, optional
        Shows how far it is.

    Returns
    -------
    Summary

    Raises
    ------
    InputError
        If the study, the store or the engine cannot be used; nothing was written.
    ResumableError
        If the run had to stop early; running again goes on. Where a signal was why, such as that
        of Ctrl-C, it is an :class:`InterruptedRunError`.
    """
    study = study if isinstance(study, Study) else load_study(study)
    profile = profile if isinstance(profile, Profile) else load_profile(profile)
    path = Path(expand(str(store)) if store else f"{study.name}.h5").absolute()
    workload = Workload.of(study, profile)
    check_time_limit(study, profile)
    with (
        _failing_files(path),
        open_store(path, study, changed_script=changed_script, modules=workload.modules) as opened,
        stop_requests() as stop,
    ):
        left, record = read_roster(path), partial(write_roster, path)
        left = replace(left, names=(*left.names, *remove_leftovers(Path.cwd())))
        driver = Driver(study, opened, workload, stop, display or Display(), retry_failed)
        try:
            if driver.todo:
                leftovers = {job.id: job.name for job in left.jobs}
                with open_cluster(
                    profile, leftovers, workload.engine.ranks, names=left.names, record=record
                ) as cluster:
                    driver.work(cluster, profile.worker_timeout)
            elif left != Roster():
                cancel_leftovers(profile, left, record)
        except InputError:
            # nothing was run, and the store stays as it is; but where the workers were told to
            # stop, too, as by `timeout`, it is their end that looks like a wrong profile
            if not stop.signal:
                raise
        except BaseException:
            opened.publish()
            raise
        opened.publish()
    # what is said beside a run does not end it
    summary = driver.summary()
    with contextlib.suppress(DaskEspressoError):
        summary = replace(summary, warnings=tuple(store_warnings(path)))
    if summary.exit_status == ResumableError.exit_status:
        raise InterruptedRunError(
            f"{path}: stopped by {summary.interrupted} with {sum(summary.recorded.values())} "
            f"of {summary.total} simulations recorded; running it again goes on",
            summary,
        )
    return summary


class Driver:
    """One run of a study on running workers.

    Parameters
    ----------
    study : Study
        What to run.
    store : Store
        Held by this driver.
    workload : Workload
        What all simulations have in common.
    stop : StopRequest
        Looked at several times a second.
    display : Display
        Shows how far it is.
    retry_failed : bool
        Whether to run again what is recorded as not done.
    """

    def __init__(
        self,
        study: Study,
        store: Store,
        workload: Workload,
        stop: StopRequest,
        display: Display,
        retry_failed: bool,
    ) -> None:
        self._study = study
        self._store = store
        self._workload = workload
        self._stop = stop
        self._display = display
        self._is_elsewhere = is_elsewhere()  # a job's environment is hidden while workers run
        self._run = uuid.uuid4().hex[:8]
        self._numbers = itertools.count(1)
        self._news: queue.SimpleQueue[Future | Arrival] = queue.SimpleQueue()
        self._fetching: set[str] = set()  # tasks whose results are on their way
        self._flying: dict[str, tuple[Future, tuple[Order, ...]]] = {}
        self._n_flying = 0  # simulations in these tasks
        self._again: collections.deque[Order] = collections.deque()
        self._alone: collections.deque[Order] = collections.deque()
        self._losses: collections.Counter[str] = collections.Counter()
        self._suspects: collections.deque[Order] = collections.deque()
        self._suspect = ""  # the one of them that is on a worker
        self._longest = self._mean = 0.0  # of the simulations that ended here, in seconds
        self._notes = {""}
        self._crew = Crew()
        self._roster = Roster()
        self._recorded_here = 0
        self._todo = (s for s in study.simulations() if self._wants(s.id, retry_failed))
        ids = set(study.ids())
        self.todo = sum(self._wants(i, retry_failed) for i in ids)
        recorded = collections.Counter(s for i, s in store.statuses.items() if i in ids)
        self._counts = Counts(total=study.count, recorded=dict(recorded))
        self._counts.before = self._counts.n_recorded

    def _wants(self, simulation_id: str, retry_failed: bool) -> bool:
        status = self._store.statuses.get(simulation_id)
        return status is None or (retry_failed and status is not Status.DONE)

    def work(self, cluster: Cluster, worker_timeout: float) -> None:
        """Run everything that is to be run, or as much as a request to stop leaves time for.

        Parameters
        ----------
        cluster : Cluster
            Where to run it.
        worker_timeout : float
            How long to go on without any worker, in seconds.

        Raises
        ------
        ResumableError
            If there was no worker for that long, or the scheduler is gone.
        """
        self._worker_deadline = _Deadline(worker_timeout)
        self._transfers = Transfers(cluster.client, self._news.put)
        with _loss_of_scheduler(cluster.client):
            try:
                self._work(cluster)
            finally:
                self._transfers.close()

    def _work(self, cluster: Cluster) -> None:
        client = cluster.client
        if dashboard := describe_dashboard(client, elsewhere=self._is_elsewhere):
            self._display.say(dashboard)
        if cluster.keeper and is_loopback(client.scheduler.address):
            self._display.say(on_loopback(client.scheduler.address))
        self._check_engine(cluster)
        while not self._stop.signal:
            self._look_after(cluster)
            self._feed(client)
            if not self._flying:
                return
            self._collect()
            if self._store.should_publish:
                self._store.publish()
        self._collect()  # what is there already, and nearly there, is not thrown away
        end, last = time.monotonic() + _LAST_CALL, self._fetching.copy()
        while self._fetching & last and time.monotonic() < end:
            self._collect()

    def _check_engine(self, cluster: Cluster) -> None:
        """Start the engine once on a worker, so that a wrong one costs no simulation."""
        found = None
        while not found and not self._stop.signal:  # else its worker has died, or is cut off
            found = self._try_engine(cluster)
        if found and found.error:
            raise InputError(found.error)
        if found:
            self._tell(found.reason)

    def _try_engine(self, cluster: Cluster) -> Probe | None:
        """Start the engine on a worker; None if that came to nothing, for reasons of the worker."""
        key, crew = f"probe-{self._run}-{next(self._numbers)}", self._crew
        future = cluster.client.submit(probe, self._workload.engine, key=key, **crew.where)
        future.add_done_callback(self._news.put)
        while not self._stop.signal:
            self._look_after(cluster)
            self._refuse_unreachable(cluster)
            for news in self._wait_for_news(_TICK / 4):
                if isinstance(news, Arrival):
                    if news.future.key == key:
                        found: Probe | None = news.result
                        return found
                elif news.status == "finished":
                    self._transfers.begin([news])
                else:
                    self._refuse_untried(news)
                    return None
            if self._crew.has_lost_since(crew):
                return None
        return None

    @staticmethod
    def _refuse_untried(future: Future) -> None:
        """End a run whose engine could not be tried, unless that was for its worker."""
        if future.status == "cancelled":
            raise ResumableError(_NO_SCHEDULER)
        if future.status == "error" and not isinstance(error := future.exception(), KilledWorker):
            raise InputError(f"the engine could not be tried on a worker: {_described(error)}")

    def _refuse_unreachable(self, cluster: Cluster) -> None:
        """End a run that cannot work: no result of any worker that there is can be had."""
        jobs = cluster.keeper.roster.jobs if cluster.keeper else ()
        are_all_there = all(job.state == "working" for job in jobs)
        if are_all_there and (trouble := self._crew.lasting_trouble):
            if self._counts.before:
                raise ResumableError(f"{trouble}; nothing new was run; run again to go on")
            raise InputError(f"{trouble}; nothing was run")

    def _tell(self, reason: str) -> None:
        """Say once why simulations are not forked, if there is a reason."""
        self._say_once(reason and f"simulations are fresh processes: {reason}")

    def _say_once(self, said: str) -> None:
        if said not in self._notes:
            self._notes.add(said)
            self._display.say(said)

    def _look_after(self, cluster: Cluster) -> None:
        """Tell the keeper what is to be done, and the user what the workers do."""
        self._look_at_workers(cluster.client)
        cluster.check()
        if cluster.keeper:
            cluster.keeper.work_left = self.todo - self._recorded_here
            if cluster.keeper.roster != self._roster:
                self._roster = cluster.keeper.roster
                self._say_once(write_roster(self._store.path, self._roster))
            self._counts.jobs = self._roster.describe()
        self._worker_deadline.check(self._counts, self._crew)
        self._display.update(self._counts)

    def _look_at_workers(self, client: Client) -> None:
        """See who is there, and say who does not answer."""
        threads = _threads(client)
        if threads is None:  # the scheduler does not answer
            self._counts.slots = 0
            return
        self._transfers.look(threads)
        self._crew = Crew(threads, self._transfers, client.scheduler.address)
        for trouble in self._crew.troubles:
            self._say_once(trouble)
        self._counts.slots = self._crew.slots

    def _next_batch(self) -> tuple[Order, ...]:
        """Give what is to be run next, what has to be run again first.

        A simulation that kills its worker takes innocent ones along. Those that were lost go in
        tasks of their own, and those that were lost repeatedly run one at a time, so that the
        losses are soon only the guilty one's.
        """
        if self._alone:
            return (self._alone.popleft(),)
        if self._suspects and not self._suspect:
            order = self._suspects.popleft()
            self._suspect = order.id
            return (order,)
        return tuple(itertools.islice(self._orders(), self._batch_size()))

    def _orders(self) -> Iterator[Order]:
        while self._again:
            yield self._again.popleft()
        for simulation in self._todo:
            yield Order.of(simulation)

    def _batch_size(self) -> int:
        """Say how many simulations one task is to have.

        As many as make Dask's own cost small, and towards the end so few that all workers are busy
        until the end.
        """
        left = self.todo - self._recorded_here - self._n_flying
        fair = left // (2 * max(self._counts.slots, 1))
        many = _BATCH_TIME / self._mean if self._mean else 1
        return int(max(1, min(fair, many, _MAX_BATCH)))

    def _feed(self, client: Client) -> None:
        """Keep every worker busy, and little more than that in flight."""
        window = self._window()
        needs = self._study.time_limit or self._longest
        window += self._crew.stuck
        while len(self._flying) < window and (batch := self._next_batch()):
            orders = tuple(replace(order, needs=needs) for order in batch)
            key = f"simulations-{orders[0].id}-{self._run}-{next(self._numbers)}"
            future = client.submit(
                run_simulations, self._workload, orders, key=key, pure=False, **self._crew.where
            )
            self._flying[key] = future, orders
            self._n_flying += len(orders)
            future.add_done_callback(self._news.put)
        self._counts.running = self._n_flying
        self._display.update(self._counts)

    def _window(self) -> int:
        """Say how many tasks to have in flight: what waits on a worker dies, or waits, with it."""
        slots = self._counts.slots
        if not self._recorded_here:
            return slots + 2
        slots = max(slots, 1)  # one is on its way also where no worker is there yet
        time_of_task = self._mean * self._batch_size()
        ahead = slots * _LATENCY / max(time_of_task, 1e-3)
        return slots + min(slots + 2, math.ceil(ahead) if time_of_task < 10 else round(ahead))

    def _collect(self) -> None:
        """Record what has come; wait a moment for it if nothing has."""
        news = self._wait_for_news(_TICK)
        arrivals = [arrival for arrival in news if isinstance(arrival, Arrival)]
        done = [future for future in news if isinstance(future, Future)]
        finished = {future for future in done if future.status == "finished"}
        self._fetching |= {future.key for future in finished}
        self._transfers.begin(finished)
        entries: list[Entry] = []
        try:
            for arrival in arrivals:
                entries += self._take(arrival)
            for future in done:
                if future not in finished and future.key in self._flying:
                    entries += self._take_failure(future)
        finally:  # a failure that ends the run costs nothing of what has come with it
            self._counts.running = self._n_flying
            self._record(entries)
        for future in {*done, *(arrival.future for arrival in arrivals)}:
            # not before they are recorded: until then they can be had again
            if future.key not in self._flying:
                future.release()

    def _take(self, arrival: Arrival) -> list[Entry]:
        """Give what is to be recorded of a task whose result has come, or has not."""
        self._fetching.discard(arrival.future.key)
        if arrival.future.key not in self._flying:
            return []
        if arrival.result is not None:
            return self._entries(arrival.result, self._land(arrival.future))
        if arrival.is_given_up:
            self._again.extend(self._land(arrival.future))
            return []
        return self._take_failure(arrival.future)

    def _take_failure(self, future: Future) -> list[Entry]:
        """Give what is to be recorded of a task without a result.

        Its status changes meanwhile: a task that was done is lost with the worker that has its
        result, and may be done once more, or may be on its way again.
        """
        status = future.status
        if status in ("finished", "pending"):
            future.add_done_callback(self._news.put)
            return []
        if status == "cancelled":
            raise ResumableError(_NO_SCHEDULER)
        orders = self._land(future)
        if status == "lost":
            self._again.extend(orders)
            return []
        return self._entries_of_failure(future, orders)

    def _land(self, future: Future) -> tuple[Order, ...]:
        """Take a task out of what is in flight, and give its orders."""
        _, orders = self._flying.pop(future.key)
        self._n_flying -= len(orders)
        if self._suspect in (order.id for order in orders):
            self._suspect = ""
        return orders

    def _entries(self, batch: Batch, orders: tuple[Order, ...]) -> list[Entry]:
        """Give what is to be recorded of a task that a worker has run, or has begun to run."""
        entries: list[Entry] = []
        for order, (status, record, elapsed_time) in zip(orders, batch.results, strict=False):
            self._longest = max(self._longest, elapsed_time)
            weight = 1 / min(_RECENT, self._recorded_here + len(entries) + 1)
            self._mean += weight * (elapsed_time - self._mean)
            entry = Entry(order.id, Status(status), record)
            if not self._tries_again(entry, order):
                entries.append(entry)
        self._again.extend(orders[len(batch.results) :])
        self._tell(batch.note)
        return entries

    def _wait_for_news(self, timeout: float) -> list[Future | Arrival]:
        news = []
        with contextlib.suppress(queue.Empty):
            news.append(self._news.get(timeout=timeout))
            while True:
                news.append(self._news.get_nowait())
        return news

    def _record(self, entries: list[Entry]) -> None:
        counts = self._counts.recorded
        for entry in entries:
            before = self._store.statuses.get(entry.id)
            if before is not None:
                counts[before] -= 1
            counts[entry.status] = counts.get(entry.status, 0) + 1
        self._store.record(entries)
        self._recorded_here += len(entries)
        self._display.update(self._counts)

    def _tries_again(self, entry: Entry, order: Order) -> bool:
        if entry.status is not Status.FAILED or order.attempt > self._study.retries:
            return False
        self._again.append(replace(order, attempt=order.attempt + 1))
        return True

    def _entries_of_failure(self, future: Future, orders: tuple[Order, ...]) -> list[Entry]:
        """Give what is to be recorded of simulations that no worker could tell of."""
        error = future.exception()
        if isinstance(error, ScriptChangedError):
            raise ResumableError(str(error))
        if isinstance(error, KilledWorker):
            entries = [self._entry_of_loss(order, error) for order in orders]
            return [entry for entry in entries if entry]
        if len(orders) > 1:  # one of them may be to blame
            self._alone.extend(orders)
            return []
        entry = self._entry(orders[0], Status.FAILED, f"on the worker: {_described(error)}")
        return [] if self._tries_again(entry, orders[0]) else [entry]

    def _entry_of_loss(self, order: Order, error: KilledWorker) -> Entry | None:
        """Give what to record of a simulation whose worker has died; None if it goes again."""
        losses = self._losses[order.id] + error.allowed_failures + 1
        self._losses[order.id] = losses
        if losses >= MAX_LOSSES:
            return self._entry(order, Status.LOST, f"{losses} workers died of it")
        (self._suspects if losses >= _SUSPICIOUS else self._alone).append(order)
        return None

    def _entry(self, order: Order, status: Status, error: str) -> Entry:
        outcome = order.outcome(self._workload)
        outcome.status, outcome.error = status, error
        return Entry(order.id, status, pack(outcome))

    def summary(self) -> Summary:
        """Say what the run has come to."""
        return Summary(
            total=self._counts.total,
            recorded={status: n for status, n in self._counts.recorded.items() if n},
            started=self._recorded_here,
            elapsed_time=time.monotonic() - self._counts.started,
            interrupted=self._stop.signal,
        )


class _Deadline:
    """How long a run waits for workers."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._last_seen = time.monotonic()

    def check(self, counts: Counts, crew: Crew) -> None:
        """Give up if there was no worker for too long."""
        now = time.monotonic()
        if counts.slots:
            self._last_seen = now
        elif now - self._last_seen > self._limit:
            why = "; ".join(filter(None, [counts.jobs, *sorted(crew.troubles)]))
            raise ResumableError(
                f"no worker for {format_duration(self._limit)}{why and f' ({why})'}; "
                "run again to go on, set "
                "`worker_timeout` in the profile to wait longer, or see what is wrong with "
                "`dask-espresso check`"
            )


@contextlib.contextmanager
def _failing_files(path: Path) -> Iterator[None]:
    """Say in one message that a file system fails, wherever that is noticed."""
    try:
        yield
    except OSError as error:
        if error.errno is None or isinstance(error, ConnectionError):
            raise
        raise ResumableError(
            f"{error.filename or path}: {describe_error(error)}, and run again: "
            "all that was recorded is safe"
        ) from error


@contextlib.contextmanager
def _loss_of_scheduler(client: Client) -> Iterator[None]:
    """Say that the scheduler is gone, for which dask has many errors."""
    try:
        yield
    except DaskEspressoError:
        raise
    except (Exception, CancelledError) as error:
        if client.status == "running" and not isinstance(error, (OSError, CancelledError)):
            raise
        raise ResumableError(_NO_SCHEDULER) from error


def _threads(client: Client) -> dict[str, int] | None:
    """Say how many simulations each worker can run; None if the scheduler does not answer."""
    # not by the client's own `sync`, which fails in ways of its own where a call is cut short
    answer = asyncio.run_coroutine_threadsafe(_ask_for_threads(client), client.loop.asyncio_loop)
    try:
        return answer.result(_ANSWER_TIMEOUT)
    except (TimeoutError, concurrent.futures.TimeoutError):
        answer.cancel()
        return None


async def _ask_for_threads(client: Client) -> dict[str, int]:
    return dict(await client.nthreads())


def _described(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(type(error), error)).strip()
