"""What a run has come to: outcomes that it recorded, counted."""

from __future__ import annotations

import collections
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .errors import ResumableError
from .outcome import Status
from .plan import Plan
from .store.store import Entry
from .views.progress import Counts


@dataclass(frozen=True)
class Summary:
    """What a run has come to.

    Attributes
    ----------
    total : int
        Simulations of the study; with targets, those that these needed. With a choice, those that
        were asked for.
    recorded : dict of Status to int
        Of them, how many the store holds, by status.
    started : int
        How many outcomes this run recorded.
    elapsed_time : float
        Of the run, in seconds.
    interrupted : str
        The signal that stopped it, or empty.
    warnings : tuple of str
        Seeds and parameters that change nothing, as far as the store tells, and points that are
        not known well enough.
    done_before : int
        Simulations that were done when the run began, which are not run again.
    left_out, left_out_done : int
        Simulations of the study that were not asked for, and how many of them are done; of a study
        with targets, recorded ones.
    """

    total: int
    recorded: dict[Status, int]
    started: int
    elapsed_time: float
    interrupted: str = ""
    warnings: tuple[str, ...] = ()
    done_before: int = 0
    left_out: int = 0
    left_out_done: int = 0

    @property
    def exit_status(self) -> int:
        """0 all done that was asked for, 1 some did not end as done, 75 interrupted."""
        if self.recorded.get(Status.DONE, 0) == self.total:
            return 0
        return 75 if self.interrupted else 1


class InterruptedRunError(ResumableError):
    """A signal, such as that of Ctrl-C, stopped a run early.

    Attributes
    ----------
    summary : Summary
        What the run had come to by then.
    """

    def __init__(self, store: Path, summary: Summary) -> None:
        super().__init__(
            f"{store}: stopped by {summary.interrupted} with {sum(summary.recorded.values())} "
            f"of {summary.total} simulations recorded; running it again goes on"
        )
        self.summary = summary


class Wanted(Protocol):
    """Whose simulations count: a study, or what is like one in this."""

    def ids(self) -> Iterable[str]:
        """Give the ids of all simulations."""


class Recorder(Protocol):
    """What takes outcomes: a :class:`~.store.store.Store`, or what is like one in this."""

    path: Path
    statuses: dict[str, Status]

    def record(self, entries: list[Entry]) -> None:
        """Write outcomes down."""

    def publish_beside(self) -> None:
        """Publish if enough is new, beside the work."""

    def publish(self) -> None:
        """Put everything recorded into the HDF5 file."""


class Tally:
    """Records outcomes, and counts them.

    Parameters
    ----------
    study : Wanted
        Whose simulations count.
    store : Recorder
        Takes the outcomes.
    plan : Plan
        What is to be run; is told of them.

    Attributes
    ----------
    counts : Counts
        How far the study is.
    """

    def __init__(self, study: Wanted, store: Recorder, plan: Plan) -> None:
        self.store, self.plan = store, plan
        self._started = 0
        found = map(store.statuses.get, plan.asked.ids if plan.asked else study.ids())
        recorded = collections.Counter(status for status in found if status is not None)
        self.counts = Counts(total=plan.total, recorded=dict(recorded), targets=plan.describe())
        self.counts.before = self.counts.n_recorded
        self._done_before = recorded[Status.DONE]

    def record(self, entries: list[Entry]) -> None:
        """Keep outcomes; those that were kept before are replaced."""
        recorded = self.counts.recorded
        for entry in entries:
            before = self.store.statuses.get(entry.id)
            if before is not None:
                recorded[before] -= 1
            recorded[entry.status] = recorded.get(entry.status, 0) + 1
        self.store.record(entries)
        self.plan.note(entries)
        self.counts.total, self.counts.targets = self.plan.total, self.plan.describe()
        self._started += len(entries)

    def summary(self, interrupted: str = "") -> Summary:
        """Say what the run has come to."""
        return Summary(
            total=self.counts.total,
            recorded={status: n for status, n in self.counts.recorded.items() if n},
            started=self._started,
            elapsed_time=time.monotonic() - self.counts.started,
            interrupted=interrupted,
            done_before=self._done_before,
            left_out=self.plan.asked.left_out if self.plan.asked else 0,
            left_out_done=self.plan.asked.left_out_done if self.plan.asked else 0,
        )
