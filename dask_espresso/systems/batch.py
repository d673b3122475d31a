"""Commands of a batch system: they outlive no driver, and see no display settings of the user."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

SUBMIT_TIMEOUT = 300.0  # seconds for one submission
_TIMEOUT = 60.0  # seconds for another command of the batch system
_END = 5.0  # seconds in which a command that is not waited for any more has gone
_ATTENDANT = (sys.executable, "-I", "-S", str(Path(__file__).with_name("attendant.py")))

# what a user has set for the display of these commands, or to choose among jobs
_DISPLAY = re.compile(
    r"(SQUEUE|SCANCEL|SACCT|SINFO|SCONTROL|LSB_BJOBS|LSB_BKILL)_|SLURM_(TIME_FORMAT|CLUSTERS)$"
    r"|(BSUB_QUIET2?|LSB_DISPLAY_YEAR|LSB_SHORT_HOSTLIST)$|(?i:_CONDOR_(CONDOR_(Q|RM)|TOOL)_)"
)


class BatchError(RuntimeError):
    """A command of the batch system did not work; this says nothing about the jobs.

    Attributes
    ----------
    said : str
        What the command itself said, in one line.
    """

    def __init__(self, message: str, said: str = "") -> None:
        super().__init__(message)
        self.said = said or message


def plain_environment() -> dict[str, str]:
    """Give the environment for commands that are read here: without a user's display settings."""
    kept = {name: value for name, value in os.environ.items() if not _DISPLAY.match(name)}
    return {**kept, "LC_ALL": "C"}


async def _read(*streams: asyncio.StreamReader) -> list[bytes]:
    return await asyncio.gather(*(stream.read() for stream in streams))


async def call(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> str:
    """Run a command of the batch system and give its output.

    It does not outlive this process, nor its being waited for: see ``attendant``.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    environment : mapping, optional
        Of the command; by default that of `plain_environment`.
    timeout : float, optional
        In seconds, by default a minute.

    Raises
    ------
    BatchError
        If it is not there, fails, or takes too long.
    """
    limit, name = timeout or _TIMEOUT, Path(command[0]).name
    process = await asyncio.create_subprocess_exec(
        *_ATTENDANT, *command,
        env=plain_environment() if environment is None else environment,
        stdin=asyncio.subprocess.PIPE,  # its end tells the attendant that nobody waits any more
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the driver
    )  # fmt: skip
    assert process.stdin
    assert process.stdout
    assert process.stderr
    try:
        output, errors = await asyncio.wait_for(_read(process.stdout, process.stderr), limit)
        await process.wait()
    except asyncio.TimeoutError as error:
        raise BatchError(f"{name}: no answer in {limit:g} s") from error
    finally:
        process.stdin.close()
        if process.returncode is None:
            ended = asyncio.ensure_future(process.wait())
            if not (await asyncio.wait([ended], timeout=_END))[0]:
                process.kill()
                await ended
    if process.returncode:
        said = " ".join((errors.strip() or output).decode(errors="replace").split())
        said = said or f"exit code {process.returncode}"
        raise BatchError(said if said.startswith(f"{name}: ") else f"{name}: {said}", said)
    return output.decode(errors="replace")
