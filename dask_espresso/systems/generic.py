"""Batch systems whose queue is not looked at: PBS, SGE, LSF, OAR, Moab."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from ..walltime import Clock
from .batch import BatchError, call
from .directives import JOBS, LOGS
from .jobqueue import WorkerJob, worker_job_class
from .kinds import FLAG, SCALAR, WHOLE
from .queue import Queue, QueuedJob
from .system import System


class UnknownQueue:
    """A batch system that is not looked at: its jobs are known by their workers alone.

    Before one of them is cancelled it is asked for its name.

    Parameters
    ----------
    cancelling : str
        Cancels jobs.
    asking : str
        Tells of a job, in whatever words.
    form : str
        Pattern of the line that has its name.
    """

    at_once = 8  # each has a command of its own

    def __init__(self, cancelling: str, asking: str, form: str) -> None:
        self._command, self._asked = cancelling, asking.split()
        self._name = re.compile(rf"(?m)^\s*{form}$")

    async def look(self) -> dict[str, QueuedJob] | None:
        """Know nothing."""
        return None

    async def names(self, ids: Collection[str]) -> dict[str, str]:
        """Give the names of these jobs; without those that are not known any more."""
        names = await asyncio.gather(*map(self._name_of, ids))
        return {job_id: name for job_id, name in zip(ids, names, strict=True) if name}

    async def _name_of(self, job_id: str) -> str:
        with contextlib.suppress(BatchError):
            if said := self._name.search(await call([*self._asked, job_id])):
                return said[1].strip()
        return ""

    async def cancel(self, ids: Collection[str]) -> None:
        """Cancel jobs."""
        await call([self._command, *ids])


class Generic(System):
    """One of them.

    Attributes
    ----------
    asking, name_form : str
        The command that tells of a job, and the pattern of the line that has its name.
    """

    shows_queue = False
    asking: ClassVar[str]
    name_form: ClassVar[str]

    def queue(self, made: type[WorkerJob], _: Mapping[str, Any]) -> Queue:
        """Give what there is instead of a queue."""
        return UnknownQueue(made.cancel_command, self.asking, self.name_form)


class PBS(Generic):
    """PBS and its many versions."""

    job = worker_job_class("PBSCluster")
    submitted = (r"(\d+(?:\[\])?(?:\.[\w.-]+)?)",)
    asking, name_form = "qstat -f", r"Job_Name = (.*)"
    meanings: ClassVar = {
        "-A": "account",
        "-J": JOBS,
        "-N": "job_name",
        "-e": LOGS,
        "-l walltime": "walltime",
        "-o": LOGS,
        "-q": "queue",
    }


class Moab(PBS):
    """Moab, by msub."""

    job = worker_job_class("MoabCluster")
    submitted = (r"((?:[A-Za-z]\w*\.)?\d+)",)
    asking, name_form = "checkjob", r"AName: +(.*)"


class _SGEClock(Clock):
    form = re.compile(r"\d+(:\d+:\d+)?")


class SGE(Generic):
    """Grid Engine and its many versions."""

    job = worker_job_class("SGECluster")
    submitted = (r"Your job (\d+) \(.*\) has been submitted",)
    asking, name_form = "qstat -j", r"job_name: +(.*)"
    clock = _SGEClock()
    walltime_option = "-l h_rt"
    meanings: ClassVar = {
        "-N": "job_name",
        "-P": "project",
        "-e": LOGS,
        "-l h_rt": "walltime",
        "-o": LOGS,
        "-q": "queue",
        "-t": JOBS,
    }


class _LSFClock(Clock):
    form = re.compile(r"\d+(:\d+)?")
    minutes = 2

    def write(self, seconds: int) -> str:
        """Write so many seconds, in whole minutes."""
        minutes = -(-seconds // 60)
        return f"{minutes // 60:02}:{minutes % 60:02}"


class LSF(Generic):
    """LSF, by bsub."""

    job = worker_job_class("LSFCluster")
    submitted = (r"Job <(\d+)> is submitted to .*",)
    asking, name_form = "bjobs -noheader -o job_name", r"(.*)"
    clock = _LSFClock()
    walltime_option = "-W"
    whole_numbers = ("ncpus",)
    kinds: ClassVar = {"lsf_units": SCALAR, "mem": WHOLE, "ncpus": WHOLE, "use_stdin": FLAG}
    meanings: ClassVar = {
        "-J": "job_name",
        "-P": "project",
        "-W": "walltime",
        "-e": LOGS,
        "-n": "ncpus",
        "-o": LOGS,
        "-q": "queue",
    }


class _OARClock(Clock):
    begins_with_hours = True


class OAR(Generic):
    """OAR, by oarsub."""

    job = worker_job_class("OARCluster")
    submitted = (r"OAR_JOB_ID=(\d+)",)
    asking, name_form = "oarstat -f -j", r"name *[=:] *(.*)"
    clock = _OARClock()
    kinds: ClassVar = {"memory_per_core_property_name": SCALAR}
    meanings: ClassVar = {
        "--array": JOBS,
        "--name": "job_name",
        "--project": "project",
        "--queue": "queue",
        "-E": LOGS,
        "-O": LOGS,
        "-l walltime": "walltime",
        "-n": "job_name",
        "-q": "queue",
    }
