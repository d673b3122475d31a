"""Trying a profile and a script, before there is a run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import InputError
from .options import PATH, PROFILE, SET, STUDY, complete_files, overrides
from .terminal import quiet_dask

if TYPE_CHECKING:
    from ..inputs.study import Study
    from ..process.order import Order, Workload
    from ..process.probe import Probe
    from ..process.simulator import Simulator


@click.command()
@click.argument("study", required=False, shell_complete=complete_files)
@PROFILE
@SET
@click.option("--timeout", metavar="DURATION", default="10 min", show_default=True,
              help="How long to wait for a worker.")  # fmt: skip
def check(study: str | None, profile: str | None, settings: tuple[str, ...], timeout: str) -> None:
    """Find out whether PROFILE works, and STUDY on it.

    A worker job is submitted, and tried: network, versions, directories,
    engine, and one simulation of the study, where one is named. Nothing is
    stored.

    Exit status: 0 it works, 1 something is wrong, 2 study or profile cannot
    be used.

    \b
    Example:
      dask-espresso check lj_pressure.yaml --profile slurm.yaml
    """
    quiet_dask()
    from ..check.check import check_profile
    from ..check.findings import Findings
    from ..inputs.profile import load_profile
    from ..inputs.study import load_study
    from ..walltime import parse_duration

    if settings and not study:
        raise InputError("--set has no effect without a study; name one")
    try:
        patience = parse_duration(timeout)
    except ValueError as error:
        raise InputError(f"--timeout {error}") from error
    loaded = load_study(study, overrides(settings)) if study else None
    findings = Findings(_say_finding)
    check_profile(load_profile(profile), loaded, timeout=patience, findings=findings)
    if findings.faults:
        click.echo(f"{findings.faults} FAIL: mend the first one first, and check again")
        sys.exit(1)
    click.echo("it works; mind the notes" if findings.notes else "it works")


def _say_finding(mark: str, text: str) -> None:
    colors = {"FAIL": "red", "note": "yellow", "ok": "green"}
    marked = click.style(f"{mark:4}", fg=colors.get(mark), bold=mark == "FAIL")
    click.echo(f"{marked}  {text}".replace("\n", "\n      "))


@click.command("try")
@STUDY
@PROFILE
@SET
@click.option("--id", "name", metavar="ID", default="",
              help="This simulation, by its id or the beginning of it.")  # fmt: skip
@click.option("--where", multiple=True, metavar="CONDITION",
              help="The first simulation of which this is true, such as 'phi > 0.3'.")  # fmt: skip
@click.option("--replica", type=click.IntRange(min=0), metavar="N",
              help="That replica of the point; they are counted from 0.")  # fmt: skip
@click.option("--store", metavar="FILE.h5", type=PATH,
              help="Has IDs that are not in the study now. Default: the study's.")  # fmt: skip
@click.option("--debugger", is_flag=True,
              help="Leave the script in pdb where an exception ends it.")  # fmt: skip
@click.option("--write", "file", metavar="FILE.json", type=PATH,
              help="Write what the script gets, and say how to start it by hand.")  # fmt: skip
def try_(
    study: str,
    profile: str | None,
    settings: tuple[str, ...],
    name: str,
    where: tuple[str, ...],
    replica: int | None,
    store: Path | None,
    debugger: bool,
    file: Path | None,
) -> None:
    """Run one simulation of STUDY, here and now, and show everything.

    It is the first one, or the one that is asked for, with its own seed.
    Nothing is stored. Use it while writing a script, and to see again what
    failed in a run: --id takes what `failures` shows.

    \b
    Example:
      dask-espresso try lj_pressure.yaml --set volume_fraction=0.3
    """
    from dataclasses import replace

    from ..inputs.profile import load_profile
    from ..inputs.script_file import with_program
    from ..inputs.study import load_study
    from ..process.order import Workload
    from ..process.simulator import Simulator

    chosen = load_profile(profile)
    loaded = with_program(load_study(study, overrides(settings)), chosen)
    order, which = _order(loaded, name, where, replica, store or _store(loaded, settings))
    workload = Workload.of(loaded, chosen)
    # one is quickest as a fresh process
    workload = replace(workload, engine=replace(workload.engine, start="spawn"))
    simulator = Simulator()  # which starts no warm process: there is nothing to close
    found = simulator.probe(workload.engine)
    if found.error:
        raise InputError(found.error)
    click.echo(f"simulation {order.id}, {which}")
    if file:
        launcher = simulator.runner.rank_launcher(workload.engine) if found.launcher else []
        _write(file, workload, order, launcher)
        return
    _describe(workload, order, found)
    sys.exit(_debug(workload, order) if debugger else _run(simulator, workload, order))


def _order(
    study: Study, name: str, where: tuple[str, ...], replica: int | None, store: Path
) -> tuple[Order, str]:
    """Give the simulation that is asked for, and say which one that is."""
    from ..inputs.choice import Choice
    from ..process.order import Order
    from ..store.journal import journal_path

    try:
        place = int(Choice((name,) if name else (), where).places(study)[0])
    except InputError:
        if not (name and (store.exists() or journal_path(store).exists())):
            raise
        return _recorded_order(store, name)
    if replica is not None:
        if replica >= study.replicas:
            raise InputError(
                f"--replica {replica}: there are {study.replicas}, counted from 0, in this study"
            )
        place = replica * study.n_points + place % study.n_points
    number, point = divmod(place, study.n_points)
    which = f"point {point} of {study.n_points}, replica {number} of {study.replicas}"
    is_first = not (name or where or place)
    return (
        Order.of(study.simulation(place)),
        f"the first of {study.count}" if is_first else which,
    )


def _store(study: Study, settings: tuple[str, ...]) -> Path:
    from ..inputs.study import store_name

    return Path(store_name(study, overrides(settings)))


def _recorded_order(store: Path, name: str) -> tuple[Order, str]:
    """Give a simulation that only a store knows."""
    from ..process.order import Order
    from ..store.lookup import find

    found = find(store, name).outcome
    order = Order(found.id, found.parameters, found.replica, found.seed, attempt=1)
    return order, f"as recorded in {store}; it is not in this study"


def _write(file: Path, workload: Workload, order: Order, launcher: list[str]) -> None:
    """Write what a script gets, and say how it is started with that."""
    from ..process.by_hand import command_by_hand, write_parameters

    write_parameters(file, workload, order)
    click.echo(f"wrote {file}; to start it by hand:\n")
    click.echo(command_by_hand(file, workload, workload.engine, order, launcher))


def _describe(workload: Workload, order: Order, found: Probe) -> None:
    """Say what is about to run."""
    from ..engines import engine_command

    engine = workload.engine
    script = (workload.script,) if engine.takes_script else ()
    given = order.given(workload.call, "{directory}")
    click.echo(f"command    {' '.join((*engine_command(engine), *script, *given.arguments))}")
    click.echo(f"engine     {engine.name} {found.version}")
    if found.launcher:
        click.echo(f"launcher   {found.launcher}, {engine.ranks} ranks")
    for name, value in order.script_parameters.items():
        click.echo(f"  {name} = {value!r}")


def _debug(workload: Workload, order: Order) -> int:
    """Run it in the debugger; give the exit status."""
    from ..process.by_hand import debug
    from ..process.report import signal_name

    sys.stdout.flush()
    code = debug(workload, workload.engine, order)
    if code < 0:
        click.echo(
            f"ended by {signal_name(-code)}, which pdb does not see; what Python was doing is "
            "above, if the script had begun"
        )
    elif not code:
        click.echo("it ended without an exception")
    return 1 if code else 0


def _run(simulator: Simulator, workload: Workload, order: Order) -> int:
    """Run it, and show what comes of it; give the exit status."""
    from ..process.cause import brief
    from ..walltime import format_duration

    outcome = simulator.simulate(workload, order, on_output=_pass_on)
    click.echo(
        f"{outcome.status.label} in {format_duration(outcome.elapsed_time)}, "
        f"CPU {outcome.cpu_time:.2f} s, memory {(outcome.peak_memory or 0) / 2**20:.0f} MiB"
    )
    axes = json.loads(outcome.result_axes or "{}")
    for name, value in (outcome.result or {}).items():
        along = f" along {', '.join(axes[name])}" if name in axes else ""
        click.echo(f"  {name}{along} = {value!r}")
    if outcome.unread:
        click.echo(f"never read by the script: {', '.join(outcome.unread)}")
    if outcome.error:
        click.echo(brief(outcome.error))
    return 0 if outcome.is_done else 1


def _pass_on(output: bytes) -> None:
    sys.stderr.buffer.write(output)
    sys.stderr.flush()
