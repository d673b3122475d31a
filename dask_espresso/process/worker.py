"""A Dask worker's own simulator."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator

from distributed import Worker, WorkerPlugin, get_worker
from distributed.utils import sync
from tornado.ioloop import PeriodicCallback

from .simulator import Simulator

_NAME = "dask-espresso"
_KEPT = 60.0  # seconds without work after which everything begins anew
_LOOK = 10.0  # seconds between looks whether that is so


class Station(WorkerPlugin):
    """Has the simulator of a worker, as long as there is work for it.

    Notes
    -----
    A worker of a scheduler that runs already has one run after the other, and several at a time.
    They share a simulator, so that no end of a run ends what another one uses. Where there was
    nothing to do for a while, the engine may be another one since, and its memory is free again.
    """

    name = _NAME

    def __init__(self) -> None:
        self._simulator: Simulator | None = None
        self._n_users = 0
        self._last_use = time.monotonic()
        self._lock = threading.Lock()
        self._callback = PeriodicCallback(self.look, 1000 * _LOOK)

    def setup(self, worker: Worker) -> None:
        """Begin, in the worker's event loop."""
        self._callback.start()

    async def teardown(self, worker: Worker) -> None:
        """End the warm engine processes with the worker."""
        self._callback.stop()
        await self._close(self._given_up())

    async def look(self) -> None:
        """Give the simulator up where it had nothing to do for a while."""
        with self._lock:
            is_idle = not self._n_users and time.monotonic() - self._last_use > _KEPT
            simulator = self._given_up() if is_idle else None
        await self._close(simulator)

    def _given_up(self) -> Simulator | None:
        simulator, self._simulator = self._simulator, None
        return simulator

    async def _close(self, simulator: Simulator | None) -> None:
        if simulator:
            await asyncio.to_thread(simulator.close)

    @contextlib.contextmanager
    def use(self) -> Iterator[Simulator]:
        """Have the simulator for a task."""
        with self._lock:
            self._n_users += 1
            simulator = self._simulator = self._simulator or Simulator()
        try:
            yield simulator
        finally:
            with self._lock:
                self._n_users -= 1
                self._last_use = time.monotonic()


@contextlib.contextmanager
def simulator_here() -> Iterator[Simulator]:
    """Give the simulator of the worker that runs this task.

    The worker gets it with its first task: by then it is there, whenever it has joined, and no
    other one that does not answer has to be waited for.
    """
    worker = get_worker()

    async def station() -> Station:
        if _NAME not in worker.plugins:
            await worker.plugin_add(plugin=Station(), name=_NAME)
        found: Station = worker.plugins[_NAME]
        return found

    with (worker.plugins.get(_NAME) or sync(worker.loop, station)).use() as simulator:
        yield simulator
