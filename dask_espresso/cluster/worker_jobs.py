"""The worker jobs of a profile, as dask-jobqueue makes and submits them."""

from __future__ import annotations

import contextlib
import copy
import inspect
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed import Security

from ..errors import InputError
from ..inputs.profile import Profile
from ..systems.queue import Queue
from ..systems.table import SYSTEMS, system_of
from .dashboard import make_pages_when_asked, no_word_on_pages, page_on_loopback
from .refused_options import refusals, tell_of_another_port

if TYPE_CHECKING:  # with it comes dask-jobqueue, which only worker jobs need
    from ..systems.system import System

# a worker serves a page, without certificates; what it would show, the scheduler's page shows, too
_NO_PAGE = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")


def jobqueue_cluster(
    profile: Profile, stack: contextlib.ExitStack, ranks: int, security: Security
) -> tuple[Any, Queue]:
    """Make the dask-jobqueue cluster of a profile, with TLS, its dashboard on loopback.

    The stack closes it.
    """
    from ..systems.jobqueue import JobQueueCluster

    arguments: dict[str, Any] = {
        "config_name": _system(profile).section,
        **_job_options(profile),
    }
    if ranks > 1:
        threads = profile.slots(ranks) // int(arguments["processes"])
        # of two such options of a worker the last one counts
        arguments["worker_extra_args"] += ["--nthreads", str(threads)]
    scheduler = {"dashboard_address": "127.0.0.1:0"}
    scheduler |= profile.options.get("scheduler_options") or {}
    scheduler["dashboard_address"] = page_on_loopback(scheduler["dashboard_address"])
    arguments["scheduler_options"] = {**scheduler, "dashboard": False}
    arguments["security"] = security
    arguments["protocol"] = "tls://"
    made, queue = batch_system(profile)
    with refusals(profile, "dask-jobqueue makes no worker jobs of them"), no_word_on_pages():
        if logs := log_directory(profile):
            stack.enter_context(_no_new_directory(logs))
            logs.mkdir(parents=True, exist_ok=True)
            stack.callback(remove_if_empty, logs)  # also one that a killed driver has left
        _one_job(profile, made)  # a cluster that fails halfway complains once more at its end
        cluster = JobQueueCluster(job_cls=made, **arguments)
    make_pages_when_asked(cluster, scheduler)
    tell_of_another_port(profile, cluster, "scheduler_options", "dashboard_address")
    # its paths stand in the worker's command line, which a shell reads
    cluster.new_spec["options"]["security"] = _quoted(security)
    return stack.enter_context(cluster), queue


def _quoted(security: Security) -> Security:
    quoted = copy.copy(security)
    for name in ("tls_ca_file", "tls_worker_cert", "tls_worker_key"):
        setattr(quoted, name, shlex.quote(getattr(security, name)))
    return quoted


def batch_system(profile: Profile) -> tuple[Any, Queue]:
    """Give the class of a profile's worker jobs, and the queue that shows them."""
    made = _system(profile).job_class(profile.options)
    return made, _system(profile).queue(made, profile.worker_job)


def _system(profile: Profile) -> System:
    assert profile.system
    return profile.system


def _job_options(profile: Profile) -> dict[str, Any]:
    """Give the options of a worker job."""
    options = _system(profile).job_options(profile.worker_job)
    options["worker_extra_args"] = [*_NO_PAGE, *(options.get("worker_extra_args") or [])]
    return options


def log_directory(profile: Profile) -> Path | None:
    """Give the directory that a profile's worker jobs write their output to."""
    directory = _job_options(profile)["log_directory"] if profile.system else None
    return Path(directory) if directory else None


def remove_if_empty(directory: Path) -> None:
    """Remove a directory that has nothing in it."""
    with contextlib.suppress(OSError):
        directory.rmdir()


def job_script(profile: Profile) -> str:
    """Give the job script that is submitted for every worker.

    Raises
    ------
    InputError
        If the profile submits no jobs.
    """
    if not profile.system or not profile.system.submits_jobs:
        submitting = [name for name in SYSTEMS if system_of(name).submits_jobs]
        raise InputError(
            f"{profile.path or 'profile'}: cluster: {profile.cluster!r} submits no jobs; "
            f"one of {', '.join(submitting)} does"
        )
    made = profile.system.job_class(profile.options)
    with (
        refusals(profile, "dask-jobqueue makes no worker job of them"),
        _no_new_directory(log_directory(profile)),
    ):
        script: str = _one_job(profile, made).job_script()
        return script


def _one_job(profile: Profile, made: Any) -> Any:
    """Make a worker job of a class that is only looked at."""
    from ..systems.jobqueue import Job

    constructors = (*(c.__init__ for c in made.__mro__ if issubclass(c, Job)),)
    names = {name for made in constructors for name in inspect.signature(made).parameters}
    options = {"job_name": "NAME", **_job_options(profile)}
    return made("tls://SCHEDULER:PORT", "NAME", **{n: options[n] for n in options if n in names})


@contextlib.contextmanager
def _no_new_directory(path: Path | None) -> Iterator[None]:
    """Remove at the end what is made of a log directory meanwhile, and has nothing in it."""
    made = [part for part in (path, *path.parents) if not part.exists()] if path else []
    try:
        yield
    finally:
        for part in made:
            remove_if_empty(part)
