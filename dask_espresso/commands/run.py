"""Running a study, here or as a job."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from ..streams import check_output
from .options import (
    CHANGED_SCRIPT,
    NOT_DONE,
    ONLY,
    PROFILE,
    RETRY_FAILED,
    RUN_STORE,
    SET,
    STUDY,
    WHERE,
    YES,
    overrides,
)
from .terminal import agrees, console, is_watched, quiet_dask, warn

if TYPE_CHECKING:
    from ..inputs.choice import Choice
    from ..inputs.profile import Profile
    from ..inputs.study import Study
    from ..tally import Summary
    from ..views.preview import Preview


@click.command()
@STUDY
@PROFILE
@click.option(
    "--dry-run", is_flag=True, help="Say what would run, or why nothing would, and run nothing."
)
@RUN_STORE
@SET
@RETRY_FAILED
@CHANGED_SCRIPT
@ONLY
@WHERE
@NOT_DONE
@YES
def run(
    study: str,
    profile: str | None,
    dry_run: bool,
    store: Path | None,
    settings: tuple[str, ...],
    retry_failed: bool,
    changed_script: str | None,
    only: tuple[str, ...],
    where: tuple[str, ...],
    ended: tuple[str, ...],
    yes: bool,
) -> None:
    """Run what of STUDY is not in its store yet.

    With --only, --where or --status: of the simulations that meet all of
    these, what is not done, also what has failed. What is done stays.

    Exit status: 0 all done that was asked for, 1 some simulations did not end
    as done, 2 the input is wrong, 75 interrupted; running it again goes on.

    \b
    Example:
      dask-espresso run lj_pressure.yaml --profile slurm.yaml --set n_steps=200
    """
    quiet_dask()
    from ..inputs.profile import load_profile
    from ..inputs.study import load_study

    loaded, chosen = load_study(study, overrides(settings)), load_profile(profile)
    from ..cluster.reserve import workers_ahead
    from ..driver import InterruptedRunError, run_study  # they take longest, and may not be needed
    from ..views.progress import display_for

    path = store or default_store(loaded, settings)
    options: dict[str, Any] = {
        "retry_failed": retry_failed,
        "changed_script": changed_script,
        "choice": _choice(loaded, only, where, ended, changed_script),
    }
    may_ask = not (dry_run or yes)
    to_run = say_preview(path, loaded, chosen, is_all=dry_run, may_ask=may_ask, **options)
    if dry_run:
        from ..check.limits import refuse_as_run_would

        refuse_as_run_would(loaded, chosen, to_run)
        return
    with workers_ahead(chosen), display_for(console) as display:
        try:
            summary = run_study(loaded, chosen, path, display=display, **options)
        except InterruptedRunError as error:
            summary = error.summary
    say_summary(path, summary, is_all=not options["choice"])
    sys.exit(summary.exit_status)


def say_summary(path: Path, summary: Summary, *, is_all: bool) -> None:
    """Say what a run has come to, and what to do now."""
    from ..walltime import format_duration

    counts = ", ".join(f"{n} {status.label}" for status, n in sorted(summary.recorded.items()))
    total = f"{summary.total}{'' if is_all else ' asked for'}"
    click.echo(
        f"{path}: {counts or 'nothing recorded'} of {total}; this run recorded "
        f"{summary.started} in {format_duration(summary.elapsed_time)}"
    )
    if not is_all:
        if not summary.total:
            click.echo("there is nothing that was asked for")
        if summary.done_before:
            click.echo(
                f"{summary.done_before} of them were done already, and stay; what is to run once "
                "more, `dask-espresso forget` removes first"
            )
        click.echo(f"not asked for: {summary.left_out}, {summary.left_out_done} of them done")
    warn(f"warning: {said}" for said in summary.warnings)
    if summary.exit_status == 75:
        click.echo(f"stopped by {summary.interrupted}; the same command goes on")
    elif summary.exit_status:
        again = "--retry-failed" if is_all else "the same command"
        click.echo(f"see why: dask-espresso failures {path}; again: {again}")


@click.command()
@STUDY
@PROFILE
@click.option("--dry-run", is_flag=True, help="Show the job, and neither write nor submit it.")
@RUN_STORE
@SET
@RETRY_FAILED
@CHANGED_SCRIPT
@ONLY
@WHERE
@NOT_DONE
@YES
def submit(
    study: str,
    profile: str | None,
    dry_run: bool,
    store: Path | None,
    settings: tuple[str, ...],
    retry_failed: bool,
    changed_script: str | None,
    only: tuple[str, ...],
    where: tuple[str, ...],
    ended: tuple[str, ...],
    yes: bool,
) -> None:
    """Submit the driver as a job, which runs what of STUDY is not in its store yet.

    The job does what `dask-espresso run` does with the same options, for
    profiles of slurm, slurm-allocation and htcondor. Its file is written
    into the current directory, under the study's name.

    \b
    Example:
      dask-espresso submit lj_pressure.yaml --profile slurm.yaml --dry-run
    """
    from ..cluster.submission import driver_job
    from ..inputs.profile import load_profile
    from ..inputs.study import load_study

    loaded, chosen = load_study(study, overrides(settings)), load_profile(profile)
    path = store or default_store(loaded, settings)
    arguments = [study, "--profile", str(profile)]
    arguments += ["--store", str(store)] if store else []
    arguments += [word for setting in settings for word in ("--set", setting)]
    arguments += ["--retry-failed"] if retry_failed else []
    arguments += ["--changed-script", changed_script] if changed_script else []
    for option, values in (("--only", only), ("--where", where), ("--status", ended)):
        arguments += [word for value in values for word in (option, value)]
    job = driver_job(loaded.name, chosen, arguments)
    # what would stop the driver at once is better said now
    say_preview(
        path, loaded, chosen, is_all=False, may_ask=not (dry_run or yes),
        retry_failed=retry_failed, changed_script=changed_script,
        choice=_choice(loaded, only, where, ended, changed_script),
    )  # fmt: skip
    if dry_run:
        click.echo(f"{job.text}\n{job.path} would be submitted with: {job.command}")
        check_output()
        return
    job_id = job.submit()
    click.echo(f"submitted job {job_id}: {job.path}")
    click.echo(f"watch it: {job.watch} {job_id}; dask-espresso status {path}")
    click.echo(f"its log:  {job.log_of(job_id)}")
    click.echo(f"stop it:  {job.cancel} {job_id}; submitting it again goes on")


def _choice(
    study: Study,
    only: tuple[str, ...],
    where: tuple[str, ...],
    ended: tuple[str, ...],
    changed_script: str | None,
) -> Choice:
    """Say which simulations are asked for."""
    from ..inputs.choice import Choice
    from ..outcome import Status

    choice = Choice(only, where, tuple(status for status in Status if status.label in ended))
    choice.check_rerun(study, changed_script)
    return choice


def default_store(study: Study, settings: tuple[str, ...]) -> Path:
    """Name the store, and say so where it is not the study's own."""
    from ..inputs.study import store_name

    path = Path(store_name(study, overrides(settings)))
    if settings:
        warn([f"with --set, results go to {path}, a store of their own; --store names another"])
    return path


def say_preview(
    path: Path, study: Study, profile: Profile, *, is_all: bool, may_ask: bool, **options: Any
) -> int:
    """Say what a run would do, or only what it would throw away; ask before the latter.

    Returns
    -------
    int
        How many simulations would run.

    Raises
    ------
    InputError
        If the study cannot be run into the store, or the user does not want it to.
    """
    from ..inputs.program import engine_of
    from ..inputs.script_file import with_program
    from ..process.modules import find_code
    from ..views.preview import preview

    study = with_program(study, profile)
    engine = engine_of(study, profile)
    found = preview(path.absolute(), study, find_code(study, engine), **options)
    to_run = found.new + found.again
    if is_all:
        click.echo(f"{path}: {found}")
        warn(found.remedies)
        if said := _cost(path, found, engine.ranks):
            click.echo(said)
        return to_run
    if found.dropped:
        warn([f"{path}: {found}; they stay in the store, but are no longer part of the study"])
        warn(found.remedies)
    if found.replaced:
        warn([f"{path}: {found.replaced} results that are recorded run again, and are replaced"])
    if (found.dropped or found.replaced) and may_ask and is_watched() and not agrees():
        raise InputError(
            f"{path}: nothing was run, and nothing changed; put the study"
            f"{' and its script' * bool(found.replaced)} back as it was, or name another --store "
            "for this one"
        )
    return to_run


def _cost(path: Path, found: Preview, ranks: int) -> str:
    """Say what the run may cost; nothing where nothing was measured, or nothing would run."""
    from ..store.journal import journal_path
    from ..views.cost import expected_cost, measured_times

    if not path.exists() and not journal_path(path).exists():
        return ""
    most = None if found.at_most is None else found.at_most + found.again
    return expected_cost(measured_times(path), found.new + found.again, ranks, most)
