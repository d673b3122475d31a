"""What a check of a profile tries on a worker."""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import socket
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import psutil
from dask.utils import format_bytes
from distributed import KilledWorker, get_worker
from distributed.system import MEMORY_LIMIT

from ..cluster.cluster import Cluster
from ..cluster.crew import unreachable
from ..engines import Engine, engine_command
from ..errors import DaskEspressoError
from ..files import file_hash
from ..inputs.study import Simulation, Study
from ..outcome import Outcome, Status
from ..process.cause import brief
from ..process.modules import find_modules
from ..process.order import Order, Workload
from ..process.probe import Probe
from ..process.task import probe_engine, simulate_one
from ..store.claim import Claim
from ..store.journal import Journal
from ..store.reading import claim_path, journal_path
from ..walltime import format_duration
from .findings import (
    Case,
    DeadEndError,
    FaultError,
    is_loopback,
    log_tail,
    many,
    of_ranks,
    on_loopback,
)

_LOOK = 0.1  # seconds between looks at what is waited for
_ANSWER = 60.0  # seconds in which a worker does a small thing, also on a slow file system
_ENGINE_START = 150.0  # seconds; longer than the engine itself is waited for
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


@dataclass
class Worker:
    """A worker that has registered."""

    case: Case
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
                raise FaultError(f"the worker did not answer for {format_duration(within)}")
            if self.address not in client.nthreads():
                raise DeadEndError(self._gone())
        try:
            result: _T = future.result()
        except KilledWorker:
            raise DeadEndError(self._gone()) from None
        return result

    def _gone(self) -> str:
        return (
            "the worker has died; the batch system may have ended its job, for its memory or its "
            f"time{log_tail(self.case)}"
        )


def _check_network(worker: Worker) -> None:
    here, there = worker.cluster.client.scheduler.address, worker.address
    try:
        addresses = worker.ask(psutil.net_if_addrs)
    except Exception as error:
        raise DeadEndError(unreachable(here, there, str(error))) from error
    findings = worker.case.findings
    ends = (
        f"worker {there}{_on_interface(there, addresses)}",
        f"scheduler {here}{_on_interface(here, psutil.net_if_addrs())}",
    )
    is_encrypted = here.startswith("tls://")
    findings.ok(f"{' and '.join(ends)} reach each other{', encrypted' * is_encrypted}")
    if worker.case.profile.cluster == "local":
        return
    if not is_encrypted:
        findings.note(
            "connections are not encrypted: everyone in this network can run programs as you; "
            "start the scheduler with TLS"
        )
    if is_loopback(here):
        findings.note(on_loopback(here))


def _on_interface(address: str, networks: dict[str, list[Any]]) -> str:
    host = urlsplit(address).hostname
    for name, addresses in networks.items():
        if any(found.address == host for found in addresses):
            return f" ({name})"
    return ""


def _check_clocks(worker: Worker) -> None:
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
        worker.case.findings.note(
            f"the worker's clock is {said}: start times in the store are wrong by that, "
            "simulations may start too late in their job to end, and a worker that is behind may "
            "take this run's certificate for not valid yet; have the machines' clocks set (NTP)"
        )
    else:
        worker.case.findings.ok(
            f"clocks agree to {max(abs(ahead), round_trip / 2):.2f} s; "
            f"a message there and back takes {1000 * round_trip:.0f} ms"
        )


def _check_versions(worker: Worker) -> None:
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
            if worker.case.is_batch
            else "start scheduler and workers from this installation"
        )
        raise DeadEndError(
            f"versions differ: {differing} ({python}); {remedy}, or install the same there"
        )
    listed = ", ".join(f"{name} {_version(name, sides['here'])}" for name in _MUST_AGREE)
    worker.case.findings.ok(f"versions agree: {listed}; the worker's Python is {python}")
    if differing := _differing(_SHOULD_AGREE, sides):
        worker.case.findings.note(
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


def _check_directory(worker: Worker) -> None:
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
            raise FaultError(
                f"nothing can be written into {directory} ({error.strerror}), where the store "
                "goes; work in another directory"
            ) from error
        found = worker.call(_read, file.name)
    _try_store(directory)
    if found == content:
        worker.case.findings.ok(f"the worker sees this directory, {directory}")
    elif worker.case.is_batch:
        raise FaultError(
            f"the worker does not see this directory, {directory} ({found}); work in one that all "
            "nodes share"
        )
    else:
        worker.case.findings.note(
            f"the worker does not see this directory, {directory} ({found}); scripts must lie "
            "where it sees them"
        )


def _try_store(directory: Path) -> None:
    """Do what a driver does to its store, in the directory of the run."""
    path = directory / f".dask-espresso-check-{uuid.uuid4().hex[:8]}.h5"
    try:
        claim = Claim(claim_path(path))
        try:
            journal = Journal(journal_path(path), b"check", lambda: claim.is_ours)
            journal.append([(b"check",)])
            journal.remove()
        finally:
            claim.release()
    except (OSError, DaskEspressoError) as error:
        raise FaultError(
            f"a store cannot be kept in {directory} ({error}); work in a directory on another "
            "file system"
        ) from error


def _check_script(worker: Worker) -> None:
    study = worker.case.study
    if study is None:
        return
    path = study.script_path
    modules = find_modules(path, worker.case.profile.engine(study.engine))
    _check_code_file(worker, str(path), study.script_hash)
    for module in modules:
        _check_code_file(worker, module.path, module.hash)
    imported = f", and what it imports: {', '.join(m.name for m in modules)}" if modules else ""
    worker.case.findings.ok(f"the worker sees the script, {path}{imported}")


def _check_code_file(worker: Worker, path: str, expected: str) -> None:
    found = worker.call(_hash, path)
    if found == expected:
        return
    if re.fullmatch("[0-9a-f]{64}", found):
        raise FaultError(
            f"{path}: is another one on the worker than the study was loaded with; leave it alone "
            "while this runs, or keep it on a file system that all nodes share, without copies"
        )
    raise FaultError(
        f"{path}: the worker cannot read it ({found}); keep study and script on a file system "
        "that all nodes share"
    )


def _check_scratch(worker: Worker) -> None:
    scratch, findings = worker.call(_scratch), worker.case.findings
    elsewhere = (
        "`export TMPDIR=/DIRECTORY` under `job_script_prologue` in the profile's `options` takes "
        "another one"
    )
    if scratch.error:
        raise FaultError(
            f"simulations cannot run in {scratch.path or 'any directory'} ({scratch.error}); "
            f"{elsewhere}"
        )
    findings.ok(
        f"simulations run in {scratch.path} ({scratch.file_system}), "
        f"which has {format_bytes(scratch.free)} free"
    )
    slots = worker.cluster.client.nthreads()[worker.address]
    if scratch.free < slots * _LITTLE_SPACE:
        findings.note(
            f"{format_bytes(scratch.free)} is little for {slots} simulations at a time; {elsewhere}"
        )
    if _NETWORK_FILE_SYSTEM.match(scratch.file_system):
        findings.note(
            f"{scratch.path} is on a network file system ({scratch.file_system}): many short "
            f"simulations are slow there, and slow others down; {elsewhere}"
        )
    if scratch.file_system in _IN_MEMORY:
        findings.note(
            f"{scratch.path} is in memory ({scratch.file_system}): what simulations write there "
            f"counts against the memory of the job; {elsewhere}"
        )


def _check_machine(worker: Worker) -> None:
    machine, findings = worker.call(_machine), worker.case.findings
    each = machine.memory // machine.slots
    simulations = many(machine.slots, "simulation") + of_ranks(worker.case)
    findings.ok(
        f"machine {machine.host}: {simulations} at a time on "
        f"{many(machine.cores, 'core')}, with {format_bytes(each)} of memory each"
    )
    if machine.slots * worker.case.ranks > machine.cores:
        findings.note(
            f"{simulations} at a time share {many(machine.cores, 'core')}; "
            "does the job get the `cores` that the profile says?"
        )


def _check_engines(worker: Worker) -> None:
    errors = []
    for engine in worker.case.engines:
        started = worker.call(_start, engine, within=_ENGINE_START)
        if started.found.error:
            errors.append(started.found.error)
            continue
        how = "; simulations are forked from a warm one" if started.found.start == "fork" else ""
        worker.case.findings.ok(
            f"engine {engine.name} {started.found.version}, {started.program}, starts in "
            f"{format_duration(started.elapsed_time)}{_with_ranks(engine, started.found)}{how}"
        )
        if reason := started.found.reason:
            worker.case.findings.note(f"simulations are fresh processes: {reason}")
    if errors:
        load = "; modules are loaded under `job_script_prologue`" if worker.case.is_batch else ""
        raise FaultError("; ".join(errors) + load)


def _with_ranks(engine: Engine, found: Probe) -> str:
    return f", {engine.ranks} ranks with {found.launcher}" if found.launcher else ""


def _check_simulation(worker: Worker) -> None:
    case, study = worker.case, worker.case.study
    if study is None or case.failed & {_check_script, _check_engines}:
        return
    limit = study.time_limit or case.timeout
    one = next(study.simulations())
    # its seed imports numpy.random, in which an interrupt is lost: before anybody is told to wait
    order = Order.of(one)
    case.findings.wait(f"simulation {_named(one, study)}, at most {format_duration(limit)}")
    workload = replace(Workload.of(study, case.profile), time_limit=limit)
    outcome = worker.call(simulate_one, workload, order, within=limit + _ANSWER)
    if outcome.status is Status.TIMED_OUT and study.time_limit is None:
        case.findings.note(
            f"simulation {one.id} was not done after {format_duration(limit)}, and was stopped; "
            "a longer --timeout waits longer"
        )
        return
    ended = f"simulation {one.id} {outcome.status.label}"
    memory = outcome.peak_memory or 0
    took = f"in {format_duration(outcome.elapsed_time)}, {format_bytes(memory)}"
    given = f" --profile {path}" if (path := case.profile.path) else ""
    why = f"{brief(outcome.error)}; find out more with `dask-espresso try {study.path}{given}`"
    if not outcome.status.has_result:
        raise FaultError(f"{ended}: {why}")
    if outcome.is_done:
        case.findings.ok(f"{ended} {took}")
    else:
        case.findings.note(f"{ended} {took}: {why}")
    _warn_of_limits(worker, study, outcome)
    case.findings.ok(_estimate(worker, study, outcome.elapsed_time))


def _named(simulation: Simulation, study: Study) -> str:
    """Name a simulation by its id and what distinguishes it."""
    swept = (f"{name} = {simulation.parameters[name]}" for name in study.swept)
    return ", ".join([simulation.id, *swept])


def _warn_of_limits(worker: Worker, study: Study, outcome: Outcome) -> None:
    """Take note of limits that one simulation keeps, but others may not."""
    findings, machine = worker.case.findings, worker.call(_machine)
    if study.time_limit and outcome.elapsed_time > _NARROW * study.time_limit:
        findings.note(
            f"that is {outcome.elapsed_time / study.time_limit:.0%} of the study's `time_limit`; "
            "simulations that take longer than this one may not keep to it"
        )
    memory = (outcome.peak_memory or 0) * machine.slots * worker.case.ranks
    if memory > machine.memory:
        findings.note(
            f"{machine.slots} such simulations at a time need "
            f"{format_bytes(memory)} of memory, of which the worker "
            f"has {format_bytes(machine.memory)}; ask for more `memory`, or for fewer `cores`"
        )


def _estimate(worker: Worker, study: Study, elapsed_time: float) -> str:
    """Say what the whole study takes if all simulations are like the first."""
    slots = sum(worker.cluster.client.nthreads().values()) * worker.case.profile.max_jobs
    rounds = math.ceil(study.count / slots)
    hours = study.count * elapsed_time * worker.case.ranks / 3600
    cost = f", {hours:.1f} core hours" if hours >= 0.1 else ""
    waiting = " and all jobs run" if worker.case.is_batch else ""
    return (
        f"all {study.count} simulations take about {format_duration(rounds * elapsed_time)} with "
        f"{slots} at a time{cost}, if they are like this one{waiting}"
    )


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
    found = probe_engine(replace(engine, start="spawn"))
    elapsed_time = time.monotonic() - started
    command = engine_command(engine)
    program = " ".join([shutil.which(command[0]) or command[0], *command[1:]])
    return _Start(found if found.error else probe_engine(engine), program, elapsed_time)


WORKER_CHECKS = (
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
