"""What Slurm's options and environment variables mean for the jobs that are submitted here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .directives import settings

_MEMORY = ("--mem", "--mem-per-cpu", "--mem-per-gpu")  # sbatch takes no two of them

# variables of sbatch that are not called as their option
_VARIABLES = {
    "--array": ("ARRAY_INX",),
    "--bb": ("BURST_BUFFER",),
    "--cpu-freq": ("CPU_FREQ_REQ",),
    "--no-requeue": ("NO_REQUEUE", "REQUEUE"),
    "--requeue": ("NO_REQUEUE", "REQUEUE"),
    "--switches": ("REQ_SWITCH",),
    "--time": ("TIMELIMIT",),
    **dict.fromkeys(_MEMORY, ("MEM_PER_NODE", "MEM_PER_CPU", "MEM_PER_GPU")),
}
# a job is one job, and sbatch is not waited for until it has ended
_NEVER = {"SBATCH_ARRAY_INX", "SBATCH_WAIT"}

# what a job finds in its environment is about that job, but for where its cluster is
_OF_A_JOB = re.compile(r"(SLURM|SLURMD|SRUN)_(?!(CONF|CONF_SERVER|CLUSTERS|JWT)$)")
# inside a job these may be the size of that job
_SIZES = re.compile(
    r"SBATCH_(TIMELIMIT|MEM|CPU|CORE|GPU|NTASKS|NODES|THREAD|TRES|GRES|EXCLUSIVE|OVERCOMMIT|HINT)"
)


def options(directives: Iterable[str]) -> dict[str, str]:
    """Give the options that stand in directives, by their long names, with their values.

    Examples
    --------
    >>> options(["-p long", "#SBATCH --clusters=other --mem 2G"])
    {'--partition': 'long', '--clusters': 'other', '--mem': '2G'}
    """
    lines = (line.removeprefix("#SBATCH ") for line in directives)
    return {name: value for line in lines for name, value in settings("slurm", line)}


def defaults(own: Mapping[str, Any], directives: Iterable[str]) -> frozenset[str]:
    """Name what a profile leaves to the user's own defaults, SBATCH_*, and then to the site's.

    Parameters
    ----------
    own : mapping
        The options of the profile.
    directives : iterable of str
        More of what it chooses.
    """
    keys = {"--partition": "queue", "--account": "account", "--time": "walltime"}
    left = {option for option, key in keys.items() if own.get(key) is None}
    chosen = options([*(own.get("job_extra_directives") or ()), *directives])
    return frozenset(left - chosen.keys())


def same_options(names: Iterable[str]) -> set[str]:
    """Add to options those that cannot stand beside them."""
    found = set(names)
    return found.union(_MEMORY) if found.intersection(_MEMORY) else found


def is_in_job() -> bool:
    """Say whether this process runs inside a Slurm job."""
    return "SLURM_JOB_ID" in os.environ


def time_limit() -> str:
    """Give the user's own default for the walltime of a job; empty where there is none."""
    return "" if is_in_job() else os.environ.get("SBATCH_TIMELIMIT", "")


def submission_environment(given: Iterable[str] = ()) -> dict[str, str]:
    """Give the environment for sbatch and srun: the user's, without what a job has put there.

    The user's own ``SBATCH_*`` hold, also inside a job, since they travel with it. But sbatch takes
    them before what stands in a job script: those of options that were chosen for the job are left
    out, and inside a job those that may be that job's own size (source: measurements, such as
    SLURM_MEM_PER_CPU against SLURM_MEM_PER_NODE, which breaks srun).

    Parameters
    ----------
    given : iterable of str
        The options, by their long names, that were chosen for what is submitted.
    """
    dropped = _NEVER | {variable for option in given for variable in _variables(option)}
    inside = is_in_job()
    return {
        name: value
        for name, value in os.environ.items()
        if name not in dropped and not (inside and (_OF_A_JOB.match(name) or _SIZES.match(name)))
    }


def _variables(option: str) -> list[str]:
    names = _VARIABLES.get(option) or (option[2:].upper().replace("-", "_"),)
    others = ["SLURM_CLUSTERS"] if option == "--clusters" else []  # sbatch reads it, too
    return [*(f"SBATCH_{name}" for name in names), *others]


def clusters(directives: Iterable[str]) -> str:
    """Name the clusters that a job goes to, as sbatch would; empty for the one at hand.

    Parameters
    ----------
    directives : iterable of str
        Of the job, without the leading ``#SBATCH``.
    """
    variables = (os.environ.get(name, "") for name in ("SBATCH_CLUSTERS", "SLURM_CLUSTERS"))
    return options(directives).get("--clusters") or next(filter(None, variables), "")


def cluster_arguments(names: str) -> list[str]:
    """Give the arguments of squeue and scancel that name clusters."""
    return ["-M", names] if names else []
