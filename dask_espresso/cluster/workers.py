"""The workers of a run as its driver sees them: who is there, and what comes back from them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import queue
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any

from distributed import CancelledError, Client, Future

from ..errors import DaskEspressoError, ResumableError
from ..walltime import format_duration
from .cluster import Cluster
from .crew import Crew
from .roster import Roster
from .transfers import Arrival, Transfers

NO_SCHEDULER = "the Dask scheduler is gone; run again to go on"
_ANSWER_TIMEOUT = 5.0  # seconds; a scheduler that stands still does not answer


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
        self._news: queue.SimpleQueue[Future | Arrival] = queue.SimpleQueue()
        self._transfers = Transfers(cluster.client, self._news.put)

    def close(self) -> None:
        """Leave every result that has not arrived."""
        self._transfers.close()

    # ---- who is there ----------------------------------------------------------------------------

    def look(self, work_left: int) -> None:
        """See who is there, and tell the keeper of worker jobs what is to be done.

        Parameters
        ----------
        work_left : int
            Simulations that are still to be done.

        Raises
        ------
        ResumableError
            If there was no worker for too long, or the cluster is gone.
        """
        self._look_at_crew()
        self.cluster.check()
        if keeper := self.cluster.keeper:
            keeper.work_left = work_left
            if keeper.roster != self._roster:
                self._roster = keeper.roster
                self._say(self._record(self._roster))
            self.jobs = self._roster.describe()
        self._check_deadline()

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

    def submit(self, key: str, function: Callable[..., Any], *arguments: Any) -> Future:
        """Have a worker that gets work call a function; :meth:`news` tells when it has."""
        future = self._client.submit(function, *arguments, key=key, pure=False, **self.crew.where)
        self.watch(future)
        return future

    def watch(self, future: Future) -> None:
        """Have :meth:`news` tell when something has become of a task."""
        future.add_done_callback(self._news.put)

    def fetch(self, futures: Collection[Future]) -> None:
        """Get the results of tasks that are done; :meth:`news` tells when they have arrived."""
        self._transfers.begin(futures)

    def news(self, timeout: float) -> tuple[list[Arrival], list[Future]]:
        """Give the results that have come and the tasks that have ended since the last call.

        Parameters
        ----------
        timeout : float
            How long to wait for the first of them, in seconds.
        """
        found: list[Future | Arrival] = []
        with contextlib.suppress(queue.Empty):
            found.append(self._news.get(timeout=timeout))
            while True:
                found.append(self._news.get_nowait())
        arrivals = [one for one in found if isinstance(one, Arrival)]
        return arrivals, [one for one in found if not isinstance(one, Arrival)]


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
