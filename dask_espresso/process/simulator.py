"""Runs simulations on this machine, and says what became of each."""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Callable
from typing import Any

from ..engines import Engine
from ..outcome import Outcome, Status
from ..values import named, not_finite, storable
from .code import CodeFiles
from .curves import unfold
from .environment import of_any_directory
from .machine import host_name
from .memo import Memo
from .order import Order, Workload
from .probe import Probe, probe
from .report import ProcessReport
from .run import Runner

_JOB_ID_VARIABLES = ("SLURM_JOB_ID", "DASK_ESPRESSO_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")


class Simulator:
    """Runs simulations, and keeps from one to the next all that spares the next one work.

    A worker has one, as long as there is work (:class:`~dask_espresso.process.worker.Station`);
    whoever runs simulations without a worker makes one, and closes it.

    Attributes
    ----------
    runner : Runner
        Starts their processes.
    """

    def __init__(self) -> None:
        self.runner = Runner()
        self._code = CodeFiles()
        self._engines = Memo(of_any_directory)
        self._probes: Memo[Engine, Probe] = Memo(
            lambda engine: probe(self.runner, engine), is_lasting=lambda found: not found.error
        )

    def close(self) -> None:
        """End the warm engine processes."""
        self.runner.close()

    def probe(self, engine: Engine) -> Probe:
        """Say whether an engine works here, its version, and how it is started."""
        return self._probes(self._engines(engine))

    def why_fresh(self, workload: Workload) -> str:
        """Say why each simulation is a fresh process although it might be forked, or nothing."""
        if not workload.engine.may_fork:
            return ""
        warm_start = self.runner.warm_start(self._engines(workload.engine))
        return warm_start.reason(workload.script, workload.code_hash)

    def simulate(
        self,
        workload: Workload,
        order: Order,
        on_output: Callable[[bytes], None] | None = None,
    ) -> Outcome:
        """Run one simulation and say what became of it.

        Parameters
        ----------
        workload, order
            What to run.
        on_output : callable, optional
            Called with everything printed but the payload, as it comes.

        Raises
        ------
        ScriptChangedError
            If script or modules are not those that the run began with; nothing was run.
        """
        outcome = order.outcome(workload)
        outcome.host = host_name()
        outcome.job_id = next(filter(None, map(os.environ.get, _JOB_ID_VARIABLES)), "")
        engine = self._engines(workload.engine)
        self._probes(engine)  # which says whether it is forked
        outcome.started = time.time()
        self._code.check(workload)
        report = self.runner.run(
            engine,
            workload.script,
            order.script_parameters,
            time_limit=workload.time_limit,
            on_output=on_output,
            version=workload.code_hash,
            given=functools.partial(order.given, workload.call),
        )
        # not before: one that did not start for once may do so now
        outcome.engine_version = self._probes(engine).version
        _describe(outcome, workload, order, report)
        order.finish(outcome)
        return outcome


def _describe(outcome: Outcome, workload: Workload, order: Order, report: ProcessReport) -> None:
    """Say what a process has come to."""
    outcome.exit_code = report.exit_code
    outcome.elapsed_time = report.elapsed_time
    outcome.cpu_time = report.cpu_time
    outcome.peak_memory = report.peak_memory
    outcome.start_method = report.start_method
    outcome.log = report.log
    outcome.kept_files = report.kept
    outcome.unread = _unread(order, report.output.unread)
    outcome.error = report.failure()
    if outcome.error:
        outcome.status = Status.TIMED_OUT if report.timed_out else Status.FAILED
        return
    try:
        result, axes = unfold(
            _named(report.output.payload()), workload.axes, order.script_parameters
        )
        outcome.result = storable(result)
        outcome.result_axes = json.dumps(axes) if axes else ""
    except (TypeError, ValueError) as error:
        outcome.status, outcome.error = Status.FAILED, str(error)
        return
    outcome.error = not_finite(outcome.result)
    if outcome.error:
        outcome.status = Status.NOT_FINITE


def _unread(order: Order, names: list[str] | None) -> list[str] | None:
    """Give the parameters of these names, without the replica's number: few scripts want it."""
    if names is None:
        return None
    return [name for name in (*order.parameters, "seed") if name in names]


def _named(payload: Any) -> dict[str, Any]:
    if not isinstance(payload, dict):
        raise TypeError(f"result is a {type(payload).__name__}: the store takes a dict of results")
    return named(payload)
