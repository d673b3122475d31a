"""The driver as a batch job of its own."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from dask.utils import parse_bytes

from ..errors import InputError
from ..inputs.profile import DRIVER_CLUSTERS, Profile
from ..inputs.shipped import template
from ..safe_path import safe_code
from ..signals import StoppedError
from ..systems import slurm
from ..systems.batch import (
    SUBMIT_TIMEOUT,
    BatchError,
    HTCondorQueue,
    ListedQueue,
    SlurmQueue,
    call,
    submitted_ids,
)
from ..systems.directives import escape_macros, in_own_form

_MARK = "# Written by `dask-espresso submit`"


@dataclass(frozen=True)
class DriverJob:
    """A driver as a job, ready to be submitted.

    Attributes
    ----------
    cluster : str
        The kind of batch system.
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
    """

    cluster: str
    name: str
    path: Path
    text: str
    program: str
    watch: str
    cancel: str
    log: str
    queue: ListedQueue
    environment: Mapping[str, str]

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
        job_id = self._found(submitted_ids(self.cluster, said))
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
            if self.path.exists() and _MARK not in self.path.read_text(errors="replace"):
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


def driver_job(name: str, profile: Profile, arguments: Sequence[str]) -> DriverJob:
    """Make the job that runs a study's driver.

    Parameters
    ----------
    name : str
        The study's, for the job and its file.
    profile : Profile
        Where the workers go, and the driver with them.
    arguments : sequence of str
        Of ``dask-espresso run``.

    Raises
    ------
    InputError
        If drivers cannot be submitted to the profile's cluster.
    """
    if profile.cluster not in DRIVER_CLUSTERS:
        raise InputError(
            f"{profile.path or 'no profile given'}: cluster: is {profile.cluster!r}, but drivers "
            f"are submitted to {', '.join(DRIVER_CLUSTERS)}; name a profile of one of these, or "
            "put `dask-espresso run …` into a job script of your own"
        )
    start = safe_code("__main__", "program")
    command = [sys.executable, "-c", start, "run", *arguments]
    if profile.cluster == "htcondor":
        return _htcondor_job(name, profile, command)
    return _slurm_job(name, profile, command)


def _filled(kind: str, name: str, replacements: dict[str, str]) -> str:
    """Give a template's text with the lines replaced that match these patterns."""
    text = template(kind, name).read_text(encoding="utf-8")
    for pattern, lines in replacements.items():
        text, n = re.subn(rf"(?m)^{pattern}$", lines.replace("\\", r"\\"), text, count=1)
        assert n, pattern
    return text


# ---- Slurm ---------------------------------------------------------------------------------------


def _slurm_job(name: str, profile: Profile, command: Sequence[str]) -> DriverJob:
    path = Path(f"{name}.sbatch")
    directives = _directives(name, profile)
    lines = "\n".join(f"#SBATCH {directive}" for directive in directives)
    text = _filled(
        "slurm",
        "driver.sbatch",
        {
            "#   sbatch .*": f"{_MARK}, and anew each time: sbatch {path}",
            "#SBATCH .*(?:\n#SBATCH .*)*": lines,
            r"driver=\(.*\)": f"driver=({shlex.join(command)})",
        },
    )
    given = slurm.options(directives)
    log = given.get("--output", "slurm-%j.out")  # Slurm's own default
    where = slurm.clusters(directives)
    on = shlex.join(["", *slurm.cluster_arguments(where)])[2:]
    return DriverJob(
        "slurm", given["--job-name"], path, text, "sbatch",
        f"squeue{on} --job", f"scancel{on}", log, SlurmQueue(where),
        slurm.submission_environment(given.keys() - _defaults(profile)),
    )  # fmt: skip


def _directives(name: str, profile: Profile) -> list[str]:
    """Give sbatch's options: the template's, the profile's for workers, those for the driver."""
    text = template("slurm", "driver.sbatch").read_text(encoding="utf-8")
    own = [f"--job-name={name}"]
    for option, key in (("--partition", "queue"), ("--account", "account")):
        if value := profile.option(key):
            own.append(f"{option}={shlex.quote(str(value))}")
    if profile.cluster == "slurm-allocation":
        own += _allocation(profile)
    more = [in_own_form(directive) for directive in _more(profile)]
    given = own + _without(re.findall(r"(?m)^#SBATCH (.+)$", text), own)
    return _without(given, [*(profile.option("job_directives_skip") or []), *more]) + more


def _more(profile: Profile) -> list[str]:
    """Give what a profile adds for the driver's job, or replaces."""
    in_one = profile.cluster == "slurm-allocation"
    workers = (profile.option("job_extra_directives") or []) if in_one else []
    return [*workers, *(profile.driver or [])]


def _defaults(profile: Profile) -> Set[str]:
    """Give the options that are not of this profile's choice."""
    if profile.cluster == "slurm-allocation":
        return slurm.defaults(profile.options, profile.driver or ())
    workers = {"queue": profile.options.get("queue"), "account": profile.options.get("account")}
    return {"--mem", *slurm.defaults(workers, ())} - slurm.options(profile.driver or ()).keys()


def _allocation(profile: Profile) -> list[str]:
    """Give the options that make room for all workers beside the driver."""
    cores = profile.option("cores")
    memory = math.ceil(parse_bytes(profile.option("memory")) / cores / 2**20)
    walltime = profile.option("walltime")
    return [
        f"--ntasks={profile.max_jobs}",
        f"--cpus-per-task={cores}",
        f"--mem-per-cpu={memory}M",
        *([f"--time={walltime}"] if walltime else []),
    ]


def _without(directives: Sequence[str], others: Sequence[str]) -> list[str]:
    """Leave out those that set what others set, too."""
    taken = slurm.same_options(slurm.options(others))
    return [line for line in directives if not slurm.options([line]).keys() & taken]


# ---- HTCondor ------------------------------------------------------------------------------------


def _htcondor_job(name: str, profile: Profile, command: Sequence[str]) -> DriverJob:
    path = Path(f"{name}.sub")
    # worker jobs are submitted with the driver's environment, so it has what they want of it
    workers = profile.options.get("job_extra_directives") or {}
    more = {key: value for key, value in workers.items() if key.lower() == "getenv"}
    more |= profile.driver or {}
    text = _filled(
        "htcondor",
        "driver.sub",
        {
            r"#   condor_submit .*": f"{_MARK}, and anew each time: condor_submit {path}",
            r"# the Python .*\nexecutable .*": f"executable          = {escape_macros(command[0])}",
            r"arguments .*": f"arguments           = {_arguments(command[1:])}",
            r"batch_name .*": f"batch_name          = {name}",
            r"queue": "".join(f"{key:19} = {value}\n" for key, value in more.items()) + "queue",
        },
    )
    logs = re.findall(r"(?mi)^error\s*=\s*(.*)$", text)
    names = re.findall(r"(?mi)^batch_name\s*=\s*(.*)$", text)
    return DriverJob(
        "htcondor", names[-1], path, text, "condor_submit", "condor_q", "condor_rm", logs[-1],
        HTCondorQueue(), os.environ,
    )  # fmt: skip


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
