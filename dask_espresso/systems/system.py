"""What a batch system is to the rest: what is said to it, what it says, what its jobs look like."""

from __future__ import annotations

import abc
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import dask

from ..errors import BadValueError, InputError
from ..walltime import Clock
from .directives import Setting, for_option, parse, resources, take_up
from .driver_job import DriverJob, DriverRequest
from .jobqueue import WorkerJob
from .kinds import CONTROL, Kind, check_characters, check_collection
from .queue import Queue
from .survey import Choice

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class System(abc.ABC):
    """A batch system; see ``table`` for all, and ``generic`` for the smallest ones.

    What stands here holds for most: directives are lines of options in a job script. A class of
    its own says what is otherwise with a batch system. Nothing of a profile but plain options gets
    here: ``own`` are those that stand in it, ``job`` those of a worker job, with all defaults.

    Parameters
    ----------
    name : str
        What profiles call it.

    Attributes
    ----------
    job : type of WorkerJob
        Its jobs; the arguments of its constructor are the options that a profile may set.
    submitted : tuple of str
        Patterns of the line that says the id of a job just submitted, as documented.
    meanings : mapping of str to str
        What its own options are. One word: an option of the profile. Several words: why it has no
        place in directives.
    kinds : mapping of str to Kind
        Of options that no other batch system has.
    elsewhere : mapping of str to str
        What to write in place of options that it has not; may hold ``{value}``.
    required : mapping of str to str
        Options that every job needs, and an example of each.
    directives : type
        ``list`` or ``dict``, of which ``job_extra_directives`` are.
    takes_quotes : bool
        Whether names and paths with blanks and the like can stand in its directives.
    whole_numbers : tuple of str
        Options that are whole numbers, where they stand in directives.
    clock : Clock
        How it writes walltimes.
    walltime_option : str
        Its own option for one.
    submits_jobs : bool
        Whether a worker is a job of its own.
    shows_queue : bool
        Whether its queue is looked at, and not each job asked for by itself.
    driver_template : tuple of str or None
        Folder and name of the job file for a driver; None where the driver cannot be a job.
    """

    job: ClassVar[type[WorkerJob]]
    submitted: ClassVar[tuple[str, ...]] = ()
    meanings: ClassVar[Mapping[str, str]] = {}
    kinds: ClassVar[Mapping[str, Kind]] = {}
    elsewhere: ClassVar[Mapping[str, str]] = {}
    required: ClassVar[Mapping[str, str]] = {"cores": "16", "memory": "32 GB"}
    directives: ClassVar[type] = list
    takes_quotes: ClassVar[bool] = False
    whole_numbers: ClassVar[tuple[str, ...]] = ()
    clock: ClassVar[Clock] = Clock()
    walltime_option: ClassVar[str] = "-l walltime"
    submits_jobs: ClassVar[bool] = True
    shows_queue: ClassVar[bool] = True
    driver_template: ClassVar[tuple[str, str] | None] = None

    def __init__(self, name: str) -> None:
        self.name = name
        # dask-jobqueue wants a section with defaults, also of a batch system that it does not know
        if not dask.config.get(f"jobqueue.{self.section}", None):
            defaults = {"shebang": "#!/usr/bin/env bash", **dask.config.get("jobqueue.local")}
            dask.config.update_defaults({"jobqueue": {self.section: defaults}})

    @property
    def section(self) -> str:
        """Its section of dask-jobqueue's configuration, where a site can set defaults."""
        return str(self.job.default_config_name())

    # ---- the options of a worker job ---------------------------------------------------------

    def settings(self, directive: str) -> list[Setting]:
        """Take a directive apart; raises as `parse`."""
        return [part for setting in parse(directive) for part in resources(setting)]

    def is_skipped(self, name: str, skips: Sequence[str]) -> bool:
        """Say whether ``job_directives_skip`` leaves out what sets an option."""
        return any(skip.strip("= ") in name for skip in skips)

    def rewrites(self, _: Sequence[Setting]) -> bool:
        """Say whether a directive has to be written otherwise than a person did."""
        return False

    def check_directives(self, own: Mapping[str, Any]) -> None:
        """Refuse directives that cannot be any."""
        check_collection(
            own.get("job_extra_directives"), self.directives,
            f"write `- text` lines for {self.name}", "options", "job_extra_directives",
        )  # fmt: skip

    def check_lines(self, directives: Any, *at: str | int) -> None:
        """Refuse directives that are more than one line each."""
        check_characters(directives, CONTROL, *at)

    def read_directives(self, job: dict[str, Any], own: Mapping[str, Any]) -> None:
        """Make options of what directives say of a job; raises a BadValueError."""
        directives, skips = job.get("job_extra_directives"), job.get("job_directives_skip") or ()
        left, taken = for_option("job_extra_directives", take_up, self, directives or (), skips)
        job["job_extra_directives"] = left
        if "walltime" not in taken and self.is_skipped(self.walltime_option, skips):
            job.pop("walltime", None)
        for option, (i, value) in taken.items():
            read = for_option(("job_extra_directives", i), self._value, option, value)
            if own.get(option) is not None and read != self._value(option, str(own[option])):
                raise BadValueError(
                    f"sets {value!r}, but `{option}` is {own[option]!r}; keep one of the two",
                    "options", "job_extra_directives", i,
                )  # fmt: skip
            job[option] = read

    def _value(self, option: str, value: str) -> Any:
        if not value:
            raise BadValueError(f"has no value; write it as `{option}` under options")
        if option in self.whole_numbers:
            if not re.fullmatch(r"\d+", value):
                raise BadValueError(f"is {value!r}, no whole number; write one such as 4")
            return int(value)
        return self.clock.format(value) if option == "walltime" else value

    def user_defaults(self) -> dict[str, Any]:
        """Give options that the user has set for all jobs, such as in the environment."""
        return {}

    def write_options(self, job: dict[str, Any]) -> None:
        """Write options as the batch system reads them; raises a BadValueError."""
        if "walltime" in job:
            job["walltime"] = for_option("walltime", self.clock.format, job["walltime"])

    def survey(self) -> dict[str, Choice]:
        """Find out what worker jobs can ask for here, for options of a profile.

        By programs of the batch system that print for other programs, with timeouts. An option that
        nothing was found for has a note that says why. Empty where nobody has written how.
        """
        return {}

    # ---- worker jobs -------------------------------------------------------------------------

    def walltime(self, job: Mapping[str, Any]) -> float | None:
        """Give how long a worker job may run, in seconds; None where that is not known."""
        return self.clock.parse(job.get("walltime"))

    def origin_of_walltime(self, own: Mapping[str, Any]) -> str:
        """Say whose the walltime is, where nobody has written it into the profile."""
        directives = own.get("job_extra_directives") or []
        if own.get("walltime") or "walltime" in take_up(self, directives, ())[1]:
            return ""
        return ", dask-jobqueue's default, since the profile has no `walltime`"

    def job_options(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Give the options for the constructor of a worker job."""
        return dict(job)

    def job_class(self, _: Mapping[str, Any]) -> type[WorkerJob]:
        """Make the class of the worker jobs of one profile, by its own options."""
        return type("WorkerJob", (self.job,), {"system": self})

    def submitted_ids(self, said: str) -> list[str]:
        """Give what may be the id of the job that was submitted, the most likely one first.

        Sites print more than the batch system does, before and after, and numbers too: it is most
        often the last line that is, as a whole, what the batch system is documented to print.

        Parameters
        ----------
        said : str
            Standard output of the command that submitted it.
        """
        return list(dict.fromkeys(self.job_id(*match.groups()) for match in self._found(said)))

    def _found(self, said: str) -> Iterator[re.Match[str]]:
        lines = [line.strip() for line in _ESCAPES.sub("", said).splitlines()]
        found = (re.fullmatch(form, line) for form in self.submitted for line in reversed(lines))
        return (match for match in found if match)

    def job_id(self, number: str) -> str:
        """Make the id by which the queue knows a job, of what `submitted` has found."""
        return number

    @abc.abstractmethod
    def queue(self, made: type[WorkerJob], job: Mapping[str, Any]) -> Queue:
        """Give the queue that shows worker jobs of a class."""

    def commands(self, made: type[WorkerJob]) -> list[str]:
        """Give the commands without which there are no worker jobs of a class."""
        return [made.submit_command, made.cancel_command]

    # ---- the driver's own job ----------------------------------------------------------------

    def check_driver(self, _: Any) -> None:
        """Refuse what a profile has as ``driver``, if it cannot become part of a job file."""
        raise InputError(f"{self.name}: drivers are not submitted")

    def driver_job(self, _: DriverRequest) -> DriverJob:
        """Make the job of a driver, where there is a `driver_template`."""
        raise InputError(f"{self.name}: drivers are not submitted")
