"""A profile made into a running Dask cluster."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import copy
import errno
import inspect
import logging
import multiprocessing
import os
import shlex
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import resource_tracker, spawn
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster, Security
from distributed.core import rpc

from ..errors import DaskEspressoError, InputError, ResumableError
from ..files import describe_error, is_away
from ..inputs.profile import Profile
from ..paths import expand
from ..systems.batch import BatchError
from ..systems.jobqueue import Job, JobQueueCluster
from ..systems.queue import Queue, cancel
from ..systems.system import System
from ..systems.table import SYSTEMS, system_of
from .certificates import temporary_security, write_jobs
from .dashboard import make_pages_when_asked, no_word_on_pages, page_on_loopback
from .keeper import Keeper
from .roster import Roster
from .safe_worker import safe_children

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT = 10.0  # seconds

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
}

# a worker serves a page, without certificates; what it would show, the scheduler's page shows, too
_NO_PAGE = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")


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
    """

    client: Client
    keeper: Keeper | None = None
    profile: Profile | None = None

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
        If the scheduler's address does not answer, or dask-jobqueue refuses an option.
    ResumableError
        If a file system has failed.
    """
    with dask.config.set(_SETTINGS), contextlib.ExitStack() as stack:
        if "://" in profile.cluster:
            yield Cluster(stack.enter_context(_connect(profile)))
            return
        if profile.cluster == "local":
            stack.enter_context(_no_workers_left())
            stack.enter_context(_main_stays_here())
            stack.enter_context(safe_children())
            cluster = stack.enter_context(_local_cluster(profile, ranks))
            yield Cluster(stack.enter_context(Client(cluster, set_as_default=False)))
            return
        security = stack.enter_context(temporary_security(Path.cwd()))
        cluster, queue = _jobqueue_cluster(profile, stack, ranks, security)
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


def _connect(profile: Profile) -> Client:
    """Connect to a scheduler that runs already.

    It is greeted first, without a client: one that cannot connect says so only much later, and
    once more when it is thrown away. The client's own timeout does not hold for a scheduler that
    takes the connection and then says nothing, such as a stopped one; in a thread, it can be left
    behind.
    """
    address = profile.cluster
    arguments = _tls_arguments(profile)
    connected: concurrent.futures.Future[Client] = concurrent.futures.Future()

    def connect() -> None:
        try:
            asyncio.run(asyncio.wait_for(_greet(address, arguments), CONNECT_TIMEOUT + 1))
            client = Client(address, timeout=CONNECT_TIMEOUT, set_as_default=False)
        except BaseException as error:
            connected.set_exception(error)
        else:
            connected.set_result(client)

    threading.Thread(target=connect, name="connect", daemon=True).start()
    try:
        return connected.result(2 * CONNECT_TIMEOUT + 2)
    except Exception as error:  # of many kinds, where TLS is not the scheduler's
        said = " ".join(str(error).split()) or "it says nothing"
        raise profile.error(
            "cluster",
            f"no Dask scheduler answers at {address} ({said}); start one with `dask scheduler` "
            "or correct the address",
        ) from error


def _tls_arguments(profile: Profile) -> dict[str, Any]:
    """Give what Dask's own configuration says of certificates, which a client uses too."""
    names = "`ca-file`, `client.cert` and `client.key` of `distributed.comm.tls`"
    where = f"set {names} in Dask's configuration, such as ~/.config/dask/tls.yaml"
    try:
        arguments: dict[str, Any] = Security().get_connection_args("client")
    except (OSError, ValueError) as error:
        said = f"Dask's configuration has TLS files that cannot be used ({error})"
        raise profile.error("cluster", f"{said}; {where}") from error
    if profile.cluster.startswith(("tls://", "wss://")) and not arguments["ssl_context"]:
        raise profile.error("cluster", f"is {profile.cluster}, but has no certificates; {where}")
    return arguments


async def _greet(address: str, arguments: dict[str, Any]) -> None:
    async with rpc(address, connection_args=arguments, timeout=CONNECT_TIMEOUT) as server:
        kind = (await server.identity())["type"]
    if kind != "Scheduler":
        raise ValueError(f"a {kind.lower()} does")


def _local_cluster(profile: Profile, ranks: int) -> LocalCluster:
    options: dict[str, Any] = {
        "n_workers": 1,
        "threads_per_worker": max(1, len(os.sched_getaffinity(0)) // ranks),
        # the worker's page is where the worker is, unless it is put elsewhere
        **(
            {"worker_dashboard_address": "127.0.0.1:0"}
            if profile.options.keys() & {"interface", "host"}
            else {"host": "127.0.0.1"}
        ),
        "dashboard_address": "127.0.0.1:0",
        "local_directory": tempfile.gettempdir(),
        **profile.options,
    }
    if options["local_directory"]:
        options["local_directory"] = expand(options["local_directory"])
    for key in options.keys() & {"dashboard_address", "worker_dashboard_address"}:
        options[key] = page_on_loopback(options[key])
    scheduler = {"dashboard_address": options["dashboard_address"]}
    scheduler |= options.get("scheduler_kwargs") or {}
    options["scheduler_kwargs"] = {**scheduler, "dashboard": False}
    with _refusals(profile, "no worker can be started on this machine"), no_word_on_pages():
        try:
            with _signals_are_for_the_driver():
                cluster = LocalCluster(**options)
        except RuntimeError:  # a worker has died at its start, perhaps for once
            with _signals_are_for_the_driver():
                cluster = LocalCluster(**options)
    make_pages_when_asked(cluster, scheduler)
    _tell_of_another_port(profile, cluster, "dashboard_address")
    cluster.shutdown_on_close = False  # at Python's end: it would wait for one that stands still
    return cluster


def _tell_of_another_port(profile: Profile, cluster: Any, *keys: str) -> None:
    """Say that the dashboard is not where the profile has it; a run needs none."""
    port = str(_option(profile, keys)).rpartition(":")[2]
    found = cluster.scheduler_info["services"].get("dashboard")
    if port.isdigit() and int(port) and found and int(port) != found:
        said = (
            f"port {port} is in use on this machine; the dashboard of this run is at port {found}"
        )
        logger.warning("%s", profile.error(".".join(("options", *keys)), said))


@contextlib.contextmanager
def _refusals(profile: Profile, what: str) -> Iterator[None]:
    """Say in one message what Dask does not take of a profile's options, in its many ways."""
    try:
        yield
    except DaskEspressoError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.filename and is_away(error):
            said = f"{error.filename}: {describe_error(error)}, and run again"
            raise ResumableError(said) from error
        errors = list(_chain(error))
        if any(getattr(e, "errno", 0) == errno.EADDRINUSE for e in errors):
            _refuse_port(profile, errors)
        said = ""
        for why in map(_described, errors):  # such as that of "Scheduler failed to start"
            said += "" if why in said else f": {why}" if said else why
        raise profile.error("options", f"{what} ({said}); correct or remove the option") from error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error and what led to it."""
    while error:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _refuse_port(profile: Profile, errors: list[BaseException]) -> None:
    """Raise the error that names the port of the profile which is in use, if one can be."""
    keys: tuple[str, ...] = ("scheduler_options", "port")
    if profile.cluster == "local":
        is_worker = any("Nanny" in str(error) or "Worker" in str(error) for error in errors)
        keys = ("port",) if is_worker else ("scheduler_port",)
    if port := _option(profile, keys):
        raise profile.error(
            ".".join(("options", *keys)),
            f"port {port} is in use on this machine, by another driver or another program; give "
            "each driver here a port of its own, wait for the end of the other, or remove the key: "
            "then any free port is taken",
        ) from errors[0]


def _option(profile: Profile, keys: Iterable[str]) -> Any:
    """Give what a profile has under keys of its options; None where there is nothing."""
    value: Any = profile.options
    for key in keys:
        value = (value or {}).get(key)
    return value


def _described(error: BaseException) -> str:
    said = " ".join(str(error).split())
    speaks = said and isinstance(error, OSError | RuntimeError | ValueError)
    return said if speaks else f"{type(error).__name__}: {said}"


@contextlib.contextmanager
def _no_workers_left() -> Iterator[None]:
    """End the worker processes that are left at the end, such as one that stands still.

    Python would wait for them; after two Ctrl-C nobody else tells them to go.
    """
    others = set(multiprocessing.active_children())
    try:
        yield
    finally:
        for process in set(multiprocessing.active_children()) - others:
            process.kill()


@contextlib.contextmanager
def _main_stays_here() -> Iterator[None]:
    """Have no worker import the program that called, of which the top level would run once more.

    multiprocessing does so for functions of that program; workers are given none.
    """
    prepare = spawn.get_preparation_data

    def without_main(name: str) -> dict[str, Any]:
        prepared = prepare(name)
        if name.startswith("Dask Worker"):  # others may be the program's own
            prepared.pop("init_main_from_name", None)
            prepared.pop("init_main_from_path", None)
        return prepared

    spawn.get_preparation_data = without_main
    try:
        yield
    finally:
        spawn.get_preparation_data = prepare


@contextlib.contextmanager
def _signals_are_for_the_driver() -> Iterator[None]:
    """Have workers never see what a terminal sends to all: the driver stops them.

    Signals that are blocked here stay so in the threads started here, in the workers that these
    threads start, also later on, and in nothing else.
    """
    blocked = {signal.SIGINT, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        resource_tracker.ensure_running()  # multiprocessing's own child; its start unblocks SIGINT
        signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _jobqueue_cluster(
    profile: Profile, stack: contextlib.ExitStack, ranks: int, security: Security
) -> tuple[Any, Queue]:
    """Make the dask-jobqueue cluster of a profile, with TLS, its dashboard on loopback.

    The stack closes it.
    """
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
    with _refusals(profile, "dask-jobqueue makes no worker jobs of them"), no_word_on_pages():
        if logs := log_directory(profile):
            stack.enter_context(_no_new_directory(logs))
            logs.mkdir(parents=True, exist_ok=True)
            stack.callback(remove_if_empty, logs)  # also one that a killed driver has left
        _one_job(profile, made)  # a cluster that fails halfway complains once more at its end
        cluster = JobQueueCluster(job_cls=made, **arguments)
    make_pages_when_asked(cluster, scheduler)
    _tell_of_another_port(profile, cluster, "scheduler_options", "dashboard_address")
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
        _refusals(profile, "dask-jobqueue makes no worker job of them"),
        _no_new_directory(log_directory(profile)),
    ):
        script: str = _one_job(profile, made).job_script()
        return script


def _one_job(profile: Profile, made: Any) -> Any:
    """Make a worker job of a class that is only looked at."""
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
