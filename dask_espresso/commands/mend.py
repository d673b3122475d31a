"""Growing and mending stores, without simulating."""

from __future__ import annotations

from pathlib import Path

import click

from .options import PATH
from .terminal import warn


@click.command()
@click.argument("stores", nargs=-1, required=True, type=PATH, metavar="A.h5 B.h5...")
@click.option("-o", "--output", required=True, type=PATH, metavar="C.h5", help="The new store.")
@click.option(
    "--changed-script", type=click.Choice(["keep", "drop"]),
    help="If they are of different versions of the script: keep all, or only what was recorded "
    "with that of the first.",
)  # fmt: skip
def merge(stores: tuple[Path, ...], output: Path, changed_script: str | None) -> None:
    """Write a new store that holds what several of one study do.

    The others stay as they are. It has the study of the first; `run` with the study of any of them
    goes on with it. Of a simulation that is in several, the one that is done and was started last
    is kept.

    \b
    Example:
      dask-espresso merge here.h5 there.h5 -o both.h5
    """
    from ..store.merge import merge_stores

    merged = merge_stores(stores, output, changed_script)
    said = f"wrote {output}: {merged.count} simulations"
    click.echo(f"{said}, {merged.in_several} of them in several" if merged.in_several else said)
    if merged.others:
        warn([f"{merged.others} of them are not in the study as it was run into {stores[0]}: "
              f"`run` with the study that has them, and --store {output}, shows them"])  # fmt: skip
    warn(merged.notes)
