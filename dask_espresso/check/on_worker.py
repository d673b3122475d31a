"""What a check has the worker do."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import psutil
from distributed import get_worker
from distributed.system import MEMORY_LIMIT

from ..engines import Engine, engine_command
from ..errors import BadValueError
from ..files import file_hash
from ..inputs.keep import Keep
from ..process.keeping import keep_files
from ..process.machine import host_name
from ..process.probe import Probe
from ..process.task import probe_engine


class Machine(NamedTuple):
    """How many simulations the machine of a worker runs at a time, and what it has for them."""

    host: str
    slots: int
    cores: int
    memory: int


class Scratch(NamedTuple):
    """The directory that simulations get their own ones in."""

    path: str
    file_system: str = ""
    free: int = 0
    error: str = ""


class EngineStart(NamedTuple):
    """What starting an engine has come to."""

    found: Probe
    program: str
    elapsed_time: float


def read_text(path: str) -> str:
    """Give the content of a file, or why there is none."""
    try:
        return Path(path).read_text()
    except OSError as error:
        return error.strerror or str(error)


def hash_of(path: str) -> str:
    """Give the hash of a file, or why there is none."""
    try:
        return file_hash(path)
    except OSError as error:
        return error.strerror or str(error)


def look_at_machine() -> Machine:
    """Say what the machine has."""
    worker = get_worker()
    return Machine(
        host=host_name(),
        slots=worker.state.nthreads,
        cores=len(os.sched_getaffinity(0)),
        memory=worker.memory_manager.memory_limit or MEMORY_LIMIT,
    )


def try_scratch() -> Scratch:
    """Try the directory that simulations get their own ones in."""
    path = os.environ.get("TMPDIR", "")
    try:
        path = tempfile.gettempdir()
        with tempfile.TemporaryFile() as file:
            file.write(b"dask_espresso")
            file.flush()
    except OSError as error:
        return Scratch(path, error=error.strerror or str(error))
    return Scratch(path, _file_system(path), shutil.disk_usage(path).free)


def try_keeping(keep: Keep) -> tuple[str, str]:
    """Keep a file as that of a simulation: say what was kept, and why nothing was."""
    try:
        with tempfile.TemporaryDirectory() as directory:
            Path(directory, keep.patterns[0]).write_text("dask_espresso")
            return keep_files(keep, directory, is_complete=True), ""
    except BadValueError as error:
        return "", str(error)
    except OSError as error:
        return "", error.strerror or str(error)


def _file_system(path: str) -> str:
    """Give the type of the file system that has a path."""
    resolved = Path(path).resolve()
    mounts = [
        (len(mount.mountpoint), i, mount.fstype)
        for i, mount in enumerate(psutil.disk_partitions(all=True))
        if resolved.is_relative_to(mount.mountpoint)
    ]
    return max(mounts)[2] if mounts else "unknown"  # of equal ones the last hides the others


def start_engine(engine: Engine) -> EngineStart:
    """Start an engine, and see how long that takes."""
    started = time.monotonic()
    found = probe_engine(replace(engine, start="spawn"))
    elapsed_time = time.monotonic() - started
    command = engine_command(engine)
    program = " ".join([shutil.which(command[0]) or command[0], *command[1:]])
    return EngineStart(found if found.error else probe_engine(engine), program, elapsed_time)
