"""What runs on a Dask worker."""

from __future__ import annotations

import logging
import os
import pickle
from pathlib import Path
from typing import Any

import dask
from distributed import get_worker
from distributed.worker import thread_state

from ..engines import Engine
from ..errors import SimulationError
from ..outcome import Outcome
from .curves import unfold
from .order import Order, Workload
from .probe import Probe
from .run import Runner
from .task_run import TaskResults, TaskRun
from .worker import simulator_here

logger = logging.getLogger(__name__)

OUTCOMES = "dask-espresso-outcomes"  # the topic of messages from workers to the driver


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


def run_simulations(workload: Workload, orders: bytes, pace: float) -> TaskResults:
    """Run simulations on this worker, as many at a time as it has slots, and hand outcomes over.

    Every one of them succeeds or fails by itself. What is done is sent to the driver as messages of
    the topic :data:`OUTCOMES`, see :class:`~.task_run.TaskRun`; what is too large for that is the
    task's result.

    Parameters
    ----------
    workload : Workload
        What they have in common.
    orders : bytes
        A sequence of :class:`~.order.Order`, pickled: the scheduler, which all goes through, would
        take each of them apart and put it together again.
    pace : float
        Seconds between two messages, at least.

    Raises
    ------
    distributed.Reschedule
        If the worker ends while the engine starts.
    ScriptChangedError
        If the script changed before the first.
    """
    worker, key = get_worker(), thread_state.key

    def send(message: dict[str, Any]) -> None:
        worker.log_event(OUTCOMES, {"task": key, **message})

    with simulator_here() as (simulator, slots):
        return TaskRun(simulator, workload, pickle.loads(orders), slots).run(send, pace)


def simulate_one(workload: Workload, order: Order) -> Outcome:
    """Run one simulation on this worker, and say what became of it."""
    with simulator_here() as (simulator, _):
        return simulator.simulate(workload, order)


def probe_engine(engine: Engine) -> Probe:
    """Find out on this worker whether an engine works."""
    with simulator_here() as (simulator, _):
        return simulator.probe(engine)
