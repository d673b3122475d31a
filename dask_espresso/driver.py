"""Feed a study's simulations to the workers, collect their outcomes, record them, stop well."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from .check.findings import is_loopback, on_loopback
from .check.limits import check_time_limit
from .cluster.certificates import remove_dead_keys
from .cluster.cluster import Cluster, cancel_leftovers, open_cluster
from .cluster.dashboard import describe_dashboard, is_elsewhere
from .cluster.engine_trial import try_engine
from .cluster.roster import Roster, read_roster, write_roster
from .cluster.workers import Workers, loss_of_scheduler
from .errors import DaskEspressoError, InputError, ResumableError
from .feed import Feed
from .files import failing_files
from .flights import Flights
from .inputs.choice import EVERYTHING, Choice
from .inputs.profile import Profile, load_profile
from .inputs.script_file import with_program
from .inputs.study import Study, load_study
from .kept import files_path, prepared_for
from .paths import expand
from .plan import plan_of
from .process.order import Workload
from .process.probe import Probe
from .signals import StopRequest, stop_requests
from .store.noting import noted_by
from .store.reading import store_path
from .store.store import Entry, open_store
from .tally import InterruptedRunError, Summary, Tally
from .views.progress import Display
from .views.standing import store_warnings

__all__ = ["Driver", "InterruptedRunError", "Summary", "run_study"]

_LAST_CALL = 5.0  # seconds that what is on its way at the end gets to arrive
_TICK = 0.2  # seconds between looks at signals and display


def run_study(
    study: Study | str | os.PathLike[str],
    profile: Profile | str | os.PathLike[str] | None = None,
    store: str | os.PathLike[str] | None = None,
    *,
    retry_failed: bool = False,
    changed_script: str | None = None,
    choice: Choice = EVERYTHING,
    display: Display | None = None,
) -> Summary:
    """Run what of a study is not in its store yet.

    Parameters
    ----------
    study : Study or path
        What to simulate; of a path, what :func:`~dask_espresso.load_study` makes of it.
    profile : Profile or path, optional
        Where; by default on this machine.
    store : path, optional
        The HDF5 file, by default ``NAME.h5`` here.
    retry_failed : bool
        Also run again what did not end as done.
    changed_script : {None, 'keep', 'rerun'}
        See :func:`dask_espresso.store.admission.check_store`.
    choice : Choice
        Of this, all that is not done is run, also what has failed, and nothing else.
    display : Display, optional
        Shows how far it is.

    Returns
    -------
    Summary

    Raises
    ------
    InputError
        If the study, the store or the engine cannot be used; nothing was written.
    ResumableError
        If the run had to stop early; running again goes on. Where a signal was why, such as that
        of Ctrl-C, it is an :class:`InterruptedRunError`.
    """
    study = getattr(study, "checked", study)  # of one that was made in Python
    study = study if isinstance(study, Study) else load_study(study)
    profile = profile if isinstance(profile, Profile) else load_profile(profile)
    study = with_program(study, profile)
    path = Path(expand(str(store)) if store else f"{study.name}.h5").absolute()
    check_time_limit(study, profile)
    summary = _run_study(
        study, profile, path, display or Display(),
        retry_failed=retry_failed, changed_script=changed_script, choice=choice,
    )  # fmt: skip
    _free_memory()  # what the run has held makes room for a look at the store
    # what is said beside a run does not end it
    with contextlib.suppress(DaskEspressoError):
        summary = replace(summary, warnings=tuple(store_warnings(path)))
    if summary.exit_status == ResumableError.exit_status:
        raise InterruptedRunError(path, summary)
    return summary


def _free_memory() -> None:
    """Give the system back what is not used any more."""
    gc.collect()
    with contextlib.suppress(AttributeError):  # a function of glibc
        ctypes.CDLL(None).malloc_trim(0)


def _run_study(
    study: Study,
    profile: Profile,
    path: Path,
    display: Display,
    *,
    retry_failed: bool,
    changed_script: str | None,
    choice: Choice,
) -> Summary:
    files = files_path(store_path(path))
    workload = Workload.of(study, profile, str(files))
    with (
        failing_files(path),
        open_store(path, study, changed_script=changed_script, modules=workload.modules) as opened,
        stop_requests() as stop,
        prepared_for(files, workload.call.keep),
    ):
        plan = plan_of(study, opened, retry_failed=retry_failed, choice=choice)
        tally = Tally(study, opened, plan)
        driver = Driver(tally, workload, stop, display, study.retries)
        if driver.todo:
            driver.on_engine = noted_by(opened, workload, profile)
        drive(driver, profile)
    return driver.summary()


def drive(driver: Driver, profile: Profile) -> None:
    """Run what a driver has to on workers of a profile, and publish what comes of it."""
    path, publish = driver.store.path, driver.store.publish
    left, record = read_roster(path), partial(write_roster, path)
    left = replace(left, names=(*left.names, *remove_dead_keys(Path.cwd())))
    leftovers, ranks = {job.id: job.name for job in left.jobs}, driver.workload.engine.ranks
    try:
        if driver.todo:
            with open_cluster(
                profile, leftovers, ranks, names=left.names, record=record
            ) as cluster:
                driver.work(cluster, profile.worker_timeout)
        elif left != Roster():
            cancel_leftovers(profile, left, record)
    except InputError:
        # nothing was run, and the store stays as it is; but where the workers were told to
        # stop, too, as by `timeout`, it is their end that looks like a wrong profile
        if not driver.stop.signal:
            raise
    except BaseException:
        publish()
        raise
    publish()


class Driver:
    """One run of a plan on workers.

    Parameters
    ----------
    tally : Tally
        Of what is to be run, and of the store, which this driver holds.
    workload : Workload
        What all simulations have in common.
    stop : StopRequest
        Looked at several times a second.
    display : Display
        Shows how far it is.
    retries : int
        How often a failed simulation is tried again.

    Attributes
    ----------
    on_engine : callable
        Called with what the first start of the engine has shown.
    """

    def __init__(
        self, tally: Tally, workload: Workload, stop: StopRequest, display: Display, retries: int
    ) -> None:
        self._tally, self.store = tally, tally.store
        self.workload = workload
        self.stop = stop
        self._display = display
        self._is_elsewhere = is_elsewhere()  # a job's environment is hidden while workers run
        self._notes = {""}
        self._feed = Feed(tally.plan, retries=retries, time_limit=workload.time_limit)
        self.todo = self._feed.n_left
        self._counts = tally.counts
        self.on_engine: Callable[[Probe], None] = lambda _: None

    def work(self, cluster: Cluster, worker_timeout: float) -> None:
        """Run everything that is to be run, or as much as a request to stop leaves time for.

        Parameters
        ----------
        cluster : Cluster
            Where to run it.
        worker_timeout : float
            How long to go on without any worker, in seconds.

        Raises
        ------
        ResumableError
            If there was no worker for that long, or the scheduler is gone.
        """
        record = partial(write_roster, self.store.path)
        self._workers = Workers(cluster, worker_timeout, self._say_once, record)
        self._flights = Flights(self._feed, self._workers, self.workload, self._say_why_fresh)
        with loss_of_scheduler(cluster.client), contextlib.closing(self._workers):
            if dashboard := describe_dashboard(cluster.client, elsewhere=self._is_elsewhere):
                self._display.say(dashboard)
            if cluster.keeper and is_loopback(address := cluster.client.scheduler.address):
                self._display.say(on_loopback(address))
            found = try_engine(
                self._workers,
                self.workload.engine,
                name=lambda: self._flights.key("probe"),
                look=self._look,
                is_begun=bool(self._counts.before),
            )
            if found:
                self.on_engine(found)
                self._say_why_fresh(found.reason)
            self._work()

    def _work(self) -> None:
        while self._look():
            self._send()
            if not self._flights and (self._workers.slots or not self._feed.n_left):
                return
            self._collect()
            self.store.publish_beside()
        self._wait_for_what_is_nearly_there()

    def _wait_for_what_is_nearly_there(self) -> None:
        """Have nothing thrown away that workers have done: they keep it for a moment."""
        begun = time.monotonic()
        while self._flights and time.monotonic() < begun + self._flights.pace:
            self._collect()
        last = self._flights.fetching.copy()
        while self._flights.fetching & last and time.monotonic() < begun + _LAST_CALL:
            self._collect()

    def _look(self) -> bool:
        """See what the workers do, and show it; say whether to go on."""
        if self.stop.signal:
            return False
        if self._workers.look(work_left=self._feed.n_left):
            self._flights.look_for_strays()
        self._counts.slots, self._counts.jobs = self._workers.slots, self._workers.jobs
        self._display.update(self._counts)
        return True

    def _say_why_fresh(self, reason: str) -> None:
        """Say why simulations are not forked, if there is a reason."""
        self._say_once(reason and f"simulations are fresh processes: {reason}")

    def _say_once(self, said: str) -> None:
        if said not in self._notes:
            self._notes.add(said)
            self._display.say(said)

    def _send(self) -> None:
        """Keep every worker busy, and little more than that in flight."""
        self._flights.send()
        self._counts.running = self._feed.n_flying
        self._display.update(self._counts)

    def _collect(self) -> None:
        """Record what has come; wait a moment for it if nothing has."""
        news = self._workers.news(_TICK)
        entries: list[Entry] = []
        try:
            for found in self._flights.entries(news):
                entries += found
        finally:  # a failure that ends the run costs nothing of what has come with it
            self._counts.running = self._feed.n_flying
            self._tally.record(entries)
            self._display.update(self._counts)
        self._flights.release(news)  # not before: until then it can be had again

    def summary(self) -> Summary:
        """Say what the run has come to."""
        return self._tally.summary(self.stop.signal)
