"""Workers inside the Slurm allocation that the driver runs in, each a job step."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import math
import os
import signal
import subprocess
from collections.abc import Collection, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, ClassVar

from dask.utils import parse_bytes
from distributed.deploy.spec import ProcessInterface

from ..errors import InputError
from . import sbatch
from .batch import plain_environment
from .driver_job import DriverRequest
from .jobqueue import SLURMJob, WorkerJob
from .queue import ListedQueue, Queue, QueuedJob
from .slurm import Slurm

_LEAVE_IN = 5.0  # seconds between asking a step to leave and ending it


class StepJob(WorkerJob, SLURMJob):
    """One worker, started by srun in the allocation at hand.

    For sites that do not allow sbatch on compute nodes. It takes the same
    arguments as the job of a :class:`dask_jobqueue.SLURMCluster`.
    """

    cancel_command = None  # a step ends with its srun, not by its id
    allocation: ClassVar[str]
    told: ClassVar[dict[str, str]]  # more of its environment
    running: ClassVar[dict[str, StepJob]]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._process: asyncio.subprocess.Process | None = None

    def command(self) -> list[str]:
        """Give the srun command that starts the worker."""
        memory = self.worker_memory // self.worker_cores // 2**20
        command = [
            "srun", f"--jobid={self.allocation}", f"--job-name={self.job_name}", "--ntasks=1",
            "--nodes=1", "--exact", f"--cpus-per-task={self.worker_cores}",
            f"--mem-per-cpu={memory}M", "--cpu-bind=none", "--quit-on-interrupt",
        ]  # fmt: skip
        if self.log_directory:
            log = self._log("worker").replace("%", "%%")  # such as %j is srun's
            command += [f"--output={log}.out", f"--error={log}.err"]
        prologue = filter(None, self._job_script_prologue)
        return [*command, "/bin/bash", "-c", "\n".join([*prologue, self._command_template])]

    def _log(self, of: str) -> str:
        return str(Path(self.log_directory) / f"{of}-{self.job_id}")

    async def start(self) -> None:
        """Start the step; it may have to wait for others to end."""
        self.job_id = f"{self.allocation}+{len(self.running) + 1}"
        self.running[self.job_id] = self
        with contextlib.ExitStack() as stack:
            said = None
            if self.log_directory:
                said = stack.enter_context(Path(f"{self._log('srun')}.err").open("wb"))
            self._process = await asyncio.create_subprocess_exec(
                *self.command(),
                stdin=asyncio.subprocess.DEVNULL,
                stderr=said,
                env=sbatch.submission_environment() | self.told,
                start_new_session=True,  # Ctrl-C is for the driver
            )
        await ProcessInterface.start(self)

    @property
    def is_alive(self) -> bool:
        """Whether srun still runs."""
        return self._process is not None and self._process.returncode is None

    async def close(self) -> None:
        """End the step: ask it to, then have srun kill it."""
        process = self._process
        if process is None:
            return
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), _LEAVE_IN)
                return


class StepQueue(ListedQueue):
    """The steps that this driver has started, which end themselves.

    Parameters
    ----------
    job_class : type
        What `SlurmAllocation.job_class` gave.
    """

    def __init__(self, job_class: type[StepJob]) -> None:
        self._job_class = job_class

    async def look(self) -> dict[str, QueuedJob]:
        """Give those that have not ended, by their ids."""
        return {
            job_id: QueuedJob(job.job_name, "running")
            for job_id, job in self._job_class.running.items()
            if job.is_alive
        }

    async def cancel(self, ids: Collection[str]) -> None:
        """End steps."""
        await asyncio.gather(*(self._job_class.running[job_id].close() for job_id in ids))


def _end_time(allocation: str) -> str:
    """Ask for the end of a job, as the Slurm of 2022 and before does not tell it to the job."""
    command = ["squeue", "--noheader", f"--jobs={allocation}", "--format=%e"]
    try:
        said = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=True, env=plain_environment()
        )
        return str(int(datetime.datetime.fromisoformat(said.stdout.strip()).timestamp()))
    except (OSError, subprocess.SubprocessError, ValueError):  # such as one without a time limit
        return ""


class SlurmAllocation(Slurm):
    """The driver and its workers in one Slurm job, for sites without sbatch on compute nodes."""

    job = StepJob
    submits_jobs = False

    def job_class(self, _: Mapping[str, Any]) -> type[WorkerJob]:
        """Make the class of the steps in the allocation that this process runs in.

        Raises
        ------
        InputError
            If it runs in none.
        """
        allocation = os.environ.get("SLURM_JOB_ID", "")
        if not allocation:
            raise InputError(
                "cluster 'slurm-allocation' is for a driver inside a Slurm job: submit it with "
                "`dask-espresso submit`, run it under salloc, or use cluster 'slurm'"
            )
        end = os.environ.get("SLURM_JOB_END_TIME") or _end_time(allocation)
        told = {"SLURM_JOB_END_TIME": end} if end else {}
        own = {"system": self, "allocation": allocation, "running": {}, "told": told}
        return type("StepJob", (StepJob,), own)

    def queue(self, made: type[WorkerJob], job: Mapping[str, Any]) -> Queue:
        """Give the steps that this driver has started."""
        assert issubclass(made, StepJob)
        return StepQueue(made)

    def commands(self, _: type[WorkerJob]) -> list[str]:
        """Give the command without which there are no steps."""
        return ["srun"]

    def walltime(self, _: Mapping[str, Any]) -> None:
        """Know nothing: an allocation is older than its steps; they are told when it ends."""

    def room(self, request: DriverRequest) -> list[str]:
        """Give the options that make room for all workers beside the driver."""
        cores, walltime = request.job["cores"], request.job.get("walltime")
        memory = math.ceil(parse_bytes(request.job["memory"]) / cores / 2**20)
        return [
            f"--ntasks={request.max_jobs}",
            f"--cpus-per-task={cores}",
            f"--mem-per-cpu={memory}M",
            *([f"--time={walltime}"] if walltime else []),
        ]

    def more(self, request: DriverRequest) -> list[str]:
        """Give what a profile adds for the one job, or replaces."""
        return [*(request.job.get("job_extra_directives") or []), *super().more(request)]

    def left(self, own: Mapping[str, Any], driver: Sequence[str]) -> Set[str]:
        """Give the options of the one job that are not of the profile's choice."""
        return sbatch.defaults(own, driver)
