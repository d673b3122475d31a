"""Looking at what a study comes to, and at what a store holds."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import InputError
from ..streams import check_output
from .options import CONFIDENCE, NOT_DONE, PATH, SET, STORE, STORES, STUDY, WHERE, overrides
from .terminal import key_waiter, output_console, warn


@click.command()
@STORE
@click.option("--json", "as_json", is_flag=True, help="For programs: everything, of all points.")
@click.option("--watch", is_flag=True, help="Show it again every 2 s, until q or Ctrl-C, or all is "
              "done. Without a terminal, print it every 10 s.")  # fmt: skip
def status(store: Path, as_json: bool, watch: bool) -> None:
    """Say how far the study in STORE is; also while it runs.

    With --watch it follows the study, from any node: it reads the store only,
    and waits for one that is not there yet.

    \b
    Example:
      dask-espresso status lj_pressure.h5 --watch
    """
    if watch:
        _watch(store, as_json)
        return
    from ..views.status import LISTED, print_status, status_report

    report = status_report(store, None if as_json else LISTED)
    if as_json:
        import json

        click.echo(json.dumps(report, indent=2))
    else:
        print_status(report, output_console())
    check_output()


def _watch(store: Path, as_json: bool) -> None:
    """Follow a study until somebody ends that; it is no error to have seen enough."""
    if as_json:
        raise InputError("--json says everything once, and --watch is for people; leave one out")
    from ..signals import ended_by_ctrl_c
    from ..streams import is_output_lost
    from ..views.watch import watch

    with ended_by_ctrl_c(), key_waiter() as wait:
        watch(store, output_console(), wait, is_output_lost)
    check_output()


@click.command()
@STORE
@click.option("--json", "as_json", is_flag=True, help="For programs: all simulations.")
@WHERE
@NOT_DONE
def failures(store: Path, as_json: bool, where: tuple[str, ...], ended: tuple[str, ...]) -> None:
    """Say which simulations in STORE are not done, by their cause; also while it runs.

    Of each cause: what is special of these simulations, if anything is, such
    as a node or a region of the parameters, and their ids. What is said of a
    region is exact: nothing that is recorded there is done.

    \b
    Example:
      dask-espresso failures lj_pressure.h5
    """
    from ..outcome import Status
    from ..views.failures import LISTED, failures_report, print_failures

    statuses = [status for status in Status if status.label in ended]
    report = failures_report(store, where, statuses, None if as_json else LISTED)
    if as_json:
        import json

        click.echo(json.dumps(report, indent=2))
    else:
        print_failures(report, output_console())
    check_output()


@click.command()
@STORE
@click.argument("simulation", metavar="ID")
def log(store: Path, simulation: str) -> None:
    """Show all that is known of one simulation in STORE, and what it printed.

    ID is as `failures` shows it, or the beginning of it.

    \b
    Example:
      dask-espresso log lj_pressure.h5 4ecb4811
    """
    from ..views.log import print_log

    print_log(store, simulation, output_console())
    check_output()


@click.command()
@STUDY
@click.option("--store", metavar="FILE.h5", type=PATH,
              help="Say what of them is there. Default: the study's, if there is one.")  # fmt: skip
@SET
@click.option("--csv", "file", metavar="FILE.csv", type=PATH,
              help="Write all points into a table.")  # fmt: skip
def points(study: str, store: Path | None, settings: tuple[str, ...], file: Path | None) -> None:
    """Show which points STUDY has, and what of them is done.

    Nothing is run, and nothing changes.

    \b
    Example:
      dask-espresso points lj_pressure.yaml
    """
    from ..inputs.study import load_study, store_name
    from ..store.journal import journal_path
    from ..views.listing import print_points, recorded, write_points

    loaded = load_study(study, overrides(settings))
    path = store or Path(store_name(loaded, overrides(settings)))
    is_there = store or path.exists() or journal_path(path).exists()
    print_points(loaded, recorded(path, loaded) if is_there else None, output_console())
    if file:
        write_points(loaded, file, path)
        click.echo(f"wrote {file}: {loaded.n_points} points")
    check_output()


@click.command()
@STORE
@CONFIDENCE
@click.option("--all", "is_all", is_flag=True,
              help="Also what is recorded, and not part of the study as it is now.")  # fmt: skip
@click.option("--provenance", "is_provenance", is_flag=True,
              help="Instead: texts, commit, engine, who, when, which versions.")  # fmt: skip
def show(store: Path, confidence: float | None, is_all: bool, is_provenance: bool) -> None:
    """Show a table of results: a row a point, its replicas pooled.

    2.4233(40) is 2.4233 give or take 0.0040: one standard error, or --confidence.
    With --provenance: where all this came from.

    \b
    Example:
      dask-espresso show lj_pressure.h5
    """
    if is_provenance:
        from ..views.provenance import print_provenance

        print_provenance(store, output_console())
    else:
        from ..views.show import print_table

        warn(print_table(store, output_console(), confidence, is_all))
    check_output()


@click.command()
@STORES
@click.option("-o", "--output", type=PATH,
              help="A .png, .pdf or .svg. Default: the store with .png.")  # fmt: skip
@click.option("-x", "x_name", metavar="PARAMETER", help="Default: the first one swept.")
@click.option("-y", "y_name", metavar="RESULT",
              help="Default: the first number; of a map, the second parameter swept.")  # fmt: skip
@click.option("--series", metavar="PARAMETER",
              help="What tells curves apart. Default: all other swept parameters.")  # fmt: skip
@click.option("--color", metavar="RESULT", help="A map: this against two parameters, -x and -y.")
@WHERE
@click.option("--log", type=click.Choice(["x", "y", "xy", "none"]),
              help="Logarithmic axes. Default: where the study says scale: log.")  # fmt: skip
@click.option("--residuals", is_flag=True,
              help="Beneath: the distance from the reference, in standard errors.")  # fmt: skip
@CONFIDENCE
def plot(
    stores: tuple[Path, ...],
    output: Path | None,
    x_name: str | None,
    y_name: str | None,
    series: str | None,
    color: str | None,
    where: tuple[str, ...],
    log: str | None,
    residuals: bool,
    confidence: float | None,
) -> None:
    """Plot a result against a parameter, with error bars.

    Replicas are pooled. The bars are one standard error, or --confidence. A result that is a curve
    is drawn along its axis, as a line with a band. A reference curve is drawn where the study names
    one. Of several stores, the legend has the names.

    \b
    Examples:
      dask-espresso plot lj_pressure.h5 -o curve.pdf
      dask-espresso plot my_study.h5 -x kappa -y energy --series phi --where 'phi < 0.4' --log xy
      dask-espresso plot my_study.h5 --color energy
    """
    from ..views.drawing import Picture
    from ..views.picture import plot_stores

    if len(stores) > 1 and not output:
        raise InputError("name the picture of several stores: -o both.png")
    path = output or stores[0].with_suffix(".png")
    picture = Picture(x_name, y_name, series, where, log, confidence, residuals, color)
    notes = plot_stores(stores, path, picture)
    click.echo(f"wrote {path}")
    warn(notes)


@click.command()
@STORE
@click.argument("file", type=PATH)
def export(store: Path, file: Path) -> None:
    """Write every simulation as a row of FILE: .csv, .json or .parquet.

    \b
    Example:
      dask-espresso export lj_pressure.h5 lj_pressure.csv
    """
    from ..views.export import export_store

    rows = export_store(store, file)
    click.echo(f"wrote {file}: {rows} rows")


@click.command()
@STORE
@click.option("-o", "--output", type=PATH, metavar="FILE.html",
              help="Default: the store with .html.")  # fmt: skip
@CONFIDENCE
def report(store: Path, output: Path | None, confidence: float | None) -> None:
    """Write a page about STORE: results, failures, cost.

    It is one file that opens without a network, in any browser, and runs nothing of a result's.

    \b
    Example:
      dask-espresso report lj_pressure.h5
    """
    from ..views.report import write_report

    path = output or store.with_suffix(".html")
    notes = write_report(store, path, confidence)
    click.echo(f"wrote {path}")
    warn(notes)


@click.command()
@STORE
@click.argument("simulation", metavar="[ID]", default="")
def files(store: Path, simulation: str) -> None:
    """Say which simulations in STORE have left files; or give the paths of those of one, by its ID.

    A study says with `keep` which files stay. Of one simulation, it is seen
    whether they are as they were recorded.

    \b
    Example:
      dask-espresso files lj_pressure.h5
    """
    from ..views.files import print_files

    notes = print_files(store, simulation, output_console())
    check_output()
    warn(notes)
