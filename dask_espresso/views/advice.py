"""What a profile might ask for, by what simulations have taken: rules that a line can say."""

from __future__ import annotations

import math

_SPARE = 1.2  # of memory: the next simulation may need a little more
_WORKER = 0.5e9  # bytes of a job's own worker
_LENGTHS = 10  # of the longest simulation, that a job lasts: a tenth of it is lost at its end
_HOUR = 3600.0
_WALLTIMES = (0.5, 1, 2, 4, 8, 12, 24, 48, 72, 168)  # hours that people ask for

MEMORY_RULE = "the largest process, and a fifth more, for each at a time; and 0.5 GB for the worker"
WALLTIME_RULE = (
    "ten times the longest simulation, rounded up; of one above 17 hours, a week, or 1.5 times it"
)
JOBS_RULE = "what is still to come, an estimate, within one such walltime"


def memory_for(largest: float, processes: int) -> float:
    """Suggest the memory of a job, in bytes.

    Parameters
    ----------
    largest : float
        Memory of the largest process, in bytes.
    processes : int
        That simulate at a time.

    Examples
    --------
    >>> memory_for(400e6, 16) / 1e9
    9.0
    """
    return 1e9 * math.ceil((_SPARE * largest * processes + _WORKER) / 1e9)


def walltime_for(longest: float) -> float:
    """Suggest the walltime of a job, in seconds, for simulations of at most so many.

    Examples
    --------
    >>> walltime_for(200.0) / 3600
    1.0
    """
    for hours in _WALLTIMES:
        if hours * _HOUR >= _LENGTHS * longest:
            return hours * _HOUR
    return max(_WALLTIMES[-1], math.ceil(1.5 * longest / _HOUR)) * _HOUR


def cores_for(core_seconds: float, walltime: float) -> int:
    """Suggest how many cores are to be had for what is to come.

    Examples
    --------
    >>> cores_for(100 * 3600.0, 2 * 3600.0)
    50
    """
    return max(1, math.ceil(core_seconds / walltime))
