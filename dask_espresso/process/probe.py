"""Start an engine once, to see whether it works, and whether its simulations can be forked."""

from __future__ import annotations

import math
import shutil
import socket
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any

from ..engines import Engine, engine_command
from ..inputs.shipped import SIMULATIONS
from ..script.fingerprint import KNOWN, top_of
from .cause import brief
from .launcher import does_fit, fitting, kind_of_program, remedy
from .machine import machine
from .report import ProcessReport
from .run import (
    PROBE,
    PROBE_LIMIT,
    NoScratchError,
    Runner,
    probe_parameters,
    process_command,
    process_environment,
)
from .warm_server import NoWarmStartError
from .warm_start import WarmStart

_IMPORTS = SIMULATIONS / "imports.py"
_ODD_LIMIT = 15.0  # seconds, where a launcher hardly fits
_CLOCK_LAG = 0.05  # seconds; the time that C tells is of its last tick
_MAX_NAMES = 3  # that a reason lists
_ABORT, _ABORT_CODE, _ABORT_LIMIT = SIMULATIONS / "abort.py", 3, 10.0  # seconds


@dataclass(frozen=True)
class Probe:
    """What starting the engine once has shown.

    Attributes
    ----------
    version : str
        The engine's version, such as ``4.2.2``; empty if it does not start.
    error : str
        Why it does not start, or empty.
    start : str
        ``fork`` or ``spawn``, as its simulations are started.
    reason : str
        Why they are not forked although they might be, or empty.
    launcher : str
        The program that starts several ranks, and which MPI it is of; empty for one rank.
    about : dict
        What is to be kept of engine and machine beside results.
    """

    version: str = ""
    error: str = ""
    start: str = "spawn"
    reason: str = ""
    launcher: str = ""
    about: dict[str, Any] = field(default_factory=dict)


def probe(runner: Runner, engine: Engine) -> Probe:
    """Find out whether the engine works on this machine, its version, and how to start it."""
    if engine.is_program:
        return _probe_program(engine)
    try:
        return _probe_ranks(runner, engine) if engine.ranks > 1 else _probe_one(runner, engine)
    except _EngineError as error:
        return Probe(error=f"engine {engine.name!r}, {error}")


def _probe_program(engine: Engine) -> Probe:
    """See that a program is there; what it is asked for would be a simulation."""
    program = process_command(engine, process_environment(engine, "", ""))[0]
    if shutil.which(program):
        return Probe(about=_about(engine, {}))
    return Probe(
        error=f"program {program!r}: is not on {socket.gethostname()}, or may not be run; correct "
        f"`program` in the study, or set `command` under `engines`, {engine.name!r} in the profile"
    )


def _about(engine: Engine, found: dict[str, Any]) -> dict[str, Any]:
    """Say what is to be kept of an engine, and of the machine that it was started on."""
    told = {key: found[key] for key in ("version", "python", "numpy", "mpi", "build") if found}
    return {"name": engine.name, "ranks": engine.ranks, **told, **machine()}


class _EngineError(RuntimeError):
    """An engine cannot be used as it is; the message says why, and what to do."""


def _probe_one(runner: Runner, engine: Engine) -> Probe:
    fresh = replace(engine, start="spawn")
    if not engine.may_fork:
        found = _found(engine, runner.run_probe(fresh))
        return Probe(version=str(found["version"]), about=_about(engine, found))
    with ThreadPoolExecutor(2) as beside:  # all do their imports at the same time
        trial = beside.submit(_try_forked, runner, engine)
        is_known = KNOWN.issuperset(map(top_of, engine.preload))
        imports = beside.submit(_import_afresh, runner, engine) if is_known else None
        report = runner.run_probe(fresh)
        if report.failure():
            _abandon(trial, runner.warm_start(engine))
        found = _found(engine, report)
        reason = _difference(runner, engine, found, trial.result(), imports)
    if reason and engine.start == "fork":
        raise _EngineError(f"start: fork: {reason}; write `start: auto`")
    if reason:
        runner.warm_start(engine).give_up(reason)
    start = "spawn" if reason else "fork"
    return Probe(
        version=str(found["version"]), start=start, reason=reason, about=_about(engine, found)
    )


def _abandon(trial: Future[_Forked], warm_start: WarmStart) -> None:
    """End what would be waited for in vain, which may take minutes."""
    while not trial.done():
        warm_start.close()
        wait([trial], timeout=0.1)


def _found(engine: Engine, report: ProcessReport) -> dict[str, Any]:
    """Give what a probe has found, or raise what has kept it from that."""
    if failure := report.failure():
        command = " ".join(engine_command(engine))
        wants = f", which has to import {engine.module}" if engine.module else ""
        raise _EngineError(
            f"command {command!r}{wants}: {brief(failure)}; set its command under `engines` in the "
            "profile, or load the module that has it"
        )
    found: dict[str, Any] = report.output.payload()
    return found


def _probe_ranks(runner: Runner, engine: Engine) -> Probe:
    """See that all ranks of an engine find each other."""
    alone = runner.run_probe(replace(engine, ranks=1, start="spawn"))
    if alone.exit_code is None and not alone.timed_out:  # there is no such engine
        _found(engine, alone)
    launcher = runner.rank_launcher(engine)[0]
    theirs, mpi = kind_of_program(launcher), runner.mpi_of(engine)
    is_odd = not does_fit(launcher, mpi)
    report = runner.run_probe(replace(engine, start="spawn"), _ODD_LIMIT if is_odd else PROBE_LIMIT)
    failure = report.failure()
    if not failure and report.output.payload()["ranks"] in (engine.ranks, None):
        found = report.output.payload()
        return Probe(
            version=str(found["version"]),
            launcher=f"{launcher} ({theirs})" if theirs else launcher,
            about=_about(engine, found),
        )
    if not failure or is_odd:
        seen = "" if failure else f"the engine sees {report.output.payload()['ranks']}: "
        raise _EngineError(f"ranks: {engine.ranks}: {seen}{_misfit(runner, engine, launcher)}")
    if alone.failure():
        _found(engine, report)
    raise _EngineError(
        f"ranks: {engine.ranks}, started with {launcher}: {brief(failure).rstrip('.:')}; "
        + remedy(failure, launcher)
    )


def _misfit(runner: Runner, engine: Engine, launcher: str) -> str:
    """Say why several ranks do not find each other, and what to write."""
    mpi, environment = runner.mpi_of(engine), process_environment(engine, "", "")
    said = f"its launcher is {launcher} ({kind_of_program(launcher) or 'of no known MPI'})"
    if not mpi:
        return f"{said}, the engine has no MPI; write `ranks: 1`"
    said += f", its MPI {' '.join(mpi['version'].replace(',', ' ').split()[:3])} ({mpi['path']})"
    fit = fitting(mpi, process_command(engine, environment)[0], environment.get("PATH"))
    if fit and fit != launcher and does_fit(fit, mpi):
        return f"{said}; write `launcher: {fit} -n {{ranks}}`, which fits"
    return f"{said}; write the `launcher` of the same MPI, with all that it needs, or `ranks: 1`"


@dataclass(frozen=True)
class _Forked:
    """What forking the engine has shown: why it cannot be forked, or what was found."""

    reason: str
    found: dict[str, Any] = field(default_factory=dict)
    imports: ProcessReport = field(default_factory=ProcessReport)


def _try_forked(runner: Runner, engine: Engine) -> _Forked:
    try:
        forked = runner.run_forked(engine, PROBE, probe_parameters(engine), PROBE_LIMIT)
        if failure := forked.failure():
            return _Forked(f"a forked process fails: {brief(failure)}")
        if runner.run_forked(engine, _ABORT, {}, _ABORT_LIMIT).exit_code != _ABORT_CODE:
            return _Forked("MPI_Abort does not end a forked process")
        imports = runner.run_forked(engine, _IMPORTS, {"preload": engine.preload}, PROBE_LIMIT)
    except (NoWarmStartError, NoScratchError) as error:
        return _Forked(str(error))
    return _Forked("", forked.output.payload(), imports)


def _difference(
    runner: Runner,
    engine: Engine,
    found: dict[str, Any],
    forked: _Forked,
    imports: Future[ProcessReport] | None,
) -> str:
    """Say in what a forked process is not like a fresh one; empty if they are the same."""
    if forked.reason:
        return forked.reason
    for name, value in found.items():
        if (other := forked.found.get(name)) != value:
            return f"a forked process has other {name}{_which(value, other)} than a fresh one"
    afresh = imports.result() if imports else _import_later(runner, engine, forked.imports)
    return _difference_of_imports(afresh, forked.imports)


def _which(one: Any, other: Any) -> str:
    """Name what is different in two dicts, as far as fits; nothing for others."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return ""
    names = sorted(n for n in one.keys() | other.keys() if one.get(n) != other.get(n))
    return f" ({', '.join(names[:_MAX_NAMES])})"


def _import_afresh(runner: Runner, engine: Engine, after: float = 0.0) -> ProcessReport:
    """Import the engine's modules in a fresh process, after a time."""
    parameters = {"preload": engine.preload, "after": after}
    fresh = replace(engine, start="spawn")
    return runner.run(fresh, _IMPORTS, parameters, time_limit=PROBE_LIMIT)


def _import_later(runner: Runner, engine: Engine, forked: ProcessReport) -> ProcessReport:
    """Do so in a later second: what is made from the time in seconds is to differ as well."""
    if forked.failure():
        return forked
    time = math.floor(forked.output.payload()["time"]) + 1 + _CLOCK_LAG
    return _import_afresh(runner, engine, time)


def _difference_of_imports(fresh: ProcessReport, forked: ProcessReport) -> str:
    """Say what importing the engine's modules makes anew in each process; empty if nothing."""
    for report in (fresh, forked):
        if failure := report.failure():
            return f"what its modules hold cannot be compared: {brief(failure)}"
    return _other_imports(fresh.output.payload(), forked.output.payload())


def _other_imports(fresh: dict[str, Any], forked: dict[str, Any]) -> str:
    """Say what two processes have made of the same modules; empty if the same."""
    ours, theirs = fresh["values"], forked["values"]
    other = {name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)}
    if other:
        first = min(other, key=lambda name: (" " in name, name))  # one that has a name, if possible
        return f"{first} differs each time it is imported; make such things in a function"
    for name, state in fresh["generators"].items():
        if forked["generators"].get(name) == state:
            return f"{name} is seeded by an import, once for all; seed it in the script"
    for name in forked["drawn"]:
        return f"an import draws from {name}, once for all; do so in a function"
    for name, numbers in fresh["libc"].items():
        if forked["libc"][name] != numbers:
            return f"{name} of C is seeded by an import, once for all; seed it in the script"
    if fresh["directories"] != forked["directories"]:
        return "an import changes the working directory or TMPDIR"
    return ""
