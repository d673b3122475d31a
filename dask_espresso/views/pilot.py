"""What a whole study will take, by a few of its simulations that are spread over the points."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..inputs.choice import spread_places
from ..inputs.profile import Profile
from ..outcome import Outcome
from ..store.arrays import Values
from ..store.contents import StoreContents
from ..store.reader import Reader
from ..store.reading import look
from ..walltime import format_duration
from .bill import bytes_text, counted, duration_text, hours_text
from .spending import left_of, wanted_of
from .times import Times

_HOUR = 3600.0
_VARIED = 2.0  # times as long as the shortest: then few simulations say little


def extrapolated(seconds: Values, count: int) -> tuple[float, float]:
    """Give the sum of so many numbers, of which some were drawn, and its standard error.

    The error is as of a plain sample; spread over the points' order, as they are, they are better
    than that where neighbours are alike. Of one number it is not known.

    Examples
    --------
    >>> extrapolated(np.array([10.0, 14.0]), 100)
    (1200.0, 200.0)
    """
    n = len(seconds)
    mean = float(seconds.mean()) if n else math.nan
    error = float(seconds.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    return mean * count, error * count


def pilot_report(path: Path, count: int, profile: Profile) -> dict[str, Any]:
    """Say what the whole study will take, by a pilot that has been run.

    Parameters
    ----------
    path : Path
        The store.
    count : int
        Simulations of the pilot.
    profile : Profile
        Where the whole would run.

    Returns
    -------
    dict
        Of the ``pilot``, and ``to come``: how many simulations, ``core_hours`` with their standard
        ``error``, and ``wall_time`` in seconds. What is not known is None.
    """
    return look(path, functools.partial(_report, path, count, profile))


def _report(
    path: Path, count: int, profile: Profile, reader: Reader, _: StoreContents[Outcome]
) -> dict[str, Any]:
    times = Times.of(reader)
    chosen = np.isin(reader.places, spread_places(reader.study, count))
    known = chosen & times.done & np.isfinite(times.elapsed)
    left = int(left_of(times, wanted_of(reader)).sum())
    total, error = extrapolated(times.core_seconds[known], left)
    elapsed, memory = times.elapsed[known], times.memory[known & np.isfinite(times.memory)]
    cores = int(times.cores[known].max()) if known.any() else 1
    slots = profile.max_jobs * profile.slots(cores) if profile.system else None
    batches = math.ceil(left / slots) if slots else 0
    return {
        "store": str(path),
        "study": reader.study.name,
        "pilot": {
            "recorded": int(np.count_nonzero(chosen)),
            "measured": len(elapsed),
            "shortest": float(elapsed.min()) if len(elapsed) else None,
            "longest": float(elapsed.max()) if len(elapsed) else None,
            "mean": float(elapsed.mean()) if len(elapsed) else None,
            "memory": float(memory.max()) if len(memory) else None,
            "cores": cores,
        },
        "to come": {
            "simulations": left,
            "may be more": reader.study.targets is not None,
            "core_hours": _known(total / _HOUR),
            "error": _known(error / _HOUR),
            "slots": slots,
            "wall_time": batches * float(elapsed.mean()) if slots and len(elapsed) else None,
        },
    }


def _known(number: float) -> float | None:
    return number if math.isfinite(number) else None


def describe_pilot(report: dict[str, Any]) -> Iterator[str]:
    """Say in lines what :func:`pilot_report` gives."""
    pilot, to_come = report["pilot"], report["to come"]
    count = pilot["measured"]
    if not count:
        yield "nothing is known of what the whole will take: none of the pilot is done"
        return
    memory = "" if pilot["memory"] is None else f"; {bytes_text(pilot['memory'])} at most"
    yield (
        f"pilot: {counted(count, 'simulation')} took {duration_text(pilot['mean'])} on average, "
        f"{duration_text(pilot['shortest'])} to {duration_text(pilot['longest'])}{memory}"
    )
    yield _whole(to_come, pilot["cores"])
    if to_come["wall_time"]:
        yield (
            f"on the {to_come['slots']:,} at a time that the profile has, about "
            f"{format_duration(to_come['wall_time'])}, once its jobs run"
        )
    if count > 1 and pilot["longest"] > _VARIED * pilot["shortest"]:
        yield (
            f"they differ by a factor of {pilot['longest'] / pilot['shortest']:.2g}: so few may "
            f"miss what takes longest; --pilot {2 * count} tells more, and keeps these"
        )


def _whole(to_come: dict[str, Any], cores: int) -> str:
    """Say what is to come in all."""
    hours, error = to_come["core_hours"], to_come["error"]
    within = (
        "its error not known" if error is None else f"± {hours_text(error)}, one standard error"
    )
    more = ", and more until targets are met," if to_come["may be more"] else ""
    return (
        f"{counted(to_come['simulations'], 'simulation')} to come{more} on "
        f"{counted(cores, 'core')} each: an estimate of {hours_text(hours)} core hours, {within}"
    )
