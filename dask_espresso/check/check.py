"""Find out whether a profile works, and a study on it, before a month of cluster time does.

Everything is tried for real, with one worker job: what a batch system promises and what it
does are two things.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import re
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..cluster.certificates import remove_dead_keys
from ..cluster.cluster import Cluster, open_cluster
from ..cluster.open_files import make_room
from ..cluster.roster import Roster
from ..cluster.worker_jobs import batch_system, remove_if_empty
from ..errors import InputError
from ..inputs.profile import Jobs, Profile
from ..inputs.program import engine_of
from ..inputs.script_file import with_program
from ..inputs.study import Study
from ..signals import interruptible
from ..systems.batch import BatchError
from ..systems.queue import Queue
from ..systems.refusals import is_final
from ..walltime import format_duration
from .connection_checks import check_clocks, check_network, check_versions
from .file_checks import check_directory, check_keeping, check_scratch, check_script
from .findings import (
    Case,
    DeadEndError,
    FaultError,
    Findings,
    counted,
    go_through,
    interfaces,
    log_tail,
    of_ranks,
)
from .limits import check_time_limit
from .simulation_checks import check_engines, check_machine, check_simulation
from .worker import Worker

_LOOK = 0.1  # seconds between looks at what is waited for
_PERSISTS = 10.0  # seconds; what goes wrong for so long goes wrong in the second attempt, too
_LEAVE = 60.0  # seconds in which a cancelled job is gone


def check_profile(
    profile: Profile, study: Study | None = None, *, timeout: float = 600.0, findings: Findings
) -> None:
    """Find out whether a profile works, with one worker, and a study on it.

    Parameters
    ----------
    profile : Profile
        Where to run.
    study : Study, optional
        One simulation of it is run.
    timeout : float
        How long to wait for the worker, in seconds.
    findings : Findings
        Takes what is found.

    Raises
    ------
    InputError
        If the profile does not know the study's engine.
    """
    study = with_program(study, profile) if study else None
    engines = (
        [engine_of(study, profile)] if study else [profile.engine(name) for name in profile.engines]
    )
    case = Case(profile, study, engines, timeout, findings)
    with _quiet_keeper(), interruptible():  # so that no worker job is left
        go_through(_CHECKS, case, case)


@contextlib.contextmanager
def _quiet_keeper() -> Iterator[None]:
    """Have the keeper say nothing itself, unless everything is to be shown: its roster says it."""
    logger = logging.getLogger("dask_espresso.cluster.keeper")
    before = logger.level
    if logger.getEffectiveLevel() > logging.DEBUG:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


# ---- before there is a worker --------------------------------------------------------------------


def _check_configuration(case: Case) -> None:
    profile, findings = case.profile, case.findings
    name = f"profile {profile.path.name}" if profile.path else "no profile"
    if case.is_batch:
        cores = profile.option("cores")
        most = "up to " if isinstance(profile.jobs, Jobs) else ""
        jobs = f"{most}{counted(profile.max_jobs, 'worker job')} of {counted(cores, 'core')}"
        count = profile.max_jobs * profile.slots(case.ranks)
        slots = f"{most}{counted(count, 'simulation')}{of_ranks(case)} at a time"
        findings.ok(f"{name}: {profile.cluster}, {jobs}: {slots}")
        make_room(profile)
    else:
        where = "this machine" if profile.cluster == "local" else f"the scheduler {profile.cluster}"
        findings.ok(f"{name}: {where}")
    if case.study is None:
        findings.note(
            "no study was named: neither its script nor its time limit is checked, and no "
            "simulation is run"
        )


def _check_study(case: Case) -> None:
    study, walltime = case.study, case.profile.walltime
    if study is None:
        return
    check_time_limit(study, case.profile)
    said = f"study {study.name}: {counted(study.count, 'simulation')}"
    if study.time_limit is None:
        case.findings.note(
            f"{said} without a time limit: one that hangs keeps its slot for ever; add "
            "`time_limit: 10 min`, or what is long enough, to the study"
        )
        return
    said += f" of at most {format_duration(study.time_limit)}"
    fits = f", which fit into the worker jobs' {format_duration(walltime)}" if walltime else ""
    case.findings.ok(said + fits)


def _check_commands(case: Case) -> None:
    system = case.profile.system
    if not system:
        return
    try:
        job_class, _ = batch_system(case.profile)
    except InputError as error:
        raise DeadEndError(str(error)) from error
    programs = [shlex.split(command)[0] for command in system.commands(job_class)]
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        raise DeadEndError(
            f"{' and '.join(missing)} not found in the PATH; run this where jobs of "
            f"{case.profile.cluster} are submitted, such as a login node, or load its module"
        )
    case.findings.ok(f"commands: {', '.join(str(shutil.which(name)) for name in programs)}")


def _check_queue(case: Case) -> None:
    if not case.profile.system:
        return
    _, queue = batch_system(case.profile)
    if not case.profile.system.shows_queue:
        case.findings.note(
            f"the queue of {case.profile.cluster} is not looked at: a worker job that does not "
            "come up is noticed by its worker alone, and later"
        )
        return
    case.findings.ok(f"the queue answers; it has {counted(len(_look(queue)), 'job')} of yours")


def _look(queue: Queue) -> dict[str, Any]:
    try:
        return asyncio.run(_looked(queue)) or {}
    except BatchError as error:
        kind = DeadEndError if is_final(error) else FaultError
        message = f"the queue does not answer: {error}; is this where jobs are submitted?"
        raise kind(message) from error


async def _looked(queue: Queue) -> dict[str, Any] | None:
    return await queue.look()


# ---- the worker job ------------------------------------------------------------------------------


def _check_worker(case: Case) -> None:
    one = case.profile.model_copy(update={"jobs": 1})
    left = remove_dead_keys(Path.cwd())
    with open_cluster(one, ranks=case.ranks, names=left) as cluster:
        if cluster.keeper:
            cluster.keeper.work_left = 1
        worker = _first_worker(case, cluster)
        go_through(_ON_WORKER, worker, case)
        if cluster.keeper:
            case.note_jobs(cluster.keeper.roster)


def _first_worker(case: Case, cluster: Cluster) -> Worker:
    """Wait for a worker, and pass on what the batch system says meanwhile."""
    started = time.monotonic()
    said, trouble_since = Roster().describe(), math.inf
    while not (workers := cluster.client.nthreads()):
        now = time.monotonic()
        roster = cluster.keeper.roster if cluster.keeper else Roster()
        case.note_jobs(roster)
        if roster.describe() != said:
            said = roster.describe()
            case.findings.wait(said)
        trouble_since = min(trouble_since, now) if roster.problem else math.inf
        # while another job is on its way there is hope
        is_hopeless = now - trouble_since > _PERSISTS and not roster.jobs
        is_hopeless |= bool(cluster.keeper and cluster.keeper.dead_end)
        if is_hopeless or now - started > case.timeout:
            raise FaultError(_no_worker(case, cluster, roster, now - started))
        time.sleep(_LOOK)
    after = format_duration(time.monotonic() - started)
    if cluster.keeper:
        case.note_jobs(cluster.keeper.roster)
        case.findings.ok(f"worker job {', '.join(case.jobs)} came up after {after}")
    else:
        case.findings.ok(counted(len(workers), "worker"))
    return Worker(case, cluster, min(workers))


def _no_worker(case: Case, cluster: Cluster, roster: Roster, waited: float) -> str:
    """Say why there is no worker, as far as that is known, and what to do."""
    after, address = f"no worker after {format_duration(waited)}", cluster.client.scheduler.address
    if not case.is_batch:
        return f"{after}; start one with `dask worker {address}`"
    if "refused" in roster.problem:
        profile = case.profile.path or "PROFILE"
        return (
            f"{roster.problem}; correct the `options` of the profile; the job that was submitted: "
            f"`dask-espresso job-script {profile}`"
        )
    said, tail = f"{after}: {roster.describe()}", log_tail(case)
    if roster.problem and not re.search("connect|timed out|without its worker", said + tail, re.I):
        return said + tail
    if {job.state for job in roster.jobs} == {"waiting"}:
        return (
            f"{said}; the queue may be full, or no machine has what the profile asks for; "
            "a longer --timeout waits longer"
        )
    return (
        f"{said}; if the worker does not reach the scheduler at {address}, name the network that "
        f"all nodes share as `interface` under `options`; this machine has {interfaces()}{tail}"
    )


def _check_leaving(case: Case) -> None:
    """See that the worker jobs are gone, and their logs with them where all went well."""
    if not case.jobs:
        return
    _, queue = batch_system(case.profile)
    end = time.monotonic() + _LEAVE
    while left := _left(queue, case.jobs):
        if time.monotonic() > end:
            raise FaultError(
                f"still in the queue {format_duration(_LEAVE)} after they were cancelled: worker "
                f"jobs {', '.join(left)}; cancel them"
            )
        time.sleep(10 * _LOOK)
    files = case.log_files()
    if files and case.findings.faults:
        case.findings.note(f"the worker jobs are gone; their logs are in {files[0].parent}")
        return
    for path in files:  # HTCondor writes down a job's end when the keeper has removed its files
        path.unlink(missing_ok=True)
    if files:
        remove_if_empty(files[0].parent)
    case.findings.ok("the worker job is gone, and nothing of it is left")


def _left(queue: Queue, jobs: Mapping[str, str]) -> list[str]:
    found = {job_id: job.name for job_id, job in _look(queue).items()}
    return sorted(job_id for job_id, name in jobs.items() if found.get(job_id) == name)


_CHECKS = (
    _check_configuration,
    _check_study,
    _check_commands,
    _check_queue,
    _check_worker,
    _check_leaving,
)
_ON_WORKER = (
    check_network,
    check_clocks,
    check_versions,
    check_directory,
    check_script,
    check_keeping,
    check_scratch,
    check_machine,
    check_engines,
    check_simulation,
)
