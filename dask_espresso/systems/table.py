"""The batch systems that a profile can name: a new one is a file beside, and a line here."""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .system import System

# what profiles call it: its module, and its class there
SYSTEMS = {
    "slurm": "slurm.Slurm",
    "slurm-allocation": "slurm_allocation.SlurmAllocation",
    "htcondor": "htcondor.HTCondor",
    "pbs": "generic.PBS",
    "sge": "generic.SGE",
    "lsf": "generic.LSF",
    "oar": "generic.OAR",
    "moab": "generic.Moab",
}


@functools.cache
def system_of(name: str) -> System:
    """Give a batch system by what profiles call it.

    It is imported only now: with it comes dask-jobqueue, which takes half a second.
    """
    module, _, made = SYSTEMS[name].partition(".")
    found: System = getattr(importlib.import_module(f".{module}", __package__), made)(name)
    return found


def systems_with_drivers() -> list[str]:
    """Name those where the driver can be a job of its own."""
    return [name for name in SYSTEMS if system_of(name).driver_template]
