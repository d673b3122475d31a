"""Trying a profile and a script, before there is a run."""

from __future__ import annotations

import json
import sys

import click

from ..errors import InputError
from .options import PROFILE, SET, overrides
from .terminal import quiet_dask


@click.command()
@click.argument("study", required=False)
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
@click.argument("study")
@PROFILE
@SET
def try_(study: str, profile: str | None, settings: tuple[str, ...]) -> None:
    """Run one simulation of STUDY, here and now, and show everything.

    Nothing is stored. Use it while writing a script.

    \b
    Example:
      dask-espresso try lj_pressure.yaml --set volume_fraction=0.3
    """
    from dataclasses import replace

    from ..engines import engine_command
    from ..inputs.profile import load_profile
    from ..inputs.script_file import with_program
    from ..inputs.study import load_study
    from ..process.cause import brief
    from ..process.order import Order, Workload
    from ..process.simulator import Simulator
    from ..walltime import format_duration

    chosen = load_profile(profile)
    loaded = with_program(load_study(study, overrides(settings)), chosen)
    workload = Workload.of(loaded, chosen)
    engine = replace(workload.engine, start="spawn")  # one is quickest as a fresh process
    simulator = Simulator()  # which starts no warm process: there is nothing to close
    found = simulator.probe(engine)
    if found.error:
        raise InputError(found.error)
    order = Order.of(next(loaded.simulations()))
    click.echo(f"simulation {order.id}, the first of {loaded.count}")
    script = (str(loaded.script_path),) if engine.takes_script else ()
    words = (*engine_command(engine), *script)
    given = order.given(workload.call, "{directory}")
    click.echo(f"command    {' '.join(words + given.arguments)}")
    click.echo(f"engine     {engine.name} {found.version}")
    if found.launcher:
        click.echo(f"launcher   {found.launcher}, {engine.ranks} ranks")
    for name, value in order.script_parameters.items():
        click.echo(f"  {name} = {value!r}")
    outcome = simulator.simulate(replace(workload, engine=engine), order, on_output=_pass_on)
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
    sys.exit(0 if outcome.is_done else 1)


def _pass_on(output: bytes) -> None:
    sys.stderr.buffer.write(output)
    sys.stderr.flush()
