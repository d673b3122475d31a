"""One simulation without a worker: as a command to be copied, or in Python's debugger."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..engines import engine_command
from ..errors import InputError
from .call import as_file
from .environment import SCRIPT, simulation_environment
from .run import process_command, process_environment

if TYPE_CHECKING:
    from ..engines import Engine
    from .order import Order, Workload

_SUFFIXES = (".json", ".yaml", ".yml")


def write_parameters(file: Path, workload: Workload, order: Order) -> None:
    """Write what a simulation's script gets into a file of its own.

    Raises
    ------
    InputError
        If there is a file already, it cannot be written, or could not be read by the script.
    """
    if file.suffix not in (_SUFFIXES if workload.call.parameters_file else _SUFFIXES[:1]):
        raise InputError(f"{file}: name a .json file, which the script reads by itself")
    try:
        with file.open("xb") as stream:
            stream.write(as_file(order.script_parameters, file.name))
    except FileExistsError:
        raise InputError(f"{file}: is there already; name another file") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be written ({error.strerror})") from error


def command_by_hand(
    file: Path, workload: Workload, engine: Engine, order: Order, launcher: list[str]
) -> str:
    """Give the line for a shell that starts a simulation here as a worker would.

    Parameters
    ----------
    file : Path
        That was written by :func:`write_parameters`.
    workload, order
        What to run.
    engine : Engine
        How to start it.
    launcher : list of str
        What starts its ranks, if there are several.
    """
    call = workload.call
    if call.parameters_file:
        call = replace(call, parameters_file=str(file.absolute()))
    given = order.given(call, str(Path.cwd()))
    wanted = {**simulation_environment(engine), **dict(given.environment)}
    changed = {name: text for name, text in wanted.items() if os.environ.get(name) != text}
    script = [workload.script] if engine.takes_script else []
    line = shlex.join([*engine_command(engine), *script, *given.arguments])
    if call.is_on_protocol:
        line += f" < {shlex.quote(str(file.absolute() if launcher else file))}"
    if launcher:  # which hand standard input to the first rank alone
        line = shlex.join([*launcher, "sh", "-c", f"exec {line}"])
    variables = shlex.join(f"{name}={text}" for name, text in sorted(changed.items()))
    return f"env {variables} {line}" if changed else line


def debug(workload: Workload, engine: Engine, order: Order) -> int:
    """Run a simulation here, and leave it in pdb where an exception ends it.

    It has this terminal as standard input, no time limit, and a directory of its own that is gone
    afterwards.

    Returns
    -------
    int
        The exit code; minus the number of the signal that ended it.

    Raises
    ------
    InputError
        If pdb cannot be there.
    """
    if engine.is_program or not engine.takes_script:
        raise InputError(f"--debugger: {engine.name!r} is a program; only Python scripts have pdb")
    if engine.ranks > 1:
        raise InputError(
            f"--debugger: {engine.ranks} ranks cannot share a terminal; try it with `ranks: 1`"
        )
    with tempfile.TemporaryDirectory(prefix="dask-espresso-") as scratch:
        directory, temporary = Path(scratch, "run"), Path(scratch, "tmp")
        directory.mkdir()
        temporary.mkdir()
        given = order.given(workload.call, str(directory))
        stdin = Path(scratch, "stdin")
        stdin.write_bytes(b"" if given.stdin_file else given.stdin)
        if given.stdin_file:
            (directory / given.stdin_file).write_bytes(given.stdin)
        environment = process_environment(engine, scratch, uuid.uuid4().hex)
        environment |= dict(given.environment)
        command = [
            *process_command(engine, environment), str(SCRIPT / "debugger.py"), str(stdin),
            workload.script, *given.arguments,
        ]  # fmt: skip
        with subprocess.Popen(command, cwd=directory, env=environment) as process:
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for pdb
            try:
                return process.wait()
            finally:
                signal.signal(signal.SIGINT, before)
