"""Simulations of one task, as a worker runs them: side by side, and handed over as they end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from distributed import Reschedule, get_worker
from distributed.core import Status as WorkerStatus
from distributed.utils import sync

from ..errors import ScriptChangedError
from ..outcome import Status
from ..record import LARGE_RECORD, pack
from .job_time import has_time_for
from .order import Order, Workload
from .simulator import Simulator
from .warm_server import StartAbandonedError

if TYPE_CHECKING:
    from ..files import Record

    _Ran = tuple[int, int, Record, float]

LONGEST_TASK = 20.0  # seconds that simulations of one task go on being started
_LONGEST_HELD = 1.0  # seconds, of one that holds what is too large for a message
_LOOK = 5.0  # seconds between looks whether it takes too long, where nothing happens
_MESSAGE = 64 << 10  # bytes of outcomes in a message; schedulers keep many for a while


@dataclass(frozen=True)
class TaskResults:
    """What one task has come to.

    Attributes
    ----------
    results : list of (int, int, Record, float)
        Of simulations that were run: the order's place in the task, the outcome's
        :class:`~dask_espresso.outcome.Status`, the packed outcome, which the driver only has to
        write down, and the elapsed time in seconds.
    note : str
        Why each simulation is a fresh process on this worker although it might be forked, or empty.
    is_all : bool
        Whether nothing more comes of the task.
    not_run : list of int
        Places of orders that will not be run, of a task of which more comes.
    held : list of int
        Places of those that were run, and are too large for a message.
    """

    results: list[tuple[int, int, Record, float]] = field(default_factory=list)
    note: str = ""
    is_all: bool = True
    not_run: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)

    @classmethod
    def of_message(cls, message: Mapping[str, Any]) -> TaskResults:
        """Read what :meth:`as_message` wrote."""
        results: list[_Ran] = [
            (place, status, (record,), elapsed_time)
            for place, status, record, elapsed_time in message["results"]
        ]
        names = ("note", "is_all", "not_run", "held")
        return cls(results, **{name: message[name] for name in names})

    def as_message(self) -> dict[str, Any]:
        """Write it as what goes through Dask without pickle."""
        results = [
            (place, status, b"".join(record), elapsed_time)
            for place, status, record, elapsed_time in self.results
        ]
        return {**vars(self), "results": results}

    @property
    def nbytes(self) -> int:
        """How much there is to transfer, in bytes."""
        return sum(size_of(record) for _, _, record, _ in self.results)

    def __sizeof__(self) -> int:
        """Tell Dask how much there is to transfer."""
        return self.nbytes


def size_of(record: Record) -> int:
    """Give the size of a packed outcome, in bytes."""
    return sum(memoryview(part).nbytes for part in record)


class TaskRun:
    """Runs the simulations of a task, as far as the worker's job lasts long enough.

    Tasks of a worker share its slots, and take turns: when one comes to its end the next one has
    begun. Outcomes are handed over while others run, as often as the driver can take it; none waits
    for more than a second or so, or dies later with the worker.

    Where simulations take much longer than expected, the rest is left to other workers, and so it
    is where an outcome is too large for a message: those wait for the task's end.

    Parameters
    ----------
    simulator : Simulator
        Runs them.
    workload, orders
        What to run.
    slots : Executor
        Where: what is submitted runs, one after the other in each slot.
    """

    def __init__(
        self, simulator: Simulator, workload: Workload, orders: Sequence[Order], slots: Executor
    ) -> None:
        self._simulator, self._workload, self._orders = simulator, workload, orders
        self._slots = slots
        self._note = simulator.why_fresh(workload)
        self._started = time.monotonic()
        self._left = len(orders)
        self._waiting = set(range(len(orders)))  # places of those that were not begun
        self._held: list[int] = []  # places, that were not told of
        self._lock = threading.Lock()
        self._news = threading.Event()  # something has ended
        self._all_ended = threading.Event()
        self._is_over = False  # no more is started
        self._is_out_of_time = False  # for the end of the worker's job
        self._error: Exception | None = None  # for which no more is started
        self._some_ran = False
        self._small: list[_Ran] = []
        self._large: list[_Ran] = []

    def run(self, send: Callable[[dict[str, Any]], None], pace: float) -> TaskResults:
        """Run them; give what is too large for messages.

        Parameters
        ----------
        send : callable
            Takes a message for :meth:`TaskResults.of_message`.
        pace : float
            Seconds between two messages, at least.

        Raises
        ------
        distributed.Reschedule, ScriptChangedError
            If nothing was run, for these reasons.
        """
        send(TaskResults([], self._note, is_all=False).as_message())  # it has begun
        self._begin()
        while not self._all_ended.is_set():
            self._news.wait(_LOOK)
            self._news.clear()
            self._hand_over(send)
            self._all_ended.wait(pace)
        if self._is_out_of_time:
            _take_no_more()
        if self._error and not self._some_ran:
            raise self._error
        self._hand_over(send)
        if not self._large:
            send(TaskResults([], self._note).as_message())
        return TaskResults(self._large, self._note)

    def _begin(self) -> None:
        try:
            for place in range(len(self._orders)):
                self._slots.submit(self._run, place)
        except RuntimeError as error:  # they are shut: the worker ends
            raise Reschedule from error

    def _hand_over(self, send: Callable[[dict[str, Any]], None]) -> None:
        with self._lock:
            small, self._small = self._small, []
            held, self._held = self._held, []
            not_run: set[int] = set()
            if self._ends_here():  # no slot begins any more of these
                self._is_over = True
                not_run, self._waiting = self._waiting, not_run
        if held or not_run:
            told = TaskResults([], self._note, False, sorted(not_run), held)
            send(told.as_message())
        for part in _parts(small):
            send(TaskResults(part, self._note, is_all=False).as_message())

    # ---- in a slot -------------------------------------------------------------------------------

    def _run(self, place: int) -> None:
        """Run one of them, unless no more is to be started."""
        try:
            if self._is_begun(place):
                order = self._orders[place]
                self._keep((place, *_simulated(self._simulator, self._workload, order)))
        except Exception as error:
            self._is_over, self._error = True, error
        finally:
            with self._lock:
                self._left -= 1
                is_last = not self._left
            if is_last:
                self._all_ended.set()
                self._news.set()

    def _is_begun(self, place: int) -> bool:
        """Begin one of them, unless no more is to be started."""
        with self._lock:
            if self._ends_here() or place not in self._waiting:
                return False
            if not has_time_for(self._orders[place].needs, self._workload.walltime):
                self._is_over = self._is_out_of_time = True
                self._news.set()
                return False
            self._waiting.discard(place)
            return True

    def _ends_here(self) -> bool:
        longest = _LONGEST_HELD if self._large else LONGEST_TASK
        return self._is_over or time.monotonic() - self._started > longest

    def _keep(self, result: _Ran) -> None:
        is_large = size_of(result[2]) >= LARGE_RECORD
        with self._lock:
            (self._large if is_large else self._small).append(result)
            self._held += [result[0]] * is_large
            self._some_ran = True
        self._news.set()


def _parts(results: Sequence[_Ran]) -> Iterator[list[_Ran]]:
    """Divide outcomes into messages."""
    part, size = [], 0
    for result in results:
        part.append(result)
        size += size_of(result[2])
        if size >= _MESSAGE:
            yield part
            part, size = [], 0
    if part:
        yield part


def _simulated(simulator: Simulator, workload: Workload, order: Order) -> tuple[int, Record, float]:
    try:
        outcome = simulator.simulate(workload, order)
        return int(outcome.status), pack(outcome), outcome.elapsed_time
    except ScriptChangedError:
        raise
    except StartAbandonedError as error:  # this worker ends
        raise Reschedule from error
    except Exception as error:
        outcome = order.outcome(workload)
        outcome.status = Status.FAILED
        outcome.error = f"on the worker: {type(error).__name__}: {error}"
        return int(outcome.status), pack(outcome), 0.0


def _take_no_more() -> None:
    """Have this worker take no more tasks, and end those that run; the keeper replaces it."""
    worker = get_worker()

    async def leave() -> None:
        worker.status = WorkerStatus.closing_gracefully

    # the scheduler hears it before it hears that the task goes elsewhere
    sync(worker.loop, leave)
