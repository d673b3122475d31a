"""What runs on a Dask worker."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask
from distributed import Reschedule, get_worker
from distributed.core import Status as WorkerStatus
from distributed.utils import sync

from ..engines import Engine
from ..errors import ScriptChangedError, SimulationError
from ..outcome import Outcome, Status
from ..record import pack
from .curves import unfold
from .job_time import has_time_for
from .order import Order, Workload
from .probe import Probe
from .run import Runner
from .simulator import Simulator
from .warm_server import StartAbandonedError
from .worker import simulator_here

if TYPE_CHECKING:
    from ..files import Record

logger = logging.getLogger(__name__)

LONGEST_TASK = 1.0  # seconds that simulations of one task go on being started


@dask.delayed
def dask_espresso_task(pypresso: str, script: str, **kwargs: Any) -> Any:
    """Run a simulation script as a Dask task.

    Parameters
    ----------
    pypresso : str
        The program that runs the script: ``pypresso``, or a Python.
    script : str
        Path of the simulation script, as the worker sees it.
    **kwargs
        The script gets these as a dict from ``get_data_from_stdin()``.

    Returns
    -------
    dask.delayed.Delayed
        Computes to the object that the script printed with ``encode_transport_data``. Of curves,
        in a dict, it has values and axes as arrays beside each other.

    Raises
    ------
    SimulationError
        When computed, if the process fails or gives no result.

    Examples
    --------
    >>> import sys
    >>> from dask_espresso.process.run import SIMULATIONS
    >>> task = dask_espresso_task(sys.executable, str(SIMULATIONS / "echo.py"), hello="world")
    >>> task.compute()
    {'hello': 'world', 'processed': True}
    """
    engine = Engine(name="espresso", command=(os.fspath(pypresso),))
    report = Runner().run(engine, Path(script).absolute(), kwargs, directory=Path.cwd())
    failure = report.failure()
    if failure:
        raise SimulationError(f"{script} with {pypresso}: {failure}")
    if report.log:
        logger.info("%s: %s", script, report.log)
    payload = report.output.payload()
    try:
        return unfold(payload)[0] if isinstance(payload, dict) else payload
    except ValueError as error:
        raise SimulationError(f"{script} with {pypresso}: {error}") from error


@dataclass(frozen=True)
class TaskResults:
    """What one task has come to.

    Attributes
    ----------
    results : list of (int, Record, float)
        Of the simulations that were run, in their order, which may be fewer than there were:
        the outcome's :class:`~dask_espresso.outcome.Status`, the packed outcome, which the driver
        only has to write down, and the elapsed time in seconds.
    note : str
        Why each simulation is a fresh process on this worker although it might be forked, or empty.
    """

    results: list[tuple[int, Record, float]]
    note: str = ""

    def __sizeof__(self) -> int:
        """Tell Dask how much there is to transfer."""
        return sum(memoryview(part).nbytes for _, record, _ in self.results for part in record)


def run_simulations(workload: Workload, orders: Sequence[Order]) -> TaskResults:
    """Run simulations on this worker, one after the other, as far as its job lasts long enough.

    Every one of them succeeds or fails by itself. Where they take much longer than expected, the
    rest is left to other workers.

    Raises
    ------
    distributed.Reschedule
        If the job ends too soon even for the first. The worker takes no more tasks then. Or if the
        worker ends while the engine starts.
    ScriptChangedError
        If the script changed before the first.
    """
    with simulator_here() as simulator:
        return run_orders(simulator, workload, orders)


def simulate_one(workload: Workload, order: Order) -> Outcome:
    """Run one simulation on this worker, and say what became of it."""
    with simulator_here() as simulator:
        return simulator.simulate(workload, order)


def probe_engine(engine: Engine) -> Probe:
    """Find out on this worker whether an engine works."""
    with simulator_here() as simulator:
        return simulator.probe(engine)


def run_orders(simulator: Simulator, workload: Workload, orders: Sequence[Order]) -> TaskResults:
    """Run simulations as :func:`run_simulations` does, by a given simulator."""
    started = time.monotonic()
    task = TaskResults([], simulator.why_fresh(workload))
    for order in orders:
        if task.results and time.monotonic() - started > LONGEST_TASK:
            break
        if not has_time_for(order.needs, workload.walltime):
            _take_no_more()
            if not task.results:
                raise Reschedule
            break
        try:
            task.results.append(_run(simulator, workload, order))
        except (ScriptChangedError, Reschedule):
            if not task.results:
                raise
            break
    return task


def _run(simulator: Simulator, workload: Workload, order: Order) -> tuple[int, Record, float]:
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
