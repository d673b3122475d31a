"""Feed a study's simulations to the workers, collect their outcomes, record them, stop well."""

from __future__ import annotations

import collections
import contextlib
import itertools
import queue
import signal
import threading
import time
import traceback
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from distributed import Client, Future, KilledWorker

from .cluster import MAX_LOSSES, open_cluster
from .engine import Probe, probe
from .errors import InputError, ResumableError
from .outcome import Outcome, Status, pack
from .profile import Profile, load_profile
from .progress import Counts, Display
from .store import Entry, Store, check_store, open_store
from .study import Simulation, Study
from .task import Order, ScriptChangedError, Workload, run_simulation

_TICK = 0.2  # seconds between looks at signals and display
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


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
    """

    total: int
    recorded: dict[Status, int]
    started: int
    elapsed_time: float
    interrupted: str = ""

    @property
    def exit_status(self) -> int:
        """0 all done, 1 some did not end as done, 75 interrupted and resumable."""
        if self.recorded.get(Status.DONE, 0) == self.total:
            return 0
        return 75 if self.interrupted else 1


def run_study(
    study: Study,
    profile: Profile | None = None,
    store: str | Path | None = None,
    *,
    retry_failed: bool = False,
    changed_script: str | None = None,
    display: Display | None = None,
) -> Summary:
    """Run what of a study is not in its store yet.

    Parameters
    ----------
    study : Study
        What to simulate.
    profile : Profile, optional
        Where; by default on this machine.
    store : path, optional
        The HDF5 file, by default ``NAME.h5`` here.
    retry_failed : bool
        Also run again what did not end as done.
    changed_script : {None, 'keep', 'rerun'}
        See :func:`dask_espresso.store.check_store`.
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
        If the run had to stop early; running again goes on.
    """
    profile = profile or load_profile()
    path = Path(store or f"{study.name}.h5").absolute()
    workload = Workload(
        engine=profile.engine(study.engine),
        script=str(study.script_path),
        script_hash=study.script_hash,
        time_limit=study.time_limit,
    )
    check_store(path, study, changed_script=changed_script)
    with (
        open_store(path, study, changed_script=changed_script) as opened,
        _stop_signals() as stop,
    ):
        driver = Driver(study, opened, workload, stop, display or Display(), retry_failed)
        try:
            if driver.todo:
                with open_cluster(profile) as client:
                    driver.work(client)
        except InputError:
            raise  # nothing was run: the store stays as it is
        except BaseException:
            opened.publish()
            raise
        opened.publish()
        return driver.summary()


class StopRequest:
    """A signal that asked the driver to stop, if one did."""

    def __init__(self) -> None:
        self.signal = ""

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Take note of the signal; an impatient second one stops at once."""
        if self.signal:
            raise KeyboardInterrupt
        self.signal = signal.Signals(number).name


@contextlib.contextmanager
def _stop_signals() -> Iterator[StopRequest]:
    """Turn the signals that end a driver into a request to stop."""
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop) for number in _STOP_SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
        self._run = uuid.uuid4().hex[:8]
        self._finished: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self._flying: dict[str, tuple[Future, Order]] = {}
        self._losses: collections.Counter[str] = collections.Counter()
        self._again: collections.deque[Order] = collections.deque()
        self._recorded_here = 0
        todo = (s for s in study.simulations() if self._wants(s, retry_failed))
        first = list(itertools.islice(todo, 1))
        self.todo = bool(first)
        self._todo = itertools.chain(first, todo)
        ids = {simulation.id for simulation in study.simulations()}
        recorded = collections.Counter(s for i, s in store.statuses.items() if i in ids)
        self._counts = Counts(total=study.count, recorded=dict(recorded))
        self._counts.before = self._counts.n_recorded

    def _wants(self, simulation: Simulation, retry_failed: bool) -> bool:
        status = self._store.statuses.get(simulation.id)
        return status is None or (retry_failed and status is not Status.DONE)

    def work(self, client: Client) -> None:
        """Run everything that is to be run, or as much as a request to stop leaves time for."""
        self._display.say(f"dashboard: {client.dashboard_link}")
        self._check_engine(client)
        while not self._stop.signal:
            self._feed(client)
            if not self._flying:
                return
            self._collect(client)
            if self._store.should_publish:
                self._store.publish()
        self._collect(client)  # what is there already is not thrown away

    def _check_engine(self, client: Client) -> None:
        """Start the engine once on a worker, so that a wrong one costs no simulation."""
        future = client.submit(probe, self._workload.engine, key=f"probe-{self._run}")
        while not future.done():
            if self._stop.signal:
                return
            time.sleep(_TICK / 4)
        found: Probe = future.result()
        if found.error:
            raise InputError(
                f"{found.error}; set its command under `engines` in the profile, "
                "or load the module that has it"
            )

    def _next_order(self) -> Order | None:
        """Give what is to be run next, what has to be run again first."""
        if self._again:
            return self._again.popleft()
        simulation = next(self._todo, None)
        if simulation is None:
            return None
        return Order(
            id=simulation.id,
            parameters=simulation.parameters,
            replica=simulation.replica,
            seed=simulation.seed,
            attempt=1,
        )

    def _feed(self, client: Client) -> None:
        """Keep every worker busy, and no more than that in flight."""
        self._counts.slots = sum(client.nthreads().values())
        window = 2 * self._counts.slots + 2
        while len(self._flying) < window and (order := self._next_order()):
            losses = self._losses[order.id]
            key = f"simulation-{order.id}-{self._run}-{order.attempt}-{losses}"
            future = client.submit(run_simulation, self._workload, order, key=key, pure=False)
            self._flying[key] = future, order
            future.add_done_callback(self._finished.put)
        self._counts.running = len(self._flying)
        self._display.update(self._counts)

    def _collect(self, client: Client) -> None:
        """Record what has finished; wait a moment for it if nothing has."""
        batch = self._wait_for_finished()
        good = [future for future in batch if future.status == "finished"]
        results = dict(zip((f.key for f in good), client.gather(good), strict=True))
        entries = []
        for future in batch:
            _, order = self._flying[future.key]
            entry = (
                Entry(order.id, Status(results[future.key][0]), results[future.key][1])
                if future.key in results
                else self._entry_of_failure(future, order)
            )
            if entry is None or self._tries_again(entry, order):
                continue
            entries.append(entry)
        for future in batch:
            del self._flying[future.key]
        self._counts.running = len(self._flying)
        self._record(entries)
        for future in batch:  # not before they are recorded: until then they can be had again
            future.release()

    def _wait_for_finished(self) -> list[Future]:
        batch = []
        with contextlib.suppress(queue.Empty):
            batch.append(self._finished.get(timeout=_TICK))
            while True:
                batch.append(self._finished.get_nowait())
        return batch

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

    def _entry_of_failure(self, future: Future, order: Order) -> Entry | None:
        """Say what became of a simulation that no worker could tell of; None if it goes again."""
        if future.status != "error":
            raise ResumableError("the Dask scheduler is gone; run again to go on")
        error = future.exception()
        if isinstance(error, ScriptChangedError):
            raise ResumableError(
                f"{error}: changed while the study was running; put it back and run again, "
                "or run again with --changed-script"
            )
        if isinstance(error, KilledWorker):
            self._losses[order.id] += getattr(error, "allowed_failures", MAX_LOSSES - 1) + 1
            if self._losses[order.id] < MAX_LOSSES:
                self._again.append(order)
                return None
            return self._entry(order, Status.LOST, f"{self._losses[order.id]} workers died of it")
        text = "".join(traceback.format_exception_only(type(error), error)).strip()
        return self._entry(order, Status.FAILED, f"on the worker: {text}")

    def _entry(self, order: Order, status: Status, error: str) -> Entry:
        outcome = Outcome(
            id=order.id,
            parameters=order.parameters,
            replica=order.replica,
            seed=order.seed,
            attempts=order.attempt,
            status=status,
            error=error,
            engine=self._workload.engine.name,
            script_hash=self._workload.script_hash,
        )
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
