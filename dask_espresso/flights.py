"""The tasks that workers have, and what comes of them."""

from __future__ import annotations

import itertools
import pickle
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from distributed import Future, KilledWorker

from .cluster.engine_trial import described
from .cluster.transfers import Arrival
from .cluster.workers import NO_SCHEDULER, News, Workers
from .errors import ResumableError, ScriptChangedError
from .feed import Feed, Ran, Task
from .outcome import Status
from .process.order import Order, Workload
from .process.task import run_simulations
from .process.task_run import TaskResults, size_of
from .record import pack
from .store.store import Entry

_PATIENCE = 20.0  # seconds that a task may wait on a worker until it is begun


class _Flight(NamedTuple):
    """A task that is out, and when it was sent, on the monotonic clock."""

    future: Future
    task: Task
    sent: float


class Flights:
    """Gives workers the tasks of a feed, and tells it what became of them.

    Outcomes come in messages while a task runs; what is too large for that is its result, which is
    fetched. Whatever comes twice, as it may where lines are cut, counts once.

    Parameters
    ----------
    feed : Feed
        Whose tasks they are.
    workers : Workers
        Who run them.
    workload : Workload
        What all simulations have in common.
    say_why_fresh : callable
        Takes why simulations are not forked, or nothing.

    Attributes
    ----------
    fetching : set of str
        Keys of the tasks whose results are on their way.
    """

    def __init__(
        self, feed: Feed, workers: Workers, workload: Workload, say_why_fresh: Callable[[str], None]
    ) -> None:
        self.fetching: set[str] = set()
        self._feed, self._workers, self._workload = feed, workers, workload
        self._say_why_fresh = say_why_fresh
        self._flying: dict[str, _Flight] = {}
        self._astray: set[str] = set()  # keys of tasks that nobody seemed to have
        self._run = uuid.uuid4().hex[:8]
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._flying)

    @property
    def pace(self) -> float:
        """For how long a worker keeps what it has done, at most, in seconds."""
        return max((flight.task.pace for flight in self._flying.values()), default=0.0)

    def key(self, name: str) -> str:
        """Give a name for a task that no other one has, of this run or of another."""
        return f"{name}-{self._run}-{next(self._numbers)}"

    def send(self) -> None:
        """Give workers what they lack."""
        for task in self._feed.next_tasks(self._workers.crew.free):
            key = self.key(f"simulations-{task.orders[0].id}")
            what = self._workload, pickle.dumps(task.orders), task.pace
            future = self._workers.submit(key, run_simulations, *what, worker=task.worker)
            self._flying[key] = _Flight(future, task, time.monotonic())

    def entries(self, news: News) -> Iterator[list[Entry]]:
        """Give what is to be recorded of what has come.

        Raises
        ------
        ResumableError
            If the script has changed, or the scheduler is gone.
        """
        for message in news.messages:
            yield self._entries(message["task"], TaskResults.of_message(message))
        finished = {future for future in news.ended if future.status == "finished"}
        self._fetch(future for future in finished if future.key in self._flying)
        for arrival in news.arrivals:
            yield self._take(arrival)
        for future in news.ended:
            if future not in finished and future.key in self._flying:
                yield self._take_failure(future)

    def look_for_strays(self) -> None:
        """Look for tasks that wait where nobody begins them, and give them anew.

        Such as behind others that take much longer than expected, or on a worker that takes no
        more, or that is gone. Dask gives a task of one that is gone to another worker, but where
        there was none at that moment it never does. It may be under way for a moment, so that it
        counts when it is seen twice. What has died with its worker is not among them: Dask says so.
        """
        running, now = self._workers.crew.running, time.monotonic()
        for key, flight in list(self._flying.items()):
            if not flight.task.is_begun and now - flight.sent > _PATIENCE:
                self._take_back(key)
        astray = {key for key, f in self._flying.items() if f.task.worker not in running}
        if not astray or not running or (whose := self._workers.whose()) is None:
            return
        before, self._astray = self._astray, set()
        for key in astray - self.fetching:
            task = self._flying[key].task
            if whose.get(key) in running:
                self._feed.moved(task, whose[key])
            elif key in before and (self._workers.cluster.is_own or key in whose):
                if key not in whose or not task.is_begun:
                    self._take_back(key)
            else:
                self._astray.add(key)

    def _take_back(self, key: str) -> None:
        """Have a task not be run, unless it has come to something meanwhile."""
        flight = self._flying[key]
        if flight.future.status == "pending":
            del self._flying[key]
            flight.future.release()
            self._feed.returned(flight.task)

    def release(self, news: News) -> None:
        """Let go of those tasks of which nothing more is expected."""
        for future in {*news.ended, *(arrival.future for arrival in news.arrivals)}:
            if future.key not in self._flying:
                future.release()

    def _fetch(self, futures: Iterable[Future]) -> None:
        """Get results of tasks whose messages had not all of it."""
        wanted = list(futures)
        self.fetching |= {future.key for future in wanted}
        self._workers.fetch(wanted)

    def _take(self, arrival: Arrival) -> list[Entry]:
        """Give what is to be recorded of a task whose result has come, or has not."""
        key = arrival.future.key
        self.fetching.discard(key)
        if key not in self._flying:
            return []
        if arrival.result is not None:
            return self._entries(key, arrival.result)
        if arrival.is_given_up:
            self._feed.returned(self._flying.pop(key).task)
            return []
        return self._take_failure(arrival.future)

    def _entries(self, key: str, found: TaskResults) -> list[Entry]:
        """Give what is to be recorded of what a worker has said of a task."""
        if key not in self._flying:  # another driver's, or it was given up
            return []
        self._say_why_fresh(found.note)
        task = self._flying[key].task
        ends = self._feed.ran(
            task,
            [
                Ran(place, Status(status), elapsed_time, size_of(record))
                for place, status, record, elapsed_time in found.results
            ],
        )
        task.is_begun = True
        self._feed.gave_back(task, found.not_run, found.held)
        if found.is_all:
            del self._flying[key]
            self._feed.returned(task)
        entries = (
            Entry(task.orders[place].id, Status(status), record)
            for place, status, record, _ in found.results
        )
        return list(itertools.compress(entries, ends))

    def _take_failure(self, future: Future) -> list[Entry]:
        """Give what is to be recorded of a task without a result.

        Its status changes meanwhile: a task that was done is lost with the worker that has its
        result, and may be done once more, or may be on its way again.
        """
        status = future.status
        if status in ("finished", "pending"):
            self._workers.watch(future)
            return []
        if status == "cancelled":
            raise ResumableError(NO_SCHEDULER)
        task = self._flying.pop(future.key).task
        if status == "lost":
            self._feed.returned(task)
            return []
        return self._entries_of_failure(future.exception(), task)

    def _entries_of_failure(self, error: BaseException, task: Task) -> list[Entry]:
        """Give what is to be recorded of simulations that no worker could tell of."""
        if isinstance(error, ScriptChangedError):
            raise ResumableError(str(error))
        if isinstance(error, KilledWorker):
            lost = self._feed.killed(task, workers=error.allowed_failures + 1)
            return [self._entry(o, Status.LOST, f"{n} workers died of it") for o, n in lost]
        said = f"on the worker: {described(error)}"
        return [self._entry(order, Status.FAILED, said) for order in self._feed.failed(task)]

    def _entry(self, order: Order, status: Status, error: str) -> Entry:
        outcome = order.outcome(self._workload)
        outcome.status, outcome.error = status, error
        return Entry(order.id, status, pack(outcome))
