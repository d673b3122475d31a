"""How fast a study goes, what it has taken and will take, and how far each point is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..store.arrays import Values
from ..store.reader import Reader
from ..walltime import format_duration
from .bill import bytes_text, hours_text
from .times import Times, expected, rate_of

if TYPE_CHECKING:
    from ..inputs.simulations import Simulations

_HOUR = 3600.0


def outlook_of(
    reader: Reader, wanted: Values, *, now: float | None, listed: int | None
) -> dict[str, Any]:
    """Say for programs what is known of a study's pace; see :func:`~.status.status_report`.

    Parameters
    ----------
    reader : Reader
    wanted : array of int, shape (n_points,)
        Replicas of each point that are wanted now.
    now : float or None
        Unix time, where a driver is at work.
    listed : int or None
        The most points that are listed.
    """
    times = Times.of(reader)
    recorded = np.bincount(times.points, minlength=len(wanted))
    left = np.maximum(wanted - recorded, 0)
    rate = 0.0 if now is None else rate_of(times.started, times.elapsed, now)
    return {
        "rate": None if now is None else rate,
        "time left": int(left.sum()) / rate if rate else None,
        "core_hours": {
            "measured": float(times.core_seconds.sum()) / _HOUR,
            "estimated, to come": _known(expected(times, left).core_seconds / _HOUR),
        },
        "memory": {"largest": _largest(times.memory), "asked": _largest(times.asked)},
        "points": _points(reader.study, times, recorded, wanted, listed),
    }


def _known(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _largest(values: Values) -> float | None:
    values = values[np.isfinite(values)]
    return float(values.max()) if len(values) else None


def _points(
    study: Simulations, times: Times, recorded: Values, wanted: Values, listed: int | None
) -> dict[str, Any]:
    """Count points, and list those that are farthest behind first."""
    done = np.bincount(times.points, times.done, len(wanted)).astype(int)
    order = np.argsort(done / np.maximum(wanted, 1), kind="stable")[:listed]
    swept = [(name, *study.coded(name, order)) for name in study.swept]
    return {
        "count": len(wanted),
        "done": int(np.count_nonzero(done >= wanted)),
        "begun": int(np.count_nonzero(recorded)),
        "farthest behind": [
            {
                "point": point,
                "parameters": {name: values[codes[row]] for name, values, codes in swept},
                "done": int(done[point]),
                "recorded": int(recorded[point]),
                "wanted": int(wanted[point]),
            }
            for row, point in enumerate(order.tolist())
        ],
    }


def describe_pace(outlook: dict[str, Any]) -> str:
    """Say how fast it goes; empty where nobody is at work."""
    rate, left = outlook["rate"], outlook["time left"]
    if rate is None:
        return ""
    if not rate:
        return "nothing has ended lately"
    said = f"{rate:.2g} a second" if rate >= 1 else f"{rate * 60:.2g} a minute"
    return f"{said}, about {format_duration(left)} left" if left else said


def describe_needs(outlook: dict[str, Any]) -> Iterator[str]:
    """Say in lines what it has taken, and may take."""
    hours, memory = outlook["core_hours"], outlook["memory"]
    said = f"core hours: {hours_text(hours['measured'])}"
    if left := hours["estimated, to come"]:
        said += f", about {hours_text(left)} to come, an estimate"
    yield said
    if memory["largest"] is not None:
        asked = memory["asked"]
        of = "" if asked is None else f", {bytes_text(asked)} asked for each simulation"
        yield f"memory: {bytes_text(memory['largest'])} the largest process{of}"
