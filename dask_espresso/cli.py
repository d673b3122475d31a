"""The command line, ``dask-espresso``."""

from __future__ import annotations

import functools
import logging
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from rich.console import Console

from . import __version__
from .errors import DaskEspressoError, InputError
from .paths import expand
from .streams import check_output

if TYPE_CHECKING:
    from .inputs.profile import Profile
    from .inputs.study import Study

# texts are the user's: [b] and :x: stand for themselves
_literal_console = functools.partial(Console, markup=False, emoji=False)
_console = _literal_console(stderr=True)

# loggers with a level of their own; the first tells of Dask's tasks that nobody waits for any more
_TALKATIVE = ("asyncio", "distributed", "distributed.client")
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class _ExpandedPath(click.Path):
    """A path in which ``~`` and variables are replaced, also where no shell has done so."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it."""
        try:
            value = expand(str(value))
        except ValueError as error:
            name = param.human_readable_name if param else "path"
            raise InputError(f"{name}: {error}") from None
        return super().convert(value, param, ctx)


_PATH = _ExpandedPath(path_type=Path)


def _check_name(_context: click.Context, _parameter: click.Parameter, path: Path) -> Path:
    """Refuse what has no name to give to the files beside it."""
    if not path.name:
        raise InputError(f"{path}: no store; name a file, as in study.h5")
    return path


_STORE = click.argument("store", type=_PATH, callback=_check_name)
_PROFILE = click.option(
    "--profile", metavar="PROFILE", help="Where to run: a profile's file. Default: this machine."
)
_SET = click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE",
    help="Replace a parameter of the study, such as n_steps=200 or volume_fraction=[0.1,0.3], "
    "for a quick look.",
)  # fmt: skip

_RUN_STORE = click.option(
    "--store", metavar="FILE.h5", type=_PATH,
    help="Where the results go. Default: the study's name, with what is --set.",
)  # fmt: skip
_RETRY_FAILED = click.option(
    "--retry-failed", is_flag=True, help="Run again what did not end as done."
)
_CHANGED_SCRIPT = click.option(
    "--changed-script", type=click.Choice(["keep", "rerun"]),
    help="If the script has changed since: keep what is recorded, or run everything again.",
)  # fmt: skip


class _Commands(click.Group):
    """Turns the package's own errors into one message and their exit status."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line."""
        try:
            return super().main(*args, **kwargs)
        except DaskEspressoError as error:
            self._end(error)
        except Exception:
            from .inputs.dask_files import malformed_file

            if not (said := malformed_file()):
                raise
            self._end(InputError(said))

    def _end(self, error: DaskEspressoError) -> NoReturn:
        if "--debug" in sys.argv:
            traceback.print_exc()
        _console.print(f"Error: {error}", style="bold red", markup=False, soft_wrap=True)
        sys.exit(error.exit_status)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; click itself would end one that is interrupted with status 1."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would change the status
            _console.print("Interrupted.", style="bold red")
            sys.exit(75)


@click.group(cls=_Commands, context_settings=_SETTINGS)
@click.version_option(__version__)
@click.option("--debug", is_flag=True, help="Show tracebacks and debug messages.")
def main(debug: bool) -> None:
    """Run large numbers of short ESPResSo simulations, and keep their results.

    \b
    Example:
      dask-espresso init my_study
      cd my_study
      dask-espresso try study.yaml
      dask-espresso run study.yaml --profile profile.yaml
    """
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING,
        format="%(asctime)s %(name)s: %(message)s" if debug else "%(message)s",
    )
    try:
        Path.cwd()
    except FileNotFoundError:
        raise InputError("the current directory is gone; change to one that exists") from None


@main.command()
@click.argument("study")
@_PROFILE
@click.option(
    "--dry-run", is_flag=True, help="Say what would run, or why nothing would, and run nothing."
)
@_RUN_STORE
@_SET
@_RETRY_FAILED
@_CHANGED_SCRIPT
def run(
    study: str,
    profile: str | None,
    dry_run: bool,
    store: Path | None,
    settings: tuple[str, ...],
    retry_failed: bool,
    changed_script: str | None,
) -> None:
    """Run what of STUDY is not in its store yet.

    Exit status: 0 all done, 1 some simulations did not end as done, 2 the
    input is wrong, 75 interrupted; running it again goes on.

    \b
    Example:
      dask-espresso run lj_pressure.yaml --profile slurm.yaml --set n_steps=200
    """
    _quiet_dask()
    from .inputs.profile import load_profile
    from .inputs.study import load_study

    loaded, chosen = load_study(study, _overrides(settings)), load_profile(profile)
    from .driver import InterruptedRunError, run_study  # they take longest, and may not be needed
    from .views.progress import display_for
    from .walltime import format_duration

    path = store or _default_store(loaded, settings)
    to_run = _preview(
        path, loaded, chosen, is_all=dry_run, may_ask=not dry_run,
        retry_failed=retry_failed, changed_script=changed_script,
    )  # fmt: skip
    if dry_run:
        _refuse_as_run_would(loaded, chosen, to_run)
        return
    with display_for(_console) as display:
        try:
            summary = run_study(
                loaded, chosen, path, retry_failed=retry_failed,
                changed_script=changed_script, display=display,
            )  # fmt: skip
        except InterruptedRunError as error:
            summary = error.summary
    counts = ", ".join(f"{n} {status.label}" for status, n in sorted(summary.recorded.items()))
    click.echo(
        f"{path}: {counts or 'nothing recorded'} of {summary.total}; this run recorded "
        f"{summary.started} in {format_duration(summary.elapsed_time)}"
    )
    _warn(f"warning: {said}" for said in summary.warnings)
    if summary.exit_status == 75:
        click.echo(f"stopped by {summary.interrupted}; the same command goes on")
    elif summary.exit_status:
        click.echo(f"see why: dask-espresso status {path}; again: --retry-failed")
    sys.exit(summary.exit_status)


@main.command()
@click.argument("study")
@_PROFILE
@click.option("--dry-run", is_flag=True, help="Show the job, and neither write nor submit it.")
@_RUN_STORE
@_SET
@_RETRY_FAILED
@_CHANGED_SCRIPT
def submit(
    study: str,
    profile: str | None,
    dry_run: bool,
    store: Path | None,
    settings: tuple[str, ...],
    retry_failed: bool,
    changed_script: str | None,
) -> None:
    """Submit the driver as a job, which runs what of STUDY is not in its store yet.

    The job does what `dask-espresso run` does with the same options, for
    profiles of slurm, slurm-allocation and htcondor. Its file is written
    into the current directory, under the study's name.

    \b
    Example:
      dask-espresso submit lj_pressure.yaml --profile slurm.yaml --dry-run
    """
    from .cluster.submission import driver_job
    from .inputs.profile import load_profile
    from .inputs.study import load_study

    loaded, chosen = load_study(study, _overrides(settings)), load_profile(profile)
    path = store or _default_store(loaded, settings)
    arguments = [study, "--profile", str(profile)]
    arguments += ["--store", str(store)] if store else []
    arguments += [word for setting in settings for word in ("--set", setting)]
    arguments += ["--retry-failed"] if retry_failed else []
    arguments += ["--changed-script", changed_script] if changed_script else []
    job = driver_job(loaded.name, chosen, arguments)
    # what would stop the driver at once is better said now
    _preview(
        path, loaded, chosen, is_all=False, may_ask=not dry_run,
        retry_failed=retry_failed, changed_script=changed_script,
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


@main.command()
@click.argument("study", required=False)
@_PROFILE
@_SET
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
    _quiet_dask()
    from .check.check import check_profile
    from .check.findings import Report
    from .inputs.profile import load_profile
    from .inputs.study import load_study
    from .walltime import parse_duration

    if settings and not study:
        raise InputError("--set has no effect without a study; name one")
    try:
        patience = parse_duration(timeout)
    except ValueError as error:
        raise InputError(f"--timeout {error}") from error
    loaded = load_study(study, _overrides(settings)) if study else None
    report = Report(_say_finding)
    check_profile(load_profile(profile), loaded, timeout=patience, report=report)
    if report.faults:
        click.echo(f"{report.faults} FAIL: mend the first one first, and check again")
        sys.exit(1)
    click.echo("it works; mind the notes" if report.notes else "it works")


def _say_finding(mark: str, text: str) -> None:
    colors = {"FAIL": "red", "note": "yellow", "ok": "green"}
    marked = click.style(f"{mark:4}", fg=colors.get(mark), bold=mark == "FAIL")
    click.echo(f"{marked}  {text}".replace("\n", "\n      "))


@main.command("try")
@click.argument("study")
@_PROFILE
@_SET
def try_(study: str, profile: str | None, settings: tuple[str, ...]) -> None:
    """Run one simulation of STUDY, here and now, and show everything.

    Nothing is stored. Use it while writing a script.

    \b
    Example:
      dask-espresso try lj_pressure.yaml --set volume_fraction=0.3
    """
    from dataclasses import replace

    from .engines import engine_command
    from .inputs.profile import load_profile
    from .inputs.study import load_study
    from .process.cause import brief
    from .process.order import Order, Workload
    from .process.probe import probe
    from .process.task import simulate
    from .walltime import format_duration

    loaded = load_study(study, _overrides(settings))
    workload = Workload.of(loaded, load_profile(profile))
    engine = replace(workload.engine, start="spawn")  # one is quickest as a fresh process
    found = probe(engine)
    if found.error:
        raise InputError(found.error)
    order = Order.of(next(loaded.simulations()))
    click.echo(f"simulation {order.id}, the first of {loaded.count}")
    click.echo(f"command    {' '.join(engine_command(engine))} {loaded.script_path}")
    click.echo(f"engine     {engine.name} {found.version}")
    if found.launcher:
        click.echo(f"launcher   {found.launcher}, {engine.ranks} ranks")
    for name, value in order.script_parameters.items():
        click.echo(f"  {name} = {value!r}")
    outcome = simulate(replace(workload, engine=engine), order, on_output=_pass_on)
    click.echo(
        f"{outcome.status.label} in {format_duration(outcome.elapsed_time)}, "
        f"CPU {outcome.cpu_time:.2f} s, memory {(outcome.peak_memory or 0) / 2**20:.0f} MiB"
    )
    for name, value in (outcome.result or {}).items():
        click.echo(f"  {name} = {value!r}")
    if outcome.unread:
        click.echo(f"never read by the script: {', '.join(outcome.unread)}")
    if outcome.error:
        click.echo(brief(outcome.error))
    sys.exit(0 if outcome.is_done else 1)


def _pass_on(output: bytes) -> None:
    sys.stderr.buffer.write(output)
    sys.stderr.flush()


@main.command()
@_STORE
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(store: Path, as_json: bool) -> None:
    """Say how far the study in STORE is; also while it runs.

    \b
    Example:
      dask-espresso status lj_pressure.h5
    """
    from .views.status import print_status, status_report

    report = status_report(store)
    if as_json:
        import json

        click.echo(json.dumps(report, indent=2))
    else:
        print_status(report, _output())
    check_output()


@main.command()
@_STORE
def show(store: Path) -> None:
    """Show a table of results: a row a point, its replicas pooled.

    \b
    Example:
      dask-espresso show lj_pressure.h5
    """
    from .views.report import print_table

    _warn(print_table(store, _output()))
    check_output()


@main.command()
@_STORE
@click.option("-o", "--output", type=_PATH,
              help="A .png, .pdf or .svg. Default: the store with .png.")  # fmt: skip
@click.option("-x", "x_name", metavar="PARAMETER", help="Default: the first one swept.")
@click.option("-y", "y_name", metavar="RESULT", help="Default: the first number.")
def plot(store: Path, output: Path | None, x_name: str | None, y_name: str | None) -> None:
    """Plot a result against a parameter, with error bars.

    Replicas are pooled. A reference curve is drawn where the study names one.

    \b
    Example:
      dask-espresso plot lj_pressure.h5 -o curve.pdf
    """
    from .views.report import plot_store

    path = output or store.with_suffix(".png")
    notes = plot_store(store, path, x_name, y_name)
    click.echo(f"wrote {path}")
    _warn(notes)


@main.command()
@_STORE
@click.argument("file", type=_PATH)
def export(store: Path, file: Path) -> None:
    """Write every simulation as a row of FILE: .csv, .json or .parquet.

    \b
    Example:
      dask-espresso export lj_pressure.h5 lj_pressure.csv
    """
    from .views.export import export_store

    rows = export_store(store, file)
    click.echo(f"wrote {file}: {rows} rows")


@main.command()
@click.argument("directory", type=_PATH)
@click.option("--engine", type=click.Choice(["espresso", "lammps"]),
              help="Default: ESPResSo where it is found, else LAMMPS.")  # fmt: skip
def init(directory: Path, engine: str | None) -> None:
    """Make DIRECTORY with a study, a profile and a script to start from.

    \b
    Example:
      dask-espresso init my_study
    """
    from .starter import start_directory

    start = start_directory(directory, engine)
    click.echo(f"made {', '.join(str(path) for path in start.made)}")
    click.echo(start.reason)
    place = f"./{directory}" if str(directory).startswith("-") else str(directory)
    place = shlex.quote(place)
    click.echo(f"next: cd {place}; dask-espresso try study.yaml")


@main.command("job-script")
@click.argument("profile")
def job_script_(profile: str) -> None:
    """Show the job that would be submitted for each worker of PROFILE.

    \b
    Example:
      dask-espresso job-script slurm.yaml
    """
    from .cluster.cluster import job_script
    from .inputs.profile import load_profile

    click.echo(job_script(load_profile(profile)))
    check_output()


def _quiet_dask() -> None:
    """Keep to --debug what dask says of workers that come and go; it asks when it is imported.

    The environment is that of workers on this machine alone: those on a cluster keep their logs.
    """
    import dask

    if not click.get_current_context().find_root().params["debug"]:
        dask.config.set(
            {
                "logging": dict.fromkeys(_TALKATIVE, "critical"),
                "distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED": "critical",
            }
        )


def _output() -> Console:
    """Give standard output; what is not a terminal is not wrapped."""
    console = _literal_console()
    return console if console.is_terminal else _literal_console(width=10_000)


def _warn(notes: Iterable[str]) -> None:
    for note in notes:
        _console.print(note, style="yellow", highlight=False, soft_wrap=True)


def _default_store(study: Study, settings: tuple[str, ...]) -> Path:
    """Name the store, and say so where it is not the study's own."""
    from .inputs.study import store_name

    path = Path(store_name(study, _overrides(settings)))
    if settings:
        _warn([f"with --set, results go to {path}, a store of their own; --store names another"])
    return path


def _preview(
    path: Path, study: Study, profile: Profile, *, is_all: bool, may_ask: bool, **options: Any
) -> int:
    """Say what a run would do, or only what it would no longer count; ask before the latter.

    Returns
    -------
    int
        How many simulations would run.

    Raises
    ------
    InputError
        If the study cannot be run into the store, or the user does not want it to.
    """
    from .process.modules import find_modules
    from .views.preview import preview

    modules = find_modules(study.script_path, profile.engine(study.engine))
    found = preview(path.absolute(), study, modules, **options)
    if is_all:
        click.echo(f"{path}: {found}")
    elif found.dropped:
        _warn([f"{path}: {found}; they stay in the store, but are no longer part of the study"])
        if may_ask and _is_watched() and not _agrees():
            raise InputError(
                f"{path}: nothing was run, and nothing changed; put the study back as it was, or "
                "name another --store for this one"
            )
    return found.new + found.again


def _refuse_as_run_would(study: Study, profile: Profile, to_run: int) -> None:
    """Refuse what a run would refuse at once, as far as that can be known here."""
    from dataclasses import replace

    from .check.limits import check_time_limit
    from .process.probe import probe

    check_time_limit(study, profile)
    if to_run and profile.cluster == "local":
        found = probe(replace(profile.engine(study.engine), start="spawn"))
        if found.error:
            raise InputError(found.error)


def _is_watched() -> bool:
    """Say whether there is somebody to ask; a job in the background would stop for ever."""
    try:
        is_terminal = sys.stdin.isatty() and sys.stderr.isatty()
        return is_terminal and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):  # closed
        return False


def _agrees() -> bool:
    try:
        return click.confirm("go on?", err=True)
    except click.Abort:
        return False


def _overrides(settings: tuple[str, ...]) -> dict[str, str]:
    overrides: dict[str, str] = {}
    for setting in settings:
        name, sign, value = setting.partition("=")
        if not sign:
            raise InputError(f"--set {setting}: write NAME=VALUE")
        if name in overrides:
            raise InputError(
                f"--set {setting}: {name} is set twice; write one, or --set {name}=[…] for several"
            )
        overrides[name] = value
    return overrides
