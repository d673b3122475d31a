"""The workers of a run as its driver sees them: who is there, and what comes back from them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import math
import queue
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from distributed import CancelledError, Client, Future

from ..errors import DaskEspressoError, ResumableError
from ..process.task import OUTCOMES
from ..walltime import format_duration
from .cluster import Cluster
from .crew import Crew
from .roster import Roster
from .transfers import Arrival, Transfers

NO_SCHEDULER = "the Dask scheduler is gone; run again to go on"
_INTERVAL = 0.2  # seconds between looks at who is there
_TOGETHER = 0.02  # seconds between news: what comes meanwhile is recorded at once
_ANSWER_TIMEOUT = 5.0  # seconds; a scheduler that stands still does not answer


Message = dict[str, Any]  # of a task, under "task" its key


@dataclass
class News:
    """What has come from workers.

    Attributes
    ----------
    messages : list of dict
        What tasks have sent while they run.
    arrivals : list of Arrival
        Results that have come, or cannot be had.
    ended : list of distributed.Future
        Tasks that have ended, or have changed in another way.
    """

    messages: list[Message] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    ended: list[Future] = field(default_factory=list)

    def add(self, one: Message | Arrival | Future) -> None:
        """Add something that has come."""
        if isinstance(one, dict):
            self.messages.append(one)
        elif isinstance(one, Arrival):
            self.arrivals.append(one)
        else:
            self.ended.append(one)


class Workers:
    """Gives tasks to the workers of a cluster, and tells what has become of them.

    Parameters
    ----------
    cluster : Cluster
        Whose they are.
    timeout : float
        How long to go on without any, in seconds.
    say : callable
        Takes what a user has to know.
    record : callable
        Takes every new roster of worker jobs; what it gives back is said.

    Attributes
    ----------
    cluster : Cluster
        As given.
    crew : Crew
        Who was there at the last look.
    slots : int
        Simulations that they run at a time; zero if the scheduler does not answer.
    jobs : str
        What the worker jobs do, in words; empty where there are none.
    """

    def __init__(
        self,
        cluster: Cluster,
        timeout: float,
        say: Callable[[str], object],
        record: Callable[[Roster], str],
    ) -> None:
        self.cluster = cluster
        self.crew = Crew()
        self.slots = 0
        self.jobs = ""
        self._client = cluster.client
        self._timeout = timeout
        self._say = say
        self._record = record
        self._roster = Roster()
        self._last_seen = time.monotonic()
        self._last_look = self._last_news = -math.inf
        self._news: queue.SimpleQueue[Future | Arrival | Message] = queue.SimpleQueue()
        self._transfers = Transfers(cluster.client, self._news.put)
        cluster.client.subscribe_topic(OUTCOMES, self._hear)

    def close(self) -> None:
        """Leave every result that has not arrived."""
        self._transfers.close()
        with contextlib.suppress(Exception):  # the scheduler may be gone
            self._client.unsubscribe_topic(OUTCOMES)

    def _hear(self, event: tuple[float, Message]) -> None:
        self._news.put(event[1])

    # ---- who is there ----------------------------------------------------------------------------

    def look(self, work_left: int) -> bool:
        """See who is there, and tell the keeper of worker jobs what is to be done, now and then.

        Parameters
        ----------
        work_left : int
            Simulations that are still to be done.

        Returns
        -------
        bool
            Whether it was time to look.

        Raises
        ------
        ResumableError
            If there was no worker for too long, or the cluster is gone.
        """
        if time.monotonic() - self._last_look < _INTERVAL:
            return False
        self._last_look = time.monotonic()
        self._look_at_crew()
        self.cluster.check()
        if keeper := self.cluster.keeper:
            keeper.work_left = work_left
            if keeper.roster != self._roster:
                self._roster = keeper.roster
                self._say(self._record(self._roster))
            self.jobs = self._roster.describe()
        self._check_deadline()
        return True

    def _look_at_crew(self) -> None:
        threads = _threads(self._client)
        if threads is None:  # the scheduler does not answer
            self.slots = 0
            return
        self._transfers.look(threads)
        self.crew = Crew(threads, self._transfers, self._client.scheduler.address)
        for trouble in self.crew.troubles:
            self._say(trouble)
        self.slots = self.crew.slots

    def _check_deadline(self) -> None:
        now = time.monotonic()
        if self.slots:
            self._last_seen = now
        elif now - self._last_seen > self._timeout:
            why = "; ".join(filter(None, [self.jobs, *sorted(self.crew.troubles)]))
            raise ResumableError(
                f"no worker for {format_duration(self._timeout)}{why and f' ({why})'}; "
                "run again to go on, set "
                "`worker_timeout` in the profile to wait longer, or see what is wrong with "
                "`dask-espresso check`"
            )

    # ---- what they do ----------------------------------------------------------------------------

    def submit(
        self, key: str, function: Callable[..., Any], *arguments: Any, worker: str = ""
    ) -> Future:
        """Have a worker that gets work call a function; :meth:`news` tells when it has.

        Of a scheduler that runs already, that is any worker: after losses it sends a task elsewhere
        by itself. Else it is the given one, or another one if that is gone.
        """
        pins = worker and self.cluster.is_own
        where = Crew.only(worker) if pins else self.crew.where
        future = self._client.submit(function, *arguments, key=key, pure=False, **where)
        self.watch(future)
        return future

    def watch(self, future: Future) -> None:
        """Have :meth:`news` tell when something has become of a task."""
        future.add_done_callback(self._news.put)

    def fetch(self, futures: Collection[Future]) -> None:
        """Get the results of tasks that are done; :meth:`news` tells when they have arrived."""
        self._transfers.begin(futures)

    def whose(self) -> dict[str, str] | None:
        """Say which worker has which task, by the task's key; None without an answer."""
        found = _answer(self._client, self._client.scheduler.processing)
        return found and {key: worker for worker, keys in found.items() for key in keys}

    def news(self, timeout: float) -> News:
        """Give what has come since the last call.

        Parameters
        ----------
        timeout : float
            How long to wait for the first of it, in seconds.
        """
        news = News()
        with contextlib.suppress(queue.Empty):
            news.add(self._news.get(timeout=timeout))
            time.sleep(max(0.0, self._last_news + _TOGETHER - time.monotonic()))
            self._last_news = time.monotonic()
            while True:
                news.add(self._news.get_nowait())
        return news


@contextlib.contextmanager
def loss_of_scheduler(client: Client) -> Iterator[None]:
    """Say that the scheduler is gone, for which dask has many errors."""
    try:
        yield
    except DaskEspressoError:
        raise
    except (Exception, CancelledError) as error:
        if client.status == "running" and not isinstance(error, (OSError, CancelledError)):
            raise
        raise ResumableError(NO_SCHEDULER) from error


def _threads(client: Client) -> dict[str, int] | None:
    """Say how many simulations each worker that takes any runs; None without an answer."""
    threads: dict[str, int] | None = _answer(client, client.scheduler.ncores_running)
    return threads


def _answer(client: Client, ask: Callable[[], Awaitable[Any]]) -> Any:
    """Give the scheduler's answer; None if there is none."""

    async def asked() -> Any:
        return await ask()

    # not by the client's own `sync`, which fails in ways of its own where a call is cut short
    answer = asyncio.run_coroutine_threadsafe(asked(), client.loop.asyncio_loop)
    try:
        return answer.result(_ANSWER_TIMEOUT)
    except (TimeoutError, concurrent.futures.TimeoutError):
        answer.cancel()
        return None
