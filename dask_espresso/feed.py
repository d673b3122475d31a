"""What runs next, where, and how much at once: decided here, without Dask, clock or store."""

from __future__ import annotations

import collections
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .outcome import Status
from .plan import Plan
from .process.order import Order
from .record import LARGE_RECORD
from .waiting import Waiting

MAX_LOSSES = 5  # a simulation that cost so many workers their life is lost
LARGEST_TASK = 4096  # simulations
_LATENCY = 0.2  # seconds that a worker may have to wait for its next task
_WORTH = 0.02  # of a simulation, for which a slot may wait for the next one
_RECENT = 50  # simulations that the expected duration of one is the mean of

# What the driver and its scheduler have to do for a task, and for a message of outcomes, in seconds
# of a core, and the share of that core that all tasks, and all messages, may take.
_COST_OF_TASK, _COST_OF_MESSAGE, _SHARE = 3e-3, 3e-4, 0.1
_TASK_TIMES = 0.25, 10.0  # seconds that a task shall take, at least and at most
_PACES = 0.25, 1.0  # seconds for which a worker keeps outcomes together, at least and at most


@dataclass(eq=False)
class Task:
    """Simulations that a worker is given together.

    Attributes
    ----------
    worker : str
        Whose they are.
    orders : tuple of Order
        As they were given out.
    pace : float
        Seconds for which the worker may keep outcomes, to send them together.
    left : dict of int to Order
        Those of which it is not known what became of them, by their places in `orders`.
    held : set of int
        Places of those that were run, but what came of them is still with the worker.
    is_begun : bool
        Whether the worker has said that it runs it.
    """

    worker: str
    orders: tuple[Order, ...]
    pace: float = 0.0
    left: dict[int, Order] = field(init=False)
    held: set[int] = field(default_factory=set)
    is_begun: bool = False

    def __post_init__(self) -> None:
        self.left = dict(enumerate(self.orders))


@dataclass(frozen=True)
class Ran:
    """What became of a simulation of a task.

    Attributes
    ----------
    place : int
        Of its order in the task.
    status : Status
        Of its outcome.
    elapsed_time : float
        In seconds.
    size : int
        Of its outcome, in bytes.
    """

    place: int
    status: Status
    elapsed_time: float
    size: int = 0


class Feed:
    """Gives out orders, several in one task, until each of them has come to its end.

    Every worker is kept at work by itself: it has as many simulations as it runs at a time, and as
    many more as it may end before it hears of others. How many travel together follows from how
    long they take, and from what so many workers cost the driver.

    A simulation that kills its worker takes innocent ones along. Those that were lost go in tasks
    of their own, and those that were lost repeatedly run one at a time, so that the losses are soon
    only the guilty one's.

    Every task that was given out has to come back once, by :meth:`returned`, :meth:`failed` or
    :meth:`killed`; what became of some of its orders can be said before, by :meth:`ran`.

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
        self._at: collections.Counter[str] = collections.Counter()  # simulations of each worker
        self._again = Waiting()
        self._longest = self._mean = 0.0  # of the simulations that were run, in seconds
        self._recent_size = 0.0  # of the largest of their recent outcomes, in bytes

    @property
    def n_left(self) -> int:
        """How many simulations have not come to their end."""
        return self._plan.count - self.n_ended

    # ---- what runs next --------------------------------------------------------------------------

    def next_tasks(self, workers: Mapping[str, int]) -> Iterator[Task]:
        """Give tasks to those workers that have too little left to do, while anything is left.

        Parameters
        ----------
        workers : mapping of str to int
            How many simulations they run at a time; only these get more.
        """
        rhythm = _Rhythm.of(workers, self._mean if self.n_ended else None)
        least, most = rhythm.limits(workers.values())
        hungry = [name for name, slots in workers.items() if self._at[name] <= least[slots]]
        while hungry:  # in turns, who has least first: at the end there is not enough for all
            hungry.sort(key=lambda name: self._at[name] / workers[name])
            for name in hungry:
                room = most[workers[name]] - self._at[name]
                share = workers[name] / rhythm.slots
                if not (orders := self._next_orders(self._size(room, share))):
                    return
                yield self._given(Task(name, orders, rhythm.pace))
            hungry = [name for name in hungry if self._at[name] <= least[workers[name]]]

    def _given(self, task: Task) -> Task:
        self._add(task.worker, len(task.orders))
        self.n_flying += len(task.orders)
        return task

    def _size(self, room: int, share: float) -> int:
        """Say how many simulations go together to a worker with room for some, towards the end few.

        At the end, half of what is left goes to all workers, to each its share.
        """
        if self._recent_size >= LARGE_RECORD:  # each is the result of its own task
            return 1
        fair = share * (self.n_left - self.n_flying) / 2
        return int(max(1, min(room, fair, LARGEST_TASK)))

    def _next_orders(self, size: int) -> tuple[Order, ...]:
        """Give what is to be run next, first what has to be run again."""
        orders, may_be_more = self._again.take(size)
        if may_be_more:
            orders += self._plan.take(size - len(orders))
        needs = self._time_limit or self._longest
        return tuple(replace(order, needs=needs) for order in orders)

    # ---- what came of it -------------------------------------------------------------------------

    def ran(self, task: Task, results: Sequence[Ran]) -> list[bool]:
        """Take note of simulations of a task that were run; say of each whether it is its end.

        If not, it is tried again, or is known already.
        """
        return [self._ran(task, result) for result in results]

    def _ran(self, task: Task, result: Ran) -> bool:
        if result.place not in task.left:
            return False
        order = self._back(task, result.place)
        self._longest = max(self._longest, result.elapsed_time)
        recent = min(_RECENT, self.n_ended + 1)
        self._mean += (result.elapsed_time - self._mean) / recent
        self._recent_size = max(result.size, self._recent_size * (1 - 1 / _RECENT))
        if result.status is Status.FAILED and self._tries_again(order):
            return False
        self.n_ended += 1
        is_done = result.status is Status.DONE
        self._plan.took(order.id, result.elapsed_time if is_done else math.nan)
        return True

    def gave_back(self, task: Task, not_run: Iterable[int], held: Iterable[int]) -> None:
        """Take note of what a worker will not run of a task, and of what waits for its end."""
        for place in not_run:
            if place in task.left:
                self._again.put(self._back(task, place))
        for place in held:
            if place in task.left and place not in task.held:
                task.held.add(place)
                self._add(task.worker, -1)

    def moved(self, task: Task, worker: str) -> None:
        """Take note that another worker has a task now."""
        self._add(task.worker, len(task.held) - len(task.left))
        task.worker = worker
        self._add(worker, len(task.left) - len(task.held))

    def returned(self, task: Task) -> None:
        """Take note that nothing more comes of a task: what is left of it is run again."""
        for order in self._all_back(task):
            self._again.put(order)

    def failed(self, task: Task) -> list[Order]:
        """Take note of a task that raised an error; give what has failed for good."""
        orders = self._all_back(task)
        if len(orders) > 1:  # one of them may be to blame
            self._again.put_alone(orders)
            return []
        ends = [order for order in orders if not self._tries_again(order)]
        self.n_ended += len(ends)
        return ends

    def killed(self, task: Task, workers: int = 1) -> list[tuple[Order, int]]:
        """Take note of a task with which workers have died.

        Returns
        -------
        list of (Order, int)
            What is lost, and how many workers have died of it.
        """
        ends = []
        for order in self._all_back(task):
            losses = self._again.lost(order, workers)
            if losses >= MAX_LOSSES:
                ends.append((order, losses))
            else:
                self._again.put(order)
        self.n_ended += len(ends)
        return ends

    def _all_back(self, task: Task) -> list[Order]:
        return [self._back(task, place) for place in list(task.left)]

    def _back(self, task: Task, place: int) -> Order:
        order = task.left.pop(place)
        self.n_flying -= 1
        if place in task.held:
            task.held.discard(place)
        else:
            self._add(task.worker, -1)
        self._again.is_back(order)
        return order

    def _add(self, worker: str, count: int) -> None:
        self._at[worker] += count
        if not self._at[worker]:
            del self._at[worker]  # it may be gone

    def _tries_again(self, order: Order) -> bool:
        if order.attempt > self._retries:
            return False
        self._again.put(replace(order, attempt=order.attempt + 1))
        return True


@dataclass(frozen=True)
class _Rhythm:
    """How often workers are given something, and give something back.

    Attributes
    ----------
    slots : int
        Simulations that all workers run at a time.
    duration : float or None
        Of a simulation, in seconds; None as long as none has ended.
    task_time, pace : float
        Seconds that a task takes a worker, and for which it keeps outcomes together.
    """

    slots: int
    duration: float | None
    task_time: float
    pace: float

    @classmethod
    def of(cls, workers: Mapping[str, int], duration: float | None) -> _Rhythm:
        """Have tasks and messages of so many workers take no more than their share of a core."""
        return cls(
            sum(workers.values()),
            None if duration is None else max(duration, 1e-6),
            _within(_TASK_TIMES, len(workers) * _COST_OF_TASK / _SHARE),
            _within(_PACES, len(workers) * _COST_OF_MESSAGE / _SHARE),
        )

    def limits(self, slots: Iterable[int]) -> tuple[dict[int, int], dict[int, int]]:
        """Say how many simulations workers have when they are given more, and how many then."""
        most = {one: self.most(one) for one in set(slots)}
        return {one: most[one] - self.size(one) for one in most}, most

    def most(self, slots: int) -> int:
        """Say how many simulations a worker has at most: what waits there dies with it."""
        if self.duration is None:
            return slots
        wait = (_LATENCY + self.pace) / self.duration  # of a slot, if nothing were ahead
        ahead = math.ceil(slots * wait) if wait > _WORTH else 0
        return slots + ahead + self.size(slots) - 1

    def size(self, slots: int) -> int:
        """Say how many simulations are worth a task."""
        if self.duration is None:
            return 1
        return max(1, min(math.ceil(slots * self.task_time / self.duration), LARGEST_TASK))


def _within(limits: tuple[float, float], value: float) -> float:
    return min(max(value, limits[0]), limits[1])
