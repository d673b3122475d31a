"""Find out whether a profile works, and a study on it, before a month of cluster time does.

Everything is tried for real, with one worker job: what a batch system promises and what it
does are two things.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import math
import os
import re
import shlex
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import dask
import psutil
from dask.utils import format_bytes
from distributed import KilledWorker, get_worker
from distributed.system import MEMORY_LIMIT

from .batch import BatchError, Queue, UnknownQueue
from .cluster import Cluster, batch_system, log_directory, open_cluster, remove_if_empty
from .driver import check_time_limit
from .duration import format_duration
from .engine import Engine, Probe, brief, engine_command, file_hash, probe
from .errors import DaskEspressoError, InputError
from .outcome import Outcome, Status
from .profile import JOBQUEUE_CLUSTERS, Jobs, Profile
from .roster import Roster
from .study import Simulation, Study
from .task import Order, Workload, simulate

_LOOK = 0.1  # seconds between looks at what is waited for
_PERSISTS = 10.0  # seconds; what goes wrong for so long goes wrong in the second attempt, too
_ANSWER = 60.0  # seconds in which a worker does a small thing, also on a slow file system
_ENGINE_START = 150.0  # seconds; longer than the engine itself is waited for
_LEAVE = 60.0  # seconds in which a cancelled job is gone
_LOG_LINES = 10
_CLOCK_SAMPLES = 5
_CLOCK_TOLERANCE = 5.0  # seconds
_LITTLE_SPACE = 100 << 20  # bytes for one simulation
_NARROW = 0.5  # share of its time limit that a typical simulation should not take

_NETWORK_FILE_SYSTEM = re.compile(
    r"nfs|lustre|gpfs|beegfs|cifs|smb|afs|ceph|.*gluster|panfs|pvfs|orangefs|weka|fuse\.sshfs"
)
_IN_MEMORY = ("tmpfs", "ramfs")

# what must be the same on both sides, and what only should be: it carries data between them
_MUST_AGREE = ("python", "distributed", "dask", "dask-espresso")
_SHOULD_AGREE = ("msgpack", "cloudpickle", "tornado", "numpy")

_T = TypeVar("_T")


# ---- what is said --------------------------------------------------------------------------------


class Report:
    """Says what the checks find, as they find it.

    Parameters
    ----------
    say : callable
        Takes a mark, ``ok``, ``note``, ``FAIL`` or ``wait``, and a text.

    Attributes
    ----------
    faults, notes : int
        How many were found so far.
    """

    def __init__(self, say: Callable[[str, str], None]) -> None:
        self._say = say
        self.faults = self.notes = 0

    def ok(self, text: str) -> None:
        """Say what works."""
        self._say("ok", text)

    def note(self, text: str) -> None:
        """Say what deserves attention, but is no fault."""
        self.notes += 1
        self._say("note", text)

    def wait(self, text: str) -> None:
        """Say what is waited for."""
        self._say("wait", text)

    def fail(self, text: str) -> None:
        """Say what is wrong, and what to do."""
        self.faults += 1
        self._say("FAIL", text)


class _FaultError(Exception):
    """Something is wrong; the message says what to do."""


class _DeadEndError(_FaultError):
    """Something is so wrong that the checks which follow make no sense."""


@dataclass
class _Setting:
    """What is checked."""

    profile: Profile
    study: Study | None
    engines: Sequence[Engine]
    timeout: float
    report: Report
    failed: set[Callable[..., None]] = field(default_factory=set)
    jobs: dict[str, str] = field(default_factory=dict)  # names of the worker jobs seen, by id

    @property
    def is_batch(self) -> bool:
        return self.profile.cluster in JOBQUEUE_CLUSTERS

    @property
    def max_jobs(self) -> int:
        jobs = self.profile.jobs
        return jobs.maximum if isinstance(jobs, Jobs) else jobs

    def note_jobs(self, roster: Roster) -> None:
        self.jobs |= {job.id: job.name for job in roster.jobs}

    def log_files(self) -> list[Path]:
        """Find the files that the worker jobs have written into the log directory."""
        directory = log_directory(self.profile)
        # the batch systems name files after the job or its id; HTCondor also after its first part
        ids = [rf"\b{re.escape(job_id.partition('.')[0])}\b(?!-)" for job_id in self.jobs]
        ours = re.compile("|".join([*map(re.escape, self.jobs.values()), *ids]) or "$^")
        return [path for path in directory.glob("*") if ours.search(path.name)] if directory else []


@dataclass
class _Worker:
    """A worker that has registered."""

    setting: _Setting
    cluster: Cluster
    address: str

    def ask(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Have the worker itself call a function: over a connection from scheduler to worker."""
        answers: dict[str, _T] = self.cluster.client.run(
            function, *arguments, workers=[self.address]
        )
        return answers[self.address]

    def call(self, function: Callable[..., _T], *arguments: Any, within: float = _ANSWER) -> _T:
        """Have the worker call a function as it runs simulations."""
        client, end = self.cluster.client, time.monotonic() + within
        future = client.submit(function, *arguments, workers=[self.address], pure=False)
        while not future.done():
            time.sleep(_LOOK)
            if time.monotonic() > end:
                raise _FaultError(f"the worker did not answer for {format_duration(within)}")
            if self.address not in client.nthreads():
                raise _DeadEndError(self._gone())
        try:
            result: _T = future.result()
        except KilledWorker:
            raise _DeadEndError(self._gone()) from None
        return result

    def _gone(self) -> str:
        return (
            "the worker has died; the batch system may have ended its job, for its memory or its "
            f"time{_tail(self.setting)}"
        )


def check_profile(
    profile: Profile, study: Study | None = None, *, timeout: float = 600.0, report: Report
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
    report : Report
        Takes what is found.

    Raises
    ------
    InputError
        If the profile does not know the study's engine.
    """
    names = [study.engine] if study else profile.engines
    engines = [profile.engine(name) for name in names]
    setting = _Setting(profile, study, engines, timeout, report)
    with _quiet_keeper(), _interruptible():
        _go_through(_CHECKS, setting, setting)


def _go_through(checks: Iterable[Callable[..., None]], subject: Any, setting: _Setting) -> None:
    """Make checks one after the other; one that fails does not hide the others."""
    for check in checks:
        try:
            check(subject)
        except Exception as error:  # whatever a worker comes up with is a finding, too
            setting.failed.add(check)
            expected = isinstance(error, _FaultError | DaskEspressoError)
            said = str(error) or "no reason given"
            setting.report.fail(said if expected else f"{type(error).__name__}: {said}")
            if isinstance(error, _DeadEndError):
                return


@contextlib.contextmanager
def _quiet_keeper() -> Iterator[None]:
    """Have the keeper say nothing itself, unless everything is to be shown: its roster says it."""
    logger = logging.getLogger("dask_espresso.keeper")
    before = logger.level
    if logger.getEffectiveLevel() > logging.DEBUG:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Have Ctrl-C and SIGTERM end the check in order, so that no worker job is left.

    When it is imported, dask-jobqueue has Ctrl-C exit with status 0, as if all were well.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)

    def stop(*_: Any) -> None:
        for number in numbers:  # a second one would keep the job from being cancelled
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _many(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'s' * (count != 1)}"


# ---- before there is a worker --------------------------------------------------------------------


def _check_configuration(setting: _Setting) -> None:
    profile, report = setting.profile, setting.report
    name = f"profile {profile.path.name}" if profile.path else "no profile"
    if setting.is_batch:
        section = profile.cluster.partition("-")[0]
        cores = profile.options.get("cores") or dask.config.get(f"jobqueue.{section}.cores")
        most = "up to " if isinstance(profile.jobs, Jobs) else ""
        jobs = f"{most}{_many(setting.max_jobs, 'worker job')} of {_many(cores, 'core')}"
        slots = f"{most}{_many(setting.max_jobs * cores, 'simulation')} at a time"
        report.ok(f"{name}: {profile.cluster}, {jobs}: {slots}")
    else:
        where = "this machine" if profile.cluster == "local" else f"the scheduler {profile.cluster}"
        report.ok(f"{name}: {where}")
    if setting.study is None:
        report.note(
            "no study was named: neither its script nor its time limit is checked, and no "
            "simulation is run"
        )


def _check_study(setting: _Setting) -> None:
    study, walltime = setting.study, setting.profile.walltime
    if study is None:
        return
    check_time_limit(study, setting.profile)
    said = f"study {study.name}: {_many(study.count, 'simulation')}"
    if study.time_limit is None:
        setting.report.note(
            f"{said} without a time limit: one that hangs keeps its slot for ever; add "
            "`time_limit: 10 min`, or what is long enough, to the study"
        )
        return
    said += f" of at most {format_duration(study.time_limit)}"
    fits = f", which fit into the worker jobs' {format_duration(walltime)}" if walltime else ""
    setting.report.ok(said + fits)


def _check_commands(setting: _Setting) -> None:
    if not setting.is_batch:
        return
    try:
        job_class, _ = batch_system(setting.profile)
    except InputError as error:
        raise _DeadEndError(str(error)) from error
    commands = ["srun"]
    if setting.profile.cluster != "slurm-allocation":
        commands = [job_class.submit_command, job_class.cancel_command]
    programs = [shlex.split(command)[0] for command in commands]
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        raise _DeadEndError(
            f"{' and '.join(missing)} not found in the PATH; run this where jobs of "
            f"{setting.profile.cluster} are submitted, such as a login node, or load its module"
        )
    setting.report.ok(f"commands: {', '.join(str(shutil.which(name)) for name in programs)}")


def _check_queue(setting: _Setting) -> None:
    if not setting.is_batch:
        return
    _, queue = batch_system(setting.profile)
    if isinstance(queue, UnknownQueue):
        setting.report.note(
            f"the queue of {setting.profile.cluster} is not looked at: a worker job that does not "
            "come up is noticed by its worker alone, and later"
        )
        return
    setting.report.ok(f"the queue answers; it has {_many(len(_look(queue)), 'job')} of yours")


def _look(queue: Queue) -> dict[str, Any]:
    try:
        return asyncio.run(_looked(queue)) or {}
    except BatchError as error:
        raise _FaultError(
            f"the queue does not answer: {error}; is this where jobs are submitted?"
        ) from error


async def _looked(queue: Queue) -> dict[str, Any] | None:
    return await queue.look()


# ---- the worker ----------------------------------------------------------------------------------


def _check_worker(setting: _Setting) -> None:
    with open_cluster(setting.profile.model_copy(update={"jobs": 1})) as cluster:
        if cluster.keeper:
            cluster.keeper.work_left = 1
        worker = _first_worker(setting, cluster)
        _go_through(_WORKER_CHECKS, worker, setting)
        if cluster.keeper:
            setting.note_jobs(cluster.keeper.roster)


def _first_worker(setting: _Setting, cluster: Cluster) -> _Worker:
    """Wait for a worker, and pass on what the batch system says meanwhile."""
    started = time.monotonic()
    said, trouble_since = Roster().describe(), math.inf
    while not (workers := cluster.client.nthreads()):
        now = time.monotonic()
        roster = cluster.keeper.roster if cluster.keeper else Roster()
        setting.note_jobs(roster)
        if roster.describe() != said:
            said = roster.describe()
            setting.report.wait(said)
        trouble_since = min(trouble_since, now) if roster.problem else math.inf
        # while another job is on its way there is hope
        is_hopeless = now - trouble_since > _PERSISTS and not roster.jobs
        if is_hopeless or now - started > setting.timeout:
            raise _FaultError(_no_worker(setting, cluster, roster, now - started))
        time.sleep(_LOOK)
    after = format_duration(time.monotonic() - started)
    if cluster.keeper:
        setting.note_jobs(cluster.keeper.roster)
        setting.report.ok(f"worker job {', '.join(setting.jobs)} came up after {after}")
    else:
        setting.report.ok(_many(len(workers), "worker"))
    return _Worker(setting, cluster, min(workers))


def _no_worker(setting: _Setting, cluster: Cluster, roster: Roster, waited: float) -> str:
    """Say why there is no worker, as far as that is known, and what to do."""
    after, address = f"no worker after {format_duration(waited)}", cluster.client.scheduler.address
    if not setting.is_batch:
        return f"{after}; start one with `dask worker {address}`"
    if "refused" in roster.problem:
        profile = setting.profile.path or "PROFILE"
        return (
            f"{roster.problem}; correct the `options` of the profile; the job that was submitted: "
            f"`dask-espresso job-script {profile}`"
        )
    said, tail = f"{after}: {roster.describe()}", _tail(setting)
    if roster.problem and not re.search("connect|timed out|without its worker", said + tail, re.I):
        return said + tail
    if {job.state for job in roster.jobs} == {"waiting"}:
        return (
            f"{said}; the queue may be full, or no machine has what the profile asks for; "
            "a longer --timeout waits longer"
        )
    return (
        f"{said}; if the worker does not reach the scheduler at {address}, name the network that "
        f"all nodes share as `interface` under `options`; this machine has {_interfaces()}{tail}"
    )


def _interfaces() -> str:
    """List the networks that this machine is in."""
    found = (
        f"{name} ({address.address})"
        for name, addresses in psutil.net_if_addrs().items()
        for address in addresses
        if address.family == socket.AF_INET
        and not ipaddress.ip_address(address.address).is_loopback
    )
    return ", ".join(found) or "none but loopback"


def _tail(setting: _Setting) -> str:
    """Give the last lines that a worker job has printed, if there are any: of the last job."""
    files = [path for path in setting.log_files() if path.suffix != ".log"]  # HTCondor's own
    files.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in sorted(files, key=lambda path: not path.suffix.startswith(".e")):
        with contextlib.suppress(OSError):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            if last := [line.rstrip() for line in lines if line.strip()][-_LOG_LINES:]:
                return "\n".join([f"\nthe end of {path.name}:", *last])
    return ""


def _check_network(worker: _Worker) -> None:
    here, there = worker.cluster.client.scheduler.address, worker.address
    try:
        interfaces = worker.ask(psutil.net_if_addrs)
    except Exception as error:
        raise _DeadEndError(
            f"the scheduler, {here}, does not reach the worker, {there} ({error}); open the "
            "ports between them, or name the network that the nodes share as `interface` under "
            "`options`"
        ) from error
    report = worker.setting.report
    ends = (
        f"worker {there}{_on_interface(there, interfaces)}",
        f"scheduler {here}{_on_interface(here, psutil.net_if_addrs())}",
    )
    is_encrypted = here.startswith("tls://")
    report.ok(f"{' and '.join(ends)} reach each other{', encrypted' * is_encrypted}")
    if worker.setting.profile.cluster == "local":
        return
    if not is_encrypted:
        report.note(
            "connections are not encrypted: everyone in this network can run programs as you; "
            "start the scheduler with TLS"
        )
    if _is_loopback(here):
        report.note(
            "other machines do not reach the scheduler there; for worker jobs on them name the "
            f"network as `interface` under `options`; this machine has {_interfaces()}"
        )


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _on_interface(address: str, interfaces: dict[str, list[Any]]) -> str:
    host = urlsplit(address).hostname
    for name, addresses in interfaces.items():
        if any(found.address == host for found in addresses):
            return f" ({name})"
    return ""


def _check_clocks(worker: _Worker) -> None:
    """Compare the clocks, as exactly as the fastest of several answers allows."""
    samples = []
    for _ in range(_CLOCK_SAMPLES):
        before = time.time()
        there = worker.ask(time.time)
        after = time.time()
        samples.append((after - before, there - (before + after) / 2))
    round_trip, ahead = min(samples)
    said = f"{format_duration(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} this one"
    if abs(ahead) - round_trip / 2 > _CLOCK_TOLERANCE:
        worker.setting.report.note(
            f"the worker's clock is {said}: start times in the store are wrong by that, "
            "simulations may start too late in their job to end, and a worker that is behind may "
            "take this run's certificate for not valid yet; have the machines' clocks set (NTP)"
        )
    else:
        worker.setting.report.ok(
            f"clocks agree to {max(abs(ahead), round_trip / 2):.2f} s; "
            f"a message there and back takes {1000 * round_trip:.0f} ms"
        )


def _check_versions(worker: _Worker) -> None:
    found = worker.cluster.client.get_versions(packages=["dask-espresso"])
    sides = {
        "here": found["client"]["packages"],
        "on the scheduler": found["scheduler"]["packages"],
        "on the worker": found["workers"][worker.address]["packages"],
    }
    python = worker.ask(getattr, sys, "executable")  # works also where this package is missing
    if differing := _differing(_MUST_AGREE, sides):
        remedy = (
            f"set `python: {sys.executable}` under `options`"
            if worker.setting.is_batch
            else "start scheduler and workers from this installation"
        )
        raise _DeadEndError(
            f"versions differ: {differing} ({python}); {remedy}, or install the same there"
        )
    listed = ", ".join(f"{name} {_version(name, sides['here'])}" for name in _MUST_AGREE)
    worker.setting.report.ok(f"versions agree: {listed}; the worker's Python is {python}")
    if differing := _differing(_SHOULD_AGREE, sides):
        worker.setting.report.note(
            f"versions differ: {differing}; the same ones on both sides spare surprises"
        )


def _differing(packages: Sequence[str], sides: dict[str, dict[str, str | None]]) -> str:
    """List the packages of which not all sides have the same version, and who has which."""
    differing = []
    for package in packages:
        found: dict[str, list[str]] = {}
        for where, versions in sides.items():
            found.setdefault(_version(package, versions), []).append(where)
        if len(found) > 1:
            who = (f"{version} {' and '.join(wheres)}" for version, wheres in found.items())
            differing.append(f"{package} {', '.join(who)}")
    return "; ".join(differing)


def _version(package: str, versions: dict[str, str | None]) -> str:
    """Give a version as far as it has to agree: for Python that is 3.11, say."""
    version = versions.get(package) or "missing"
    return ".".join(version.split(".")[:2]) if package == "python" else version


def _check_directory(worker: _Worker) -> None:
    directory, content = Path.cwd(), uuid.uuid4().hex
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(
                tempfile.NamedTemporaryFile("w", dir=directory, prefix=".dask-espresso-check-")
            )
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # to where other machines see it
        except OSError as error:
            raise _FaultError(
                f"nothing can be written into {directory} ({error.strerror}), where the store "
                "goes; work in another directory"
            ) from error
        found = worker.call(_read, file.name)
    if found == content:
        worker.setting.report.ok(f"the worker sees this directory, {directory}")
    elif worker.setting.is_batch:
        raise _FaultError(
            f"the worker does not see this directory, {directory} ({found}); work in one that all "
            "nodes share"
        )
    else:
        worker.setting.report.note(
            f"the worker does not see this directory, {directory} ({found}); scripts must lie "
            "where it sees them"
        )


def _check_script(worker: _Worker) -> None:
    study = worker.setting.study
    if study is None:
        return
    path = study.script_path
    found = worker.call(_hash, str(path))
    if found == study.script_hash:
        worker.setting.report.ok(f"the worker sees the script, {path}")
        return
    if re.fullmatch("[0-9a-f]{64}", found):
        raise _FaultError(
            f"{path}: is another one on the worker than the study was loaded with; leave it alone "
            "while this runs, or keep it on a file system that all nodes share, without copies"
        )
    raise _FaultError(
        f"{path}: the worker cannot read it ({found}); keep study and script on a file system "
        "that all nodes share"
    )


def _check_scratch(worker: _Worker) -> None:
    scratch, report = worker.call(_scratch), worker.setting.report
    elsewhere = (
        "`export TMPDIR=/DIRECTORY` under `job_script_prologue` in the profile's `options` takes "
        "another one"
    )
    if scratch.error:
        raise _FaultError(
            f"simulations cannot run in {scratch.path or 'any directory'} ({scratch.error}); "
            f"{elsewhere}"
        )
    report.ok(
        f"simulations run in {scratch.path} ({scratch.file_system}), "
        f"which has {format_bytes(scratch.free)} free"
    )
    slots = worker.cluster.client.nthreads()[worker.address]
    if scratch.free < slots * _LITTLE_SPACE:
        report.note(
            f"{format_bytes(scratch.free)} is little for {slots} simulations at a time; {elsewhere}"
        )
    if _NETWORK_FILE_SYSTEM.match(scratch.file_system):
        report.note(
            f"{scratch.path} is on a network file system ({scratch.file_system}): many short "
            f"simulations are slow there, and slow others down; {elsewhere}"
        )
    if scratch.file_system in _IN_MEMORY:
        report.note(
            f"{scratch.path} is in memory ({scratch.file_system}): what simulations write there "
            f"counts against the memory of the job; {elsewhere}"
        )


def _check_machine(worker: _Worker) -> None:
    machine, report = worker.call(_machine), worker.setting.report
    each = machine.memory // machine.slots
    report.ok(
        f"machine {machine.host}: {_many(machine.slots, 'simulation')} at a time on "
        f"{_many(machine.cores, 'core')}, with {format_bytes(each)} of memory each"
    )
    if machine.slots > machine.cores:
        report.note(
            f"{_many(machine.slots, 'simulation')} at a time share {_many(machine.cores, 'core')}; "
            "does the job get the `cores` that the profile says?"
        )


def _check_engines(worker: _Worker) -> None:
    errors = []
    for engine in worker.setting.engines:
        started = worker.call(_start, engine, within=_ENGINE_START)
        if started.found.error:
            errors.append(started.found.error)
            continue
        worker.setting.report.ok(
            f"engine {engine.name} {started.found.version}, {started.program}, starts in "
            f"{format_duration(started.elapsed_time)}"
        )
    if errors:
        load = " under `job_script_prologue`" if worker.setting.is_batch else ""
        raise _FaultError(
            f"{'; '.join(errors)}; set its command under `engines` in the profile, or load the "
            f"module that has it{load}"
        )


def _check_simulation(worker: _Worker) -> None:
    setting = worker.setting
    study = setting.study
    if study is None or setting.failed & {_check_script, _check_engines}:
        return
    limit = study.time_limit or setting.timeout
    one = next(study.simulations())
    setting.report.wait(f"simulation {_named(one, study)}, at most {format_duration(limit)}")
    workload = Workload(
        setting.profile.engine(study.engine), str(study.script_path), study.script_hash, limit
    )
    order = Order(one.id, one.parameters, one.replica, one.seed, attempt=1)
    outcome = worker.call(simulate, workload, order, within=limit + _ANSWER)
    if outcome.status is Status.TIMED_OUT and study.time_limit is None:
        setting.report.note(
            f"simulation {one.id} was not done after {format_duration(limit)}, and was stopped; "
            "a longer --timeout waits longer"
        )
        return
    if not outcome.is_done:
        raise _FaultError(
            f"simulation {one.id} {outcome.status.label}: {brief(outcome.error)}; find out more "
            f"with `dask-espresso try {study.path}`"
        )
    setting.report.ok(
        f"simulation {one.id} done in {format_duration(outcome.elapsed_time)}, "
        f"{format_bytes(outcome.peak_memory)}"
    )
    _warn_of_limits(worker, study, outcome)
    setting.report.ok(_estimate(worker, study, outcome.elapsed_time))


def _named(simulation: Simulation, study: Study) -> str:
    """Name a simulation by its id and what distinguishes it."""
    swept = (f"{name} = {simulation.parameters[name]}" for name in study.swept)
    return ", ".join([simulation.id, *swept])


def _warn_of_limits(worker: _Worker, study: Study, outcome: Outcome) -> None:
    """Take note of limits that one simulation keeps, but others may not."""
    report, machine = worker.setting.report, worker.call(_machine)
    if study.time_limit and outcome.elapsed_time > _NARROW * study.time_limit:
        report.note(
            f"that is {outcome.elapsed_time / study.time_limit:.0%} of the study's `time_limit`; "
            "simulations that take longer than this one may not keep to it"
        )
    if outcome.peak_memory * machine.slots > machine.memory:
        report.note(
            f"{machine.slots} such simulations at a time need "
            f"{format_bytes(outcome.peak_memory * machine.slots)} of memory, of which the worker "
            f"has {format_bytes(machine.memory)}; ask for more `memory`, or for fewer `cores`"
        )


def _estimate(worker: _Worker, study: Study, elapsed_time: float) -> str:
    """Say what the whole study takes if all simulations are like the first."""
    slots = sum(worker.cluster.client.nthreads().values()) * worker.setting.max_jobs
    rounds = math.ceil(study.count / slots)
    hours = study.count * elapsed_time / 3600
    cost = f", {hours:.1f} core hours" if hours >= 0.1 else ""
    waiting = " and all jobs run" if worker.setting.is_batch else ""
    return (
        f"all {study.count} simulations take about {format_duration(rounds * elapsed_time)} with "
        f"{slots} at a time{cost}, if they are like this one{waiting}"
    )


def _check_leaving(setting: _Setting) -> None:
    """See that the worker jobs are gone, and their logs with them where all went well."""
    if not setting.jobs:
        return
    _, queue = batch_system(setting.profile)
    end = time.monotonic() + _LEAVE
    while left := sorted(setting.jobs.keys() & _look(queue).keys()):
        if time.monotonic() > end:
            raise _FaultError(
                f"still in the queue {format_duration(_LEAVE)} after they were cancelled: worker "
                f"jobs {', '.join(left)}; cancel them"
            )
        time.sleep(10 * _LOOK)
    files = setting.log_files()
    if files and setting.report.faults:
        setting.report.note(f"the worker jobs are gone; their logs are in {files[0].parent}")
        return
    for path in files:  # HTCondor writes down a job's end when the keeper has removed its files
        path.unlink(missing_ok=True)
    if files:
        remove_if_empty(files[0].parent)
    setting.report.ok("the worker job is gone, and nothing of it is left")


# ---- what the worker does ------------------------------------------------------------------------


class _Machine(NamedTuple):
    host: str
    slots: int
    cores: int
    memory: int


class _Scratch(NamedTuple):
    path: str
    file_system: str = ""
    free: int = 0
    error: str = ""


class _Start(NamedTuple):
    found: Probe
    program: str
    elapsed_time: float


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        return error.strerror or str(error)


def _hash(path: str) -> str:
    try:
        return file_hash(path)
    except OSError as error:
        return error.strerror or str(error)


def _machine() -> _Machine:
    worker = get_worker()
    return _Machine(
        host=os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
        slots=worker.state.nthreads,
        cores=len(os.sched_getaffinity(0)),
        memory=worker.memory_manager.memory_limit or MEMORY_LIMIT,
    )


def _scratch() -> _Scratch:
    """Try the directory that simulations get their own ones in."""
    path = os.environ.get("TMPDIR", "")
    try:
        path = tempfile.gettempdir()
        with tempfile.TemporaryFile() as file:
            file.write(b"dask_espresso")
            file.flush()
    except OSError as error:
        return _Scratch(path, error=error.strerror or str(error))
    return _Scratch(path, _file_system(path), shutil.disk_usage(path).free)


def _file_system(path: str) -> str:
    """Give the type of the file system that has a path."""
    resolved = Path(path).resolve()
    mounts = [
        (len(mount.mountpoint), i, mount.fstype)
        for i, mount in enumerate(psutil.disk_partitions(all=True))
        if resolved.is_relative_to(mount.mountpoint)
    ]
    return max(mounts)[2] if mounts else "unknown"  # of equal ones the last hides the others


def _start(engine: Engine) -> _Start:
    started = time.monotonic()
    found = probe(engine)
    command = engine_command(engine)
    program = " ".join([shutil.which(command[0]) or command[0], *command[1:]])
    return _Start(found, program, time.monotonic() - started)


_CHECKS = (
    _check_configuration,
    _check_study,
    _check_commands,
    _check_queue,
    _check_worker,
    _check_leaving,
)
_WORKER_CHECKS = (
    _check_network,
    _check_clocks,
    _check_versions,
    _check_directory,
    _check_script,
    _check_scratch,
    _check_machine,
    _check_engines,
    _check_simulation,
)
