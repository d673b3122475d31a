"""A profile: where simulations run."""

from __future__ import annotations

import functools
import inspect
import logging
import os
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from dask.utils import parse_bytes, parse_timedelta
from pydantic import BeforeValidator, PlainValidator

from ..engines import Engine
from ..errors import BadValueError, InputError, describe
from ..paths import expand, expand_setting, located
from ..systems.directives import in_own_form
from ..systems.worker_job import condor_walltime, config_section, site_default, worker_job
from ..walltime import parse_duration, parse_walltime
from .dask_files import file_of
from .document import Document, unknown, without_unit
from .shipped import file_or_template, profile_names

JOBQUEUE_CLUSTERS = {
    "slurm": "SLURMCluster",
    "htcondor": "HTCondorCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "lsf": "LSFCluster",
    "oar": "OARCluster",
    "moab": "MoabCluster",
    "slurm-allocation": "SLURMCluster",  # driver and workers in one Slurm job
}
CLUSTERS = ("local", *JOBQUEUE_CLUSTERS)
DRIVER_CLUSTERS = ("slurm", "slurm-allocation", "htcondor")  # the driver can be a job there

logger = logging.getLogger(__name__)

# what these engines are without a profile
_BUILT_IN = {"espresso": "espressomd", "lammps": "lammps", "python": ""}

# arguments that are objects, or that are decided here
_NOT_IN_A_FILE = {"self", "loop", "asynchronous", "job_cls", "scheduler_cls", "scheduler", "start"}
_NOT_IN_A_FILE |= {"worker_class", "job_kwargs", "base_class_kwargs", "worker_kwargs", "kwargs"}
_NOT_IN_A_FILE |= {"WorkerStateClass", "data", "extensions", "metrics", "startup_information"}
_NOT_IN_A_FILE |= {"scheduler_ip", "services", "service_kwargs", "blocked_handlers", "executor"}
_NOT_IN_A_FILE |= {"worker_services", "plugins", "scheduler_file"}
_TLS = "is not an option here: connections are always TLS, with temporary certificates; remove it"
_ELSEWHERE = {
    "security": _TLS,
    "protocol": _TLS,
    "n_workers": "is not an option here; write `jobs: N` beside `options` instead",
    "host": "is not an option here; write it under `scheduler_options`",
    "dashboard_address": "is not an option here; write it under `scheduler_options`",
    "extra": "was renamed; write `worker_extra_args` instead",
    "job_extra": "was renamed; write `job_extra_directives` instead",
    "env_extra": "was renamed; write `job_script_prologue` instead",
    "header_skip": "was renamed; write `job_directives_skip` instead",
}
_LISTS = (
    "job_script_prologue",
    "job_script_epilogue",
    "worker_extra_args",
    "job_directives_skip",
    "submit_command_extra",
    "cancel_command_extra",
)

# any of them would end a line, or what stands on it
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_NULL = re.compile(r"\0")

# options that are lines of a shell script by themselves
_SCRIPTS = ("job_script_prologue", "job_script_epilogue")

_ADDRESS = re.compile(r"(tcp|tls|ws|wss|ucx)://(\[[\w.:%]+\]|[^\s/:\[\]]+):(\d{1,5})", re.ASCII)


def _or_empty(value: Any) -> Any:
    """Take a key with everything below it commented out for an empty one."""
    return {} if value is None else value


def _command(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = shlex.split(value)
        except ValueError as error:
            raise BadValueError(f"is no command ({error}); balance its quotes") from None
    if isinstance(value, list):
        value = [str(word) if type(word) in (int, float) else word for word in value]
        if not value or value[0] == "":
            raise BadValueError("is empty; write a program, or remove the key for the default")
        for word in value:
            if not isinstance(word, str) or "\0" in word:
                raise BadValueError(f"holds {describe(word)}; write its words in quotes")
        # a word with spaces is for a shell that is started by the command
        return [word if re.search(r"\s", word) else expand(word) for word in value]
    if value is not None:
        raise BadValueError(f"is {describe(value)}; write a program and its arguments")
    return None


def _environment(value: Any) -> Any:
    if not isinstance(value, dict):
        return _or_empty(value)
    for name, setting in value.items():
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            raise BadValueError(f"has the name {name!r}; use letters, digits and '_'")
        if isinstance(setting, bool) or not isinstance(setting, str | int | float):
            raise BadValueError(f"is {describe(setting)} but must be text; put it in quotes", name)
        if "\0" in str(setting):
            raise BadValueError("holds a null character; remove it", name)
    return {name: str(setting) for name, setting in value.items()}


def _modules(value: Any) -> Any:
    for i, name in enumerate(value if isinstance(value, list) else ()):
        if not isinstance(name, str) or not all(map(str.isidentifier, name.split("."))):
            raise BadValueError(f"is {describe(name)}, which is no name of a module", i)
    return value


def _ranks(value: Any) -> int:
    return _whole(value, 1, "write the number of MPI processes of one simulation, such as 4")


class EngineSettings(pydantic.BaseModel):
    """How a profile starts an engine.

    Attributes
    ----------
    command : list of str or None
        Program and arguments in front of the script, or None for the engine's own default.
    preload : list of str or None
        Modules that a warm start imports beforehand, or None for the engine's own.
    environment : dict of str to str
        Environment variables for its simulations.
    start : str
        ``fork``: simulations are forked from a warm process; ``spawn``: each is a fresh one;
        ``auto``: forked, where it comes to the same.
    ranks : int
        MPI processes of one simulation.
    launcher : list of str or None
        Program and arguments that start several ranks, or None for ``mpirun -n {ranks}``.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True)

    command: Annotated[list[str] | None, BeforeValidator(_command)] = None
    preload: Annotated[list[str] | None, BeforeValidator(_modules)] = None
    environment: Annotated[dict[str, str], BeforeValidator(_environment)] = {}
    start: Literal["auto", "fork", "spawn"] = "auto"
    ranks: Annotated[int, BeforeValidator(_ranks)] = 1
    launcher: Annotated[list[str] | None, BeforeValidator(_command)] = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> EngineSettings:
        if self.ranks > 1 and self.start == "fork":
            raise BadValueError(
                f"is fork, but {self.ranks} ranks cannot be forked; remove it", "start"
            )
        if self.ranks == 1 and self.launcher:
            raise BadValueError("has no effect on one rank; add `ranks: N`", "launcher")
        return self


def _check_variables(engine: str, environment: dict[str, str]) -> None:
    for name, value in environment.items():
        try:
            expand_setting(name, value, os.environ)
        except BadValueError as error:
            raise BadValueError(str(error), "engines", engine, "environment", name) from None


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
        maximum = _whole(value["maximum"], 1, example, "maximum")
        minimum = _whole(value.get("minimum", 0), 0, example, "minimum")
        if minimum > maximum:
            message = f"is {minimum}, more than the maximum {maximum}; lower it"
            raise BadValueError(message, "minimum")
        return Jobs(minimum, maximum)
    return _whole(value, 1, example)


def _whole(value: Any, least: int, remedy: str, *at: str | int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise BadValueError(
            f"is {describe(value)} but must be a whole number from {least}; {remedy}", *at
        )
    return value


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
            if name not in _BUILT_IN and settings.command is None:
                raise BadValueError(
                    "has no command; write `command: PROGRAM` under it, or use one of the "
                    f"engines that have one: {', '.join(_BUILT_IN)}",
                    "engines",
                    name,
                )
            if self.cluster == "local":  # elsewhere the workers know more variables
                _check_variables(name, settings.environment)
        if self.cluster in JOBQUEUE_CLUSTERS:
            _check_jobqueue(self.cluster, self.options)
            _check_site(self.cluster, self.options)
            self.worker_job  # noqa: B018  which refuses what cannot become part of a job
            self._check_ranks()
        elif self.cluster == "local":
            if self.jobs != 1:
                raise BadValueError(
                    "has no effect on cluster 'local', which is this machine; write "
                    "`threads_per_worker: N` under `options`, or name another `cluster`",
                    "jobs",
                )
            _check_local(self.options)
        _check_driver(self.cluster, self.driver)
        return self

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
        elif self.cluster not in CLUSTERS:
            said = unknown("cluster", self.cluster, CLUSTERS)
            raise BadValueError(f"{said}, or an address such as tls://node1:8786", "cluster")

    @property
    def walltime(self) -> float | None:
        """How long a worker job may run, in seconds; None where that is not known."""
        if self.cluster == "htcondor":
            return condor_walltime(self.worker_job.get("job_extra_directives") or {})
        if self.cluster not in JOBQUEUE_CLUSTERS or self.cluster == "slurm-allocation":
            return None  # an allocation is older than its steps; they are told when it ends
        return parse_walltime(self.worker_job.get("walltime"), self.cluster)

    @functools.cached_property
    def worker_job(self) -> dict[str, Any]:
        """The options of a worker job, as dask-jobqueue is to get them; see :mod:`.worker_job`."""
        return worker_job(self.cluster, self.options, option_names(self.cluster))

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
        if name not in _BUILT_IN and name not in self.engines:
            raise InputError(
                f"{self.path or 'no profile given'}: "
                f"{unknown('engine', name, {*_BUILT_IN, *self.engines})}; "
                f"add {name!r} under `engines` in the profile, or correct `engine` in the study"
            )
        settings = self.engines.get(name, EngineSettings())
        module = _BUILT_IN.get(name)
        preload = settings.preload
        if module is None:
            module = next((m for m in ("espressomd", "lammps") if m in (preload or ())), "")
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


# ---- options -------------------------------------------------------------------------------------


@functools.cache
def option_names(cluster: str) -> frozenset[str]:
    """Name the arguments that a profile's options may set.

    Parameters
    ----------
    cluster : str
        ``local`` or a key of `JOBQUEUE_CLUSTERS`.
    """
    constructors: list[Callable[..., Any]]
    if cluster == "local":
        from distributed import LocalCluster, Nanny, Worker

        constructors = [LocalCluster.__init__, Nanny.__init__, Worker.__init__]
    else:
        from ..systems.jobqueue import Job, JobQueueCluster, cluster_class

        found = cluster_class(JOBQUEUE_CLUSTERS[cluster])
        constructors = [found.__init__, JobQueueCluster.__init__]
        constructors += [found.job_cls.__init__, Job.__init__]
    names = {name for made in constructors for name in inspect.signature(made).parameters}
    elsewhere = set() if cluster == "local" else set(_ELSEWHERE)
    return frozenset(names - _NOT_IN_A_FILE - elsewhere)


def _check_names(cluster: str, options: dict[str, Any]) -> None:
    if not options:
        return  # most often so; finding the names takes half a second
    known = option_names(cluster)
    for name in options:
        if name not in known:
            if (cluster, name) == ("htcondor", "walltime"):
                raise BadValueError(
                    "is nothing that HTCondor has; write `allowed_job_duration: "
                    f"{options[name]}` under `job_extra_directives`",
                    *_at(name),
                )
            if cluster != "local" and name in _ELSEWHERE:
                raise BadValueError(_ELSEWHERE[name], "options", name)
            raise BadValueError(unknown("option", name, known), "options", name)


def _check_local(options: dict[str, Any]) -> None:
    _check_names("local", options)
    _check_kinds(options)
    if options.get("local_directory"):
        try:
            expand(options["local_directory"])
        except BadValueError as error:
            raise BadValueError(str(error), *_at("local_directory")) from None
    for name in ("n_workers", "threads_per_worker", "nthreads"):
        if options.get(name) is not None:
            _whole(options[name], 1, "write such a one, as in 4", "options", name)
    if not isinstance(options.get("processes"), bool | None):
        said = describe(options["processes"])
        raise BadValueError(f"is {said} but must be true or false; remove it", *_at("processes"))
    if options.get("env") is not None:
        try:
            _environment(options["env"])
        except BadValueError as error:
            raise BadValueError(str(error), *_at("env", *error.at)) from None
    _check_sizes(options)


def _check_jobqueue(cluster: str, options: dict[str, Any]) -> None:
    _check_names(cluster, options)
    _check_kinds(options)
    for name in ("cores", "memory", *(["disk"] if cluster == "htcondor" else [])):
        if options.get(name, site_default(cluster, name)) is None:
            example = {"cores": "cores: 16", "memory": "memory: 32 GB", "disk": "disk: 4 GB"}[name]
            raise BadValueError(f"has no {name} for a worker job; add `{example}`", "options")
    for name in ("cores", "processes"):
        _whole(options.get(name, 1), 1, "write such a one, as in 16", "options", name)
    _check_sizes(options)
    for name in _LISTS:
        _check_kind(options, name, list, "write each text as a line `- text`")
    if cluster == "htcondor":
        _check_kind(options, "job_extra_directives", dict, "write `key: value` lines for htcondor")
    else:
        _check_kind(options, "job_extra_directives", list, f"write `- text` lines for {cluster}")
    _check_lines(options)
    for name in ("security", "protocol"):
        if name in (options.get("scheduler_options") or {}):
            raise BadValueError(_TLS, "options", "scheduler_options", name)


def _check_site(cluster: str, options: dict[str, Any]) -> None:
    """Refuse defaults in Dask's configuration that are not of an option's kind."""
    section = config_section(cluster, options)
    for name in sorted(option_names(cluster) - {"name"} - options.keys()):
        if (value := site_default(cluster, name, options)) is None:
            continue
        one = {name: value}
        try:
            _check_kinds(one)
            _check_sizes(one)
            if name in ("cores", "processes"):
                _whole(value, 1, "write such a one, as in 16")
            for known in (*_LISTS, *(["job_extra_directives"] if section != "htcondor" else [])):
                _check_kind(one, known, list, "write a list of texts")
        except BadValueError as error:
            key = name.replace("_", "-")
            where = file_of("jobqueue", section, key) or "Dask's configuration"
            raise BadValueError(f"{where}: jobqueue.{section}.{key} {error}", "options") from None


def _check_driver(cluster: str, driver: Any) -> None:
    if driver is None:
        return
    if cluster not in DRIVER_CLUSTERS:
        raise BadValueError(
            f"has no effect on cluster {cluster!r}; remove it, or submit the driver to one of "
            f"{', '.join(DRIVER_CLUSTERS)}",
            "driver",
        )
    if cluster == "htcondor":
        _check_kind({"driver": driver}, "driver", dict, "write `key: value` lines", ())
        _check_submit_lines(driver, "driver")
    else:
        _check_kind({"driver": driver}, "driver", list, "write each option as a line `- text`", ())
        for i, option in enumerate(driver):
            if not re.fullmatch(r"--?\w.*", option) or _CONTROL.search(option):
                raise BadValueError(
                    f"is {describe(option)}, which is no option of sbatch; "
                    "write one such as --time=7-00:00:00",
                    "driver",
                    i,
                )
            try:
                in_own_form(option)
            except BadValueError as error:
                raise BadValueError(str(error), "driver", i) from None


def _check_kind(
    options: dict[str, Any],
    name: str,
    kind: type,
    remedy: str,
    above: tuple[str, ...] = ("options",),
) -> None:
    value = options.get(name)
    if value is None:
        return
    called = {"list": "a list of texts", "dict": "a mapping"}[kind.__name__]
    if not isinstance(value, kind):
        message = f"is {describe(value)} but must be {called}; {remedy}"
        raise BadValueError(message, *above, name)
    for i, item in enumerate(value if isinstance(value, list) else ()):
        if not isinstance(item, str):
            message = f"is {describe(item)} but must be text; put it in quotes"
            raise BadValueError(message, *above, name, i)


def _ports(value: Any) -> None:
    from distributed.utils import parse_ports  # takes half a second

    if not all(0 <= port < 1 << 16 for port in parse_ports(value)):
        raise ValueError("out of range")


# what other options are: dask and dask-jobqueue take anything, and fail later, or in the worker
_TEXTS = """
    config_name contact_address host http_prefix interface ip listen_address local_directory
    log_directory name protocol python scheduler_sni shared_temp_directory shebang
    worker_command
"""
_DURATIONS = """
    death_timeout heartbeat_interval lifetime lifetime_stagger profile_cycle_interval
    scheduler_sync_interval
"""
_SCALARS = f"""
    {_DURATIONS} account dashboard_address job_mem job_name lsf_units
    memory_per_core_property_name project queue resource_spec worker_dashboard_address
"""
_WHOLES = "job_cpu mem n_workers ncpus nthreads scheduler_port threads_per_worker"
_FLAGS = """
    dashboard lifetime_restart low_level_profiler nanny quiet reconnect security use_stdin validate
"""
_PRELOADS = "preload preload_argv preload_nanny preload_nanny_argv"
_MAPPINGS = "config env resources scheduler_kwargs scheduler_options"
_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    **dict.fromkeys(_TEXTS.split(), ((str,), "text; put it in quotes")),
    **dict.fromkeys(_SCALARS.split(), ((str, int, float), "text or a number; write one value")),
    **dict.fromkeys(_WHOLES.split(), ((int,), "a whole number; write one such as 4")),
    **dict.fromkeys(_FLAGS.split(), ((bool,), "true or false; write one of them, without quotes")),
    **dict.fromkeys(_MAPPINGS.split(), ((dict,), "a mapping; write `key: value` lines under it")),
    **dict.fromkeys(_PRELOADS.split(), ((str, list), "a list of texts; write it as [a, b]")),
    "walltime": ((str,), 'text; write it as "01:00:00" or 60 min'),
    "silence_logs": ((str, int, bool), "text; write a level of messages such as warning"),
}
# what reads an option's value, and refuses it; and what to write instead
_READERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    **dict.fromkeys(
        _DURATIONS.split(),
        (parse_timedelta, "length of time; write one such as 10 min"),
    ),
    **dict.fromkeys(
        ("port", "worker_port"),
        (_ports, "port; write one such as 9000, or a range as in 9000:9100"),
    ),
    "silence_logs": (
        lambda value: logging.Handler(value.upper() if isinstance(value, str) else value),
        "level of messages; write one such as warning",
    ),
}

# a worker needs 60 MB itself, and Dask pauses it when it has used 80 % of what it may
_LEAST_SIZES = {"memory": 100e6, "memory_limit": 100e6, "disk": 1e6}


def _at(*key_path: str | int) -> tuple[str | int, ...]:
    return ("options", *key_path)


def _check_kinds(options: dict[str, Any]) -> None:
    """Refuse what is not of an option's kind, or what its later reader would refuse."""
    for name, value in options.items():
        if value is None:
            continue
        kinds, called = _KINDS.get(name, ((object, bool), ""))
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise BadValueError(f"is {describe(value)} but must be {called}", *_at(name))
        if value == "":
            raise BadValueError("is empty; write something, or remove the key", *_at(name))
        read, called = _READERS.get(name, (lambda _: None, ""))
        try:
            read(value)
        except (ValueError, TypeError, OverflowError, KeyError):
            raise BadValueError(f"is {describe(value)}, which is no {called}", *_at(name)) from None


def _check_lines(options: dict[str, Any]) -> None:
    """Refuse what would be more than one line of a job script where it stands on one."""
    for name, value in options.items():
        is_script = name in _SCRIPTS
        if name == "job_extra_directives" and isinstance(value, dict):
            _check_submit_lines(value, *_at(name))
        else:
            _check_characters(value, _NULL if is_script else _CONTROL, *_at(name))


def _check_submit_lines(directives: dict[str, Any], *at: str | int) -> None:
    """Refuse what is no line ``key = value`` of HTCondor's submit files."""
    for name, value in directives.items():
        if not re.fullmatch(r"\+?[\w.]+", name):
            raise BadValueError(f"has the key {name!r}; use letters, digits and '_'", *at)
        if not isinstance(value, str | int | float):
            message = f"is {describe(value)} but must be one line of text; put it in quotes"
            raise BadValueError(message, *at, name)
        _check_characters(value, _CONTROL, *at, name)
        if str(value).rstrip().endswith("\\"):
            message = "ends with a backslash, which joins the next line to it; remove it"
            raise BadValueError(message, *at, name)


def _check_characters(value: Any, refused: re.Pattern[str], *at: str | int) -> None:
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            _check_characters(item, refused, *at, key)
    elif isinstance(value, str) and (found := refused.search(value)):
        raise BadValueError(
            f"is {describe(value)} but must be one line of text; remove the {found[0]!r}", *at
        )


def _check_sizes(options: dict[str, Any]) -> None:
    """Refuse sizes that are none, and those in bytes where a unit was forgotten."""
    for name, least in _LEAST_SIZES.items():
        value = options.get(name)
        if value is None or (name == "memory_limit" and (value in ("auto", 0) or _share(value))):
            continue
        try:
            size = parse_bytes(value) if isinstance(value, str | int) else 0
        except (ValueError, OverflowError):
            size = 0
        if isinstance(value, bool) or size < least:
            raise BadValueError(
                f"is {describe(value)}, which is no size of {least / 1e6:.0f} MB or more; "
                "write a number and a unit, such as 32 GB",
                *_at(name),
            )


def _share(value: Any) -> bool:
    return isinstance(value, float) and 0 < value <= 1
