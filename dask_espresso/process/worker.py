"""A Dask worker's own simulator."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor

from distributed import Worker, WorkerPlugin, get_worker
from distributed.threadpoolexecutor import ThreadPoolExecutor
from distributed.utils import sync
from tornado.ioloop import PeriodicCallback

from .simulator import Simulator

_NAME = "dask-espresso"
_KEPT = 60.0  # seconds without work after which everything begins anew
_LOOK = 10.0  # seconds between looks whether that is so


class Station(WorkerPlugin):
    """Has the simulator of a worker, as long as there is work for it.

    So many simulations run at a time as the worker has threads, in threads of its own: Dask's wait
    for what becomes of tasks, which are several simulations each.

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
        self._slots: Executor = ThreadPoolExecutor(1)
        self._callback = PeriodicCallback(self.look, 1000 * _LOOK)

    def setup(self, worker: Worker) -> None:
        """Begin, in the worker's event loop."""
        self._slots = ThreadPoolExecutor(worker.state.nthreads, thread_name_prefix="simulation")
        self._callback.start()

    async def teardown(self, worker: Worker) -> None:
        """End the warm engine processes with the worker."""
        self._callback.stop()
        self._slots.shutdown(wait=False)
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
    def use(self) -> Iterator[tuple[Simulator, Executor]]:
        """Have the simulator for a task, and the slots that all tasks share."""
        with self._lock:
            self._n_users += 1
            simulator = self._simulator = self._simulator or Simulator()
        try:
            yield simulator, self._slots
        finally:
            with self._lock:
                self._n_users -= 1
                self._last_use = time.monotonic()


@contextlib.contextmanager
def simulator_here() -> Iterator[tuple[Simulator, Executor]]:
    """Give the simulator of the worker that runs this task, and its slots.

    The worker gets them with its first task: by then it is there, whenever it has joined, and no
    other one that does not answer has to be waited for.
    """
    worker = get_worker()

    async def station() -> Station:
        if _NAME not in worker.plugins:
            await worker.plugin_add(plugin=Station(), name=_NAME)
        found: Station = worker.plugins[_NAME]
        return found

    with (worker.plugins.get(_NAME) or sync(worker.loop, station)).use() as found:
        yield found
