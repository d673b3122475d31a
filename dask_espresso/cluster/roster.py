"""The worker jobs of a running driver, written down beside its store.

For ``status``, and so that the next driver can cancel what a killed one has left.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..files import describe_error, followed, is_away, open_file

_NAMES = re.compile(r".*-[0-9a-f]{6}-", re.DOTALL)  # what a driver's jobs begin with, and no others


@dataclass(frozen=True)
class ListedJob:
    """One worker job.

    Attributes
    ----------
    id : str
        The batch system's.
    name : str
        As it was submitted.
    state : str
        ``waiting``, ``starting``, ``working``, ``leaving`` or ``ending``.
    reason : str
        What it waits for, in the batch system's own words.
    """

    id: str
    name: str
    state: str
    reason: str = ""


@dataclass(frozen=True)
class Roster:
    """All worker jobs of a driver.

    Attributes
    ----------
    jobs : tuple of ListedJob
        As of the last look at the batch system's queue.
    problem : str
        What keeps jobs from coming up at the moment, or empty.
    names : tuple of str
        What the names of its jobs begin with, also of those that it is about to submit; and of the
        jobs of killed drivers before it.
    """

    jobs: tuple[ListedJob, ...] = ()
    problem: str = ""
    names: tuple[str, ...] = ()

    def describe(self) -> str:
        """Say in one line how many jobs are in which state, and why."""
        states = Counter((job.state, job.reason) for job in self.jobs)
        parts = [
            f"{n} {state}{f' ({reason})' if reason else ''}"
            for (state, reason), n in states.items()
        ]
        said = f"jobs: {', '.join(parts)}" if parts else "no jobs"
        return f"{said}; {self.problem}" if self.problem else said


def roster_path(store: Path) -> Path:
    """Give the file beside a store."""
    store = followed(store)
    return store.with_name(f"{store.name}.jobs")


def write_roster(store: Path, roster: Roster) -> str:
    """Write it down; a reader finds the old or the new one, nothing between; nothing if empty.

    Returns
    -------
    str
        What is to be said where that fails: it is a help, no reason to stop a study.
    """
    if roster == Roster():
        remove_roster(store)
        return ""
    try:
        path = roster_path(store)
        aside = _aside(path)
        aside.write_text(json.dumps(asdict(roster)), encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        return (
            f"{store}.jobs: {describe_error(error)}; the run goes on, but if it is killed its "
            "worker jobs may be left in the queue"
        )
    return ""


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def read_roster(store: Path) -> Roster:
    """Read what a driver has written; an empty one where there is none.

    Raises
    ------
    OSError
        If its file system has failed: there may be jobs of which only it tells.
    """
    try:
        with open_file(roster_path(store)) as file:
            found = json.load(file)
        names = tuple(name for name in map(str, found.get("names", ())) if _NAMES.fullmatch(name))
        return Roster(_jobs(found["jobs"]), str(found["problem"]), names)
    except OSError as error:
        if is_away(error):
            raise
        return Roster()
    except (ValueError, TypeError, KeyError, AttributeError):
        return Roster()


def _jobs(found: Sequence[dict[str, str]]) -> tuple[ListedJob, ...]:
    return tuple(ListedJob(**{name: str(value) for name, value in job.items()}) for job in found)


def remove_roster(store: Path) -> None:
    """Remove it at a driver's end."""
    with contextlib.suppress(OSError):
        path = roster_path(store)
        _aside(path).unlink(missing_ok=True)
        path.unlink()
