"""dask-jobqueue, imported without its side effect, and with worker jobs of our own."""

from __future__ import annotations

import contextlib
import re
import shlex
import signal
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..safe_path import safe_code
from . import sbatch
from .batch import SUBMIT_TIMEOUT, call

if TYPE_CHECKING:
    from .system import System


@contextlib.contextmanager
def _signal_handlers_kept() -> Iterator[None]:
    """Have an import install no signal handlers.

    dask_jobqueue (0.9) has Ctrl-C end the process with status 0, and cannot be imported at
    all where handlers cannot be installed, in other threads than the main one.
    """
    install, signal.signal = signal.signal, lambda *_: None
    try:
        yield
    finally:
        signal.signal = install


with _signal_handlers_kept():
    import dask_jobqueue
    from dask_jobqueue import core
    from dask_jobqueue.core import Job
    from dask_jobqueue.htcondor import HTCondorJob
    from dask_jobqueue.slurm import SLURMJob

__all__ = ["HTCondorJob", "Job", "JobQueueCluster", "SLURMJob", "WorkerJob", "worker_job_class"]


class JobQueueCluster(core.JobQueueCluster):
    """A cluster that submits no jobs itself: a keeper does."""

    def scale(self, *_: Any, **__: Any) -> None:
        """Do nothing, such as at the end, where dask_jobqueue needs a scheduler that has started.

        Without one, it would not end, and Dask would wait for it when the program ends.
        """


def worker_job_class(name: str) -> type[WorkerJob]:
    """Make worker jobs of a batch system of which dask-jobqueue's own jobs need nothing else.

    Parameters
    ----------
    name : str
        Of its cluster class there, such as ``PBSCluster``.
    """
    return type("OtherJob", (WorkerJob, getattr(dask_jobqueue, name).job_cls), {})


class WorkerJob(Job):
    """What is ours in a worker job of any batch system.

    It is submitted by a command that does not outlive the driver; its id is what the batch system
    is documented to say, and empty where it says something else; the queue cancels it, not the job
    itself. Its worker does not take modules from the directory that the job runs in.

    Attributes
    ----------
    system : System
        The batch system that it is submitted to.
    said : str
        What the command that submitted it has printed.
    """

    system: ClassVar[System]
    said = ""
    _command_template: str

    def __init__(self, scheduler: Any = None, name: Any = None, **options: Any) -> None:
        super().__init__(scheduler, name, **options)
        before, module, after = re.split(
            rf" -m (\S+ {re.escape(str(scheduler))} --name ){re.escape(str(name))}(?= --nthreads )",
            self._command_template,
            maxsplit=1,
        )
        start = shlex.quote(safe_code("cluster.safe_worker", "run_worker"))
        self._command_template = f"{before} -c {start} {module}{shlex.quote(str(name))}{after}"

    def environment(self) -> dict[str, str]:
        """Give the environment of the command that submits it, which the job may inherit."""
        return sbatch.submission_environment()

    async def _call(self, command: Sequence[str], *, shell: bool = False) -> str:
        """Run the command that submits it, for the base class."""
        words = ["/bin/sh", "-c", *command] if shell else command
        self.said = await call(words, self.environment(), SUBMIT_TIMEOUT)
        return self.said

    def _job_id_from_submit_output(self, said: str) -> str:
        return next(iter(self.system.submitted_ids(said)), "")  # its name is what it is known by

    async def close(self) -> None:
        """Do nothing: what is to be cancelled is looked for in the queue."""
