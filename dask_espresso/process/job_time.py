"""How long the job of a worker lasts, and what still fits into it."""

from __future__ import annotations

import functools
import os
import time

import psutil

_LEAVE_BEFORE = 10.0  # seconds before the end of its job that a worker is done
_LONGEST_SHARE = 0.8  # of a job's walltime that a simulation without a time limit can ask for


def fits(seconds: float, walltime: float) -> bool:
    """Say whether what takes so long can start at all, in jobs of so many seconds."""
    return seconds < walltime - _LEAVE_BEFORE


def has_time_for(needs: float, walltime: float | None) -> bool:
    """Say whether a simulation that starts now ends before the job that this worker runs in.

    Parameters
    ----------
    needs : float
        How long it may take, in seconds.
    walltime : float or None
        Of the job, in seconds, where the job does not know its end itself.
    """
    now = time.time()
    if end_time := os.environ.get("SLURM_JOB_END_TIME"):
        end = float(end_time)
        start = float(os.environ.get("SLURM_JOB_START_TIME", _job_start()))
    elif walltime:
        start = _job_start()
        end = start + walltime
    else:
        return True
    # a simulation that took nearly all of a job before has to start in a fresh one all the same
    return now + min(needs, _LONGEST_SHARE * (end - start)) < end - _LEAVE_BEFORE


@functools.cache
def _job_start() -> float:
    """Give the time at which this worker, or the nanny that looks after it, was started."""
    process = psutil.Process()
    parent = process.parent()
    if parent and "dask" in " ".join(parent.cmdline()):
        process = parent
    return float(process.create_time())
