"""Ways to run many simulations: the package, the original sample's, and those of peers."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import math
import os
import random
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import yaml

import dask_espresso
from dask_espresso.errors import InputError

from .measure import Cost, FailedError, Look, measure

HERE = Path(__file__).resolve().parent
PACKAGE = Path(dask_espresso.__file__).resolve().parent
SHIPPED = PACKAGE / "simulations"
CORES = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Task:
    """A simulation that all contestants run, many times.

    Attributes
    ----------
    script : Path
        The same for all of them, unless `original_script` is another.
    wanted : str
        A number that every result has to have.
    parameters : dict
        Beside the simulation's own number ``i``.
    engine : str
        As in a study.
    interpreter : str
        What runs the script.
    original_script : Path or None
        What the original sample has instead.
    """

    script: Path
    wanted: str
    parameters: dict[str, Any] = field(default_factory=dict)
    engine: str = "python"
    interpreter: str = sys.executable
    original_script: Path | None = None


ECHO = Task(SHIPPED / "echo.py", wanted="processed")


@dataclass(frozen=True)
class Run:
    """What has come of a contestant's run.

    Attributes
    ----------
    count : int
        Simulations.
    cost : Cost
        Of all of them, and of starting and ending the contestant.
    values : list of float
        Their results.
    store_size : int
        In bytes; zero where there is no store.
    first_start, first_end : float
        From the command to the start and to the end of what was simulated first, in seconds;
        NaN where that is not known.
    """

    count: int
    cost: Cost
    values: list[float]
    store_size: int = 0
    first_start: float = math.nan
    first_end: float = math.nan


@dataclass(frozen=True)
class Package:
    """The package's own command line.

    Attributes
    ----------
    name : str
        In tables.
    start : str
        How its engine is to start simulations; empty for what it does by itself.
    n_workers, threads : int
        Of its cluster.
    """

    name: str = "dask_espresso"
    start: str = ""
    n_workers: int = 1
    threads: int = CORES

    def missing(self) -> str:
        """Say why it cannot take part; empty if it can."""
        with tempfile.TemporaryDirectory() as directory:
            try:
                dask_espresso.load_profile(self._write_profile(Path(directory), ECHO))
            except InputError:
                return "not in this version"
        return ""

    def _write_profile(self, directory: Path, task: Task) -> Path:
        settings: dict[str, Any] = {"start": self.start} if self.start else {}
        if task.engine == "espresso":
            settings |= {"command": [task.interpreter], "preload": ["numpy", "espressomd"]}
        profile = {
            "cluster": "local",
            "engines": {task.engine: settings},
            "options": {"n_workers": self.n_workers, "threads_per_worker": self.threads},
        }
        path = directory / "profile.yaml"
        path.write_text(yaml.safe_dump(profile))
        return path

    def run(
        self,
        task: Task,
        count: int,
        *,
        look_at_memory: bool = False,
        environment: Mapping[str, str] | None = None,
        look: Look | None = None,
        module: str = "dask_espresso",
    ) -> Run:
        """Run so many simulations, and check their outcomes."""
        with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
            directory = Path(name)
            swept = {"start": 0, "stop": count - 1, "step": 1}
            study = {
                "name": "benchmark",
                "engine": task.engine,
                "script": str(task.script),
                # the original way has other random numbers each time, too
                "seed": random.getrandbits(63),
                "parameters": {**task.parameters, "i": swept},
            }
            (directory / "study.yaml").write_text(yaml.safe_dump(study))
            profile = self._write_profile(directory, task)
            command = [sys.executable, "-m", module, "run", "study.yaml"]
            command += ["--profile", profile.name]
            began = time.time()
            cost = measure(
                command, directory, environment, look_at_memory=look_at_memory, look=look
            )
            store = directory / "benchmark.h5"
            with h5py.File(store) as file:
                if len(file["status"]) != count or file["status"][:].any():
                    raise FailedError("not all simulations are done")
                values = file[task.wanted][:].astype(float).tolist()
                starts = file["started"][:] - began
                ends = starts + file["elapsed_time"][:]
            return Run(
                count, cost, values, store.stat().st_size, float(starts.min()), float(ends.min())
            )


@dataclass(frozen=True)
class Program:
    """A contestant with a program of its own, under ``programs``.

    Attributes
    ----------
    name : str
        In tables.
    program : str
        Its file there.
    needs : str
        A Python package, or a program on the ``PATH``, that it cannot do without.
    is_original : bool
        Whether its scripts import the original sample's module instead of the package.
    """

    name: str
    program: str
    needs: str = ""
    is_original: bool = False

    def missing(self) -> str:
        """Say why it cannot take part; empty if it can."""
        found = not self.needs or importlib.util.find_spec(self.needs) or shutil.which(self.needs)
        return "" if found else "not installed"

    def run(self, task: Task, count: int, *, look_at_memory: bool = False) -> Run:
        """Run so many simulations, and check their results."""
        with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
            directory = Path(name)
            module = HERE / "original" if self.is_original else PACKAGE / "script/for_scripts"
            script = (self.is_original and task.original_script) or task.script
            job = {
                "count": count,
                "cores": CORES,
                "command": [task.interpreter, str(script)],
                "parameters": task.parameters,
                "wanted": task.wanted,
            }
            environment = {
                # also for workers that find functions by their names
                "PYTHONPATH": os.pathsep.join([str(module), str(HERE / "programs")]),
                # Parsl looks for its own programs there
                "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]),
                "DASK_FROM": sysconfig.get_path("purelib"),
                # as the package sets it for its own simulations
                "OMP_NUM_THREADS": "1",
                "OMPI_MCA_hwloc_base_binding_policy": "none",
            }
            command = [sys.executable, str(HERE / "programs" / self.program), json.dumps(job)]
            cost = measure(command, directory, environment, look_at_memory=look_at_memory)
            return Run(count, cost, json.loads((directory / "results.json").read_text()))


Contestant = Package | Program

OURS = Package()
OURS_SPAWN = Package("dask_espresso, `start: spawn`", start="spawn")
ORIGINAL = Program("the original way", "original_way.py", is_original=True)
PEERS = (
    Program("plain Dask and a subprocess", "with_dask.py"),
    Program("Parsl", "with_parsl.py", needs="parsl"),
    Program("executorlib", "with_executorlib.py", needs="executorlib"),
    Program("HyperQueue", "with_hyperqueue.py", needs="hyperqueue"),
    Program("GNU parallel", "with_parallel.py", needs="parallel"),
)
FLOOR = Program("Dask tasks that do nothing", "dask_floor.py")


def version(contestant: Contestant) -> str:
    """Give the version of what a contestant needs; empty where that cannot be found out."""
    needed = contestant.needs if isinstance(contestant, Program) else "dask-espresso"
    if needed == "parallel" and not contestant.missing():
        said = subprocess.run(["parallel", "--version"], capture_output=True, text=True, check=True)
        return said.stdout.split()[2]
    try:
        return importlib.metadata.version(needed or "distributed")
    except importlib.metadata.PackageNotFoundError:
        return ""
