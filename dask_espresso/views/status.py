"""How far a study is."""

from __future__ import annotations

import collections
import contextlib
import functools
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ..cluster.roster import ListedJob, Roster, read_roster
from ..outcome import Outcome, Status
from ..store.arrays import Values, different
from ..store.claim import describe_owner
from ..store.contents import StoreContents
from ..store.reader import Reader
from ..store.reading import look
from ..walltime import format_duration
from .causes import groups_of
from .numbers import Numbers
from .outlook import describe_needs, describe_pace, outlook_of
from .standing import describe, find_warnings, progress_of, standing_of
from .texts import say
from .versions import Versions

LISTED = 10  # points
_MAX_REASONS = 20  # that a person reads; programs get all


def status_report(path: Path, listed: int | None = LISTED) -> dict[str, Any]:
    """Say how far a study is.

    Parameters
    ----------
    path : Path
        The store.
    listed : int or None
        The most points that are listed; None for all.

    Returns
    -------
    dict
        ``total``, ``done``, ``failed``, ``timed out``, ``lost``, ``not finite`` and ``pending``
        simulations, ``cpu_time`` and ``elapsed_time`` in seconds summed over them, ``driver`` (who
        is at work on it, or None), its worker ``jobs`` and what keeps them from coming up
        (``problem``), outcomes by ``versions`` of the code, what is to be said where they are
        ``mixed``, the ``reasons`` why simulations are not done, the most frequent first (… is for
        what differs), and ``warnings`` of seeds and parameters that change nothing, and of points
        that are not known well enough. Of a study with targets ``total`` and ``pending`` count what
        is wanted now, and ``until`` says how many ``points`` there are, have ``met`` their targets,
        have come to the ``end without`` them, and which is ``farthest``; otherwise it is None. The
        ``outlook`` has the ``rate`` a second lately and the ``time left`` in seconds, where a
        driver is at work; ``core_hours``, the ``memory`` of the largest process and what is asked
        for each simulation, in bytes; and of ``points`` those that are the farthest behind.
    """
    return look(path, functools.partial(_report, path, listed))


def _report(
    path: Path, listed: int | None, reader: Reader, contents: StoreContents[Outcome]
) -> dict[str, Any]:
    study, versions = reader.study, Versions(reader, contents.versions)
    roster = Roster()
    with contextlib.suppress(OSError):
        roster = read_roster(path) if contents.owner else roster
    statuses = collections.Counter(reader.field("status").tolist())
    numbers = Numbers(reader) if study.targets else None
    standing = standing_of(study, reader, numbers) if study.targets else None
    total = standing.n_wanted if standing else study.count
    wanted = standing.counts if standing else np.full(study.n_points, int(study.replicas))
    now = time.time() if contents.owner else None
    return {
        "store": str(path),
        "study": study.name,
        "engine": _engines(reader),
        "versions": dict(versions.code),
        "mixed": versions.describe(),
        "total": total,
        **{status.label: statuses[status] for status in Status},
        "pending": total - len(reader),
        "until": progress_of(study, standing) if standing else None,
        "not in the study now": reader.n_others,
        "cpu_time": _total(reader.field("cpu_time")),
        "elapsed_time": _total(reader.field("elapsed_time")),
        "outlook": outlook_of(reader, wanted, now=now, listed=listed),
        "driver": contents.owner or None,
        "jobs": [asdict(job) for job in roster.jobs],
        "problem": roster.problem,
        "reasons": _reasons(reader),
        "warnings": find_warnings(reader, numbers, standing),
    }


def _engines(reader: Reader) -> list[str]:
    """Give all engines, each with its version."""
    (engines, ours), (versions, theirs) = reader.coded("engine"), reader.coded("engine_version")
    pairs = [divmod(pair, len(versions)) for pair in different(ours * len(versions) + theirs)]
    return sorted({f"{engines[one]} {versions[other]}".strip() for one, other in pairs})


def _total(seconds: Values) -> float:
    return math.fsum(seconds[np.isfinite(seconds)].tolist())


def _reasons(reader: Reader) -> dict[str, int]:
    """Count the reasons why simulations are not done, the most frequent first."""
    rows = np.flatnonzero(reader.field("status") != int(Status.DONE))
    reasons: collections.Counter[str] = collections.Counter()
    for group in groups_of(reader, rows):
        reasons[f"{group.status.label}: {group.cause}"] += len(group.rows)
    return dict(reasons.most_common())


def print_status(report: dict[str, Any], console: Console) -> None:
    """Print what :func:`status_report` gives."""
    table = Table("", "simulations", box=None, pad_edge=False)
    labels = [status.label for status in Status]
    for label in [*labels, "pending", "total", "not in the study now"]:
        if report[label] or label in ("done", "total"):
            table.add_row(label, str(report[label]))
    table.columns[1].justify = "right"
    engines = ", ".join(filter(None, report["engine"]))
    say(console, f"{report['study']} ({engines})" if engines else report["study"])
    console.print(table)
    if report["until"]:
        say(console, describe(report["until"]))
    hours = report["cpu_time"] / 3600
    console.print(
        f"{hours:.3g} hours of CPU time, {format_duration(report['elapsed_time'])} of simulations"
    )
    if report["driver"]:
        say(console, f"running: {describe_owner(report['driver'])}")
        say(console, describe_pace(report["outlook"]))
        for line in describe_needs(report["outlook"]):
            say(console, line)
    if report["jobs"] or report["problem"]:
        roster = Roster(tuple(ListedJob(**job) for job in report["jobs"]), report["problem"])
        for line in roster.describe().splitlines():
            say(console, line)
    for line in report["mixed"]:
        say(console, line)
    reasons = list(report["reasons"].items())
    for reason, count in reasons[:_MAX_REASONS]:
        say(console, f"{count} x {reason}")
    if (more := len(reasons) - _MAX_REASONS) > 0:
        count = sum(count for _, count in reasons[_MAX_REASONS:])
        say(console, f"{count} x {more} more kinds: --json lists them")
    if reasons:
        say(console, f"which, where and why: dask-espresso failures {report['store']}")
    for warning in report["warnings"]:
        say(console, f"warning: {warning}")
