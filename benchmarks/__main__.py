"""Measure what simulations cost: ``python -m benchmarks [--quick] [NAME …]``."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import click

from . import (
    cost,
    efficiency,
    lennard_jones,
    memory,
    pressure,
    recording,
    scale,
    scale_out,
    startup,
    stores,
)
from .measure import FailedError
from .report import describe_machine, markdown, write_json, write_page
from .rounds import say

HERE = Path(__file__).resolve().parent

BENCHMARKS = {
    "startup": startup.benchmark,
    "recording": recording.benchmark,
    "cost": cost.benchmark,
    "lennard-jones": lennard_jones.benchmark,
    "pressure": pressure.benchmark,
    "efficiency": efficiency.benchmark,
    "memory": memory.benchmark,
    "scale": scale.benchmark,
    "scale-out": scale_out.benchmark,
    "stores": stores.benchmark,
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHMARKS)))
@click.option("--quick", is_flag=True, help="A small form, of a few minutes for all.")
@click.option("--results", type=click.Path(path_type=Path), default=HERE / "results",
              help="Where a JSON file a benchmark goes.")  # fmt: skip
@click.option("--page", type=click.Path(path_type=Path),
              help="The page whose tables are replaced, with a JSON file beside it. Default: "
              "docs/benchmarks.md; with --quick, none.")  # fmt: skip
def main(names: tuple[str, ...], quick: bool, results: Path, page: Path | None) -> None:
    """Run benchmarks, by default all of them, one after another."""
    page = page or (None if quick else HERE.parent / "docs" / "benchmarks.md")
    found, failed = {}, []
    for name in names or BENCHMARKS:
        started, machine = time.monotonic(), describe_machine()
        say(f"{name} …")
        try:
            tables = [dataclasses.asdict(table) for table in BENCHMARKS[name](quick)]
        except FailedError as error:
            say(f"{name}: {error}")
            failed.append(name)
            continue
        found[name] = {"machine": machine, "quick": quick, "tables": tables}
        say(f"{name}: {time.monotonic() - started:.0f} s")
        # at once: what a later one does cannot lose it
        write_json(results / f"{name}.json", found[name])
        if page:
            write_page(page, {name: found[name]})
    click.echo(markdown(found))
    if failed:
        raise click.ClickException(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
