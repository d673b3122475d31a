"""Results on their way from the workers to the driver.

Each worker has a line of its own, and one that is slow or cut off holds up no other. A transfer
takes as long as it takes: what counts is whether its worker answers meanwhile. One that does not
is in trouble, which can be looked up, and after a while its results are given up.

Everything goes through the scheduler, so that only it has to reach the workers.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import time
from collections.abc import Callable, Collection, Coroutine, Set
from dataclasses import dataclass
from typing import Any

from distributed import Client, Future

from .settings import setting

_LARGE = 256 << 10  # bytes from which on a result is transferred by itself, beside the small ones
_ANSWER = 40.0  # seconds in which a worker answers; Dask tries for 30 s to connect
_PAUSE = 1.0  # seconds until what failed is tried again


@dataclass(frozen=True)
class Arrival:
    """What has become of a transfer.

    Attributes
    ----------
    future : distributed.Future
        Whose result it is.
    result : object
        None if it cannot be had.
    is_given_up : bool
        Whether that is for a worker that does not answer; else no worker has it any more.
    """

    future: Future
    result: Any = None
    is_given_up: bool = False


@dataclass(frozen=True)
class Trouble:
    """What is wrong with the way to a worker.

    Attributes
    ----------
    since : float
        When it began, on the monotonic clock, in seconds.
    said : str
        Since when, by the time of day, and what.
    """

    since: float
    said: str

    @property
    def is_worth_telling(self) -> bool:
        """Whether it is more than the moment in which a worker is gone and not yet missed."""
        return time.monotonic() - self.since > _PAUSE

    @property
    def is_lasting(self) -> bool:
        """Whether it is time to do without this worker."""
        return time.monotonic() - self.since > setting("transfers.give-up")


class Transfers:
    """Fetches the results of tasks, in the background.

    Parameters
    ----------
    client : distributed.Client
        Whose futures they are.
    arrive : callable
        Takes every :class:`Arrival`, on the client's own thread.
    """

    def __init__(self, client: Client, arrive: Callable[[Arrival], None]) -> None:
        self.client = client
        self.arrive = arrive
        self._lines: dict[str, _Line] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, futures: Collection[Future]) -> None:
        """Fetch the results of tasks that are done."""
        if futures:
            self._do(lambda: self.start(self._locate(futures)))

    def look(self, addresses: Collection[str]) -> None:
        """Take note of which workers there are: nothing is to be had from any other."""
        if gone := self._lines.keys() - addresses:
            self._do(lambda: self._forget(gone))

    @property
    def troubles(self) -> dict[str, Trouble]:
        """The workers that do not answer, by address."""
        return {line.address: line.trouble for line in self._all_lines() if line.trouble}

    @property
    def under_way(self) -> dict[str, int]:
        """How many results are on their way, by the address of their worker."""
        return {line.address: len(line.futures) for line in self._all_lines() if line.futures}

    def close(self) -> None:
        """Leave everything that has not arrived."""
        self._do(lambda: [task.cancel() for task in self._tasks])

    def _all_lines(self) -> list[_Line]:
        return list(self._lines.copy().values())

    def _do(self, function: Callable[[], Any]) -> None:
        """Have the client's thread do something; nothing, once the client is closed."""
        with contextlib.suppress(RuntimeError):
            self.client.loop.asyncio_loop.call_soon_threadsafe(function)

    # ---- on the client's thread ------------------------------------------------------------------

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in the background."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _forget(self, addresses: Set[str]) -> None:
        for address in addresses & self._lines.keys():
            self._lines.pop(address).end()

    async def again(self, futures: Collection[Future]) -> None:
        """Try once more what has failed, wherever it is by now."""
        await asyncio.sleep(_PAUSE)
        await self._locate(futures)

    async def _locate(self, futures: Collection[Future]) -> None:
        """Put futures on the lines of the workers that have their results."""
        keys, scheduler = [future.key for future in futures], self.client.scheduler
        where, sizes = {}, {}
        with contextlib.suppress(Exception):  # that the scheduler is gone is found out elsewhere
            where = await scheduler.who_has(keys=keys)
            sizes = await scheduler.nbytes(keys=keys, summary=False)
        nowhere = [future for future in futures if not where.get(future.key)]
        for future in futures:
            if holders := where.get(future.key):
                self._line(holders[0]).put(future, sizes.get(future.key, 0))
        if nowhere:
            await asyncio.sleep(_PAUSE / 4)  # until the scheduler has said so to the client, too
            for future in nowhere:
                self.arrive(Arrival(future))

    def _line(self, address: str) -> _Line:
        if address not in self._lines:
            self._lines[address] = _Line(address, self)
        return self._lines[address]


class _Line:
    """The way to one worker: small results together and large ones one by one, side by side."""

    def __init__(self, address: str, transfers: Transfers) -> None:
        self.address = address
        self.futures: set[Future] = set()
        self.trouble: Trouble | None = None
        self._transfers = transfers
        self._scheduler = transfers.client.scheduler
        self._waiting = {is_large: collections.deque[Future]() for is_large in (False, True)}
        self._busy: set[bool] = set()
        self._is_failing = False  # no result comes, whether or not the worker answers
        self._is_gone = False

    def put(self, future: Future, size: int) -> None:
        """Have a result fetched."""
        is_large = size >= _LARGE
        self.futures.add(future)
        self._waiting[is_large].append(future)
        if is_large not in self._busy:
            self._busy.add(is_large)
            self._transfers.start(self._empty(is_large))

    def end(self) -> None:
        """Take note that the worker is gone."""
        self._is_gone = True
        self._arrived({future: Arrival(future) for future in self.futures})

    async def _empty(self, is_large: bool) -> None:
        waiting = self._waiting[is_large]
        try:
            while waiting:
                now = [waiting.popleft() for _ in range(1 if is_large else len(waiting))]
                if wanted := [future for future in now if future in self.futures]:
                    await self._fetch(wanted)
        finally:
            self._busy.discard(is_large)

    async def _fetch(self, futures: list[Future]) -> None:
        """Get some results, however long it takes, as long as the worker answers.

        After a while that is a slow transfer, and the worker is asked whether it lives.
        """
        gathering = asyncio.ensure_future(self._gather([future.key for future in futures]))
        try:
            while not (await asyncio.wait([gathering], timeout=setting("transfers.ask")))[0]:
                if not self.futures:
                    return
                await self._ask()
                if self._is_given_up:
                    break
            results = gathering.result() if gathering.done() else None
        finally:
            gathering.cancel()
        if results is not None:
            self._is_failing, self.trouble = False, None
            self._arrived({f: Arrival(f, results[f.key]) for f in futures})
            return
        self._is_failing = True
        self._note("its results do not come")
        if self._is_given_up:
            self._arrived({future: Arrival(future, is_given_up=True) for future in self.futures})
            self._transfers.start(self._wait_until_well())
            return
        self.futures.difference_update(futures)
        self._transfers.start(self._transfers.again(futures))

    async def _gather(self, keys: list[str]) -> dict[str, Any] | None:
        try:
            response = await self._scheduler.gather(keys=keys)
        except Exception:
            return None
        return response["data"] if response["status"] == "OK" else None

    @property
    def _is_given_up(self) -> bool:
        return self.trouble is not None and self.trouble.is_lasting

    def _arrived(self, arrivals: dict[Future, Arrival]) -> None:
        for future, arrival in arrivals.items():
            if future in self.futures:
                self._transfers.arrive(arrival)
        self.futures.difference_update(arrivals)

    def _note(self, reason: str, ago: float = 0.0) -> None:
        if not self.trouble:
            clock = time.strftime("%H:%M:%S", time.localtime(time.time() - ago))
            self.trouble = Trouble(time.monotonic() - ago, f"since {clock}: {reason}")

    async def _ask(self) -> None:
        """See whether the worker answers."""
        started = time.monotonic()
        question = self._scheduler.broadcast(msg={"op": "identity"}, workers=[self.address])
        try:
            await asyncio.wait_for(question, _ANSWER)
        except Exception as error:
            said = " ".join(str(error).split()) or "it does not answer"
            self._note(said, time.monotonic() - started)
        else:
            if not self._is_failing:
                self.trouble = None

    async def _wait_until_well(self) -> None:
        """Find out when a worker that was given up answers again: it gets another chance."""
        while self.trouble and not self._is_gone:
            await asyncio.sleep(2 * setting("transfers.ask"))
            self._is_failing = False
            await self._ask()
