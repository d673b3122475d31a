"""The options of a profile: which there are, and of which kind."""

from __future__ import annotations

import functools
import inspect
import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dask.utils import parse_bytes, parse_timedelta

from ..errors import BadValueError, describe, unknown
from ..paths import expand
from ..systems.kinds import (
    ANYTHING,
    CONTROL,
    FLAG,
    LEVEL,
    MAPPING,
    PRELOADS,
    SCALAR,
    TEXT,
    WALLTIME,
    WHOLE,
    Kind,
    check_characters,
    check_collection,
)
from ..systems.table import system_of
from ..systems.worker_job import section_of, site_default
from .dask_files import file_of

if TYPE_CHECKING:
    from ..systems.system import System

# arguments that are objects, or that are decided here
_NOT_IN_A_FILE = {"self", "loop", "asynchronous", "job_cls", "scheduler_cls", "scheduler", "start"}
_NOT_IN_A_FILE |= {"worker_class", "job_kwargs", "base_class_kwargs", "worker_kwargs", "kwargs"}
_NOT_IN_A_FILE |= {"WorkerStateClass", "data", "extensions", "metrics", "startup_information"}
_NOT_IN_A_FILE |= {
    "scheduler_ip",
    "services",
    "service_kwargs",
    "blocked_handlers",
    "executor",
    "args",
    "options",
}
_NOT_IN_A_FILE |= {"worker_services", "plugins", "scheduler_file"}
_TLS = "is not an option here: connections are always TLS, with temporary certificates; remove it"
_ELSEWHERE = {
    "security": _TLS,
    "protocol": _TLS,
    "n_workers": "is not an option here; write `jobs: N` beside `options` instead",
    "host": "is not an option here; write it under `scheduler_options`",
    "dashboard_address": "is not an option here; write it under `scheduler_options`",
    "extra": "was renamed; write `worker_extra_args` instead",
    "job_extra": "was renamed; write `job_extra_directives` instead",
    "env_extra": "was renamed; write `job_script_prologue` instead",
    "header_skip": "was renamed; write `job_directives_skip` instead",
}
_LISTS = (
    "job_script_prologue",
    "job_script_epilogue",
    "worker_extra_args",
    "job_directives_skip",
    "submit_command_extra",
    "cancel_command_extra",
)

_NULL = re.compile(r"\0")

# options that are lines of a shell script by themselves
_SCRIPTS = ("job_script_prologue", "job_script_epilogue")


def whole(value: Any, least: int, remedy: str, *at: str | int) -> int:
    """Give a whole number from a least one on, or refuse what is none."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise BadValueError(
            f"is {describe(value)} but must be a whole number from {least}; {remedy}", *at
        )
    return value


def variables(value: Any) -> Any:
    """Give environment variables as text."""
    if not isinstance(value, dict):
        return {} if value is None else value
    for name, setting in value.items():
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            raise BadValueError(f"has the name {name!r}; use letters, digits and '_'")
        if isinstance(setting, bool) or not isinstance(setting, str | int | float):
            raise BadValueError(f"is {describe(setting)} but must be text; put it in quotes", name)
        if "\0" in str(setting):
            raise BadValueError("holds a null character; remove it", name)
    return {name: str(setting) for name, setting in value.items()}


@functools.cache
def option_names(cluster: str) -> frozenset[str]:
    """Name the arguments that a profile's options may set.

    Parameters
    ----------
    cluster : str
        ``local`` or a batch system.
    """
    classes: list[type]
    if cluster == "local":
        from distributed import LocalCluster, Nanny, Worker

        classes = [LocalCluster, Nanny, Worker]
    else:
        from ..systems.jobqueue import Job, JobQueueCluster

        jobs = [made for made in system_of(cluster).job.__mro__ if issubclass(made, Job)]
        classes = [*jobs, JobQueueCluster]
    names = {name for made in classes for name in inspect.signature(made).parameters}
    elsewhere = set() if cluster == "local" else set(_ELSEWHERE)
    return frozenset(names - _NOT_IN_A_FILE - elsewhere)


def _check_names(cluster: str, options: dict[str, Any]) -> None:
    if not options:
        return  # most often so; finding the names takes half a second
    known = option_names(cluster)
    for name in options:
        if name not in known:
            elsewhere = {} if cluster == "local" else {**_ELSEWHERE, **system_of(cluster).elsewhere}
            if name in elsewhere:
                raise BadValueError(elsewhere[name].format(value=options[name]), "options", name)
            raise BadValueError(unknown("option", name, known), "options", name)


def check_local(options: dict[str, Any]) -> None:
    """Refuse options of a cluster on this machine that cannot be any."""
    _check_names("local", options)
    _check_kinds(options)
    if options.get("local_directory"):
        try:
            expand(options["local_directory"])
        except BadValueError as error:
            raise BadValueError(str(error), *_at("local_directory")) from None
    for name in ("n_workers", "threads_per_worker", "nthreads"):
        if options.get(name) is not None:
            whole(options[name], 1, "write such a one, as in 4", "options", name)
    if not isinstance(options.get("processes"), bool | None):
        said = describe(options["processes"])
        raise BadValueError(f"is {said} but must be true or false; remove it", *_at("processes"))
    if options.get("env") is not None:
        try:
            variables(options["env"])
        except BadValueError as error:
            raise BadValueError(str(error), *_at("env", *error.at)) from None
    _check_sizes(options)


def check_batch(system: System, options: dict[str, Any]) -> None:
    """Refuse options of worker jobs that cannot be any; also those that a site has set."""
    _check_own(system, options)
    _check_site(system, options)


def _check_own(system: System, options: dict[str, Any]) -> None:
    _check_names(system.name, options)
    _check_kinds(options, system)
    for name, example in system.required.items():
        if options.get(name, site_default(system, name)) is None:
            message = f"has no {name} for a worker job; add `{name}: {example}`"
            raise BadValueError(message, "options")
    for name in ("cores", "processes"):
        whole(options.get(name, 1), 1, "write such a one, as in 16", "options", name)
    _check_sizes(options)
    for name in _LISTS:
        check_collection(options.get(name), list, "write each text as a line `- text`", *_at(name))
    system.check_directives(options)
    _check_lines(system, options)
    for name in ("security", "protocol"):
        if name in (options.get("scheduler_options") or {}):
            raise BadValueError(_TLS, "options", "scheduler_options", name)


def _check_site(system: System, options: dict[str, Any]) -> None:
    """Refuse defaults in Dask's configuration that are not of an option's kind."""
    for name in sorted(option_names(system.name) - {"name"} - options.keys()):
        if (value := site_default(system, name, options)) is None:
            continue
        try:
            _check_site_default(system, name, value)
        except BadValueError as error:
            section, key = section_of(system, options), name.replace("_", "-")
            where = file_of("jobqueue", section, key) or "Dask's configuration"
            raise BadValueError(f"{where}: jobqueue.{section}.{key} {error}", "options") from None


def _check_site_default(system: System, name: str, value: Any) -> None:
    _check_kinds({name: value}, system)
    _check_sizes({name: value})
    if name in ("cores", "processes"):
        whole(value, 1, "write such a one, as in 16")
    if name in _LISTS or (name == "job_extra_directives" and system.directives is list):
        check_collection(value, list, "write a list of texts")


def _ports(value: Any) -> None:
    from distributed.utils import parse_ports  # takes half a second

    if not all(0 <= port < 1 << 16 for port in parse_ports(value)):
        raise ValueError("out of range")


# what options are: dask and dask-jobqueue take anything, and fail later, or in the worker
_TEXTS = """
    config_name contact_address host http_prefix interface ip listen_address local_directory
    log_directory name protocol python scheduler_sni shared_temp_directory shebang
    worker_command
"""
_DURATIONS = """
    death_timeout heartbeat_interval lifetime lifetime_stagger profile_cycle_interval
    scheduler_sync_interval
"""
_SCALARS = f"""
    {_DURATIONS} account dashboard_address job_name project queue resource_spec
    worker_dashboard_address
"""
_WHOLES = "diagnostics_port n_workers nthreads scheduler_port threads_per_worker"
_FLAGS = """
    dashboard lifetime_restart low_level_profiler nanny quiet reconnect security validate
"""
_PRELOADS = "preload preload_argv preload_nanny preload_nanny_argv"
_MAPPINGS = "config env resources scheduler_kwargs scheduler_options"
_CHECKED_LATER = """
    cores disk job_extra_directives memory memory_limit memory_pause_fraction
    memory_spill_fraction memory_target_fraction port processes transition_counter_max
    worker_port
"""
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(_TEXTS.split(), TEXT),
    **dict.fromkeys(_SCALARS.split(), SCALAR),
    **dict.fromkeys(_WHOLES.split(), WHOLE),
    **dict.fromkeys(_FLAGS.split(), FLAG),
    **dict.fromkeys(_MAPPINGS.split(), MAPPING),
    **dict.fromkeys(_PRELOADS.split(), PRELOADS),
    **dict.fromkeys((*_LISTS, *_CHECKED_LATER.split()), ANYTHING),
    "walltime": WALLTIME,
    "silence_logs": LEVEL,
}  # and those that a batch system has alone
# what reads an option's value, and refuses it; and what to write instead
_READERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    **dict.fromkeys(
        _DURATIONS.split(),
        (parse_timedelta, "length of time; write one such as 10 min"),
    ),
    **dict.fromkeys(
        ("port", "worker_port"),
        (_ports, "port; write one such as 9000, or a range as in 9000:9100"),
    ),
    "silence_logs": (
        lambda value: logging.Handler(value.upper() if isinstance(value, str) else value),
        "level of messages; write one such as warning",
    ),
}

# a worker needs 60 MB itself, and Dask pauses it when it has used 80 % of what it may
_LEAST_SIZES = {"memory": 100e6, "memory_limit": 100e6, "disk": 1e6}


def _at(*key_path: str | int) -> tuple[str | int, ...]:
    return ("options", *key_path)


def kinds_of(system: System | None) -> dict[str, Kind]:
    """Give the kinds of a batch system's options, or those of a cluster on this machine."""
    return {**_KINDS, **(system.kinds if system else {})}


def _check_kinds(options: dict[str, Any], system: System | None = None) -> None:
    """Refuse what is not of an option's kind, or what its later reader would refuse."""
    known = kinds_of(system)
    for name, value in options.items():
        if value is None:
            continue
        kinds, called = known.get(name, ANYTHING)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise BadValueError(f"is {describe(value)} but must be {called}", *_at(name))
        if value == "":
            raise BadValueError("is empty; write something, or remove the key", *_at(name))
        read, called = _READERS.get(name, (lambda _: None, ""))
        try:
            read(value)
        except (ValueError, TypeError, OverflowError, KeyError):
            raise BadValueError(f"is {describe(value)}, which is no {called}", *_at(name)) from None


def _check_lines(system: System, options: dict[str, Any]) -> None:
    """Refuse what would be more than one line of a job script where it stands on one."""
    for name, value in options.items():
        if name == "job_extra_directives" and value is not None:
            system.check_lines(value, *_at(name))
        else:
            check_characters(value, _NULL if name in _SCRIPTS else CONTROL, *_at(name))


def _check_sizes(options: dict[str, Any]) -> None:
    """Refuse sizes that are none, and those in bytes where a unit was forgotten."""
    for name, least in _LEAST_SIZES.items():
        value = options.get(name)
        if value is None or (name == "memory_limit" and (value in ("auto", 0) or _share(value))):
            continue
        try:
            size = parse_bytes(value) if isinstance(value, str | int) else 0
        except (ValueError, OverflowError):
            size = 0
        if isinstance(value, bool) or size < least:
            raise BadValueError(
                f"is {describe(value)}, which is no size of {least / 1e6:.0f} MB or more; "
                "write a number and a unit, such as 32 GB",
                *_at(name),
            )


def _share(value: Any) -> bool:
    return isinstance(value, float) and 0 < value <= 1
