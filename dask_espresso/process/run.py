"""Start one simulation process, watch it, and say what became of it."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..engines import DEFAULT_LAUNCHER, Engine, engine_command
from ..errors import BadValueError
from ..inputs.shipped import SIMULATIONS
from ..script.result_pipe import RESULT, pipe_number
from .call import Given, encoded
from .conversation import Pipes
from .environment import SCRIPT, ProcessEnvironments
from .launcher import fitting
from .memo import Memo
from .process_order import ProcessOrder, kill_marked, scratch_path
from .report import ProcessReport
from .warm import WarmEngine
from .warm_start import WarmStart

PROBE, PROBE_LIMIT = SIMULATIONS / "probe.py", 120.0  # seconds
process_environment = ProcessEnvironments().give
# imported, not named: what is named is compiled each time, which takes as long as starting Python
_SUPERVISOR = """
import sys
sys.path.insert(0, sys.argv[1])
import supervisor
del sys.path[0]
supervisor.main(*map(int, sys.argv[3:]))
"""


class Runner:
    """Runs simulation processes of any engine, and keeps what makes the next one quick.

    That is the warm processes, which end with :meth:`close`, and what was found of engines.
    """

    def __init__(self) -> None:
        self.warm_start = Memo(self._new_warm_start)
        self._launchers = Memo(self._find_launcher, is_lasting=lambda found: found[1])
        self._probes = Memo(self._run_probe, is_lasting=lambda report: not report.failure())

    def close(self) -> None:
        """End the warm processes; others take their place when they are needed."""
        for warm_start in self.warm_start.found():
            warm_start.close()

    def run(
        self,
        engine: Engine,
        script: str | os.PathLike[str],
        parameters: Any,
        *,
        time_limit: float | None = None,
        directory: str | os.PathLike[str] | None = None,
        on_output: Callable[[bytes], None] | None = None,
        version: str = "",
        given: Callable[[str], Given] | None = None,
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
        version : str
            Of script and modules: what one version has shown of itself is not held against another.
        given : callable, optional
            Says, for the directory to run in, what the process is given in place of `parameters`.

        Returns
        -------
        ProcessReport
            Never raises for anything that the simulation does, or that this machine lacks.
        """
        try:
            given = given or (lambda _: Given(encoded(parameters)))
            with _order(engine, script, given, time_limit, directory, on_output) as order:
                if engine.may_fork:
                    return self.warm_start(engine).run(order, version)
                return self._spawn(engine, order)
        except NoScratchError as error:
            return ProcessReport(error=f"no directory to run in can be made ({error})")
        except BadValueError as error:
            return ProcessReport(error=f"it did not start: {error}")

    def run_forked(
        self, engine: Engine, script: Path, parameters: Any, time_limit: float
    ) -> ProcessReport:
        """Run a trial as a forked process.

        Raises
        ------
        NoWarmStartError, NoScratchError
            If that is not possible.
        """
        with _order(engine, script, lambda _: Given(encoded(parameters)), time_limit) as order:
            return self.warm_start(engine).fork(order)

    def run_probe(self, engine: Engine, time_limit: float = PROBE_LIMIT) -> ProcessReport:
        """Run the script that tells what an engine is, once for each engine."""
        return self._probes((engine, time_limit))

    def mpi_of(self, engine: Engine) -> dict[str, str] | None:
        """Give the MPI library of an engine, as one rank of it finds it; None if not known."""
        if engine.is_program:
            return None
        report = self.run_probe(replace(engine, ranks=1, start="spawn"))
        mpi: dict[str, str] | None = None if report.failure() else report.output.payload()["mpi"]
        return mpi

    def rank_launcher(self, engine: Engine) -> list[str]:
        """Give what starts several ranks; without words of the user's, what fits the engine."""
        return self._launchers(engine)[0]

    def _find_launcher(self, engine: Engine) -> tuple[list[str], bool]:
        """Give the launcher of an engine, and whether there is no better one to be found."""
        environment = process_environment(engine, "", "")
        words = [word.replace("{ranks}", str(engine.ranks)) for word in engine.launcher]
        if engine.launcher != DEFAULT_LAUNCHER:
            return _absolute(words, environment), True
        program, mpi = process_command(engine, environment)[0], self.mpi_of(engine)
        words[0] = fitting(mpi, program, environment.get("PATH")) or words[0]
        return _absolute(words, environment), mpi is not None

    def _run_probe(self, asked: tuple[Engine, float]) -> ProcessReport:
        engine, time_limit = asked
        return self.run(engine, PROBE, probe_parameters(engine), time_limit=time_limit)

    def _new_warm_start(self, engine: Engine) -> WarmStart:
        server = WarmEngine(
            functools.partial(process_command, engine),
            functools.partial(process_environment, engine),
            engine.preload,
        )
        spawn = functools.partial(self._spawn, engine)
        return WarmStart(server, spawn, insists=engine.start == "fork")

    def _spawn(self, engine: Engine, order: ProcessOrder) -> ProcessReport:
        """Run a simulation as a fresh process."""
        launcher = self.rank_launcher(engine) if engine.ranks > 1 else []
        return spawn(engine, order, launcher)


class NoScratchError(RuntimeError):
    """There is no place for temporary files."""


@contextlib.contextmanager
def _order(
    engine: Engine,
    script: str | os.PathLike[str],
    given: Callable[[str], Given],
    time_limit: float | None = None,
    directory: str | os.PathLike[str] | None = None,
    on_output: Callable[[bytes], None] | None = None,
) -> Iterator[ProcessOrder]:
    """Say what is to be run, in a directory that is gone afterwards, whatever becomes of it."""
    try:
        scratch = scratch_path()
    except OSError as error:  # Python looks for a place that can be written to
        raise NoScratchError(error.strerror or error) from None
    place = os.fspath(directory or f"{scratch}/run")
    what = given(place)
    try:
        yield ProcessOrder(
            script=os.fspath(script),
            given=what,
            environment=process_environment(engine, scratch, uuid.uuid4().hex)
            | dict(what.environment),
            directory=place,
            scratch=scratch,
            time_limit=time_limit,
            on_output=on_output,
        )
    finally:
        # its supervisor was killed, or the simulation has made it read-only
        if os.path.lexists(scratch):
            for command in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
                subprocess.run([*command, "--", scratch], check=False, capture_output=True)


def process_command(engine: Engine, environment: Mapping[str, str]) -> list[str]:
    """Give the program and arguments in front of a script."""
    return _absolute(list(engine_command(engine)), environment)


def _absolute(command: list[str], environment: Mapping[str, str]) -> list[str]:
    # a path relative to here would otherwise be looked up in the simulation's directory
    found = shutil.which(command[0], path=environment.get("PATH"))
    return [os.path.abspath(found) if found else command[0], *command[1:]]  # noqa: PTH100


def spawn(engine: Engine, order: ProcessOrder, launcher: list[str]) -> ProcessReport:
    """Run a simulation as a fresh process, under a supervisor of its own."""
    with Pipes() as pipes:
        request_read, request_write = os.pipe()
        said, said_write = os.pipe()
        result = pipes.theirs[3]
        to_supervisor = os.fdopen(request_write, "wb", buffering=0)
        with to_supervisor, os.fdopen(said, "rb"):
            try:
                process = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", _SUPERVISOR, str(SCRIPT), "supervisor.py"]
                    + [str(fd) for fd in (request_read, said_write, result)],
                    stdin=pipes.theirs[0],
                    stdout=pipes.theirs[1],
                    stderr=pipes.theirs[2],
                    pass_fds=(request_read, said_write, result),
                    start_new_session=True,
                )
            finally:
                os.close(request_read)
                os.close(said_write)
            environment = {**order.environment, RESULT: f"{result}:{pipe_number(result)}"}
            pipes.hand_over()
            script = [order.script] if engine.takes_script else []
            command = [*process_command(engine, environment), *script, *order.given.arguments]
            if engine.ranks > 1:
                starter = [sys.executable, "-I", "-S", str(SCRIPT / "rank.py"), order.scratch]
                command = [*launcher, *starter, *command]
            request = {
                "command": command,
                "environment": environment,
                "for_ranks": _changes(environment) if engine.ranks > 1 else None,
                "directory": order.directory,
                "scratch": order.scratch,
                "time_limit": order.time_limit,
                "holds": order.holds,
                "stdin_file": order.given.stdin_file,
            }

            def kill() -> None:
                process.kill()
                kill_marked(order.mark)

            with process, to_supervisor:  # closed before the process is waited for, which then ends
                with contextlib.suppress(BrokenPipeError):  # it will say nothing, either
                    to_supervisor.write(json.dumps(request).encode() + b"\n")
                report, _ = order.converse(pipes, said, kill)
                report.start_method = "" if report.exit_code is None and report.error else "fresh"
                return report


def _changes(environment: Mapping[str, str]) -> dict[str, str]:
    """Give what this process's own environment has not, or has otherwise."""
    return {name: value for name, value in environment.items() if os.environ.get(name) != value}


def probe_parameters(engine: Engine) -> dict[str, Any]:
    """Give what that script is told."""
    return {"module": engine.module, "mpi4py": "mpi4py" in engine.preload}
