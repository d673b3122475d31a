"""What runs on the worker: its machine, the engines, one simulation."""

from __future__ import annotations

import math
from dataclasses import replace

from dask.utils import format_bytes

from ..engines import Engine
from ..inputs.study import Simulation, Study
from ..outcome import Outcome, Status
from ..process.cause import brief
from ..process.order import Order, Workload
from ..process.probe import Probe
from ..process.task import simulate_one
from ..walltime import format_duration
from . import on_worker
from .file_checks import check_script
from .findings import FaultError, counted, of_ranks
from .worker import ANSWER, Worker

_ENGINE_START = 150.0  # seconds; longer than the engine itself is waited for
_NARROW = 0.5  # share of its time limit that a typical simulation should not take


def check_machine(worker: Worker) -> None:
    """See what machine the worker has for how many simulations."""
    machine, findings = worker.call(on_worker.look_at_machine), worker.case.findings
    each = machine.memory // machine.slots
    simulations = counted(machine.slots, "simulation") + of_ranks(worker.case)
    findings.ok(
        f"machine {machine.host}: {simulations} at a time on "
        f"{counted(machine.cores, 'core')}, with {format_bytes(each)} of memory each"
    )
    if machine.slots * worker.case.ranks > machine.cores:
        findings.note(
            f"{simulations} at a time share {counted(machine.cores, 'core')}; "
            "does the job get the `cores` that the profile says?"
        )


def check_engines(worker: Worker) -> None:
    """Start every engine once."""
    errors = []
    for engine in worker.case.engines:
        started = worker.call(on_worker.start_engine, engine, within=_ENGINE_START)
        if started.found.error:
            errors.append(started.found.error)
            continue
        how = "; simulations are forked from a warm one" if started.found.start == "fork" else ""
        worker.case.findings.ok(
            f"engine {f'{engine.name} {started.found.version}'.strip()}, {started.program}, starts "
            f"in {format_duration(started.elapsed_time)}{_with_ranks(engine, started.found)}{how}"
        )
        if reason := started.found.reason:
            worker.case.findings.note(f"simulations are fresh processes: {reason}")
    if errors:
        load = "; modules are loaded under `job_script_prologue`" if worker.case.is_batch else ""
        raise FaultError("; ".join(errors) + load)


def _with_ranks(engine: Engine, found: Probe) -> str:
    return f", {engine.ranks} ranks with {found.launcher}" if found.launcher else ""


def check_simulation(worker: Worker) -> None:
    """Run one simulation of the study, and say what the others take if they are like it."""
    case, study = worker.case, worker.case.study
    if study is None or case.failed & {check_script, check_engines}:
        return
    limit = study.time_limit or case.timeout
    one = next(study.simulations())
    # its seed imports numpy.random, in which an interrupt is lost: before anybody is told to wait
    order = Order.of(one)
    case.findings.wait(f"simulation {_named(one, study)}, at most {format_duration(limit)}")
    workload = replace(Workload.of(study, case.profile), time_limit=limit)
    outcome = worker.call(simulate_one, workload, order, within=limit + ANSWER)
    if outcome.status is Status.TIMED_OUT and study.time_limit is None:
        case.findings.note(
            f"simulation {one.id} was not done after {format_duration(limit)}, and was stopped; "
            "a longer --timeout waits longer"
        )
        return
    ended = f"simulation {one.id} {outcome.status.label}"
    memory = outcome.peak_memory or 0
    took = f"in {format_duration(outcome.elapsed_time)}, {format_bytes(memory)}"
    given = f" --profile {path}" if (path := case.profile.path) else ""
    why = f"{brief(outcome.error)}; find out more with `dask-espresso try {study.path}{given}`"
    if not outcome.status.has_result:
        raise FaultError(f"{ended}: {why}")
    if outcome.is_done:
        case.findings.ok(f"{ended} {took}")
    else:
        case.findings.note(f"{ended} {took}: {why}")
    _warn_of_limits(worker, study, outcome)
    case.findings.ok(_estimate(worker, study, outcome.elapsed_time))


def _named(simulation: Simulation, study: Study) -> str:
    """Name a simulation by its id and what distinguishes it."""
    swept = (f"{name} = {simulation.parameters[name]}" for name in study.swept)
    return ", ".join([simulation.id, *swept])


def _warn_of_limits(worker: Worker, study: Study, outcome: Outcome) -> None:
    """Take note of limits that one simulation keeps, but others may not."""
    findings, machine = worker.case.findings, worker.call(on_worker.look_at_machine)
    if study.time_limit and outcome.elapsed_time > _NARROW * study.time_limit:
        findings.note(
            f"that is {outcome.elapsed_time / study.time_limit:.0%} of the study's `time_limit`; "
            "simulations that take longer than this one may not keep to it"
        )
    memory = (outcome.peak_memory or 0) * machine.slots * worker.case.ranks
    if memory > machine.memory:
        findings.note(
            f"{machine.slots} such simulations at a time need "
            f"{format_bytes(memory)} of memory, of which the worker "
            f"has {format_bytes(machine.memory)}; ask for more `memory`, or for fewer `cores`"
        )


def _estimate(worker: Worker, study: Study, elapsed_time: float) -> str:
    """Say what the whole study takes if all simulations are like the first."""
    slots = sum(worker.cluster.client.nthreads().values()) * worker.case.profile.max_jobs
    rounds = math.ceil(study.count / slots)
    hours = study.count * elapsed_time * worker.case.ranks / 3600
    cost = f", {hours:.1f} core hours" if hours >= 0.1 else ""
    waiting = " and all jobs run" if worker.case.is_batch else ""
    return (
        f"all {study.count} simulations take about {format_duration(rounds * elapsed_time)} with "
        f"{slots} at a time{cost}, if they are like this one{waiting}"
    )
