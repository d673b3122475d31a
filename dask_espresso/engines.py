"""What runs simulation scripts, in one table: ESPResSo, LAMMPS, plain Python."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass

# the module that makes a Python interpreter this engine
ENGINES = {"espresso": "espressomd", "lammps": "lammps", "python": ""}

DEFAULT_LAUNCHER = ("mpirun", "-n", "{ranks}")  # by whichever mpirun fits the engine


@dataclass(frozen=True)
class Engine:
    """How a simulation process is started.

    Attributes
    ----------
    name : str
        The engine's name in studies and profiles.
    command : tuple of str
        Program and arguments in front of the script; empty for the engine's own default.
    module : str
        The module that makes the interpreter this engine, such as ``espressomd``.
    environment : tuple of (str, str)
        Environment variables set on top of the worker's own.
    preload : tuple of str
        Modules that a warm start imports beforehand.
    start : str
        ``spawn``: every simulation is a fresh process. ``fork``: a warm process, which has imported
        the modules, forks it. ``auto``: the latter, where it comes to the same.
    ranks : int
        MPI processes of one simulation; several are never forked.
    launcher : tuple of str
        What starts several ranks, in front of the command; ``{ranks}`` in it is their number. The
        default is the ``mpirun`` that fits the engine's MPI.
    code : str
        Version of the user's own modules among those to import beforehand: a warm process that has
        imported another one is none of this engine.
    directory : str
        Where relative paths in environment variables begin, by default here.
    """

    name: str
    command: tuple[str, ...] = ()
    module: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    preload: tuple[str, ...] = ()
    start: str = "spawn"
    ranks: int = 1
    launcher: tuple[str, ...] = DEFAULT_LAUNCHER
    code: str = ""
    directory: str = ""

    @property
    def may_fork(self) -> bool:
        """Whether simulations may be forked from a warm process."""
        return self.start != "spawn" and self.ranks == 1


def engine_command(engine: Engine) -> tuple[str, ...]:
    """Give the program and arguments that the script's name is appended to.

    An ESPResSo without a command of its own is ``pypresso``, or, where a module
    system offers none, the ``python3`` that can import espressomd.
    """
    if engine.command:
        return engine.command
    if engine.name == "espresso":
        return ("pypresso",) if shutil.which("pypresso") else ("python3",)
    return (sys.executable,)
