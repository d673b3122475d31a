"""HTCondor: worker jobs by condor_submit, their queue, and the driver as a job."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ..errors import BadValueError, InputError, describe
from ..walltime import parse_duration
from . import htcondor_survey
from .batch import BatchError, call
from .directives import JOBS, LOGS, for_option
from .driver_job import WRITTEN_BY, DriverJob, DriverRequest, filled
from .jobqueue import HTCondorJob, WorkerJob
from .kinds import CONTROL, check_characters, check_collection
from .queue import ListedQueue, Queue, QueuedJob
from .survey import Choice
from .system import System

# why a submit command has no place in a profile
MEANINGS = {
    "arguments": "what starts the worker; remove it",
    "batchname": "the worker's name, by which its job is found; remove it",
    "error": LOGS,
    "executable": "what starts the worker; remove it",
    "log": LOGS,
    "output": LOGS,
    "queue": JOBS,
    "requestcpus": "the size of a worker job; write `cores: N` instead",
    "requestdisk": "the size of a worker job; write `disk: 4 GB` instead",
    "requestmemory": "the memory of a worker job; write `memory: 32 GB` instead",
}

# how pools limit the run time of a job; and what of their values is meant as a length of time
_WALLTIMES = ("allowedjobduration", "allowedexecuteduration", "+maxruntime", "my.maxruntime")
_NO_EXPRESSION = re.compile(r"[-\d.:\s]*|[\d.]+\s*[a-z].*|unlimited|infinite", re.IGNORECASE)


def _json(said: str) -> str:
    """Leave out lines that a site prints in front."""
    return said[said.index("\n[") :] if "\n[" in said else said


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


class CondorJob(WorkerJob, HTCondorJob):
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
            if not is_skipped(name, job_directives_skip or ())
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


class HTCondor(System):
    """HTCondor, by condor_submit, condor_q and condor_rm; its directives are submit commands."""

    job = CondorJob
    submitted = (r"\d+ job\(s\) submitted to cluster (\d+)\.", r"(\d+)\.\d+(?: - \d+\.\d+)?")
    meanings = MEANINGS
    elsewhere: ClassVar = {
        "walltime": (
            "is nothing that HTCondor has; write `allowed_job_duration: {value}` under "
            "`job_extra_directives`"
        )
    }
    required: ClassVar = {**System.required, "disk": "4 GB"}
    directives = dict
    takes_quotes = True  # it needs none
    driver_template = ("htcondor", "driver.sub")

    def is_skipped(self, name: str, skips: Sequence[str]) -> bool:
        """Say whether ``job_directives_skip`` leaves out what sets an option."""
        return is_skipped(name, skips)

    def check_directives(self, own: Mapping[str, Any]) -> None:
        """Refuse what is no mapping."""
        directives, remedy = (
            own.get("job_extra_directives"),
            "write `key: value` lines for htcondor",
        )
        check_collection(directives, dict, remedy, "options", "job_extra_directives")

    def check_lines(self, directives: Any, *at: str | int) -> None:
        """Refuse what is no line ``key = value`` of a submit file."""
        _check_lines(directives, *at)

    def read_directives(self, job: dict[str, Any], own: Mapping[str, Any]) -> None:
        """Write limits of the run time in seconds, and refuse what options say, too."""
        directives, skips = job.get("job_extra_directives"), job.get("job_directives_skip") or ()
        if directives:
            for_option("job_extra_directives", self._check_commands, directives, skips)
            job["job_extra_directives"] = {
                name: for_option(("job_extra_directives", name), _value, name, value)
                for name, value in directives.items()
            }

    def _check_commands(self, directives: Mapping[str, Any], skips: Sequence[str]) -> None:
        for name in directives:
            why = self.meanings.get(submit_command(name))
            if why and not is_skipped(name, skips):
                raise BadValueError(f"is {why}", name)

    def write_options(self, job: dict[str, Any]) -> None:
        """Leave options as they are: no walltime is among them."""

    def survey(self) -> dict[str, Choice]:
        """Find out what worker jobs can ask for here."""
        return htcondor_survey.survey()

    def walltime(self, job: Mapping[str, Any]) -> float | None:
        """Give what a pool lets a job run, in seconds, as far as its directives say it."""
        return _walltime(job.get("job_extra_directives") or {})

    def origin_of_walltime(self, _: Mapping[str, Any]) -> str:
        """Say nothing: it stands in the profile, or there is none."""
        return ""

    def job_options(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Give the options of a worker job, and its environment.

        It is empty otherwise, even PATH, and does not tell the job's id.
        """
        directives = job.get("job_extra_directives") or {}
        given = {name.lower() for name in directives}
        defaults = {
            "getenv": "*",  # some pools allow no `True`, which is the same
            "environment": '"DASK_ESPRESSO_JOB_ID=$(ClusterId).$(ProcId)"',
        }
        missing = {} if "environment" in given else defaults
        missing = {name: value for name, value in missing.items() if name not in given}
        return {**job, "job_extra_directives": {**missing, **directives}}

    def job_id(self, number: str) -> str:
        """Make the id by which the queue knows a job."""
        return f"{number}.0"

    def queue(self, _: type[WorkerJob], job: Mapping[str, Any]) -> Queue:
        """Give the queue of the schedd that worker jobs go to."""
        submitting = job.get("submit_command_extra") or ()
        cancelling = job.get("cancel_command_extra") or ()
        return HTCondorQueue(schedd_arguments(submitting), cancelling)

    # ---- the driver's own job ----------------------------------------------------------------

    def check_driver(self, driver: Any) -> None:
        """Refuse what is no mapping of submit commands."""
        check_collection(driver, dict, "write `key: value` lines", "driver")
        _check_lines(driver, "driver")

    def driver_job(self, request: DriverRequest) -> DriverJob:
        """Make the job of a driver."""
        name, path, command = request.name, Path(f"{request.name}.sub"), request.command
        # worker jobs are submitted with the driver's environment, so it has what they want of it
        workers = request.own.get("job_extra_directives") or {}
        more = {key: value for key, value in workers.items() if key.lower() == "getenv"}
        more |= request.directives or {}
        program = escape_macros(command[0])
        text = filled(
            request.template,
            {
                r"#   condor_submit .*": f"{WRITTEN_BY}, and anew each time: condor_submit {path}",
                r"# the Python .*\nexecutable .*": f"executable          = {program}",
                r"arguments .*": f"arguments           = {_arguments(command[1:])}",
                r"batch_name .*": f"batch_name          = {name}",
                r"queue": "".join(f"{key:19} = {value}\n" for key, value in more.items()) + "queue",
            },
        )
        logs = re.findall(r"(?mi)^error\s*=\s*(.*)$", text)
        names = re.findall(r"(?mi)^batch_name\s*=\s*(.*)$", text)
        return DriverJob(
            names[-1], path, text, "condor_submit", "condor_q", "condor_rm", logs[-1],
            HTCondorQueue(), os.environ, self.submitted_ids,
        )  # fmt: skip


def submit_command(name: str) -> str:
    """Give a command of HTCondor's submit files in one of the many ways to write it."""
    return name.lower().replace("_", "")


def is_skipped(name: str, skips: Sequence[str]) -> bool:
    """Say whether ``job_directives_skip`` leaves out what sets a submit command."""
    return submit_command(name) in map(submit_command, skips)


def _value(name: str, value: Any) -> Any:
    """Write a limit of the run time in seconds, where it is no expression."""
    if submit_command(name) in _WALLTIMES and not re.fullmatch(r"[1-9]\d*", str(value)):
        try:
            return math.ceil(parse_duration(value))
        except ValueError:
            if _NO_EXPRESSION.fullmatch(str(value).strip()):
                raise
    return value


def _walltime(directives: Mapping[str, Any]) -> float | None:
    """Give what a pool lets a job run, in seconds, as far as its directives say it."""
    limits = [
        float(str(value))
        for name, value in directives.items()
        if submit_command(name) in _WALLTIMES and re.fullmatch(r"\d+", str(value))
    ]
    return min(limits, default=None)


def _check_lines(directives: dict[str, Any], *at: str | int) -> None:
    """Refuse what is no line ``key = value`` of HTCondor's submit files."""
    for name, value in directives.items():
        if not re.fullmatch(r"\+?[\w.]+", name):
            raise BadValueError(f"has the key {name!r}; use letters, digits and '_'", *at)
        if not isinstance(value, str | int | float):
            message = f"is {describe(value)} but must be one line of text; put it in quotes"
            raise BadValueError(message, *at, name)
        check_characters(value, CONTROL, *at, name)
        if str(value).rstrip().endswith("\\"):
            message = "ends with a backslash, which joins the next line to it; remove it"
            raise BadValueError(message, *at, name)


def escape_macros(text: str) -> str:
    """Keep HTCondor from expanding ``$(…)``, ``$ENV(…)`` and, when the job starts, ``$$(…)``."""
    return re.sub(
        r"\$\$(?=[(\[])|\$(?=\w*\()",
        lambda found: "$$(DOLLARDOLLAR)" if found[0] == "$$" else "$(DOLLAR)",
        text,
    )


def _arguments(words: Sequence[str]) -> str:
    """Write arguments as a submit file wants them."""
    for word in words:
        if "\n" in word:
            raise InputError(
                f"the argument {word!r} has a line break, which a submit file cannot hold; "
                "write it into the study"
            )
    quoted = " ".join(word if _is_plain(word) else _single_quoted(word) for word in words)
    return escape_macros('"' + quoted.replace('"', '""') + '"')


def _is_plain(word: str) -> bool:
    return bool(re.fullmatch(r"[\w@%+=:,./-]+", word))


def _single_quoted(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"
