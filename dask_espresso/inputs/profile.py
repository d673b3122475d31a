"""A profile: where simulations run."""

from __future__ import annotations

import functools
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pydantic
from pydantic import BeforeValidator, PlainValidator

from ..engines import Engine, known_module
from ..errors import BadValueError, InputError, unknown
from ..paths import located
from ..script.engine_table import ENGINES
from ..systems.table import SYSTEMS, system_of, systems_with_drivers
from ..systems.worker_job import worker_job
from ..walltime import parse_duration
from .document import Document, without_unit
from .engine_settings import EngineSettings, check_variables
from .options import check_batch, check_local, option_names, whole
from .shipped import file_or_template, profile_names

if TYPE_CHECKING:
    from ..systems.system import System

logger = logging.getLogger(__name__)

_ADDRESS = re.compile(r"(tcp|tls|ws|wss|ucx)://(\[[\w.:%]+\]|[^\s/:\[\]]+):(\d{1,5})", re.ASCII)


def _or_empty(value: Any) -> Any:
    """Take a key with everything below it commented out for an empty one."""
    return {} if value is None else value


@dataclass(frozen=True)
class Jobs:
    """How many worker jobs are kept, as the work needs them.

    Attributes
    ----------
    minimum, maximum : int
        Both included.
    """

    minimum: int
    maximum: int


def _jobs(value: Any) -> Any:
    if isinstance(value, Jobs):
        return value
    example = "write one such as 8, or {minimum: 0, maximum: 8}"
    if isinstance(value, dict):
        for key in value:
            if key not in ("minimum", "maximum"):
                raise BadValueError(unknown("key", str(key), ("minimum", "maximum")), key)
        if "maximum" not in value:
            raise BadValueError(f"has no maximum; {example}")
        maximum = whole(value["maximum"], 1, example, "maximum")
        minimum = whole(value.get("minimum", 0), 0, example, "minimum")
        if minimum > maximum:
            message = f"is {minimum}, more than the maximum {maximum}; lower it"
            raise BadValueError(message, "minimum")
        return Jobs(minimum, maximum)
    return whole(value, 1, example)


class Profile(pydantic.BaseModel):
    """Where simulations run.

    Attributes
    ----------
    cluster : str
        ``local``, a dask-jobqueue cluster, or the address of a Dask scheduler.
    jobs : int or Jobs
        Worker jobs kept running.
    engines : dict
        Settings of engines, by name.
    options : dict
        Arguments of the cluster's own class.
    worker_timeout : float
        How long a run goes on without any worker, in seconds, before it stops resumably.
    driver : list of str or dict or None
        More directives for the driver's own job, where it is submitted as one.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True)

    cluster: str = "local"
    jobs: Annotated[int | Jobs, PlainValidator(_jobs)] = 1
    engines: Annotated[
        dict[str, Annotated[EngineSettings, BeforeValidator(_or_empty)]], BeforeValidator(_or_empty)
    ] = {}
    options: Annotated[dict[str, Any], BeforeValidator(_or_empty)] = {}
    worker_timeout: Annotated[float, BeforeValidator(parse_duration)] = 24 * 3600.0
    driver: Any = None  # a list or a mapping, as the cluster wants it

    _path: Path | None = None
    _document: Document | None = None

    @property
    def path(self) -> Path | None:
        """The file it was loaded from."""
        return self._path

    def error(self, key: str, message: str) -> InputError:
        """Make the error that says what is wrong with a key, as in ``a.b``, and where that is."""
        if self._document:
            return self._document.error(tuple(key.split(".")), message)
        return InputError(f"profile: {key}: {message}")

    @pydantic.model_validator(mode="after")
    def _check(self) -> Profile:
        self._check_cluster()
        for name, settings in self.engines.items():
            if name not in ENGINES and settings.command is None:
                raise BadValueError(
                    "has no command; write `command: PROGRAM` under it, or use one of the "
                    f"engines that have one: {', '.join(ENGINES)}",
                    "engines",
                    name,
                )
            if self.cluster == "local":  # elsewhere the workers know more variables
                check_variables(name, settings.environment)
        if self.system:
            check_batch(self.system, self.options)
            self.worker_job  # noqa: B018  which refuses what cannot become part of a job
            self._check_ranks()
        elif self.cluster == "local":
            if self.jobs != 1:
                raise BadValueError(
                    "has no effect on cluster 'local', which is this machine; write "
                    "`threads_per_worker: N` under `options`, or name another `cluster`",
                    "jobs",
                )
            check_local(self.options)
        self._check_driver()
        return self

    def _check_driver(self) -> None:
        if self.driver is None:
            return
        if not self.system or not self.system.driver_template:
            raise BadValueError(
                f"has no effect on cluster {self.cluster!r}; remove it, or submit the driver to "
                f"one of {', '.join(systems_with_drivers())}",
                "driver",
            )
        self.system.check_driver(self.driver)

    def _check_ranks(self) -> None:
        cores = int(self.option("cores")) // int(self.option("processes") or 1)
        for name, settings in self.engines.items():
            if settings.ranks > cores:
                raise BadValueError(
                    f"is {settings.ranks}, but a worker job has {cores} cores for a simulation; "
                    "raise `cores` under `options`, or lower it",
                    *("engines", name, "ranks"),
                )

    def _check_cluster(self) -> None:
        if "://" in self.cluster:
            found = _ADDRESS.fullmatch(self.cluster)
            if not found or not 0 < int(found[3]) < 1 << 16:
                raise BadValueError(
                    f"is {self.cluster!r}, which is no address of a Dask scheduler; "
                    "write an address such as tls://node1:8786, with its port",
                    "cluster",
                )
            for key, value in (("options", self.options), ("jobs", self.jobs != 1)):
                if value:
                    raise BadValueError(
                        "has no effect on a scheduler that runs already; remove it", key
                    )
        elif self.cluster != "local" and self.cluster not in SYSTEMS:
            said = unknown("cluster", self.cluster, ("local", *SYSTEMS))
            raise BadValueError(f"{said}, or an address such as tls://node1:8786", "cluster")

    @property
    def system(self) -> System | None:
        """The batch system whose jobs the workers are; None where they are no jobs."""
        return system_of(self.cluster) if self.cluster in SYSTEMS else None

    @property
    def walltime(self) -> float | None:
        """How long a worker job may run, in seconds; None where that is not known."""
        return self.system.walltime(self.worker_job) if self.system else None

    @functools.cached_property
    def worker_job(self) -> dict[str, Any]:
        """The options of a worker job, as dask-jobqueue is to get them; see :mod:`.worker_job`."""
        if not self.system:
            return {}
        return worker_job(self.system, self.options, option_names(self.cluster))

    @property
    def max_jobs(self) -> int:
        """How many worker jobs there are at most."""
        return self.jobs.maximum if isinstance(self.jobs, Jobs) else self.jobs

    def slots(self, ranks: int = 1) -> int:
        """Say how many simulations, each of so many MPI ranks, a worker job runs at a time."""
        processes = int(self.option("processes") or 1)
        return processes * max(1, int(self.option("cores")) // processes // ranks)

    def option(self, name: str) -> Any:
        """Give one of the options of a worker job; None where neither profile nor site sets it."""
        return self.worker_job.get(name)

    def engine(self, name: str) -> Engine:
        """Give an engine by its name.

        Raises
        ------
        InputError
            If it is neither built in nor set in this profile.
        """
        if name not in ENGINES and name not in self.engines:
            raise InputError(
                f"{self.path or 'no profile given'}: "
                f"{unknown('engine', name, {*ENGINES, *self.engines})}; "
                f"add {name!r} under `engines` in the profile, or correct `engine` in the study"
            )
        settings = self.engines.get(name, EngineSettings())
        preload = settings.preload
        module = ENGINES[name].module if name in ENGINES else known_module(preload or ())
        if preload is None:
            preload = ["numpy", module] if module else []
        engine = Engine(
            name=name,
            command=self._located(settings.command or ()),
            module=module,
            environment=self._environment(settings),
            preload=tuple(preload),
            start=settings.start,
            ranks=settings.ranks,
            directory=str(Path.cwd()),
        )
        if settings.launcher:
            return replace(engine, launcher=self._located(settings.launcher))
        return engine

    @property
    def _directories(self) -> list[Path]:
        """Where relative paths in the profile begin: beside it, or else where the run begins."""
        return [*([self.path.parent] if self.path else []), Path.cwd()]

    def _located(self, words: Sequence[str]) -> tuple[str, ...]:
        """Make the words of a command that are paths absolute; a program's name is in PATH."""
        is_name = [i == 0 and "/" not in word for i, word in enumerate(words)]
        return tuple(
            word if name else located(word, self._directories)
            for word, name in zip(words, is_name, strict=True)
        )

    def _environment(self, settings: EngineSettings) -> tuple[tuple[str, str], ...]:
        """Make entries of variables that are there beside the profile absolute."""

        def entry(text: str) -> str:
            return located(f"./{text}", self._directories).removeprefix("./") if text else text

        return tuple(
            (name, ":".join(map(entry, value.split(":"))))
            if name.endswith("PATH") or "/" in value
            else (name, value)
            for name, value in settings.environment.items()
        )


def memory_of_each(profile: Profile, ranks: int = 1) -> int | None:
    """Give what a simulation, of so many MPI ranks, has of a job's memory; None where none is set.

    It is in bytes.
    """
    if (memory := profile.option("memory")) is None:
        return None
    from dask.utils import parse_bytes

    return int(parse_bytes(str(memory))) // profile.slots(ranks)


def load_profile(path_or_name: str | os.PathLike[str] | None = None) -> Profile:
    """Load a profile.

    Parameters
    ----------
    path_or_name : str or path, optional
        A profile file, or the name of one that comes with the package; without it,
        simulations run on this machine.

    Raises
    ------
    InputError
        Names the file, the line, the key, what is wrong and what to do.
    """
    if path_or_name is None:
        return Profile()
    document = Document.load(file_or_template(path_or_name, "profile", profile_names()))
    if "parameters" in document.data and "cluster" not in document.data:
        raise InputError(
            f"{document.path}: is a study; name a profile, a YAML file such as `cluster: slurm`"
        )
    profile = document.as_written(_is_text).validate(Profile)
    for note in without_unit(document, "worker_timeout"):
        logger.warning("%s", note)
    profile._path, profile._document = document.path.absolute(), document
    return profile


def _is_text(at: tuple[str | int, ...]) -> bool:
    """Say whether a value is text also where it looks like a number: ``account: 0123``."""
    of_engine = at[:1] == ("engines",) and at[2:3] == ("environment",)
    return of_engine or (at[:1] == ("options",) and at[1:] in [(n,) for n in _NAMES.split()])


_NAMES = "account job_name project queue"
