"""The command line, ``dask-espresso``."""

from __future__ import annotations

import logging
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

import click

from . import __version__
from .commands.archive import archive, reproduce
from .commands.cost import cost
from .commands.mend import analyze, forget, merge
from .commands.run import run, submit
from .commands.start import init, job_script
from .commands.terminal import console
from .commands.trial import check, try_
from .commands.views import export, failures, files, log, plot, points, report, show, status
from .errors import DaskEspressoError, InputError

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


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
        console.print(f"Error: {error}", style="bold red", markup=False, soft_wrap=True)
        sys.exit(error.exit_status)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; click itself would end one that is interrupted with status 1."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would change the status
            console.print("Interrupted.", style="bold red")
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


_COMMANDS = (
    run, submit, check, try_, points, status, failures, log, cost, show, plot, report, export,
    files, analyze, merge, forget, archive, reproduce, init, job_script,
)  # fmt: skip
for _command in _COMMANDS:
    main.add_command(_command)
