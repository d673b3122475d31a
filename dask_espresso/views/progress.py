"""What a user sees while a study runs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..outcome import Status
from ..walltime import format_duration

_PLAIN_INTERVAL = 10.0  # seconds between two lines where there is no terminal


@dataclass
class Counts:
    """How far a study is.

    Attributes
    ----------
    total : int
        Simulations of the study; with targets, those that are wanted now.
    recorded : dict of Status to int
        Simulations in the store, by status.
    before : int
        How many of them were there when the run began.
    running : int
        Simulations on workers, or waiting there.
    slots : int
        Simulations that can run at a time.
    targets : str
        How far points are from their targets, in words; empty where there are none.
    jobs : str
        What the worker jobs do, in words; empty where there are none.
    started : float
        Monotonic time of the run's start, in seconds.
    """

    total: int = 0
    recorded: dict[Status, int] = field(default_factory=dict)
    before: int = 0
    running: int = 0
    slots: int = 0
    targets: str = ""
    jobs: str = ""
    started: float = field(default_factory=time.monotonic)

    @property
    def n_recorded(self) -> int:
        """How many are in the store."""
        return sum(self.recorded.values())

    @property
    def rate(self) -> float:
        """Simulations recorded a second in this run."""
        return (self.n_recorded - self.before) / max(time.monotonic() - self.started, 1e-3)

    def describe(self) -> str:
        """Say it in one line."""
        parts = [f"{self.recorded.get(Status.DONE, 0)} done"]
        parts += [
            f"{n} {status.label}"
            for status, n in sorted(self.recorded.items())
            if n and status is not Status.DONE
        ]
        parts.append(f"{min(self.running, self.slots)} running")
        if self.rate > 0:
            parts.append(f"{self.rate:.2g}/s" if self.rate >= 1 else f"{self.rate * 60:.2g}/min")
            left = (self.total - self.n_recorded) / self.rate
            parts += [f"{format_duration(left)} left"] if left else []
        return "; ".join(filter(None, (", ".join(parts), self.targets, self.jobs)))


class Display:
    """Shows nothing; what a program wants that calls the driver."""

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop showing."""

    def say(self, message: str) -> None:
        """Say something once."""

    def update(self, counts: Counts) -> None:
        """Show how far the study is."""


class PlainDisplay(Display):
    """A line every few seconds, for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = -_PLAIN_INTERVAL
        self._complete = False

    def say(self, message: str) -> None:
        """Print a message."""
        self._console.print(message, highlight=False, markup=False, soft_wrap=True)

    def update(self, counts: Counts) -> None:
        """Print a line, if the last one is old enough or the study is complete."""
        complete = counts.n_recorded == counts.total and not self._complete
        if complete or time.monotonic() - self._last >= _PLAIN_INTERVAL:
            self._last = time.monotonic()
            self._complete = complete
            self.say(f"{counts.n_recorded}/{counts.total}: {counts.describe()}")


class LiveDisplay(Display):
    """A bar that follows the study, for terminals."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            BarColumn(bar_width=30), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False), console=console, refresh_per_second=4,
        )  # fmt: skip
        self._task = self._progress.add_task("starting workers", total=None)

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, message: str) -> None:
        """Print a message above the bar."""
        self._progress.console.print(message, highlight=False, markup=False, soft_wrap=True)

    def update(self, counts: Counts) -> None:
        """Move the bar."""
        self._progress.update(
            self._task,
            total=counts.total,
            completed=counts.n_recorded,
            description=counts.describe(),
        )


def display_for(console: Console) -> Display:
    """Give the display that suits where the output goes."""
    return LiveDisplay(console) if console.is_terminal else PlainDisplay(console)
