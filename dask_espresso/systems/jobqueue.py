"""dask-jobqueue, imported without its side effect, and with worker jobs of our own."""

from __future__ import annotations

import contextlib
import re
import shlex
import signal
from collections.abc import Iterator, Sequence
from typing import Any

from ..safe_path import safe_code
from . import slurm
from .batch import SUBMIT_TIMEOUT, HTCondorQueue, call, submitted_ids
from .directives import escape_macros, is_skipped


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

__all__ = ["Job", "JobQueueCluster", "SLURMJob", "WorkerJob", "cluster_class", "job_class"]


class JobQueueCluster(core.JobQueueCluster):
    """A cluster that submits no jobs itself: a keeper does."""

    def scale(self, *_: Any, **__: Any) -> None:
        """Do nothing, such as at the end, where dask_jobqueue needs a scheduler that has started.

        Without one, it would not end, and Dask would wait for it when the program ends.
        """


def cluster_class(name: str) -> Any:
    """Give a cluster class of dask-jobqueue by its name, such as ``SLURMCluster``."""
    return getattr(dask_jobqueue, name)


def job_class(name: str) -> Any:
    """Give the class of a cluster's worker jobs, by the cluster's name."""
    own = {"SLURMCluster": QuotedSLURMJob, "HTCondorCluster": QuotedHTCondorJob}
    return own.get(name) or type("OtherJob", (WorkerJob, cluster_class(name).job_cls), {})


class WorkerJob(Job):
    """What is ours in a worker job of any batch system.

    It is submitted by a command that does not outlive the driver; its id is what the batch system
    is documented to say, and empty where it says something else; the queue cancels it, not the job
    itself. Its worker does not take modules from the directory that the job runs in.

    Attributes
    ----------
    cluster : str
        The kind of batch system, as a profile names it.
    left : frozenset of str
        Options of Slurm that its profile leaves to the user's own defaults.
    said : str
        What the command that submitted it has printed.
    """

    cluster: str
    said = ""
    left: frozenset[str] = frozenset()
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
        return slurm.submission_environment()

    async def _call(self, command: Sequence[str], *, shell: bool = False) -> str:
        """Run the command that submits it, for the base class."""
        words = ["/bin/sh", "-c", *command] if shell else command
        self.said = await call(words, self.environment(), SUBMIT_TIMEOUT)
        return self.said

    def _job_id_from_submit_output(self, said: str) -> str:
        return next(iter(submitted_ids(self.cluster, said)), "")  # its name is what it is known by

    async def close(self) -> None:
        """Do nothing: what is to be cancelled is looked for in the queue."""


class QuotedSLURMJob(WorkerJob, SLURMJob):
    """A worker job whose names and paths may have spaces, quotes and percent signs."""

    def __init__(
        self,
        *args: Any,
        job_directives_skip: Sequence[str] | None = None,
        job_extra_directives: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, job_directives_skip=[], job_extra_directives=[], **options)
        made: str = self.job_header
        own = [found for line in made.splitlines() if (found := _DIRECTIVE.fullmatch(line))]
        header = [
            f"#SBATCH {name}{sign}{_quoted(name, value)}"
            for name, sign, value in (found.groups() for found in own)
            if not is_skipped("slurm", name, job_directives_skip or ())
        ]
        header += [f"#SBATCH {directive}" for directive in job_extra_directives or ()]
        self.job_header: str = "\n".join(header)

    def environment(self) -> dict[str, str]:
        """Give the environment for sbatch: what is chosen for the job goes before SBATCH_*."""
        return slurm.submission_environment(
            slurm.options(self.job_header.splitlines()).keys() - self.left
        )


_DIRECTIVE = re.compile(r"#SBATCH (--?[\w-]+)([ =])(.*)")


def _quoted(name: str, value: str) -> str:
    if name in ("-o", "-e"):
        path, ours, end = value.rpartition("-%J")
        value = path.replace("%", "%%") + ours + end
    return shlex.quote(value)


class QuotedHTCondorJob(WorkerJob, HTCondorJob):
    """A worker job whose prologue is a script of bash, and where ``$(…)`` is a shell's."""

    executable = "/bin/bash"

    def __init__(
        self,
        *args: Any,
        job_script_prologue: Sequence[str] = (),
        job_directives_skip: Sequence[str] | None = None,
        job_extra_directives: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            *args, job_script_prologue=[], job_directives_skip=[], job_extra_directives={},
            **options,
        )  # fmt: skip
        command: str = self._command_template
        if prologue := [line for line in job_script_prologue or () if line]:
            command = f"eval {_ansi_quoted(chr(10).join([*prologue, command]))}"
        self._command_template: str = escape_macros(command)
        header: dict[str, Any] = self.job_header_dict
        header["batch_name"] = escape_macros(str(self.name))
        if self.log_directory:
            header["LogDirectory"] = escape_macros(self.log_directory)
        self.job_header_dict: dict[str, Any] = {
            name: value
            for name, value in header.items()
            if not is_skipped("htcondor", name, job_directives_skip or ())
        }
        escaped = re.sub(r'(["\\])', r"\\\1", escape_macros(str(self.name)))
        self.job_header_dict[f"MY.{HTCondorQueue.NAME}"] = f'"{escaped}"'
        self.job_header_dict.update(job_extra_directives or {})


def _ansi_quoted(script: str) -> str:
    r"""Write a script of several lines on one line, for bash.

    >>> print(_ansi_quoted("it's\ntwo"))
    $'it\'s\ntwo'
    """
    escapes = {"\\": r"\\", "'": r"\'", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
    return "$'" + "".join(escapes.get(c, c) for c in script) + "'"
