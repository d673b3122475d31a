"""What a check of a profile is about, and what it finds."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from ..cluster.roster import Roster
from ..cluster.worker_jobs import log_directory
from ..engines import Engine
from ..errors import DaskEspressoError
from ..inputs.profile import Profile
from ..inputs.study import Study

_LOG_LINES = 10
_CAUSES = 4

# the last line of a traceback, of which each error in a chain has one, the cause first
_CAUSE = re.compile(r"\s*(?:[a-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Timeout)\b: *\S")
_CLOCK_REMEDY = "the clock of that machine is behind this one's; have the clocks set (NTP)"


class Findings:
    """Says what the checks find, as they find it.

    Parameters
    ----------
    say : callable
        Takes a mark, ``ok``, ``note``, ``FAIL`` or ``wait``, and a text.

    Attributes
    ----------
    faults, notes : int
        How many were found so far.
    """

    def __init__(self, say: Callable[[str, str], None]) -> None:
        self._say = say
        self.faults = self.notes = 0

    def ok(self, text: str) -> None:
        """Say what works."""
        self._say("ok", text)

    def note(self, text: str) -> None:
        """Say what deserves attention, but is no fault."""
        self.notes += 1
        self._say("note", text)

    def wait(self, text: str) -> None:
        """Say what is waited for."""
        self._say("wait", text)

    def fail(self, text: str) -> None:
        """Say what is wrong, and what to do."""
        self.faults += 1
        self._say("FAIL", text)


class FaultError(Exception):
    """Something is wrong; the message says what to do."""


class DeadEndError(FaultError):
    """Something is so wrong that the checks which follow make no sense."""


@dataclass
class Case:
    """What is checked."""

    profile: Profile
    study: Study | None
    engines: Sequence[Engine]
    timeout: float
    findings: Findings
    failed: set[Callable[..., None]] = field(default_factory=set)
    jobs: dict[str, str] = field(default_factory=dict)  # names of the worker jobs seen, by id

    @property
    def ranks(self) -> int:
        """MPI ranks of one simulation, as many as any of the engines has."""
        return max((engine.ranks for engine in self.engines), default=1)

    @property
    def is_batch(self) -> bool:
        """Whether workers are jobs of a batch system."""
        return self.profile.system is not None

    def note_jobs(self, roster: Roster) -> None:
        """Remember the worker jobs, to look for them when they should be gone."""
        self.jobs |= {job.id: job.name for job in roster.jobs}

    def log_files(self) -> list[Path]:
        """Find the files that the worker jobs have written into the log directory."""
        directory = log_directory(self.profile)
        # the batch systems name files after the job or its id; HTCondor also after its first part
        ids = [rf"\b{re.escape(job_id.partition('.')[0])}\b(?!-)" for job_id in self.jobs]
        ours = re.compile("|".join([*map(re.escape, self.jobs.values()), *ids]) or "$^")
        return [path for path in directory.glob("*") if ours.search(path.name)] if directory else []


def of_ranks(case: Case) -> str:
    """Give what follows a number of simulations, where each is of several MPI ranks."""
    return f" of {case.ranks} ranks" if case.ranks > 1 else ""


def go_through(checks: Iterable[Callable[..., None]], subject: Any, case: Case) -> None:
    """Make checks one after the other; one that fails does not hide the others."""
    for check in checks:
        try:
            check(subject)
        except Exception as error:  # whatever a worker comes up with is a finding, too
            case.failed.add(check)
            expected = isinstance(error, FaultError | DaskEspressoError)
            said = str(error) or "no reason given"
            case.findings.fail(said if expected else f"{type(error).__name__}: {said}")
            if isinstance(error, DeadEndError):
                return


def interfaces() -> str:
    """List the networks that this machine is in."""
    found = (
        f"{name} ({address.address})"
        for name, addresses in psutil.net_if_addrs().items()
        for address in addresses
        if address.family == socket.AF_INET
        and not ipaddress.ip_address(address.address).is_loopback
    )
    return ", ".join(found) or "none but loopback"


def is_loopback(address: str) -> bool:
    """Say whether only this machine reaches an address."""
    host = urlsplit(address).hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def on_loopback(address: str) -> str:
    """Say so of a scheduler, and what to do."""
    return (
        f"other machines do not reach the scheduler at {address}; for worker jobs on them name the "
        f"network as `interface` under `options`; this machine has {interfaces()}"
    )


def log_tail(case: Case) -> str:
    """Give what a worker job has printed, if anything: of the last job.

    That are the lines which say why, the cause first, or else the last ones.
    """
    files = [path for path in case.log_files() if path.suffix != ".log"]  # HTCondor's own
    files.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in sorted(files, key=lambda path: not path.suffix.startswith(".e")):
        with contextlib.suppress(OSError):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            lines = [line.rstrip() for line in lines if line.strip()]
            if causes := list(dict.fromkeys(line.strip() for line in lines if _CAUSE.match(line))):
                remedy = [_CLOCK_REMEDY] if any("not yet valid" in line for line in causes) else []
                return "\n".join([f"\n{path.name} says why:", *causes[:_CAUSES], *remedy])
            if lines:
                return "\n".join([f"\nthe end of {path.name}:", *lines[-_LOG_LINES:]])
    return ""


def counted(count: int, noun: str) -> str:
    """Count things in words, such as ``3 jobs``."""
    return f"{count or 'no'} {noun}{'s' * (count != 1)}"
