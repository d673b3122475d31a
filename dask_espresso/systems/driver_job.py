"""The driver as a job of a batch system."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..signals import StoppedError
from .batch import SUBMIT_TIMEOUT, BatchError, call
from .queue import ListedQueue

WRITTEN_BY = "# Written by `dask-espresso submit`"


@dataclass(frozen=True)
class DriverRequest:
    """A driver that is to become a job.

    Attributes
    ----------
    name : str
        The study's, for the job and its file.
    command : sequence of str
        What the job runs.
    template : str
        The text of the batch system's job file.
    own, job : mapping
        Options of the profile, and those of a worker job, with all defaults.
    max_jobs : int
        How many worker jobs there are at most.
    directives : list or dict or None
        What the profile has for the driver's job.
    """

    name: str
    command: Sequence[str]
    template: str
    own: Mapping[str, Any]
    job: Mapping[str, Any]
    max_jobs: int
    directives: Any


@dataclass(frozen=True)
class DriverJob:
    """A driver as a job, ready to be submitted.

    Attributes
    ----------
    name : str
        The job's.
    path : Path
        The job file, in the current directory.
    text : str
        What stands in it.
    program : str
        Submits it.
    watch, cancel : str
        Commands that show and stop a job, without its id.
    log : str
        The file that the driver's messages go to; the batch system puts the job's id into it.
    queue : ListedQueue
        Where it goes.
    environment : mapping of str to str
        Of the program.
    ids : callable
        Gives what may be the job's id, of what the program has said.
    """

    name: str
    path: Path
    text: str
    program: str
    watch: str
    cancel: str
    log: str
    queue: ListedQueue
    environment: Mapping[str, str]
    ids: Callable[[str], list[str]]

    @property
    def command(self) -> str:
        """What submits it, for a shell."""
        return f"{self.program} {self.path}"

    def log_of(self, job_id: str) -> str:
        """Name the log of the job that has this id."""
        return re.sub(r"%j|\$\(Cluster\)", job_id, self.log)

    def submit(self) -> str:
        """Write the job file and submit it.

        Returns
        -------
        str
            The job's id.

        Raises
        ------
        InputError
            If the batch system is not here or refuses the job, or the file cannot be written.
        """
        program = shutil.which(self.program)
        if program is None:
            raise InputError(
                f"{self.program}: is not there (looked in PATH); submit where the batch system "
                "is, load its module, or see the job with --dry-run"
            )
        self._write()
        said = self._call(program)
        job_id = self._found(self.ids(said))
        if not job_id:
            raise InputError(
                f"{self.program} took {self.path} but named no job ({_in_one_line(said)}); "
                f"look for it with {self.watch.split()[0]}"
            )
        return re.split("[.;]", job_id)[0]

    def _found(self, ids: Sequence[str]) -> str:
        """Look for the job in the queue: the only one of these that is called so, or of all.

        One that is not there may be over already, or the queue does not answer: then it is the only
        one of these, as far as it is not another job.
        """
        names: Mapping[str, str] = {}
        with contextlib.suppress(BatchError):
            names = asyncio.run(self.queue.names(()))
        ours = [job_id for job_id, name in names.items() if name == self.name]
        unseen = [job_id for job_id in ids if job_id not in names]
        among = [job_id for job_id in ours if job_id in ids]
        return next((found[0] for found in (among, ours, unseen) if len(found) == 1), "")

    def _write(self) -> None:
        try:
            if self.path.exists() and WRITTEN_BY not in self.path.read_text(errors="replace"):
                raise InputError(
                    f"{self.path}: is there already, and not from `dask-espresso submit`; "
                    "rename it, or submit from another directory"
                )
            self.path.write_text(self.text, encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be written ({error.strerror}); submit from a directory "
                "where files can be made: results and logs go there too"
            ) from error

    def _call(self, program: str) -> str:
        try:
            return asyncio.run(call([program, str(self.path)], self.environment, SUBMIT_TIMEOUT))
        except BatchError as error:
            raise InputError(
                f"{self.program} refused {self.path}: {error.said}; correct `options` or `driver` "
                "in the profile, and submit again"
            ) from error
        except (StoppedError, KeyboardInterrupt):
            print(
                f"{self.program} was stopped; it may have submitted a job of the name {self.name} "
                f"all the same: look for it with {self.watch.split()[0]}",
                file=sys.stderr,
            )
            raise


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


def filled(text: str, replacements: dict[str, str]) -> str:
    """Give a template's text with the lines replaced that match these patterns."""
    for pattern, lines in replacements.items():
        text, n = re.subn(rf"(?m)^{pattern}$", lines.replace("\\", r"\\"), text, count=1)
        assert n, pattern
    return text
