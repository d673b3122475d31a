"""What a run is expected to cost, by what the recorded simulations of a store took."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..inputs.stored_study import stored_study
from ..outcome import Status
from ..store.arrays import Values
from ..store.reader import Reader
from ..store.reading import look_at_rows
from ..store.rows import Rows
from ..walltime import format_duration

if TYPE_CHECKING:
    from ..inputs.study import Study

_SHORT = 0.01  # hours


def measured_times(path: Path) -> Values:
    """Give the wall times of all simulations in a store that are done, in seconds."""

    def read(rows: Rows, _: Any) -> Values:
        latest = rows.latest()
        done = latest[rows.field("status")[latest] == int(Status.DONE)]
        times: Values = rows.field("elapsed_time")[done]
        return times[np.isfinite(times)]

    return look_at_rows(path, read)


def times_of_points(path: Path, study: Study) -> dict[int, float]:
    """Give the mean wall time of the simulations that are done, in seconds, by the point's number.

    Parameters
    ----------
    path : Path
        The store.
    study : Study
        Whose points are meant; they may be others than when it was run last.
    """

    def read(rows: Rows, _: Any) -> dict[int, float]:
        reader = Reader(stored_study(study.snapshot()), rows)
        times: Values = reader.field("elapsed_time")
        known = (reader.field("status") == int(Status.DONE)) & np.isfinite(times)
        points, of = np.unique(reader.places[known] % study.n_points, return_inverse=True)
        means = np.bincount(of, times[known]) / np.bincount(of)
        return dict(zip(points.tolist(), means.tolist(), strict=True))

    return look_at_rows(path, read)


def expected_cost(times: Values, count: int, ranks: int, at_most: int | None = None) -> str:
    """Say in a line what simulations may cost; nothing where nothing is known.

    Parameters
    ----------
    times : array of float
        Of simulations that were measured, in seconds.
    count : int
        Simulations that would run.
    ranks : int
        Cores of each.
    at_most : int, optional
        Simulations that may run in all, where targets say how many there are.

    Examples
    --------
    >>> expected_cost(np.array([60.0, 180.0]), 90, 4)
    'about 12 core hours, an estimate: 90 simulations on 4 cores, at the 2 min 0 s that the 2 \
recorded as done took on average (1 min 0 s to 3 min 0 s)'
    """
    most = max(count, at_most or 0)
    if not len(times) or not most:
        return ""
    mean = float(times.mean())
    hours = mean * ranks / 3600
    upper = f", at most {_rounded(most * hours)}" if most > count else ""
    where = f" on {ranks} cores" if ranks > 1 else ""
    least, longest = _duration(float(times.min())), _duration(float(times.max()))
    spread = f" ({least} to {longest})" if least != longest else ""
    return (
        f"{_hours(count * hours)} core hours{upper}, an estimate: {count:,} simulations{where}, at "
        f"the {_duration(mean)} that the {len(times):,} recorded as done took on average"
        f"{spread}"
    )


def _hours(hours: float) -> str:
    return "less than 0.01" if hours < _SHORT else f"about {_rounded(hours)}"


def _rounded(number: float) -> str:
    return f"{float(f'{number:.2g}'):,g}"


def _duration(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 1 else format_duration(seconds)
