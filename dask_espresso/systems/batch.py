"""What a batch system says: of the jobs that wait or run in it, and of one just submitted."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import itertools
import json
import os
import re
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from .slurm import cluster_arguments

SUBMIT_TIMEOUT = 300.0  # seconds for one submission
_TIMEOUT = 60.0  # seconds for another command of the batch system
_END = 5.0  # seconds in which a command that is not waited for any more has gone
_ATTENDANT = (sys.executable, "-I", "-S", str(Path(__file__).with_name("attendant.py")))

# what a user has set for the display of these commands, or to choose among jobs
_DISPLAY = re.compile(
    r"(SQUEUE|SCANCEL|SACCT|SINFO|SCONTROL|LSB_BJOBS|LSB_BKILL)_|SLURM_(TIME_FORMAT|CLUSTERS)$"
    r"|(BSUB_QUIET2?|LSB_DISPLAY_YEAR|LSB_SHORT_HOSTLIST)$|(?i:_CONDOR_(CONDOR_(Q|RM)|TOOL)_)"
)

# how each batch system says the id of a job it has taken: a line of its own, as documented
_SUBMITTED = {
    "slurm": (r"Submitted batch job (\d+)(?: on cluster (\S+))?", r"(\d+)(?:;(\S+))?"),
    "htcondor": (r"\d+ job\(s\) submitted to cluster (\d+)\.", r"(\d+)\.\d+(?: - \d+\.\d+)?"),
    "pbs": (r"(\d+(?:\[\])?(?:\.[\w.-]+)?)",),
    "sge": (r"Your job (\d+) \(.*\) has been submitted",),
    "lsf": (r"Job <(\d+)> is submitted to .*",),
    "oar": (r"OAR_JOB_ID=(\d+)",),
    "moab": (r"((?:[A-Za-z]\w*\.)?\d+)",),
}
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


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


def submitted_ids(cluster: str, said: str) -> list[str]:
    """Give what may be the id of the job that was submitted, the most likely one first.

    Sites print more than the batch system does, before and after, and numbers too: it is most often
    the last line that is, as a whole, what the batch system is documented to print.

    Parameters
    ----------
    cluster : str
        The kind of batch system.
    said : str
        Its standard output.
    """
    lines = [line.strip() for line in _ESCAPES.sub("", said).splitlines()]
    found = (re.fullmatch(form, line) for form in _SUBMITTED[cluster] for line in reversed(lines))
    return list(dict.fromkeys(_id(cluster, *match.groups()) for match in found if match))


def _id(cluster: str, number: str, of_cluster: str | None = None) -> str:
    if cluster == "htcondor":
        return f"{number}.0"
    return f"{number};{of_cluster}" if of_cluster else number


class Queue(Protocol):
    """The user's own jobs."""

    async def look(self) -> dict[str, QueuedJob] | None:
        """Give the jobs that have not ended, by their ids; None if that cannot be known.

        Raises
        ------
        BatchError
            If the batch system does not answer.
        """

    async def names(self, ids: Collection[str]) -> Mapping[str, str]:
        """Give the names of jobs, by their ids: of these jobs, or of all; raises as `look`."""

    async def cancel(self, ids: Collection[str]) -> None:
        """Cancel jobs, whosever they are: for `cancel` alone, which knows whose they are."""


async def cancel(queue: Queue, jobs: Mapping[str, str], beginning: Iterable[str] = ()) -> list[str]:
    """Cancel jobs that are ours, by what the queue itself says: a wrong id is a stranger's job.

    Parameters
    ----------
    queue : Queue
        Where they are.
    jobs : mapping of str to str
        Ids and names of jobs; of those that the queue shows with both.
    beginning : iterable of str
        More of them, of any id: those whose names begin so.

    Returns
    -------
    list of str
        The ids of those that were there.

    Raises
    ------
    BatchError
        If the queue cannot be looked at.
    """
    begins = tuple(beginning)
    names = await queue.names(jobs)
    ours = [i for i, name in names.items() if jobs.get(i) == name or name.startswith(begins)]
    if ours:
        with contextlib.suppress(BatchError):  # gone already, or it is tried again
            await queue.cancel(ours)
    return ours


class UnknownQueue:
    """A batch system that is not looked at: its jobs are known by their workers alone.

    Before one of them is cancelled it is asked for its name.

    Parameters
    ----------
    command : str
        What cancels a job.
    cluster : str
        The kind of batch system.
    """

    _NAME: ClassVar[dict[str, tuple[str, str]]] = {
        "pbs": ("qstat -f", r"Job_Name = (.*)"),
        "sge": ("qstat -j", r"job_name: +(.*)"),
        "lsf": ("bjobs -noheader -o job_name", r"(.*)"),
        "oar": ("oarstat -f -j", r"name *[=:] *(.*)"),
        "moab": ("checkjob", r"AName: +(.*)"),
    }

    def __init__(self, cluster: str, command: str) -> None:
        self._command = command
        asked, name = self._NAME[cluster]
        self._asked, self._name = asked.split(), re.compile(rf"(?m)^\s*{name}$")

    async def look(self) -> dict[str, QueuedJob] | None:
        """Know nothing."""
        return None

    async def names(self, ids: Collection[str]) -> dict[str, str]:
        """Give the names of these jobs; without those that are not known any more."""
        found = {}
        for job_id in ids:
            with contextlib.suppress(BatchError):
                if said := self._name.search(await call([*self._asked, job_id])):
                    found[job_id] = said[1].strip()
        return found

    async def cancel(self, ids: Collection[str]) -> None:
        """Cancel jobs."""
        await call([self._command, *ids])


class ListedQueue(abc.ABC):
    """A queue that shows all jobs at once."""

    @abc.abstractmethod
    async def look(self) -> dict[str, QueuedJob]:
        """Give the jobs that have not ended, by their ids."""

    @abc.abstractmethod
    async def cancel(self, ids: Collection[str]) -> None:
        """Cancel jobs."""

    async def names(self, _: Collection[str]) -> dict[str, str]:
        """Give the names of all jobs, by their ids."""
        return {job_id: job.name for job_id, job in (await self.look()).items()}


class SlurmQueue(ListedQueue):
    """Slurm's queue, by squeue.

    Parameters
    ----------
    clusters : str
        Where the jobs go, if not to the cluster at hand.
    """

    _COMMAND = ("squeue", "--noheader", "--all", "--format=%A|%t|%j|%r")
    _LINE = re.compile(r"(\d+)\|([A-Z]+)\|(.*)\|([^|]*)")
    _WAITING = ("PD", "CF", "RQ", "RF")
    _HELD = ("RH", "SE", "RD")
    _ENDED = ("CG", "CD", "CA", "F", "TO", "NF", "PR", "BF", "DL", "OOM", "RV")

    def __init__(self, clusters: str = "") -> None:
        self._clusters = clusters

    async def look(self) -> dict[str, QueuedJob]:
        """Give the jobs that have not ended, by their ids; with ``;CLUSTER`` if one was named."""
        where = cluster_arguments(self._clusters)
        said = await call((*self._COMMAND, *where, f"--user={os.getuid()}"))
        jobs, cluster = {}, ""
        for line in said.splitlines():
            if line.startswith("CLUSTER: "):
                cluster = line.removeprefix("CLUSTER: ").strip()
            elif found := self._LINE.fullmatch(line):
                number, state, name, reason = found.groups()
                if state not in self._ENDED:
                    job_id = f"{number};{cluster}" if cluster else number
                    jobs[job_id] = QueuedJob(name, self._state(state, reason), _reason(reason))
        return jobs

    def _state(self, state: str, reason: str) -> str:
        if state in self._HELD or (state == "PD" and re.search("held|hold", reason, re.IGNORECASE)):
            return "held"
        return "waiting" if state in self._WAITING else "running"

    async def cancel(self, ids: Collection[str]) -> None:
        """Cancel jobs, each on its cluster."""
        for cluster, of_it in itertools.groupby(sorted(ids, key=_cluster), _cluster):
            numbers = [job_id.partition(";")[0] for job_id in of_it]
            await call(["scancel", *cluster_arguments(cluster), *numbers])


def _cluster(job_id: str) -> str:
    return job_id.partition(";")[2]


def _json(said: str) -> str:
    """Leave out lines that a site prints in front."""
    return said[said.index("\n[") :] if "\n[" in said else said


def _reason(said: str) -> str:
    return "" if said in ("None", "(null)") else said


class HTCondorQueue(ListedQueue):
    """HTCondor's queue, by condor_q.

    Parameters
    ----------
    arguments : sequence of str
        Of condor_q and condor_rm, such as the name of another schedd.
    cancel_arguments : sequence of str
        More of condor_rm.
    """

    NAME = "DaskEspressoName"  # an attribute of a job; its batch name may be of a user's choice
    _ATTRIBUTES = f"ClusterId,ProcId,JobStatus,JobBatchName,{NAME},HoldReason,LastRejMatchReason"
    _STATES: ClassVar = {1: "waiting", 2: "running", 5: "held", 6: "running", 7: "running"}

    def __init__(self, arguments: Sequence[str] = (), cancel_arguments: Sequence[str] = ()) -> None:
        self._arguments, self._cancel_arguments = tuple(arguments), tuple(cancel_arguments)

    async def look(self) -> dict[str, QueuedJob]:
        """Give the jobs that have not ended, by their ids."""
        command = ("condor_q", *self._arguments, "-json", "-attributes", self._ATTRIBUTES)
        said = await call(command)
        try:
            ads: list[dict[str, Any]] = json.loads(_json(said)) if said.strip() else []
        except ValueError as error:
            raise BatchError(f"condor_q: {error}") from error
        return {
            f"{ad['ClusterId']}.{ad['ProcId']}": QueuedJob(
                str(ad.get(self.NAME) or ad.get("JobBatchName", "")), state, self._reason(state, ad)
            )
            for ad in ads
            if (state := self._STATES.get(ad.get("JobStatus", 0)))
        }

    def _reason(self, state: str, ad: dict[str, Any]) -> str:
        attribute = {"held": "HoldReason", "waiting": "LastRejMatchReason"}.get(state, "")
        return str(ad.get(attribute, "")).strip()

    async def cancel(self, ids: Collection[str]) -> None:
        """Cancel jobs."""
        where = () if schedd_arguments(self._cancel_arguments) else self._arguments
        await call(["condor_rm", *where, *self._cancel_arguments, *ids])


def schedd_arguments(submit_arguments: Sequence[str]) -> list[str]:
    """Give the arguments of condor_q that name the schedd which condor_submit has the jobs from."""
    found = []
    for option, value in itertools.pairwise(submit_arguments):
        if _is_option(option, "name", 1) or _is_option(option, "remote", 1):
            found += ["-name", value]
        elif _is_option(option, "pool", 2):
            found += ["-pool", value]
    return found


def _is_option(word: str, name: str, least: int) -> bool:
    """Say whether a word is an option of HTCondor's, which may be cut short."""
    given = word.lstrip("-")
    return word.startswith("-") and len(given) >= least and name.startswith(given)


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
