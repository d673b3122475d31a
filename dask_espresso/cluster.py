"""A profile made into a running Dask cluster."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
from dask_jobqueue.core import Job
from distributed import Client, LocalCluster

from .certificates import temporary_security
from .errors import InputError
from .profile import JOBQUEUE_CLUSTERS, Profile

MAX_LOSSES = 5  # a simulation that cost so many workers their life is lost
CONNECT_TIMEOUT = "10s"

# dask's own settings that a run needs otherwise
_SETTINGS = {
    "distributed.scheduler.allowed-failures": MAX_LOSSES - 1,
    "distributed.worker.daemon": False,
    "distributed.admin.tick.limit": "10s",
}


@contextlib.contextmanager
def open_cluster(profile: Profile) -> Iterator[Client]:
    """Start the workers that a profile describes, and stop them at the end.

    Parameters
    ----------
    profile : Profile
        Where to run.

    Yields
    ------
    distributed.Client
        Workers may still be on their way.

    Raises
    ------
    InputError
        If the scheduler's address does not answer, or dask-jobqueue refuses an option.
    """
    with dask.config.set(_SETTINGS), contextlib.ExitStack() as stack:
        if "://" in profile.cluster:
            yield stack.enter_context(_connect(profile.cluster))
            return
        if profile.cluster == "local":
            cluster = stack.enter_context(_local_cluster(profile))
        else:
            cluster = stack.enter_context(_jobqueue_cluster(profile, stack))
            _scale(cluster, profile)
        yield stack.enter_context(Client(cluster, set_as_default=False))


def _connect(address: str) -> Client:
    try:
        return Client(address, timeout=CONNECT_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {address} ({error}); start one with `dask scheduler` "
            "or correct the profile's `cluster`"
        ) from error


def _local_cluster(profile: Profile) -> LocalCluster:
    options: dict[str, Any] = {
        "n_workers": 1,
        "threads_per_worker": len(os.sched_getaffinity(0)),
        "host": "127.0.0.1",
        "dashboard_address": "127.0.0.1:0",
        "local_directory": tempfile.gettempdir(),
        **profile.options,
    }
    with _ignoring_interrupts():
        return LocalCluster(**options)


@contextlib.contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """Have the processes started here ignore Ctrl-C: it is for the driver, which stops them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _jobqueue_cluster(profile: Profile, stack: contextlib.ExitStack) -> Any:
    """Make the dask-jobqueue cluster of a profile, with TLS, its dashboard on loopback.

    The stack removes the certificates when it is closed.
    """
    arguments: dict[str, Any] = {"processes": 1, **profile.options}
    on_loopback = {"dashboard_address": "127.0.0.1:0"}
    arguments["scheduler_options"] = on_loopback | profile.options.get("scheduler_options", {})
    arguments["security"] = stack.enter_context(temporary_security(Path.cwd()))
    arguments["protocol"] = "tls://"
    if arguments.get("log_directory"):
        Path(arguments["log_directory"]).mkdir(parents=True, exist_ok=True)
    try:
        return _cluster_class(profile)(**arguments)
    except (ValueError, TypeError) as error:
        raise InputError(f"{profile.path or profile.cluster}: options: {error}") from error


def _scale(cluster: Any, profile: Profile) -> None:
    if isinstance(profile.jobs, int):
        cluster.scale(jobs=profile.jobs)
    else:
        cluster.adapt(minimum_jobs=profile.jobs.minimum, maximum_jobs=profile.jobs.maximum)


def job_script(profile: Profile) -> str:
    """Give the job script that is submitted for every worker.

    Raises
    ------
    InputError
        If the profile submits no jobs.
    """
    if profile.cluster not in JOBQUEUE_CLUSTERS:
        raise InputError(
            f"{profile.path or 'profile'}: cluster: {profile.cluster!r} submits no jobs; "
            f"one of {', '.join(JOBQUEUE_CLUSTERS)} does"
        )
    job_class = _cluster_class(profile).job_cls
    constructors = (job_class.__init__, Job.__init__)
    names = {name for made in constructors for name in inspect.signature(made).parameters}
    options = {"processes": 1, **profile.options}
    job = job_class(
        "tls://SCHEDULER:PORT", "NAME", **{n: options[n] for n in options if n in names}
    )
    script: str = job.job_script()
    return script


def _cluster_class(profile: Profile) -> Any:
    module, name = JOBQUEUE_CLUSTERS[profile.cluster]
    return getattr(importlib.import_module(module), name)
