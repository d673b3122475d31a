"""From nothing to a first study, and from a profile to its jobs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from ..starter import ENGINES, PROFILES, TEMPLATES, start_directory
from ..streams import check_output
from .options import PATH, complete_files


@click.command()
@click.argument("directory", type=PATH)
@click.option("--template", type=click.Choice(TEMPLATES), metavar="NAME",
              help=f"What it begins with: {', '.join(TEMPLATES)}. Default: pressure.")  # fmt: skip
@click.option("--engine", type=click.Choice(ENGINES),
              help="For pressure. Default: ESPResSo where it is found, else LAMMPS.")  # fmt: skip
@click.option("--profile", type=click.Choice(PROFILES), default="local",
              help="Where it runs. Of a cluster, the profile says what its own programs "
                   "tell. Default: this machine.")  # fmt: skip
def init(directory: Path, template: str | None, engine: str | None, profile: str) -> None:
    """Make DIRECTORY with a study, a profile and a script to start from.

    \b
    Example:
      dask-espresso init my_study
      dask-espresso init my_curve --template curve
      dask-espresso init my_study --profile slurm
    """
    start = start_directory(directory, template, engine, profile)
    click.echo("made")
    _say({str(path): what for path, what in start.made.items()}, indent="  ")
    _say(start.reasons)
    click.echo("next")
    _say(start.next, indent="  ")


def _say(lines: Mapping[str, str], indent: str = "") -> None:
    """Print two columns."""
    width = max(map(len, lines))
    for left, right in lines.items():
        click.echo(f"{indent}{left:{width}}  {right}".rstrip())


@click.command("job-script")
@click.argument("profile", shell_complete=complete_files)
def job_script(profile: str) -> None:
    """Show the job that would be submitted for each worker of PROFILE.

    \b
    Example:
      dask-espresso job-script slurm.yaml
    """
    from ..cluster import worker_jobs
    from ..inputs.profile import load_profile

    click.echo(worker_jobs.job_script(load_profile(profile)))
    check_output()
