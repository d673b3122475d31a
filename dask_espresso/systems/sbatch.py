"""What Slurm's options, directives and environment variables mean for the jobs of this package."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..walltime import Clock
from .directives import ALL_MEMORY, JOBS, LOGS, NEVER, TASKS, Setting, parse, written

# what an option is in a profile; or why it has no place there
MEANINGS = {
    "--account": "account",
    "--array": JOBS,
    "--cpus-per-task": "job_cpu",
    "--error": LOGS,
    "--hold": NEVER,
    "--job-name": "job_name",
    "--mem": "job_mem",
    "--mem-per-cpu": ALL_MEMORY,
    "--mem-per-gpu": ALL_MEMORY,
    "--nodes": TASKS,
    "--ntasks": TASKS,
    "--ntasks-per-node": TASKS,
    "--output": LOGS,
    "--partition": "queue",
    "--test-only": NEVER,
    "--time": "walltime",
    "--wait": "with which sbatch waits for the worker job to end; remove it",
    "--wrap": "what starts the worker; remove it",
}

# sbatch's short options that matter here, and what may be mistaken for an abbreviation
_SHORT = {
    "-A": "--account", "-C": "--constraint", "-D": "--chdir", "-G": "--gpus", "-H": "--hold",
    "-J": "--job-name", "-L": "--licenses", "-M": "--clusters", "-N": "--nodes",
    "-S": "--core-spec", "-W": "--wait", "-a": "--array",
    "-b": "--begin", "-c": "--cpus-per-task", "-d": "--dependency", "-e": "--error",
    "-i": "--input", "-m": "--distribution", "-n": "--ntasks", "-o": "--output",
    "-p": "--partition", "-q": "--qos", "-t": "--time", "-w": "--nodelist", "-x": "--exclude",
}  # fmt: skip
_OTHERS = [
    "--acctg-freq",
    "--cpus-per-gpu",
    "--mem-bind",
    "--jobid",
    "--nodefile",
    "--nodelist",
    "--ntasks-per-core",
    "--ntasks-per-gpu",
    "--ntasks-per-socket",
    "--time-min",
    "--open-mode",
    "--overcommit",
    "--oversubscribe",
    "--power",
    "--priority",
    "--profile",
    "--propagate",
    "--parsable",
    "--export",
    "--exclude",
    "--exclusive",
    "--export-file",
    "--no-requeue",
    "--no-kill",
    "--nice",
]
_LONG = sorted({*MEANINGS, *_SHORT.values(), *_OTHERS})


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


class SlurmClock(Clock):
    """Slurm's walltimes, which may have days, or be none.

    >>> SlurmClock().parse("1-12"), SlurmClock().format("2 h")
    (129600.0, '02:00:00')
    """

    form = re.compile(r"(\d+-)?\d+(:\d+){0,2}")
    minutes = 1

    def format(self, value: Any) -> str:
        """Write a walltime the way sbatch reads it."""
        text = str(value).strip()
        if self.parse(text) == 0 or text.upper() in _UNLIMITED:
            return "UNLIMITED"
        return super().format(text)

    def write(self, seconds: int) -> str:
        """Write so many seconds."""
        days, rest = divmod(seconds, 86400)
        clock = super().write(rest)
        return f"{days}-{clock}" if days else clock


CLOCK = SlurmClock()
_UNLIMITED = ("INFINITE", "UNLIMITED", "-1")  # as is 0


def settings(directive: str) -> list[Setting]:
    """Take a directive apart, into options by their long names; raises as `parse`."""
    return [_in_slurm(setting) for setting in parse(directive)]


def _in_slurm(setting: Setting) -> Setting:
    name = _SHORT.get(setting.name, setting.name)
    if name not in _LONG:
        longer = [long for long in _LONG if name[2:] and long.startswith(name)]
        name = longer[0] if len(longer) == 1 else name
    return Setting(name, setting.value)


def in_own_form(directive: str) -> str:
    """Write a directive of Slurm as sbatch reads it: lengths of time, values with blanks.

    >>> in_own_form("--time=2 h")
    '--time=02:00:00'
    >>> in_own_form("--comment=of two words")
    "--comment='of two words'"

    Raises
    ------
    ValueError
        If there is one that is none.
    """
    found = settings(directive)
    times = [s._replace(value=CLOCK.format(s.value)) if s.name == "--time" else s
             for s in found]  # fmt: skip
    return directive if times == found and not has_blanks(found) else written(times)


def has_blanks(found: Sequence[Setting]) -> bool:
    """Say whether there is a value that sbatch takes whole only in quotes."""
    return any(" " in value for _, value in found)


def is_skipped(name: str, skips: Sequence[str]) -> bool:
    """Say whether ``job_directives_skip`` leaves out what sets an option."""
    left_out = {setting.name for skip in skips for setting in settings(skip)}
    own = settings(name)[0].name
    return own in left_out or (own.startswith("--mem-per-") and "--mem" in left_out)


def options(directives: Iterable[str]) -> dict[str, str]:
    """Give the options that stand in directives, by their long names, with their values.

    Examples
    --------
    >>> options(["-p long", "#SBATCH --clusters=other --mem 2G"])
    {'--partition': 'long', '--clusters': 'other', '--mem': '2G'}
    """
    lines = (line.removeprefix("#SBATCH ") for line in directives)
    return {name: value for line in lines for name, value in settings(line)}


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
