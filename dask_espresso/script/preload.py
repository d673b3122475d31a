"""Import the modules that engines are made of.

Runs in the engine's own interpreter: with the standard library alone, on Python 3.9 and newer.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib

from .engine_table import ENGINES
from .fingerprint import KNOWN, Fingerprint, top_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

# what scripts import of these sooner or later, and they themselves do not
PARTS = {
    "numpy": ("numpy.random", "logging", "dask_espresso.statistics"),
    **{kind.module: kind.parts for kind in ENGINES.values()},
}


def preload(name: str) -> Any:
    """Import a module; give it.

    Parameters
    ----------
    name : str
        With dots for one inside a package.

    Raises
    ------
    ImportError
        If there is no such module.
    """
    return importlib.import_module(name)


def in_order(modules: Sequence[str]) -> list[str]:
    """Put the modules first that are known not to mind a fork, and bring others with them."""
    return sorted(modules, key=lambda name: top_of(name) not in KNOWN)


_fingerprints: list[Fingerprint] = []


def fingerprint(modules: Sequence[str]) -> Fingerprint:
    """Give what the modules hold when they have just been imported, which happens here or before.

    Parameters
    ----------
    modules : sequence of str
        Imported, unless this process or the one that it was forked from has called this before.
    """
    if not _fingerprints:
        for name in in_order(modules):
            preload(name)
        _fingerprints.append(Fingerprint(modules))
    return _fingerprints[0]


def started_mpi() -> ctypes.CDLL | None:
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
