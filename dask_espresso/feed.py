"""What runs next, and how much at once: decided here, without Dask, clock or store."""

from __future__ import annotations

import collections
import math
from collections.abc import Sequence
from dataclasses import replace

from .outcome import Status
from .plan import Plan
from .process.order import Order

MAX_LOSSES = 5  # a simulation that cost so many workers their life is lost
SUSPICIOUS = 2  # after so many losses only one at a time is tried
LARGEST_TASK = 256  # simulations
_LATENCY = 0.2  # seconds that a worker may have to wait for its next task
_TASK_TIME = 0.25  # seconds that a task shall take: Dask's own cost is a few milliseconds each
_LONG = 10.0  # seconds; of tasks that take so long none has to wait on a worker
_RECENT = 50  # simulations that the expected duration of one is the mean of


class Feed:
    """Gives out orders, several in one task, until each of them has come to its end.

    A simulation that kills its worker takes innocent ones along. Those that were lost go in tasks
    of their own, and those that were lost repeatedly run one at a time, so that the losses are soon
    only the guilty one's.

    Every task that was given out has to come back once, by :meth:`ran`, :meth:`returned`,
    :meth:`failed` or :meth:`killed`.

    Parameters
    ----------
    plan : Plan
        What is to be run, each once; taken as far as it is needed.
    retries : int
        How often a simulation that has failed is tried again.
    time_limit : float, optional
        For one simulation, in seconds; else it may need what the longest one has taken so far.

    Attributes
    ----------
    n_flying : int
        Simulations that were given out and have not come back.
    n_ended : int
        Simulations that have come to their end.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        retries: int = 0,
        time_limit: float | None = None,
    ) -> None:
        self.n_flying = self.n_ended = 0
        self._plan = plan
        self._retries = retries
        self._time_limit = time_limit
        self._again: collections.deque[Order] = collections.deque()
        self._alone: collections.deque[Order] = collections.deque()
        self._suspects: collections.deque[Order] = collections.deque()
        self._suspect = ""  # the one of them that was given out
        self._losses: collections.Counter[str] = collections.Counter()
        self._n_tasks = 0  # that were given out
        self._longest = self._mean = 0.0  # of the simulations that were run, in seconds

    @property
    def n_left(self) -> int:
        """How many simulations have not come to their end."""
        return self._plan.count - self.n_ended

    # ---- what runs next --------------------------------------------------------------------------

    def next_task(self, slots: int, stuck: int = 0) -> tuple[Order, ...]:
        """Give the orders of one more task: none if enough are out, or nothing is left.

        Parameters
        ----------
        slots : int
            Simulations that the workers run at a time.
        stuck : int
            Tasks that count for nothing: their workers get no more.
        """
        if self._n_tasks >= self.window(slots) + stuck:
            return ()
        needs = self._time_limit or self._longest
        task = tuple(replace(order, needs=needs) for order in self._next_orders(slots))
        if task:
            self._n_tasks += 1
            self.n_flying += len(task)
        return task

    def window(self, slots: int) -> int:
        """Say how many tasks to have out: what waits on a worker dies, or waits, with it."""
        if not self.n_ended:
            return slots + 2
        slots = max(slots, 1)  # one is on its way also where no worker is there yet
        time_of_task = self._mean * self._size_of_task(slots)
        ahead = slots * _LATENCY / max(time_of_task, 1e-3)
        return slots + min(slots + 2, math.ceil(ahead) if time_of_task < _LONG else round(ahead))

    def _next_orders(self, slots: int) -> Sequence[Order]:
        """Give what has to be run again first."""
        if self._alone:
            return [self._alone.popleft()]
        if self._suspects and not self._suspect:
            order = self._suspects.popleft()
            self._suspect = order.id
            return [order]
        size = self._size_of_task(slots)
        again = [self._again.popleft() for _ in range(min(size, len(self._again)))]
        return [*again, *self._plan.take(size - len(again))]

    def _size_of_task(self, slots: int) -> int:
        """Say how many simulations one task is to have.

        As many as make Dask's own cost small, and towards the end so few that all workers are busy
        until the end.
        """
        fair = (self.n_left - self.n_flying) // (2 * max(slots, 1))
        many = _TASK_TIME / self._mean if self._mean else 1
        return int(max(1, min(fair, many, LARGEST_TASK)))

    # ---- what came of it -------------------------------------------------------------------------

    def ran(self, task: Sequence[Order], results: Sequence[tuple[Status, float]]) -> list[bool]:
        """Take note of a task that was run, or begun.

        Parameters
        ----------
        task : sequence of Order
            As it was given out.
        results : sequence of (Status, float)
            Of its first simulations, with their elapsed times in seconds; the rest was not run.

        Returns
        -------
        list of bool
            Of each result whether it is the simulation's end; if not, it is tried again.
        """
        self._land(task)
        ends = []
        for order, (status, elapsed_time) in zip(task, results, strict=False):
            self._longest = max(self._longest, elapsed_time)
            self._mean += (elapsed_time - self._mean) / min(_RECENT, self.n_ended + 1)
            ends.append(status is not Status.FAILED or not self._tries_again(order))
            if ends[-1]:
                self.n_ended += 1
                self._plan.took(order.id, elapsed_time if status is Status.DONE else math.nan)
        for order in task[len(results) :]:
            self._put(order)
        return ends

    def returned(self, task: Sequence[Order]) -> None:
        """Take note of a task that came to nothing, for which its simulations are not to blame."""
        self._land(task)
        for order in task:
            self._put(order)

    def failed(self, task: Sequence[Order]) -> list[Order]:
        """Take note of a task that raised an error; give what has failed for good."""
        self._land(task)
        if len(task) > 1:  # one of them may be to blame
            self._alone.extend(task)
            return []
        ends = [order for order in task if not self._tries_again(order)]
        self.n_ended += len(ends)
        return ends

    def killed(self, task: Sequence[Order], workers: int = 1) -> list[tuple[Order, int]]:
        """Take note of a task with which workers have died.

        Returns
        -------
        list of (Order, int)
            What is lost, and how many workers have died of it.
        """
        self._land(task)
        ends = []
        for order in task:
            self._losses[order.id] += workers
            if self._losses[order.id] >= MAX_LOSSES:
                ends.append((order, self._losses[order.id]))
            else:
                self._put(order)
        self.n_ended += len(ends)
        return ends

    def _land(self, task: Sequence[Order]) -> None:
        self._n_tasks -= 1
        self.n_flying -= len(task)
        if self._suspect in (order.id for order in task):
            self._suspect = ""

    def _tries_again(self, order: Order) -> bool:
        if order.attempt > self._retries:
            return False
        self._put(replace(order, attempt=order.attempt + 1))
        return True

    def _put(self, order: Order) -> None:
        """Have a simulation wait among those that are as suspicious as it is."""
        losses = self._losses[order.id]
        queue = self._suspects if losses >= SUSPICIOUS else self._alone if losses else self._again
        queue.append(order)
