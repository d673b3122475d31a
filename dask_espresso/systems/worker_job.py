"""The options of a worker job: what a profile says, as dask-jobqueue and a shell are to get it."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask

from ..errors import BadValueError, describe
from ..paths import expand, expand_home
from ..walltime import parse_duration
from .directives import for_option

if TYPE_CHECKING:
    from .system import System

# options of dask-jobqueue whose own defaults are traps: several processes a job share its cores
# unevenly, output is lost, and files of the workers go to the shared file system
_DEFAULTS = {
    "processes": 1,
    "log_directory": "dask-espresso-logs",
    "local_directory": "${TMPDIR:-/tmp}",
    "python": sys.executable,
}

_PATHS = ("log_directory", "shared_temp_directory")
# what stands in a directive
_IN_DIRECTIVES = ("job_name", "queue", "account", "project", "log_directory")
_PLAIN = re.compile(r"[\w@%+=:,./-]+")
_QUOTED = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.|\$\([^()]*\)|\$\{[^{}]*\}""")
_SHELL_SYNTAX = re.compile(r"[;&|<>()`'\"\n]|(?<!\S)#")


def site_default(system: System, name: str, options: Mapping[str, Any] | None = None) -> Any:
    """Give an option's default in Dask's configuration, where a site can set it; else None."""
    return dask.config.get(f"jobqueue.{section_of(system, options)}.{name}", None)


def section_of(system: System, options: Mapping[str, Any] | None = None) -> str:
    """Name the section of that configuration which holds for a profile's options."""
    return str((options or {}).get("config_name") or system.section)


def worker_job(system: System, options: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """Give the options of a worker job, for dask-jobqueue and the shell that starts the worker.

    Parameters
    ----------
    system : System
        Its batch system.
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
    defaults = {name: site_default(system, name, options) for name in names - {"name"}}
    chosen = {**defaults, **system.user_defaults(), **options}
    job: dict[str, Any] = {
        **_DEFAULTS, **{name: value for name, value in chosen.items() if value is not None}
    }  # fmt: skip
    system.read_directives(job, options)
    for name in _PATHS:
        if name in job:
            job[name] = for_option(name, expand, job[name])
    for name in _IN_DIRECTIVES:
        if name in job:
            for_option(name, _check_in_directive, str(job[name]), name, system)
    job["local_directory"] = for_option(
        "local_directory", _in_double_quotes, job["local_directory"]
    )
    job["python"] = for_option("python", _program, job["python"])
    for i, text in enumerate(job.get("worker_extra_args") or ()):
        for_option(("worker_extra_args", i), _check_words, text)
    if "death_timeout" in job:
        job["death_timeout"] = f"{parse_duration(job['death_timeout']):g}"
    system.write_options(job)
    return job


def _check_in_directive(value: str, name: str, system: System) -> None:
    if name == "job_name" and "/" in value:
        raise BadValueError(f"is {value!r}, but it is part of a file's name; use no '/'")
    if not system.takes_quotes and (found := re.search(rf"(?!{_PLAIN.pattern}).", value)):
        raise BadValueError(
            f"is {value!r}, but a directive of {system.section} cannot hold {found[0]!r}; use "
            "letters, digits and '_'"
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
