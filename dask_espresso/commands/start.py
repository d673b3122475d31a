"""From nothing to a first study, and from a profile to its jobs."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from ..streams import check_output
from .options import PATH


@click.command()
@click.argument("directory", type=PATH)
@click.option("--engine", type=click.Choice(["espresso", "lammps"]),
              help="Default: ESPResSo where it is found, else LAMMPS.")  # fmt: skip
def init(directory: Path, engine: str | None) -> None:
    """Make DIRECTORY with a study, a profile and a script to start from.

    \b
    Example:
      dask-espresso init my_study
    """
    from ..starter import start_directory

    start = start_directory(directory, engine)
    click.echo(f"made {', '.join(str(path) for path in start.made)}")
    click.echo(start.reason)
    place = f"./{directory}" if str(directory).startswith("-") else str(directory)
    place = shlex.quote(place)
    click.echo(f"next: cd {place}; dask-espresso try study.yaml")


@click.command("job-script")
@click.argument("profile")
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
