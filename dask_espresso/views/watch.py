"""A study that is watched while it runs: looks at its store, one after the other."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..cluster.roster import roster_path
from ..errors import InputError
from ..files import close_file
from ..outcome import Status
from ..store.claim import describe_owner
from ..store.journal import journal_path
from ..store.reading import claim_path, store_path
from .outlook import describe_needs, describe_pace
from .standing import describe
from .status import status_report
from .texts import literal, short

INTERVAL = 2.0  # seconds between two pictures
PLAIN_INTERVAL = 10.0  # the same, where there is no terminal
_SHARE = 5  # times as long as a look takes, that none follows: others use the machine, too
_STALE = 30.0  # seconds after which is looked again where nothing has changed
_MOST_LINES = 8  # of points, and of reasons
_BAR = 30  # characters


def watch(
    path: Path,
    console: Console,
    wait: Callable[[float], bool],
    is_lost: Callable[[], bool] = lambda: False,
) -> None:
    """Show how far a study is, again and again, until it is done or nobody wants to see it.

    Parameters
    ----------
    path : Path
        The store; one that is not there yet is waited for.
    console : Console
        Where no terminal is, a table follows the other.
    wait : callable
        Waits so many seconds, and says whether to end.
    is_lost : callable, optional
        Says whether nobody reads what is shown.

    Raises
    ------
    InputError
        If the first look finds that it is no store.
    """
    looks = Looks(path)
    if not console.is_terminal:
        while True:
            looks.look()
            console.print(picture(looks))
            if looks.is_over or is_lost() or wait(max(PLAIN_INTERVAL, looks.pause)):
                return
    with (
        contextlib.suppress(KeyboardInterrupt),
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):
        while True:
            looks.look()
            live.update(picture(looks, console.height), refresh=True)
            if looks.is_over or is_lost() or wait(max(INTERVAL, looks.pause)):
                break
    console.print(picture(looks))  # what was seen last stays


class Looks:
    """Looks at a store, of which nothing is kept but what the last one has found.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    report : dict or None
        As :func:`~.status.status_report` gives it; None where there is no store yet.
    trouble : str
        Why the last look has found nothing new, or empty.
    pause : float
        Seconds in which not to look again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.report: dict[str, Any] | None = None
        self.trouble = ""
        self.pause = 0.0
        self._seen: list[Any] = []
        self._seen_at = 0.0

    def look(self) -> None:
        """Look, unless nothing has changed since the last time."""
        now = time.monotonic()
        try:
            files = _files(self.path)
            if self.report and files == self._seen and now - self._seen_at < _STALE:
                return
            is_there = any(files[:2])  # the file or the journal
            report = status_report(self.path, _MOST_LINES) if is_there else None
        except (InputError, OSError) as error:
            if self.report is None:
                raise
            self.trouble = str(error)  # of a file server that is away, perhaps: it may come back
            return
        self.trouble = "" if report or not self.report else f"{self.path} is not there any more"
        self.report = report or self.report
        self._seen, self._seen_at = files, now
        self.pause = _SHARE * (time.monotonic() - now)

    @property
    def is_over(self) -> bool:
        """Whether all is recorded, and nobody is at work."""
        if self.report is None or self.trouble:
            return False
        return not self.report["pending"] and not self.report["driver"]


def _files(path: Path) -> list[tuple[int, int, int] | None]:
    """Give what changes of the files of a store when anything does."""
    path = store_path(path)
    return [*map(_file, (path, journal_path(path), roster_path(path), claim_path(path)))]


def _file(path: Path) -> tuple[int, int, int] | None:
    # opened, since an NFS server then says what is so now
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        found = os.fstat(fd)
        return found.st_ino, found.st_mtime_ns, found.st_size
    finally:
        close_file(fd)


# ---- the picture ---------------------------------------------------------------------------------


def picture(looks: Looks, height: int | None = None) -> RenderableType:
    """Draw what the last look has found, on so many lines."""
    clock = time.strftime("%H:%M:%S")
    if looks.report is None:
        said = f"{clock}  {looks.path}: there is no such store yet; waiting for `dask-espresso run`"
        return _line(said)
    parts = list(_parts(looks.report, clock))
    if looks.trouble:
        parts.append(_line(f"as of before: {looks.trouble}", "yellow"))
    if height is None:
        return Group(*parts, *_points(looks.report["outlook"]["points"], _MOST_LINES))
    used = sum(
        part.row_count + part.show_header if isinstance(part, Table) else 1 for part in parts
    )
    points = _points(looks.report["outlook"]["points"], max(1, height - used - 3))
    return Group(*parts, *points, _line("q ends this; the study goes on", "dim"))


def _line(text: str, style: str = "") -> Text:
    return Text(literal(text), style=style)


def _parts(report: dict[str, Any], clock: str) -> Iterator[RenderableType]:
    outlook, driver = report["outlook"], report["driver"]
    running = f"running: {describe_owner(driver)}" if driver else "no driver is at work"
    yield _line(f"{clock}  {report['study']}: {running}", "bold")
    yield _progress(report)
    yield _line(_counts(report))
    pace = describe_pace(outlook)
    for line in filter(None, (pace, report["until"] and describe(report["until"]))):
        yield _line(line)
    for line in describe_needs(outlook):
        yield _line(line)
    yield from _jobs(report)
    for reason, count in list(report["reasons"].items())[:_MOST_LINES]:
        yield _line(f"{count} x {reason.splitlines()[0]}", "yellow")


def _progress(report: dict[str, Any]) -> RenderableType:
    total, left = report["total"], report["pending"]
    row = Table.grid(padding=(0, 1))
    share = f"{(total - left) / total:.0%}" if total else ""
    bar = ProgressBar(total=max(total, 1), completed=total - left, width=_BAR)
    row.add_row(bar, f"{total - left:,}/{total:,}", share)
    return row


def _counts(report: dict[str, Any]) -> str:
    labels = [status.label for status in Status if report[status.label] or status is Status.DONE]
    said = ", ".join(f"{report[label]:,} {label}" for label in labels)
    return f"{said}, {report['pending']:,} to come"


def _jobs(report: dict[str, Any]) -> Iterator[RenderableType]:
    """Draw the worker jobs by their state, with the batch system's reason."""
    states = Counter((job["state"], job["reason"]) for job in report["jobs"])
    if states:
        table = Table("jobs", "", "why", box=None, pad_edge=False)
        for (state, reason), count in states.most_common(_MOST_LINES):
            table.add_row(f"{count:,}", state, _line(reason))
        yield table
    if report["problem"]:
        yield _line(report["problem"], "yellow")


def _points(points: dict[str, Any], room: int) -> Iterator[RenderableType]:
    """Draw how far the points are that are the farthest behind, as many as there is room for."""
    said = f"{points['done']:,} of {points['count']:,} points are done"
    behind = [p for p in points["farthest behind"] if p["done"] < p["wanted"]][:room]
    names = list(behind[0]["parameters"]) if behind else []
    if not behind or not names:
        yield _line(said)
        return
    yield _line(f"{said}; the farthest behind:")
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(_line(name), justify="right")
    table.add_column("done")
    table.add_column("", justify="right")
    columns = [short([point["parameters"][name] for point in behind]) for name in names]
    for row, point in enumerate(behind):
        bar = ProgressBar(total=point["wanted"], completed=point["done"], width=_BAR // 2)
        table.add_row(
            *(column[row] for column in columns), bar, f"{point['done']}/{point['wanted']}"
        )
    yield table
