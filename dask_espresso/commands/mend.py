"""Growing and mending stores, without simulating."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import InputError
from .options import CHANGED_SCRIPT, PATH, PROFILE, STORE, Words
from .terminal import agrees, console, is_watched, quiet_dask, warn

if TYPE_CHECKING:
    from ..analysis import Analysed
    from ..store.selection import Selection


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
    from ..kept import files_path
    from ..store.merge import merge_stores

    merged = merge_stores(stores, output, changed_script)
    said = f"wrote {output}: {merged.count} simulations"
    click.echo(f"{said}, {merged.in_several} of them in several" if merged.in_several else said)
    if merged.with_files:
        files = files_path(output)
        click.echo(f"files of {merged.with_files} of them are in {files}, linked where that can be")
    if merged.others:
        warn([f"{merged.others} of them are not in the study as it was run into {stores[0]}: `show "
              "--all` shows them, and `run` of the study that has them goes on"])  # fmt: skip
    warn(merged.notes)


_ENDED = ("done", "failed", "timed out", "lost", "not finite")


@click.command()
@STORE
@click.option("--where", multiple=True, metavar="CONDITION",
              help="Those of which this is true, such as 'phi > 0.3 and replica >= 4'. Given more "
              "than once, all of it.")  # fmt: skip
@click.option("--status", "ended", multiple=True, type=Words(_ENDED),
              help="Those that ended like this; may be given more than once.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be forgotten, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(
    store: Path, where: tuple[str, ...], ended: tuple[str, ...], dry_run: bool, yes: bool
) -> None:
    """Remove outcomes from STORE, for good.

    What is still part of the study runs again with the next `run`.

    \b
    Example:
      dask-espresso forget lj_pressure.h5 --where 'volume_fraction > 0.4' --dry-run
    """
    from ..inputs.stored_study import stored_study
    from ..kept import files_path, is_removal_announced
    from ..outcome import Status
    from ..store.reading import look_at_rows, store_path
    from ..store.selection import select
    from ..store.store import mend_store

    if not where and not ended:
        raise InputError(f"{store}: say what is to be forgotten, by --where or --status")
    statuses = [status for status in Status if status.label in ended]

    def find() -> Selection:
        return look_at_rows(
            store,
            lambda rows, contents: select(
                rows, where, statuses, stored_study(contents.study).lineage
            ),
        )

    found = find()
    if not found.ids or dry_run:
        if not dry_run and is_removal_announced(files_path(store_path(store))):
            mend_store(store).close()  # ends what one before was killed at
        click.echo(f"{store}: {_described(found, 'would be forgotten')}")
        return
    with mend_store(store) as mended:
        found = find()  # what a driver has just recorded, too
        if not yes:
            _ask(store, found)
        mended.forget(found.ids)
    click.echo(f"{store}: {_described(found, 'forgotten')}")


def _described(found: Selection, what: str) -> str:
    """Say how many outcomes are meant, how they ended, and how many stay."""
    if not found.ids:
        return f"none of {found.size} outcomes is meant; nothing changes"
    counts = ", ".join(f"{count} {status.label}" for status, count in found.statuses.items())
    stay = found.size - len(found.ids)
    return f"{len(found.ids)} of {found.size} outcomes {what} ({counts}), {stay} stay"


def _ask(store: Path, found: Selection) -> None:
    """Go on only where the user says so."""
    said = _described(found, "are about to be forgotten")
    if not is_watched():
        raise InputError(f"{store}: {said}; nothing was forgotten yet: add --yes")
    warn([f"{store}: {said}; nothing brings them back"])
    if not agrees():
        raise InputError(f"{store}: nothing was forgotten")


@click.command()
@STORE
@click.argument("script", type=PATH)
@PROFILE
@click.option("--engine", metavar="NAME", default="python", show_default=True,
              help="What runs SCRIPT, as in a study.")  # fmt: skip
@click.option("--where", multiple=True, metavar="CONDITION",
              help="Only simulations of which this is true, such as 'phi > 0.3'. Given more than "
              "once, all of it.")  # fmt: skip
@click.option("--time-limit", metavar="DURATION", help="For one simulation, such as 10 min.")
@CHANGED_SCRIPT
def analyze(
    store: Path,
    script: Path,
    profile: str | None,
    engine: str,
    where: tuple[str, ...],
    time_limit: str | None,
    changed_script: str | None,
) -> None:
    """Add to the results in STORE what SCRIPT makes of them, without simulating.

    SCRIPT runs once for each simulation that is done, and has not been
    analysed by it. It gets what is recorded of that one, and gives a dict of
    new results.

    Exit status: 0 all are analysed, 1 some could not be, 2 the input is
    wrong, 75 interrupted; running it again goes on.

    \b
    Example:
      dask-espresso analyze polymer.h5 radius.py
    """
    quiet_dask()
    from ..analysis import analyze_store
    from ..inputs.profile import load_profile
    from ..views.progress import display_for
    from ..walltime import parse_duration

    try:
        limit = parse_duration(time_limit) if time_limit else None
    except ValueError as error:
        raise InputError(f"--time-limit {error}") from error
    chosen = load_profile(profile)
    with display_for(console) as display:
        analysed = analyze_store(
            store, script, chosen, engine=engine, where=where, time_limit=limit,
            changed_script=changed_script, display=display,
        )  # fmt: skip
    said = [f"{analysed.done} of {analysed.wanted} simulations analysed by {analysed.name}"]
    said += [f"{analysed.before} were already"] if analysed.before else []
    click.echo(f"{store}: {', '.join(said)}")
    warn(_not_analysed(analysed))
    if analysed.exit_status == 75:
        click.echo(f"stopped by {analysed.interrupted}; the same command goes on")
    sys.exit(analysed.exit_status)


def _not_analysed(analysed: Analysed) -> Iterator[str]:
    """Say of which simulations there are no results of an analysis, or others, and why."""
    from ..views.texts import some_of

    for reason, ids in analysed.failed.items():
        yield f"{len(ids)} could not be analysed ({some_of(ids)}): {reason}"
    if analysed.kept:
        yield f"{analysed.kept} have results of another version of {analysed.name}, which stay"
