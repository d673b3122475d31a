"""The options of a worker job: what a profile says, as dask-jobqueue and a shell are to get it."""

from __future__ import annotations

import math
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dask
from dask.utils import parse_bytes

from ..errors import BadValueError, describe
from ..paths import expand, expand_home
from ..walltime import format_walltime, parse_duration
from .directives import check_submit_commands, is_skipped, submit_command, take_up
from .slurm import time_limit

# options of dask-jobqueue whose own defaults are traps: several processes a job share its cores
# unevenly, output is lost, and files of the workers go to the shared file system
_DEFAULTS = {
    "processes": 1,
    "log_directory": "dask-espresso-logs",
    "local_directory": "${TMPDIR:-/tmp}",
    "python": sys.executable,
}

_PATHS = ("log_directory", "shared_temp_directory")
# what stands in a directive; only Slurm's are known to take quotes, and only HTCondor's need none
_IN_DIRECTIVES = ("job_name", "queue", "account", "project", "log_directory")
_QUOTING = ("slurm", "htcondor")
_PLAIN = re.compile(r"[\w@%+=:,./-]+")
_QUOTED = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.|\$\([^()]*\)|\$\{[^{}]*\}""")
_SHELL_SYNTAX = re.compile(r"[;&|<>()`'\"\n]|(?<!\S)#")

# how pools limit the run time of a job; and what of their values is meant as a length of time
_CONDOR_WALLTIMES = ("allowedjobduration", "allowedexecuteduration", "+maxruntime", "my.maxruntime")
_NO_EXPRESSION = re.compile(r"[-\d.:\s]*|[\d.]+\s*[a-z].*|unlimited|infinite", re.IGNORECASE)


def config_section(cluster: str, options: Mapping[str, Any] | None = None) -> str:
    """Name the section of dask-jobqueue's configuration that a kind of cluster belongs to."""
    own = "slurm" if cluster == "slurm-allocation" else cluster
    return str((options or {}).get("config_name") or own)


def site_default(cluster: str, name: str, options: Mapping[str, Any] | None = None) -> Any:
    """Give an option's default in Dask's configuration, where a site can set it; else None."""
    return dask.config.get(f"jobqueue.{config_section(cluster, options)}.{name}", None)


def worker_job(cluster: str, options: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """Give the options of a worker job, for dask-jobqueue and the shell that starts the worker.

    Parameters
    ----------
    cluster : str
        Its kind.
    options : mapping
        The profile's own.
    names : frozenset of str
        Of all options; those that the profile does not set may have a default of the site.

    Returns
    -------
    dict
        With defaults; what directives say, too, is there as an option only; paths are expanded,
        the walltime is written as the batch system reads it.

    Raises
    ------
    ValueError
        If a value cannot become part of a job; it names the option.
    """
    system = config_section(cluster)
    defaults = {name: site_default(cluster, name, options) for name in names - {"name"}}
    if system == "slurm" and time_limit():
        defaults["walltime"] = time_limit()
    chosen = {**defaults, **options}
    job: dict[str, Any] = {
        **_DEFAULTS, **{name: value for name, value in chosen.items() if value is not None}
    }  # fmt: skip
    _read_directives(system, job, options)
    for name in _PATHS:
        if name in job:
            job[name] = _located(name, expand, job[name])
    for name in _IN_DIRECTIVES:
        if name in job:
            _located(name, _check_in_directive, str(job[name]), name, system)
    job["local_directory"] = _located("local_directory", _in_double_quotes, job["local_directory"])
    job["python"] = _located("python", _program, job["python"])
    for i, text in enumerate(job.get("worker_extra_args") or ()):
        _located(("worker_extra_args", i), _check_words, text)
    if "death_timeout" in job:
        job["death_timeout"] = f"{parse_duration(job['death_timeout']):g}"
    if "job_mem" in job:
        job["job_mem"] = _located("job_mem", _slurm_memory, job["job_mem"])
    if "walltime" in job:
        job["walltime"] = _located("walltime", format_walltime, job["walltime"], system)
    return job


def _located(at: Any, function: Any, *arguments: Any) -> Any:
    """Call a function, and say of which option it is what it refuses."""
    try:
        return function(*arguments)
    except BadValueError as error:
        where = at if isinstance(at, tuple) else (at,)
        raise BadValueError(str(error), "options", *where, *error.at) from None


# ---- directives ----------------------------------------------------------------------------------


def _read_directives(system: str, job: dict[str, Any], own: Mapping[str, Any]) -> None:
    directives, skips = job.get("job_extra_directives"), job.get("job_directives_skip") or ()
    if system == "htcondor":
        if directives:
            _located("job_extra_directives", check_submit_commands, directives, skips)
            job["job_extra_directives"] = {
                name: _located(("job_extra_directives", name), _condor_value, name, value)
                for name, value in directives.items()
            }
        return
    left, taken = _located("job_extra_directives", take_up, system, directives or (), skips)
    job["job_extra_directives"] = left
    if "walltime" not in taken and _skips_walltime(system, skips):
        job.pop("walltime", None)
    for option, (i, value) in taken.items():
        read = _located(("job_extra_directives", i), _value, option, value, system)
        if own.get(option) is not None and read != _value(option, str(own[option]), system):
            raise BadValueError(
                f"sets {value!r}, but `{option}` is {own[option]!r}; keep one of the two",
                "options", "job_extra_directives", i,
            )  # fmt: skip
        job[option] = read


def _skips_walltime(system: str, skips: Any) -> bool:
    name = {"slurm": "--time", "sge": "-l h_rt", "lsf": "-W"}.get(system, "-l walltime")
    return is_skipped(system, name, skips)


def _value(option: str, value: str, system: str) -> Any:
    if not value:
        raise BadValueError(f"has no value; write it as `{option}` under options")
    if option in ("job_cpu", "ncpus"):
        if not re.fullmatch(r"\d+", value):
            raise BadValueError(f"is {value!r}, no whole number; write one such as 4")
        return int(value)
    if option == "walltime":
        return format_walltime(value, system)
    return value


def _condor_value(name: str, value: Any) -> Any:
    """Write a limit of the run time in seconds, where it is no expression."""
    if submit_command(name) in _CONDOR_WALLTIMES and not re.fullmatch(r"[1-9]\d*", str(value)):
        try:
            return math.ceil(parse_duration(value))
        except ValueError:
            if _NO_EXPRESSION.fullmatch(str(value).strip()):
                raise
    return value


def condor_walltime(directives: Mapping[str, Any]) -> float | None:
    """Give what a pool lets a job run, in seconds, as far as its directives say it."""
    limits = [
        float(str(value))
        for name, value in directives.items()
        if submit_command(name) in _CONDOR_WALLTIMES and re.fullmatch(r"\d+", str(value))
    ]
    return min(limits, default=None)


# ---- values --------------------------------------------------------------------------------------


def _check_in_directive(value: str, name: str, system: str) -> None:
    if name == "job_name" and "/" in value:
        raise BadValueError(f"is {value!r}, but it is part of a file's name; use no '/'")
    if system not in _QUOTING and (found := re.search(rf"(?!{_PLAIN.pattern}).", value)):
        raise BadValueError(
            f"is {value!r}, but a directive of {system} cannot hold {found[0]!r}; use letters, "
            "digits and '_'"
        )
    if name in ("log_directory", "job_name") and "\\" in value:
        raise BadValueError(f"is {value!r}, but batch systems read '\\' otherwise; rename it")


def _in_double_quotes(text: str) -> str:
    r"""Have a shell take a directory as one word, and replace the variables in it.

    >>> _in_double_quotes("${TMPDIR:-/tmp}/my files")
    '"${TMPDIR:-/tmp}/my files"'
    """
    if text.startswith(("'", '"')) and len(shlex.split(text)) == 1:
        return text  # somebody has done so already
    return '"' + re.sub(r'(["\\`])', r"\\\1", expand_home(text)) + '"'


def _program(text: str) -> str:
    """Give the Python of a worker, a path or a command, as words for a shell."""
    path = Path(expand_home(text))
    if path.is_file():
        return shlex.quote(str(path.absolute()))
    _check_words(text)
    return text


def _check_words(text: str) -> None:
    """Refuse what would end a shell's command, or begin another one."""
    if found := _SHELL_SYNTAX.search(_QUOTED.sub("", text)):
        raise BadValueError(
            f"is {describe(text)}, but stands in a shell's command, which {found[0]!r} breaks; "
            "put the word that has it in single quotes, inside the text"
        )


def _slurm_memory(value: Any) -> str:
    """Write an amount of memory for ``--mem``, which knows neither spaces nor fractions."""
    text = str(value).strip()
    if re.fullmatch(r"\d+[KMGT]?B?", text, re.IGNORECASE):
        return text
    try:
        return f"{math.ceil(parse_bytes(text) / 2**20)}M"
    except ValueError:
        raise BadValueError(
            f"is {describe(value)}, which is no size; write a number and a unit, such as 32 GB"
        ) from None
