"""What runs simulation scripts. Which engines are known is a table, :mod:`.script.engine_table`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Container
from dataclasses import dataclass

from .script.engine_table import ENGINES

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
    is_program : bool
        Whether it is any program, and no Python.
    takes_script : bool
        Whether the script's name is behind the command.
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
    is_program: bool = False
    takes_script: bool = True

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
    programs = ENGINES[engine.name].programs if engine.name in ENGINES else ()
    found = [program for program in programs if shutil.which(program)]
    return tuple(found[:1] or programs[-1:] or [sys.executable])


def known_module(modules: Container[str]) -> str:
    """Give the one among modules that makes an interpreter an engine; empty if there is none."""
    known = [kind.module for kind in ENGINES.values() if kind.module in modules]
    return next(filter(None, known), "")
