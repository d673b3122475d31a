"""What runs on a Dask worker."""

from __future__ import annotations

import functools
import logging
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask
import psutil
from distributed import Reschedule, get_worker
from distributed.core import Status as WorkerStatus
from distributed.utils import sync

from ..engines import Engine
from ..errors import SimulationError
from ..files import file_hash
from ..outcome import Outcome, Status
from ..record import pack
from ..values import named, not_finite, storable
from .order import Order, Workload
from .probe import probe
from .run import run_process, warm_start

if TYPE_CHECKING:
    from ..files import Record

logger = logging.getLogger(__name__)

LONGEST_BATCH = 1.0  # seconds that simulations of one task go on being started
LEAVE_BEFORE = 10.0  # seconds before the end of its job that a worker is done
_LONGEST_SHARE = 0.8  # of a job's walltime that a simulation without a time limit can ask for

_SETTLED = 2_000_000_000  # nanoseconds after which a file's times tell of every change
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
    >>> from dask_espresso.process.run import SIMULATIONS
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


class ScriptChangedError(RuntimeError):
    """Script or modules are not those that the run began with; the message says what to do."""


@dataclass(frozen=True)
class Batch:
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


def run_simulations(workload: Workload, orders: Sequence[Order]) -> Batch:
    """Run simulations on this worker, one after the other, as far as its job lasts long enough.

    Every one of them succeeds or fails by itself. Where they take much longer than expected, the
    rest is left to other workers.

    Raises
    ------
    distributed.Reschedule
        If the job ends too soon even for the first. The worker takes no more tasks then.
    ScriptChangedError
        If the script changed before the first.
    """
    started = time.monotonic()
    batch = Batch([], _note(workload))
    for order in orders:
        if batch.results and time.monotonic() - started > LONGEST_BATCH:
            break
        if not has_time_for(order.needs, workload.walltime):
            _take_no_more()
            if not batch.results:
                raise Reschedule
            break
        try:
            batch.results.append(_run(workload, order))
        except ScriptChangedError:
            if not batch.results:
                raise
            break
    return batch


def _run(workload: Workload, order: Order) -> tuple[int, Record, float]:
    try:
        outcome = simulate(workload, order)
        return int(outcome.status), pack(outcome), outcome.elapsed_time
    except ScriptChangedError:
        raise
    except Exception as error:
        outcome = order.outcome(workload)
        outcome.status = Status.FAILED
        outcome.error = f"on the worker: {type(error).__name__}: {error}"
        return int(outcome.status), pack(outcome), 0.0


def _note(workload: Workload) -> str:
    engine = workload.engine
    return warm_start(engine).reason(workload.script) if engine.may_fork else ""


def has_time_for(needs: float, walltime: float | None) -> bool:
    """Say whether a simulation that starts now ends before the job that this worker runs in.

    Parameters
    ----------
    needs : float
        How long it may take, in seconds.
    walltime : float or None
        Of the job, in seconds, where the job does not know its end itself.
    """
    now = time.time()
    if end_time := os.environ.get("SLURM_JOB_END_TIME"):
        end = float(end_time)
        start = float(os.environ.get("SLURM_JOB_START_TIME", _job_start()))
    elif walltime:
        start = _job_start()
        end = start + walltime
    else:
        return True
    # a simulation that took nearly all of a job before has to start in a fresh one all the same
    return now + min(needs, _LONGEST_SHARE * (end - start)) < end - LEAVE_BEFORE


@functools.cache
def _job_start() -> float:
    """Give the time at which this worker, or the nanny that looks after it, was started."""
    process = psutil.Process()
    parent = process.parent()
    if parent and "dask" in " ".join(parent.cmdline()):
        process = parent
    return float(process.create_time())


def _take_no_more() -> None:
    """Have this worker take no more tasks, and end those that run; the keeper replaces it."""
    worker = get_worker()

    async def leave() -> None:
        worker.status = WorkerStatus.closing_gracefully

    # the scheduler hears it before it hears that the task goes elsewhere
    sync(worker.loop, leave)


def simulate(workload: Workload, order: Order, **options: Any) -> Outcome:
    """Run one simulation and say what became of it.

    Parameters
    ----------
    workload, order
        What to run.
    **options
        For :func:`~dask_espresso.process.run.run_process`.
    """
    outcome = order.outcome(workload)
    outcome.host = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
    outcome.job_id = next(filter(None, map(os.environ.get, _JOB_ID_VARIABLES)), "")
    outcome.engine_version = probe(workload.engine).version
    outcome.started = time.time()
    _check_code(workload)
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
    outcome.unread = _unread(order, report.output.unread)
    outcome.error = report.failure()
    if outcome.error:
        outcome.status = Status.TIMED_OUT if report.timed_out else Status.FAILED
        return outcome
    try:
        outcome.result = _checked_result(report.output.payload())
    except TypeError as error:
        outcome.status, outcome.error = Status.FAILED, str(error)
        return outcome
    outcome.error = not_finite(outcome.result)
    if outcome.error:
        outcome.status = Status.NOT_FINITE
    return outcome


def _unread(order: Order, names: list[str] | None) -> list[str] | None:
    """Give the parameters of these names, without the replica's number: few scripts want it."""
    if names is None:
        return None
    return [name for name in (*order.parameters, "seed") if name in names]


def _check_code(workload: Workload) -> None:
    _check_file(workload.script, workload.script_hash)
    for module in workload.modules:
        _check_file(module.path, module.hash)


def _check_file(path: str, expected: str) -> None:
    try:
        is_changed = _hash(path) != expected
    except OSError as error:
        raise ScriptChangedError(
            f"{path}: cannot be read on {socket.gethostname()} ({error.strerror}); "
            "put it where every worker sees it and run again"
        ) from None
    if is_changed:
        raise ScriptChangedError(
            f"{path}: changed while the study was running; put it back and run again, "
            "or run again with --changed-script"
        )


_hashes: dict[str, tuple[Any, str]] = {}


def _hash(path: str) -> str:
    """Give a file's hash, which is worked out anew where the file has changed in any way."""
    found = Path(path).stat()
    state = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
    known, value = _hashes.get(path, (None, ""))
    # what was changed a moment ago may change again within the same tick of the clock
    if known != state or time.time_ns() - found.st_mtime_ns < _SETTLED:
        value = file_hash(path)
        _hashes[path] = state, value
    return value


def _checked_result(payload: Any) -> dict[str, Any]:
    if not isinstance(payload, dict):
        raise TypeError(f"result is a {type(payload).__name__}: the store takes a dict of results")
    result: dict[str, Any] = storable(named(payload))
    return result
