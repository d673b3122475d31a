"""What simulations have cost, and will cost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from ..streams import check_output
from .options import CHANGED_SCRIPT, PATH, PROFILE, RUN_STORE, SET, YES, overrides
from .run import default_store, say_preview, say_summary
from .terminal import console, output_console, quiet_dask

if TYPE_CHECKING:
    from ..inputs.profile import Profile


@click.command()
@click.argument("target", metavar="STORE|STUDY", type=PATH)
@PROFILE
@click.option("--watts", metavar="NUMBER", type=click.FloatRange(min=0), default=10.0,
              show_default=True, help="Of a core, with memory, network and cooling.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="For programs: all points.")
@click.option("--pilot", metavar="NUMBER", type=click.IntRange(min=1),
              help="Run so many simulations of STUDY first, spread over its points.")  # fmt: skip
@RUN_STORE
@SET
@CHANGED_SCRIPT
@YES
def cost(
    target: Path,
    profile: str | None,
    watts: float,
    as_json: bool,
    pilot: int | None,
    store: Path | None,
    settings: tuple[str, ...],
    changed_script: str | None,
    yes: bool,
) -> None:
    """Say what the simulations in STORE have cost, or with --pilot what STUDY will.

    Core hours, by point and in all, what of them was used, what is to come,
    and what a profile might ask for. Each number says whether it is measured
    or an estimate. A pilot's simulations are some of the study's own: they
    stay in its store, and `run` goes on from there. The last options are
    those of `run`, for a pilot.

    \b
    Examples:
      dask-espresso cost lj_pressure.h5 --profile slurm.yaml
      dask-espresso cost lj_pressure.yaml --pilot 8 --profile slurm.yaml
    """
    if pilot:
        _run_pilot(str(target), profile, pilot, store, settings, changed_script,
                   as_json=as_json, may_ask=not yes)  # fmt: skip
        return
    from ..views.bill import MOST_POINTS, print_spending
    from ..views.spending import spending_report

    if target.suffix in (".yaml", ".yml"):
        name = target.with_suffix(".h5").name
        raise InputError(f"{target}: is no store; name one, such as {name}, or add --pilot 8")
    if store or settings or changed_script or yes:
        raise InputError(
            "--store, --set, --changed-script and --yes are for --pilot NUMBER; add it, with a "
            "study, or leave them out"
        )
    listed = None if as_json else MOST_POINTS
    report = spending_report(target, _loaded(profile), watts, listed)
    if as_json:
        _write(report)
    else:
        print_spending(report, output_console())
    check_output()


def _loaded(profile: str | None) -> Profile | None:
    if profile is None:
        return None
    from ..inputs.profile import load_profile  # late: what checks profiles takes long to import

    return load_profile(profile)


def _write(report: dict[str, Any] | None) -> None:
    import json

    click.echo(json.dumps(report, indent=2))


def _run_pilot(
    study: str,
    profile: str | None,
    count: int,
    store: Path | None,
    settings: tuple[str, ...],
    changed_script: str | None,
    *,
    as_json: bool,
    may_ask: bool,
) -> None:
    """Run a pilot, and say what the whole will take."""
    quiet_dask()
    from ..inputs.choice import Choice
    from ..inputs.profile import load_profile
    from ..inputs.study import load_study

    loaded, chosen = load_study(study, overrides(settings)), load_profile(profile)
    from ..driver import InterruptedRunError, run_study
    from ..views.pilot import describe_pilot, pilot_report
    from ..views.progress import display_for

    path = store or default_store(loaded, settings)
    options: dict[str, Any] = {"changed_script": changed_script, "choice": Choice(spread=count)}
    say_preview(path, loaded, chosen, is_all=False, may_ask=may_ask, **options)
    with display_for(console) as display:
        try:
            summary = run_study(loaded, chosen, path, display=display, **options)
        except InterruptedRunError as error:
            summary = error.summary
    report = pilot_report(path, count, chosen) if summary.recorded else None
    if as_json:
        _write(report)
    else:
        say_summary(path, summary, is_all=False)
        for line in describe_pilot(report) if report else ():
            click.echo(line)
    check_output()
    sys.exit(summary.exit_status)
