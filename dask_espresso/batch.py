"""What a batch system says of the jobs that wait or run in it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

_TIMEOUT = 60.0  # seconds for one command of the batch system
_LEAKING = re.compile(r"(SLURM|SLURMD|SBATCH|SRUN)_(?!CONF$)")


class BatchError(Exception):
    """A command of the batch system did not work; this says nothing about the jobs."""


@dataclass(frozen=True)
class QueuedJob:
    """A job as the batch system sees it.

    Attributes
    ----------
    name : str
        As it was submitted.
    state : str
        ``waiting``, ``running`` or ``held``.
    reason : str
        Why it waits or is held, in the batch system's own words.
    """

    name: str
    state: str
    reason: str = ""


class Queue(Protocol):
    """Looks at the user's own jobs."""

    async def look(self) -> dict[str, QueuedJob] | None:
        """Give the jobs that have not ended, by their ids; None if that cannot be known.

        Raises
        ------
        BatchError
            If the batch system does not answer.
        """


class UnknownQueue:
    """A batch system that is not asked: its jobs are known by their workers alone."""

    async def look(self) -> dict[str, QueuedJob] | None:
        """Know nothing."""
        return None


class SlurmQueue:
    """Slurm's queue, by squeue."""

    _COMMAND = ("squeue", "--noheader", "--format=%A|%t|%j|%r")
    _WAITING = ("PD", "CF", "RQ", "RF")
    _HELD = ("RH", "SE", "RD")
    _ENDED = ("CG", "CD", "CA", "F", "TO", "NF", "PR", "BF", "DL", "OOM", "RV")

    async def look(self) -> dict[str, QueuedJob]:
        """Give the jobs that have not ended, by their ids."""
        said = await call((*self._COMMAND, f"--user={os.getuid()}"))
        jobs = {}
        for line in said.splitlines():
            job_id, state, rest = line.split("|", 2)
            name, _, reason = rest.rpartition("|")
            if state not in self._ENDED:
                jobs[job_id] = QueuedJob(name, self._state(state, reason), _reason(reason))
        return jobs

    def _state(self, state: str, reason: str) -> str:
        if state in self._HELD or (state == "PD" and re.search("held|hold", reason, re.IGNORECASE)):
            return "held"
        return "waiting" if state in self._WAITING else "running"


def _reason(said: str) -> str:
    return "" if said in ("None", "(null)") else said


class HTCondorQueue:
    """HTCondor's queue, by condor_q.

    Parameters
    ----------
    arguments : sequence of str
        Of condor_q, such as the name of another schedd.
    """

    _ATTRIBUTES = "ClusterId,ProcId,JobStatus,JobBatchName,HoldReason,LastRejMatchReason"
    _STATES: ClassVar = {1: "waiting", 2: "running", 5: "held", 6: "running", 7: "running"}

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self._arguments = tuple(arguments)

    async def look(self) -> dict[str, QueuedJob]:
        """Give the jobs that have not ended, by their ids."""
        command = ("condor_q", *self._arguments, "-json", "-attributes", self._ATTRIBUTES)
        said = await call(command)
        try:
            ads: list[dict[str, Any]] = json.loads(said) if said.strip() else []
        except ValueError as error:
            raise BatchError(f"condor_q: {error}") from error
        return {
            f"{ad['ClusterId']}.{ad['ProcId']}": QueuedJob(
                str(ad.get("JobBatchName", "")), state, self._reason(state, ad)
            )
            for ad in ads
            if (state := self._STATES.get(ad.get("JobStatus", 0)))
        }

    def _reason(self, state: str, ad: dict[str, Any]) -> str:
        attribute = {"held": "HoldReason", "waiting": "LastRejMatchReason"}.get(state, "")
        return str(ad.get(attribute, "")).strip()


def schedd_arguments(submit_arguments: Sequence[str]) -> list[str]:
    """Give those arguments of condor_submit that say which schedd has the jobs."""
    pairs = itertools.pairwise(submit_arguments)
    return [word for pair in pairs if pair[0] in ("-name", "-pool", "-remote") for word in pair]


async def call(command: Sequence[str]) -> str:
    """Run a command of the batch system and give its output.

    Raises
    ------
    BatchError
        If it is not there, fails, or takes longer than a minute.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise BatchError(f"{command[0]}: {error.strerror}") from error
    try:
        output, errors = await asyncio.wait_for(process.communicate(), _TIMEOUT)
    except asyncio.TimeoutError as error:
        raise BatchError(f"{command[0]}: no answer in {_TIMEOUT:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        said = " ".join(errors.decode(errors="replace").split())
        raise BatchError(f"{command[0]}: {said or f'exit code {process.returncode}'}")
    return output.decode(errors="replace")


@contextlib.contextmanager
def outside_of_job() -> Iterator[None]:
    """Take what a Slurm job has put into the environment out of it for a while.

    Submitting from inside a job would otherwise mix that job's settings with the
    new one's (source: measurements, such as SLURM_MEM_PER_CPU against
    SLURM_MEM_PER_NODE, and SBATCH_* overriding the job script).
    """
    leaking = {name: os.environ.pop(name) for name in list(os.environ) if _LEAKING.match(name)}
    try:
        yield
    finally:
        os.environ.update(leaking)
