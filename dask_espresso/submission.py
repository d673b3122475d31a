"""The driver as a batch job of its own."""

from __future__ import annotations

import math
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
from dask.utils import parse_bytes

from .batch import outside_of_job
from .errors import InputError
from .profile import DRIVER_CLUSTERS, Jobs, Profile
from .templates import template

_MARK = "# Written by `dask-espresso submit`, and written anew each time."

# sbatch takes each of these in two ways, and one of the memory options alone
_LONG = {
    "-A": "--account",
    "-c": "--cpus-per-task",
    "-J": "--job-name",
    "-n": "--ntasks",
    "-o": "--output",
    "-p": "--partition",
    "-t": "--time",
}
_MEMORY = {"--mem", "--mem-per-cpu", "--mem-per-gpu"}


@dataclass(frozen=True)
class DriverJob:
    """A driver as a job, ready to be submitted.

    Attributes
    ----------
    path : Path
        The job file, in the current directory.
    text : str
        What stands in it.
    program : str
        Submits it.
    watch, cancel : str
        Commands that show and stop a job, without its id.
    log : str
        The file that the driver's messages go to, with ``{id}`` for the job's id.
    """

    path: Path
    text: str
    program: str
    watch: str
    cancel: str
    log: str

    @property
    def command(self) -> str:
        """What submits it, for a shell."""
        return f"{self.program} {self.path}"

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
        found = re.search(r"(?:job|cluster) (\d+)", said)
        if found is None:
            raise InputError(
                f"{self.program} took {self.path} but named no job ({_in_one_line(said)}); "
                f"look for it with {self.watch.split()[0]}"
            )
        return found[1]

    def _write(self) -> None:
        if self.path.exists() and _MARK not in self.path.read_text(errors="replace"):
            raise InputError(
                f"{self.path}: is there already, and not from `dask-espresso submit`; "
                "rename it, or submit from another directory"
            )
        try:
            self.path.write_text(self.text, encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be written ({error.strerror}); submit from a directory "
                "where files can be made: results and logs go there too"
            ) from error

    def _call(self, program: str) -> str:
        with outside_of_job():
            done = subprocess.run(
                [program, self.path], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                errors="replace",
            )  # fmt: skip
        if done.returncode:
            said = _in_one_line(done.stderr or done.stdout) or f"exit code {done.returncode}"
            raise InputError(
                f"{self.program} refused {self.path}: {said}; correct `options` or `driver` in "
                "the profile, and submit again"
            )
        return done.stdout


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
    command = [sys.executable, "-m", "dask_espresso", "run", *arguments]
    if profile.cluster == "htcondor":
        return _htcondor_job(name, profile, command)
    return _slurm_job(name, profile, command)


def _filled(kind: str, name: str, lines: dict[str, str]) -> str:
    """Give a template's text with those lines replaced that match a pattern."""
    text = template(kind, name).read_text(encoding="utf-8")
    for pattern, line in lines.items():
        text, n = re.subn(rf"(?m)^{pattern}$", lambda _, line=line: line, text, count=1)
        assert n, pattern
    return text


# ---- Slurm ---------------------------------------------------------------------------------------


def _slurm_job(name: str, profile: Profile, command: Sequence[str]) -> DriverJob:
    path = Path(f"{name}.sbatch")
    text = template("slurm", "driver.sbatch").read_text(encoding="utf-8")
    directives = _slurm_directives(name, profile, re.findall(r"(?m)^#SBATCH (.+)$", text))
    outputs = [d for d in directives if "--output" in _options(d)]
    return DriverJob(
        path=path,
        text=_filled(
            "slurm",
            "driver.sbatch",
            {
                "#   sbatch .*": f"#   sbatch {path}\n{_MARK}",
                "#SBATCH .*(?:\n#SBATCH .*)*": "\n".join(f"#SBATCH {d}" for d in directives),
                r"driver=\(.*\)": f"driver=({shlex.join(command)})",
            },
        ),
        program="sbatch",
        watch="squeue --job",
        cancel="scancel",
        log=re.sub(r"^(--output|-o)[= ]*", "", outputs[-1]).replace("%j", "{id}"),
    )
