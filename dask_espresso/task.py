"""What runs on a Dask worker."""

from __future__ import annotations

import logging
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask

from .engine import Engine, file_hash, probe, run_process
from .errors import SimulationError
from .outcome import Outcome, Status, pack, storable

logger = logging.getLogger(__name__)

_JOB_ID_VARIABLES = ("SLURM_JOB_ID", "DASK_ESPRESSO_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")


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
        Computes to the object that the script printed with ``encode_transport_data``.

    Raises
    ------
    SimulationError
        When computed, if the process fails or gives no result.

    Examples
    --------
    >>> import sys
    >>> from dask_espresso.engine import SIMULATIONS
    >>> task = dask_espresso_task(sys.executable, str(SIMULATIONS / "echo.py"), hello="world")
    >>> task.compute()
    {'hello': 'world', 'processed': True}
    """
    engine = Engine(name="espresso", command=(os.fspath(pypresso),))
    report = run_process(engine, Path(script).absolute(), kwargs, directory=Path.cwd())
    failure = report.failure()
    if failure:
        raise SimulationError(f"{script} with {pypresso}: {failure}")
    if report.log:
        logger.info("%s: %s", script, report.log)
    return report.output.payload()


@dataclass(frozen=True)
class Order:
    """All that a worker needs to know to run one simulation.

    Attributes
    ----------
    id, parameters, replica, seed
        As in :class:`~dask_espresso.outcome.Outcome`.
    attempt : int
        The how-manieth try this is, from 1.
    """

    id: str
    parameters: dict[str, Any]
    replica: int
    seed: int
    attempt: int

    @property
    def script_parameters(self) -> dict[str, Any]:
        """What the script gets: the study's parameters, and the two that the driver adds."""
        return {**self.parameters, "replica": self.replica, "seed": self.seed}


@dataclass(frozen=True)
class Workload:
    """What all simulations of a study have in common.

    Attributes
    ----------
    engine : Engine
        How to start a simulation.
    script : str
        Path of the script, the same on driver and workers.
    script_hash : str
        Its SHA-256 when the run began.
    time_limit : float or None
        For one simulation, in seconds.
    """

    engine: Engine
    script: str
    script_hash: str
    time_limit: float | None


class ScriptChangedError(RuntimeError):
    """The script is not the one that the run began with."""


def run_simulation(workload: Workload, order: Order) -> tuple[int, bytes]:
    """Run one simulation on this worker.

    Returns
    -------
    status : int
        The outcome's :class:`~dask_espresso.outcome.Status`.
    record : bytes
        The packed outcome; the driver only has to write it down.
    """
    outcome = simulate(workload, order)
    return int(outcome.status), pack(outcome)


def simulate(workload: Workload, order: Order, **options: Any) -> Outcome:
    """Run one simulation and say what became of it.

    Parameters
    ----------
    workload, order
        What to run.
    **options
        For :func:`~dask_espresso.engine.run_process`.
    """
    outcome = Outcome(
        id=order.id,
        parameters=order.parameters,
        replica=order.replica,
        seed=order.seed,
        attempts=order.attempt,
        host=os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
        job_id=next(filter(None, map(os.environ.get, _JOB_ID_VARIABLES)), ""),
        engine=workload.engine.name,
        engine_version=probe(workload.engine).version,
        script_hash=workload.script_hash,
        started=time.time(),
    )
    if file_hash(workload.script) != workload.script_hash:
        raise ScriptChangedError(workload.script)
    report = run_process(
        workload.engine,
        workload.script,
        order.script_parameters,
        time_limit=workload.time_limit,
        **options,
    )
    outcome.exit_code = report.exit_code
    outcome.elapsed_time = report.elapsed_time
    outcome.cpu_time = report.cpu_time
    outcome.peak_memory = report.peak_memory
    outcome.log = report.log
    outcome.error = report.failure()
    if outcome.error:
        outcome.status = Status.TIMED_OUT if report.timed_out else Status.FAILED
        return outcome
    try:
        outcome.result = _checked_result(report.output.payload())
    except TypeError as error:
        outcome.status, outcome.error = Status.FAILED, str(error)
    return outcome


def _checked_result(payload: Any) -> dict[str, Any]:
    if not isinstance(payload, dict):
        raise TypeError(f"result is a {type(payload).__name__}: the store takes a dict of results")
    for key in payload:
        if not isinstance(key, str) or not key:
            raise TypeError(f"result has the key {key!r}: the names of results are strings")
    result: dict[str, Any] = storable(payload)
    return result
