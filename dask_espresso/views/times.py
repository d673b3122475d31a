"""When simulations ran, for how long and on what; and what follows of it for cores and clocks."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..outcome import Status
from ..store.arrays import Values
from ..store.reader import Reader

_PAUSE = 600.0  # seconds in which nothing runs; what comes then is another run
_LEAST_WINDOW = 60.0  # seconds that a rate is taken over
_LENGTHS = 5  # of simulations, that it is taken over at least
_LATEST = 100  # simulations that say how long one takes now


class Times(NamedTuple):
    """Of each recorded simulation, in the order of a reader's rows, its last try.

    Attributes
    ----------
    points : array of int
        Its point.
    done : array of bool
        Whether it is done.
    started, elapsed, cpu : array of float
        In seconds; NaN where that is not known.
    cores : array of float
        That it had; 1 where that is not recorded.
    memory, asked : array of float
        Its largest process, and what was asked for it, in bytes; NaN where that is not known.
    attempts : array of int
    has_cores : bool
        Whether the number of cores is recorded of all.
    """

    points: Values
    done: Values
    started: Values
    elapsed: Values
    cpu: Values
    cores: Values
    memory: Values
    asked: Values
    attempts: Values
    has_cores: bool

    @classmethod
    def of(cls, reader: Reader) -> Times:
        """Read them."""
        cores = _numbers(reader, "n_ranks")
        return cls(
            reader.places % reader.study.n_points if len(reader) else np.zeros(0, int),
            reader.field("status") == int(Status.DONE),
            _numbers(reader, "started"),
            _numbers(reader, "elapsed_time"),
            _numbers(reader, "cpu_time"),
            np.where(np.isnan(cores), 1.0, cores),
            _numbers(reader, "peak_memory"),
            _numbers(reader, "memory_asked"),
            reader.field("attempts"),
            not np.isnan(cores).any(),
        )

    @property
    def core_seconds(self) -> Values:
        """Wall time by cores; zero where the time is not known."""
        return np.asarray(np.nan_to_num(self.elapsed * self.cores))

    @property
    def ends(self) -> Values:
        """When each ended; NaN where that is not known."""
        return np.asarray(self.started + self.elapsed)


def _numbers(reader: Reader, name: str) -> Values:
    """Read a field, with NaN for None."""
    return reader.field(name).astype(float)


class Tail(NamedTuple):
    """The end of a run, when cores had nothing to do any more.

    Attributes
    ----------
    seconds : float
        From when the first core ran out of work to the end of the last simulation.
    idle : float
        Core seconds without work in it.
    """

    seconds: float
    idle: float


def tail_of(started: Values, ends: Values, cores: Values) -> Tail:
    """Say what of the last run's cores was idle at its end.

    The cores of the run are the most that were busy at once since one simulation, the longest,
    before the last one started.

    Parameters
    ----------
    started, ends, cores : array of float
        Of simulations whose times are known.

    Examples
    --------
    >>> tail_of(np.array([0.0, 0.0, 10.0]), np.array([10.0, 12.0, 20.0]), np.ones(3))
    Tail(seconds=8.0, idle=8.0)
    """
    if not len(started):
        return Tail(0.0, 0.0)
    order = np.argsort(started, kind="stable")
    started, ends, cores = started[order], ends[order], cores[order]
    begins = np.flatnonzero(started[1:] - np.maximum.accumulate(ends)[:-1] > _PAUSE) + 1
    first = begins[-1] if len(begins) else 0
    started, ends, cores = started[first:], ends[first:], cores[first:]
    times, busy = _busy(started, ends, cores)
    lately = times >= started[-1] - (ends - started).max()
    times, busy = times[lately], busy[lately]
    since = np.flatnonzero(busy == busy.max())[-1] + 1
    if since >= len(times):
        return Tail(0.0, 0.0)
    idle = (busy.max() - busy[since:-1]) * np.diff(times[since:])
    return Tail(float(times[-1] - times[since]), float(idle.sum()))


def _busy(started: Values, ends: Values, cores: Values) -> tuple[Values, Values]:
    """Give times at which something started or ended, and how many cores are busy from then on."""
    times = np.concatenate([ends, started])
    changes = np.concatenate([-cores, cores])
    order = np.argsort(times, kind="stable")  # ends first
    return times[order], np.cumsum(changes[order])


def occupied(jobs: Values, started: Values, ends: Values, cores: Values) -> tuple[Values, Values]:
    """Give how long jobs were at work, and on how many cores at once.

    Parameters
    ----------
    jobs : array of int
        The job of each simulation.
    started, ends, cores : array of float
        Of simulations whose times are known.

    Returns
    -------
    spans, most : array of float
        Of each job that there is: from its first start to its last end, in seconds, and the most
        cores that were busy. What it was before, after, or on more cores is not known.
    """
    both = np.concatenate([jobs, jobs])
    times = np.concatenate([ends, started])
    changes = np.concatenate([-cores, cores])
    order = np.lexsort((times, both))  # stable: ends first
    firsts = np.flatnonzero(np.diff(both[order], prepend=-1))
    if not len(firsts):
        return np.zeros(0), np.zeros(0)
    lasts = [*firsts[1:] - 1, len(both) - 1]
    # what has started in a job has ended in it: the sum begins anew with each
    most = np.maximum.reduceat(np.cumsum(changes[order]), firsts)
    return times[order][lasts] - times[order][firsts], most


def jobs_of(reader: Reader) -> tuple[Values, Values]:
    """Give a number for each row's job, -1 where it was in none, and one for its job and host."""
    (hosts, of_host), (jobs, of_job) = reader.coded("host"), reader.coded("job_id")
    numbers = {name: number for number, name in enumerate(dict.fromkeys(filter(None, jobs)))}
    of_job = np.array([numbers.get(job, -1) for job in jobs], int)[of_job]
    return of_job, of_job * max(len(hosts), 1) + of_host


def rate_of(started: Values, elapsed: Values, now: float) -> float:
    """Say how many simulations have ended a second lately.

    It is taken over a minute, or five times what one takes where that is longer; over less where
    the run has not lasted so long yet.

    Examples
    --------
    >>> rate_of(np.arange(0.0, 600.0, 2.0), np.full(300, 2.0), now=600.0)
    0.5
    """
    ends = started + elapsed
    known = np.isfinite(ends)
    started, elapsed, ends = started[known], elapsed[known], ends[known]
    if not len(ends):
        return 0.0
    latest = np.argsort(ends)[-_LATEST:]
    window = max(_LEAST_WINDOW, _LENGTHS * float(elapsed[latest].mean()))
    recent = ends > now - window
    if not recent.any():
        return 0.0
    since = max(now - window, float(started[recent].min()))
    return int(recent.sum()) / max(now - since, 1e-3)


class Expected(NamedTuple):
    """Core seconds that are still to come.

    Attributes
    ----------
    core_seconds : float
        NaN where nothing is known.
    n_unknown : int
        Points of which nothing is known; they count as the others do on average.
    """

    core_seconds: float
    n_unknown: int


def expected(times: Times, left: Values) -> Expected:
    """Estimate what simulations will take by what those of their points that are done have taken.

    Parameters
    ----------
    times : Times
    left : array of int, shape (n_points,)
        How many of each point are to come.
    """
    if not left.any():
        return Expected(0.0, 0)
    known = times.done & np.isfinite(times.elapsed)
    points = times.points[known]
    counts = np.bincount(points, minlength=len(left))
    sums = np.bincount(points, times.core_seconds[known], len(left))
    is_known = counts > 0
    if not is_known.any():
        return Expected(math.nan, int(np.count_nonzero(left)))
    means = sums / np.maximum(counts, 1)
    means[~is_known] = means[is_known].mean()
    return Expected(float(means @ left), int(np.count_nonzero(left[~is_known])))
