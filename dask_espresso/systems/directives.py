"""Options of the batch systems themselves, as they stand in the directives of a profile.

Some of them mean what an option of the profile means, too. They are taken for that option, or
refused in its favour: a worker whose driver believes in another walltime, or another number of
cores, than its job has, ends in the middle of simulations.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import BadValueError
from ..walltime import format_walltime

_JOBS = "how many jobs there are; write `jobs: N` in the profile, and remove it"
_LOGS = "where the output goes; write `log_directory: DIRECTORY` instead"
_TASKS = "the size of a worker job, which is one process on one node; write `cores: N` instead"
_NEVER = "with which no worker ever comes; remove it"
_WHOLE = "the memory of a worker job; write `memory`, of the whole job, instead"

# what an option is in a profile; or why it has no place there
_MEANINGS: dict[str, dict[str, str]] = {
    "slurm": {
        "--account": "account",
        "--array": _JOBS,
        "--cpus-per-task": "job_cpu",
        "--error": _LOGS,
        "--hold": _NEVER,
        "--job-name": "job_name",
        "--mem": "job_mem",
        "--mem-per-cpu": _WHOLE,
        "--mem-per-gpu": _WHOLE,
        "--nodes": _TASKS,
        "--ntasks": _TASKS,
        "--ntasks-per-node": _TASKS,
        "--output": _LOGS,
        "--partition": "queue",
        "--test-only": _NEVER,
        "--time": "walltime",
        "--wait": "with which sbatch waits for the worker job to end; remove it",
        "--wrap": "what starts the worker; remove it",
    },
    "pbs": {
        "-A": "account",
        "-J": _JOBS,
        "-N": "job_name",
        "-e": _LOGS,
        "-l walltime": "walltime",
        "-o": _LOGS,
        "-q": "queue",
    },
    "sge": {
        "-N": "job_name",
        "-P": "project",
        "-e": _LOGS,
        "-l h_rt": "walltime",
        "-o": _LOGS,
        "-q": "queue",
        "-t": _JOBS,
    },
    "lsf": {
        "-J": "job_name",
        "-P": "project",
        "-W": "walltime",
        "-e": _LOGS,
        "-n": "ncpus",
        "-o": _LOGS,
        "-q": "queue",
    },
    "oar": {
        "--array": _JOBS,
        "--name": "job_name",
        "--project": "project",
        "--queue": "queue",
        "-E": _LOGS,
        "-O": _LOGS,
        "-l walltime": "walltime",
        "-n": "job_name",
        "-q": "queue",
    },
    "htcondor": {
        "arguments": "what starts the worker; remove it",
        "batchname": "the worker's name, by which its job is found; remove it",
        "error": _LOGS,
        "executable": "what starts the worker; remove it",
        "log": _LOGS,
        "output": _LOGS,
        "queue": _JOBS,
        "requestcpus": "the size of a worker job; write `cores: N` instead",
        "requestdisk": "the size of a worker job; write `disk: 4 GB` instead",
        "requestmemory": "the memory of a worker job; write `memory: 32 GB` instead",
    },
}
_MEANINGS["moab"] = _MEANINGS["pbs"]

# sbatch's short options that matter here, and what may be mistaken for an abbreviation
_SLURM_SHORT = {
    "-A": "--account", "-C": "--constraint", "-D": "--chdir", "-G": "--gpus", "-H": "--hold",
    "-J": "--job-name", "-L": "--licenses", "-M": "--clusters", "-N": "--nodes",
    "-S": "--core-spec", "-W": "--wait", "-a": "--array",
    "-b": "--begin", "-c": "--cpus-per-task", "-d": "--dependency", "-e": "--error",
    "-i": "--input", "-m": "--distribution", "-n": "--ntasks", "-o": "--output",
    "-p": "--partition", "-q": "--qos", "-t": "--time", "-w": "--nodelist", "-x": "--exclude",
}  # fmt: skip
_SLURM_OTHERS = [
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
_SLURM_LONG = sorted({*_MEANINGS["slurm"], *_SLURM_SHORT.values(), *_SLURM_OTHERS})


class Setting(NamedTuple):
    """One option of a batch system in a directive.

    Attributes
    ----------
    name : str
        In its long form, such as ``--time``, or with what it sets, such as ``-l walltime``.
    value : str
        What it is set to, or empty.
    """

    name: str
    value: str


def settings(cluster: str, directive: str) -> list[Setting]:
    """Take a directive apart.

    Raises
    ------
    ValueError
        If a quote is left open, or a word belongs to no option.
    """
    try:
        words = shlex.split(directive)
    except ValueError as error:
        raise BadValueError(f"is {directive!r} ({error}); balance its quotes") from None
    found = list(_settings(words))
    if cluster == "slurm":
        return [_in_slurm(setting, directive) for setting in found]
    return [part for setting in found for part in _resources(setting)]


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
    found = settings("slurm", directive)
    times = [s._replace(value=format_walltime(s.value, "slurm")) if s.name == "--time" else s
             for s in found]  # fmt: skip
    return directive if times == found and not _has_blanks(found) else _written(times)


def _has_blanks(found: Sequence[Setting]) -> bool:
    """Say whether there is a value that sbatch takes whole only in quotes."""
    return any(" " in value for _, value in found)


def _settings(words: Sequence[str]) -> Iterator[Setting]:
    """Put options and their values together."""
    at = 0
    while at < len(words):
        word, at = words[at], at + 1
        values = []
        while at < len(words) and not re.match(r"--?[A-Za-z]", words[at]):
            values.append(words[at])
            at += 1
        if word.startswith("--") and "=" in word:
            name, _, value = word.partition("=")
            yield Setting(name, " ".join([value, *values]))
        elif re.match(r"-[A-Za-z].", word):
            yield Setting(word[:2], " ".join([word[2:], *values]))
        else:
            yield Setting(word, " ".join(values))


def _in_slurm(setting: Setting, directive: str) -> Setting:
    name = _SLURM_SHORT.get(setting.name, setting.name)
    if name not in _SLURM_LONG:
        longer = [long for long in _SLURM_LONG if name[2:] and long.startswith(name)]
        name = longer[0] if len(longer) == 1 else name
    return Setting(name, setting.value)


def _resources(setting: Setting) -> Iterator[Setting]:
    """Take apart what one ``-l`` asks for."""
    if setting.name != "-l":
        yield setting
        return
    for part in setting.value.split(","):
        name, _, value = part.strip().partition("=")
        yield Setting(f"-l {name}", value)


def meaning(cluster: str, name: str) -> str:
    """Say which option of a profile an option of the batch system is.

    Returns
    -------
    str
        One word: the option. Several words: why it has no place there. Empty: it is its own.
    """
    return _MEANINGS[cluster].get(submit_command(name) if cluster == "htcondor" else name, "")


def submit_command(name: str) -> str:
    """Give a command of HTCondor's submit files in one of the many ways to write it."""
    return name.lower().replace("_", "")


def is_skipped(cluster: str, name: str, skips: Sequence[str]) -> bool:
    """Say whether ``job_directives_skip`` leaves out what sets an option of the batch system."""
    if cluster == "htcondor":
        return submit_command(name) in map(submit_command, skips)
    if cluster != "slurm":
        return any(skip.strip("= ") in name for skip in skips)
    left_out = {setting.name for skip in skips for setting in settings("slurm", skip)}
    own = settings("slurm", name)[0].name
    return own in left_out or (own.startswith("--mem-per-") and "--mem" in left_out)


def take_up(
    cluster: str, directives: Sequence[str], skips: Sequence[str]
) -> tuple[list[str], dict[str, tuple[int, str]]]:
    """Take out of directives what options of the profile say, too.

    Parameters
    ----------
    cluster : str
        The batch system.
    directives, skips : sequence of str
        ``job_extra_directives`` and ``job_directives_skip``.

    Returns
    -------
    tuple
        What is left of the directives; and, for each option of the profile that they set, the
        place of the directive and the value. What is skipped as the profile's own is left there.

    Raises
    ------
    ValueError
        If something has no place in directives.
    """
    left, taken = [], {}
    for i, directive in enumerate(directives):
        try:
            found = settings(cluster, directive)
        except BadValueError as error:
            raise BadValueError(str(error), i) from None
        rest = []
        for setting in found:
            option = meaning(cluster, setting.name)
            skipped = is_skipped(cluster, setting.name, skips)
            if " " in option and not skipped and not (option is _TASKS and setting.value == "1"):
                raise BadValueError(f"sets {setting.name}, {option}", i)
            if option and " " not in option:
                taken[option] = i, setting.value
            if not option or " " in option or skipped:
                rest.append(setting)
        if rest:
            is_as_read = len(rest) == len(found) and not (cluster == "slurm" and _has_blanks(rest))
            left.append(directive if is_as_read else _written(rest))
    return left, taken


def _written(found: Sequence[Setting]) -> str:
    """Write what is left of a directive."""
    words, resources = [], []
    for name, value in found:
        if name.startswith("-l "):
            resources.append(f"{name[3:]}={value}" if value else name[3:])
        elif name.startswith("--"):
            words.append(f"{name}={shlex.quote(value)}" if value else name)
        else:
            words += [name, *shlex.split(value)]
    return " ".join([*words, *(["-l", ",".join(resources)] if resources else [])])


def escape_macros(text: str) -> str:
    """Keep HTCondor from expanding ``$(…)``, ``$ENV(…)`` and, when the job starts, ``$$(…)``."""
    return re.sub(
        r"\$\$(?=[(\[])|\$(?=\w*\()",
        lambda found: "$$(DOLLARDOLLAR)" if found[0] == "$$" else "$(DOLLAR)",
        text,
    )


def check_submit_commands(directives: Mapping[str, Any], skips: Sequence[str]) -> None:
    """Refuse commands of HTCondor's submit files that set what options of the profile set.

    Raises
    ------
    ValueError
        If there is one.
    """
    for name in directives:
        why = meaning("htcondor", name)
        if why and not is_skipped("htcondor", name, skips):
            raise BadValueError(f"is {why}", name)
