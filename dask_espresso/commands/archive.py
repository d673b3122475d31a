"""A store for a journal's archive, and back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import InputError
from ..streams import check_output
from .options import PATH, PROFILE, STORE, complete_files
from .terminal import agrees, is_watched, quiet_dask, warn

if TYPE_CHECKING:
    from ..archive.again import Again


@click.command()
@STORE
@click.option("-o", "--output", type=PATH, metavar="DIR.crate",
              help="A folder, or a .zip. Default: the store with .crate.")  # fmt: skip
@click.option("--author", "authors", multiple=True, metavar="AUTHOR",
              help="'Name', or 'Name <https://orcid.org/…>'; of each of them.")  # fmt: skip
@click.option("--license", "license_", default="", metavar="LICENSE",
              help="An SPDX identifier, such as CC-BY-4.0, or an address.")  # fmt: skip
@click.option("--title", default="", help="Default: made of the study's name.")
@click.option("--description", default="", help="What it is about, in a sentence or two.")
@click.option("--study", metavar="STUDY", shell_complete=complete_files,
              help="Has the script, where an old store does not hold its text.")  # fmt: skip
@PROFILE
@click.option("--force", is_flag=True, help="Replace a crate that is there already.")
def archive(
    store: Path,
    output: Path | None,
    authors: tuple[str, ...],
    license_: str,
    title: str,
    description: str,
    study: str | None,
    profile: str | None,
    force: bool,
) -> None:
    """Write STORE, with all that belongs to it, as an RO-Crate.

    The study, scripts and modules that run as they are, profiles, results,
    files that stayed, a report, and what made all this: for a journal's
    archive, and for `reproduce`.

    \b
    Example:
      dask-espresso archive lj_pressure.h5 --author 'Ada Lovelace' --license CC-BY-4.0
    """
    quiet_dask()
    from ..archive.crate import write_crate
    from ..archive.metadata import About
    from ..inputs.profile import load_profile
    from ..inputs.study import load_study

    path = output or store.with_suffix(".crate")
    about = About(authors, license_, title, description)
    loaded = load_study(study) if study else None
    notes = write_crate(
        store, path, about, study=loaded, profile=load_profile(profile), force=force
    )
    click.echo(f"wrote {path}")
    warn(notes)


@click.command()
@click.argument("crate", type=PATH)
@click.option("--id", "name", metavar="ID", default="",
              help="This simulation. Default: of those done, the shortest.")  # fmt: skip
@click.option("--engine", "command", metavar="COMMAND",
              help="What starts the script here, such as /opt/espresso/pypresso.")  # fmt: skip
@PROFILE
@click.option("--yes", is_flag=True, help="Do not ask before it runs.")
def reproduce(crate: Path, name: str, command: str | None, profile: str | None, yes: bool) -> None:
    """Run one simulation of CRATE again, here, and compare bit for bit.

    CRATE is what `archive` wrote: a folder, or a .zip. All its files are
    compared with their hashes before anything runs. What runs is its script,
    with your engine: read it first, if you do not know whose it is. Profiles
    in the crate are not used.

    Exit status: 0 equal, 1 different, or it did not end as done, 2 the crate
    cannot be used.

    \b
    Example:
      dask-espresso reproduce lj_pressure.zip --engine ~/espresso/build/pypresso
    """
    quiet_dask()
    from ..archive.again import again_of
    from ..archive.opened import opened_crate
    from ..views.texts import literal

    with opened_crate(crate) as opened:
        again = again_of(opened, name, profile, command)
        try:
            click.echo(f"{crate}: {len(opened.hashes)} files are as their hashes say; this runs:")
            for line in again.describe(opened):
                click.echo(literal(line))
            if not yes and is_watched() and not agrees():
                sys.exit(1)
            status = _run_again(again)
        finally:
            again.simulator.close()
    check_output()
    sys.exit(status)


def _run_again(again: Again) -> int:
    """Run it, and say how it compares; give the exit status."""
    from ..archive.again import compare
    from ..process.cause import brief
    from ..views.texts import literal
    from ..walltime import format_duration

    found = again.simulator.probe(again.workload.engine)
    if found.error:
        raise InputError(found.error)
    now = again.run()
    click.echo(f"{now.status.label} in {format_duration(now.elapsed_time)}")
    if now.error:
        click.echo(literal(brief(now.error)))
    said = compare(again, now)
    for line in said.others:
        click.echo(literal(f"not as then   {line}"))
    for line in said.different:
        click.echo(f"different     {line}")
    if said.different:
        click.echo(f"different: {len(said.different)} of {said.count} results")
    else:
        kinds = "result" if said.count == 1 else "results"
        click.echo(f"equal: {said.count} {kinds}, bit for bit")
    is_same_end = now.status is again.outcome.status
    return 0 if is_same_end and not said.different else 1
