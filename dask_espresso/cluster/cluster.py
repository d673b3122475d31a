"""A profile made into a running Dask cluster."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import dask
from distributed import Client

from ..inputs.profile import Profile
from ..systems.batch import BatchError
from ..systems.queue import cancel
from .certificates import temporary_security, write_jobs
from .connection import connect
from .keeper import Keeper
from .local import local_workers
from .open_files import make_room
from .roster import Roster
from .worker_jobs import batch_system, jobqueue_cluster, log_directory

logger = logging.getLogger(__name__)


# dask's own settings that a run needs otherwise
_SETTINGS = {
    # the driver counts lost workers itself
    "distributed.scheduler.allowed-failures": 0,
    # else one that takes longer than 15 s to come back, or is lost again just then, never does
    "distributed.deploy.lost-worker-timeout": "1000 days",
    # the keeper finds workers that hang sooner, and replaces their jobs
    "distributed.scheduler.worker-ttl": "5 minutes",
    "distributed.worker.daemon": False,
    "distributed.worker.multiprocessing-method": "spawn",
    # what threads of workers do is to wait for simulations
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.limit": "10s",
    # by default, fifty times a second, of scheduler, nanny and worker each
    "distributed.admin.tick.interval": "1s",
    # by default, ten times a second: but simulations, which take memory, are other processes
    "distributed.worker.memory.monitor-interval": "500ms",
    # of scheduler and workers, for the dashboard
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.system-monitor.interval": "1s",
    # messages with outcomes are among what is kept
    "distributed.admin.low-level-log-length": 100,
    # every worker is given what it can do; to move it elsewhere costs more than it saves
    "distributed.scheduler.work-stealing": False,
    # an analysis is sent the results of its simulation, arrays and all
    "distributed.admin.large-graph-warning-threshold": "1 TB",
}


@dataclass
class Cluster:
    """Workers that run or are on their way.

    Attributes
    ----------
    client : distributed.Client
        Connected to their scheduler.
    keeper : Keeper or None
        Keeps the worker jobs, where there are any.
    profile : Profile or None
        What it was made of.
    is_own : bool
        Whether its scheduler is this run's own, with the settings that a run needs.
    """

    client: Client
    keeper: Keeper | None = None
    profile: Profile | None = None
    is_own: bool = True

    def check(self) -> None:
        """Raise an InputError where no worker job will ever be taken."""
        if self.keeper and self.keeper.dead_end and self.profile:
            raise self.profile.error(
                "options",
                f"{self.keeper.dead_end}; correct the option, or submit where the batch system is",
            )


@contextlib.contextmanager
def open_cluster(
    profile: Profile,
    leftovers: Mapping[str, str] | None = None,
    ranks: int = 1,
    *,
    names: Iterable[str] = (),
    record: Callable[[Roster], object] = lambda _: None,
) -> Iterator[Cluster]:
    """Start the workers that a profile describes, and stop them at the end.

    Parameters
    ----------
    profile : Profile
        Where to run.
    leftovers : mapping of str to str, optional
        Ids and names of the worker jobs that a killed driver has left.
    ranks : int
        Cores of one simulation: so many times fewer run at a time.
    names : iterable of str
        What the names of more jobs that killed drivers have left begin with.
    record : callable, optional
        Takes the roster of the worker jobs before there are any, and at their end.

    Yields
    ------
    Cluster
        Workers may still be on their way.

    Raises
    ------
    InputError
        If the scheduler's address does not answer, dask-jobqueue refuses an option, or so many
        workers are more than a driver can have here.
    ResumableError
        If a file system has failed.
    """
    with dask.config.set(_SETTINGS), contextlib.ExitStack() as stack:
        if "://" in profile.cluster:
            yield Cluster(stack.enter_context(connect(profile)), is_own=False)
            return
        if profile.cluster == "local":
            cluster = stack.enter_context(local_workers(profile, ranks))
            yield Cluster(stack.enter_context(Client(cluster, set_as_default=False)))
            return
        make_room(profile)
        security = stack.enter_context(temporary_security(Path.cwd()))
        cluster, queue = jobqueue_cluster(profile, stack, ranks, security)
        client = stack.enter_context(Client(cluster, set_as_default=False))
        logs = log_directory(profile)

        def record_twice(roster: Roster) -> None:
            write_jobs(security, roster)
            record(roster)

        keeper = Keeper(
            cluster, queue, profile.jobs, ranks=ranks, log_directory=logs, record=record_twice
        )
        stack.callback(cluster.sync, keeper.close)
        cluster.sync(keeper.start, leftovers, *names)
        yield Cluster(client, keeper, profile)


def cancel_leftovers(profile: Profile, left: Roster, record: Callable[[Roster], object]) -> None:
    """Cancel the worker jobs that killed drivers have left, where no workers are started.

    Parameters
    ----------
    profile : Profile
        Where they are.
    left : Roster
        What is known of them.
    record : callable
        Takes an empty roster when they are cancelled.
    """
    if not profile.system or not profile.system.submits_jobs:
        return
    _, queue = batch_system(profile)
    cancelling = cancel(queue, {job.id: job.name for job in left.jobs}, left.names)
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as thread:  # a notebook has a loop in this
            ours = thread.submit(asyncio.run, cancelling).result()
    except BatchError as error:
        logger.warning("worker jobs of a killed driver may be left: %s; run again", error)
        return
    if ours:
        logger.warning("cancelled worker jobs that a killed driver left: %s", ", ".join(ours))
    record(Roster())
