"""Slurm: worker jobs by sbatch, their queue, and the driver as a job."""

from __future__ import annotations

import itertools
import math
import os
import re
import shlex
from collections.abc import Collection, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, ClassVar

from dask.utils import parse_bytes

from ..errors import BadValueError, describe
from . import sbatch, slurm_survey
from .batch import call
from .directives import Setting, for_option
from .driver_job import WRITTEN_BY, DriverJob, DriverRequest, filled
from .jobqueue import SLURMJob, WorkerJob
from .kinds import CONTROL, SCALAR, WHOLE, check_collection
from .queue import ListedQueue, Queue, QueuedJob
from .survey import Choice
from .system import System


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
        where = sbatch.cluster_arguments(self._clusters)
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
            await call(["scancel", *sbatch.cluster_arguments(cluster), *numbers])


def _cluster(job_id: str) -> str:
    return job_id.partition(";")[2]


def _reason(said: str) -> str:
    return "" if said in ("None", "(null)") else said


_DIRECTIVE = re.compile(r"#SBATCH (--?[\w-]+)([ =])(.*)")


class SlurmJob(WorkerJob, SLURMJob):
    """A worker job whose names and paths may have spaces, quotes and percent signs.

    Attributes
    ----------
    left : frozenset of str
        Options that its profile leaves to the user's own defaults.
    """

    left: ClassVar[frozenset[str]] = frozenset()

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
            if not sbatch.is_skipped(name, job_directives_skip or ())
        ]
        header += [f"#SBATCH {directive}" for directive in job_extra_directives or ()]
        self.job_header: str = "\n".join(header)

    def environment(self) -> dict[str, str]:
        """Give the environment for sbatch: what is chosen for the job goes before SBATCH_*."""
        return sbatch.submission_environment(
            sbatch.options(self.job_header.splitlines()).keys() - self.left
        )


def _quoted(name: str, value: str) -> str:
    if name in ("-o", "-e"):
        path, ours, end = value.rpartition("-%J")
        value = path.replace("%", "%%") + ours + end
    return shlex.quote(value)


def _memory(value: Any) -> str:
    """Write an amount of memory for ``--mem``, which knows neither spaces nor fractions."""
    text = str(value).strip()
    if re.fullmatch(r"\d+[KMGT]?B?", text, re.IGNORECASE):
        return text
    try:
        return f"{math.ceil(parse_bytes(text) / 2**20)}M"
    except ValueError:
        raise BadValueError(
            f"is {describe(value)}, which is no size; write a number and a unit, such as 32 GB"
        ) from None


class Slurm(System):
    """Slurm, by sbatch, squeue and scancel."""

    job = SlurmJob
    submitted = (r"Submitted batch job (\d+)(?: on cluster (\S+))?", r"(\d+)(?:;(\S+))?")
    meanings = sbatch.MEANINGS
    kinds: ClassVar = {"job_cpu": WHOLE, "job_mem": SCALAR}
    takes_quotes = True
    whole_numbers = ("job_cpu",)
    clock = sbatch.CLOCK
    walltime_option = "--time"
    driver_template = ("slurm", "driver.sbatch")

    def settings(self, directive: str) -> list[Setting]:
        """Take a directive apart, into options by their long names; raises as `parse`."""
        return sbatch.settings(directive)

    def is_skipped(self, name: str, skips: Sequence[str]) -> bool:
        """Say whether ``job_directives_skip`` leaves out what sets an option."""
        return sbatch.is_skipped(name, skips)

    def rewrites(self, found: Sequence[Setting]) -> bool:
        """Say whether a directive has to be written otherwise than a person did."""
        return sbatch.has_blanks(found)

    def user_defaults(self) -> dict[str, Any]:
        """Give options that the user has set for all jobs."""
        return {"walltime": sbatch.time_limit()} if sbatch.time_limit() else {}

    def write_options(self, job: dict[str, Any]) -> None:
        """Write options as sbatch reads them; raises a BadValueError."""
        if "job_mem" in job:
            job["job_mem"] = for_option("job_mem", _memory, job["job_mem"])
        super().write_options(job)

    def origin_of_walltime(self, own: Mapping[str, Any]) -> str:
        """Say whose the walltime is, where nobody has written it into the profile."""
        origin = super().origin_of_walltime(own)
        return " (SBATCH_TIMELIMIT)" if origin and sbatch.time_limit() else origin

    def survey(self) -> dict[str, Choice]:
        """Find out what worker jobs can ask for here."""
        return slurm_survey.survey()

    def job_class(self, own: Mapping[str, Any]) -> type[WorkerJob]:
        """Make the class of the worker jobs of one profile."""
        made = super().job_class(own)
        return type("WorkerJob", (made,), {"left": sbatch.defaults(own, ())})

    def job_id(self, number: str, of_cluster: str | None = None) -> str:
        """Make the id by which the queue knows a job."""
        return f"{number};{of_cluster}" if of_cluster else number

    def queue(self, made: type[WorkerJob], job: Mapping[str, Any]) -> Queue:
        """Give the queue of the clusters that worker jobs go to."""
        return SlurmQueue(sbatch.clusters(job.get("job_extra_directives") or ()))

    # ---- the driver's own job ----------------------------------------------------------------

    def check_driver(self, driver: Any) -> None:
        """Refuse what is no option of sbatch."""
        check_collection(driver, list, "write each option as a line `- text`", "driver")
        for i, option in enumerate(driver):
            if not re.fullmatch(r"--?\w.*", option) or CONTROL.search(option):
                raise BadValueError(
                    f"is {describe(option)}, which is no option of sbatch; "
                    "write one such as --time=7-00:00:00",
                    "driver",
                    i,
                )
            try:
                sbatch.in_own_form(option)
            except BadValueError as error:
                raise BadValueError(str(error), "driver", i) from None

    def driver_job(self, request: DriverRequest) -> DriverJob:
        """Make the job of a driver."""
        path = Path(f"{request.name}.sbatch")
        directives = self._driver_directives(request)
        lines = "\n".join(f"#SBATCH {directive}" for directive in directives)
        text = filled(
            request.template,
            {
                "#   sbatch .*": f"{WRITTEN_BY}, and anew each time: sbatch {path}",
                "#SBATCH .*(?:\n#SBATCH .*)*": lines,
                r"driver=\(.*\)": f"driver=({shlex.join(request.command)})",
            },
        )
        given = sbatch.options(directives)
        log = given.get("--output", "slurm-%j.out")  # Slurm's own default
        where = sbatch.clusters(directives)
        on = shlex.join(["", *sbatch.cluster_arguments(where)])[2:]
        environment = sbatch.submission_environment(
            given.keys() - self.left(request.own, request.directives or ())
        )
        return DriverJob(
            given["--job-name"], path, text, "sbatch", f"squeue{on} --job", f"scancel{on}", log,
            SlurmQueue(where), environment, self.submitted_ids,
        )  # fmt: skip

    def _driver_directives(self, request: DriverRequest) -> list[str]:
        """Give sbatch's options: the template's, those for workers, those for the driver."""
        own = [f"--job-name={request.name}"]
        for option, key in (("--partition", "queue"), ("--account", "account")):
            if value := request.job.get(key):
                own.append(f"{option}={shlex.quote(str(value))}")
        own += self.room(request)
        more = [sbatch.in_own_form(directive) for directive in self.more(request)]
        given = own + _without(re.findall(r"(?m)^#SBATCH (.+)$", request.template), own)
        return _without(given, [*(request.job.get("job_directives_skip") or []), *more]) + more

    def room(self, _: DriverRequest) -> list[str]:
        """Give the options that make room for workers beside the driver."""
        return []

    def more(self, request: DriverRequest) -> list[str]:
        """Give what a profile adds for the driver's job, or replaces."""
        return request.directives or []

    def left(self, own: Mapping[str, Any], driver: Sequence[str]) -> Set[str]:
        """Give the options of the driver's job that are not of the profile's choice."""
        workers = {"queue": own.get("queue"), "account": own.get("account")}
        return {"--mem", *sbatch.defaults(workers, ())} - sbatch.options(driver).keys()


def _without(directives: Sequence[str], others: Sequence[str]) -> list[str]:
    """Leave out those that set what others set, too."""
    taken = sbatch.same_options(sbatch.options(others))
    return [line for line in directives if not sbatch.options([line]).keys() & taken]
