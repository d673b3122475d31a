"""What the simulations of a store have cost, by point, and what a profile might ask for them."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..outcome import Outcome
from ..store.arrays import Values, different
from ..store.contents import StoreContents
from ..store.reader import Reader
from ..store.reading import look
from .advice import cores_for, memory_for, walltime_for
from .standing import standing_of
from .times import Expected, Times, expected, jobs_of, occupied, tail_of

if TYPE_CHECKING:
    from ..inputs.profile import Profile

WATTS = 10.0  # of a core, by default
_HOUR = 3600.0


def wanted_of(reader: Reader) -> Values:
    """Give how many replicas of each point are wanted now."""
    study = reader.study
    if study.targets:
        return np.asarray(standing_of(study, reader).counts)
    return np.full(study.n_points, int(study.replicas))


def left_of(times: Times, wanted: Values) -> Values:
    """Give how many replicas of each point are still to come."""
    return np.maximum(wanted - np.bincount(times.points, minlength=len(wanted)), 0)


def spending_report(
    path: Path,
    profile: Profile | None = None,
    watts: float = WATTS,
    listed: int | None = None,
) -> dict[str, Any]:
    """Say what the simulations of a store have cost.

    Parameters
    ----------
    path : Path
        The store.
    profile : Profile, optional
        For which memory, walltime and jobs are suggested.
    watts : float
        That a core takes, with all that belongs to it.
    listed : int, optional
        The most points that are listed; by default all.

    Returns
    -------
    dict
        ``core_hours``, each of which says by its name whether it is ``measured`` or an
        ``estimated``; ``cpu_share`` of the measured ones; ``jobs`` of a batch system; ``tail``, the
        end of the last run; ``memory`` in bytes; ``elapsed`` in seconds; ``energy``; what is
        ``suggested`` for a profile; and ``points``, the most expensive first. What is not known
        is None.
    """
    return look(path, functools.partial(_report, path, profile, watts, listed))


def _report(
    path: Path,
    profile: Profile | None,
    watts: float,
    listed: int | None,
    reader: Reader,
    contents: StoreContents[Outcome],
) -> dict[str, Any]:
    times = Times.of(reader)
    left = left_of(times, wanted_of(reader))
    to_come = expected(times, left)
    jobs, tail = _jobs(reader, times), None if contents.owner else _tail(times)
    measured = float(times.core_seconds.sum()) / _HOUR
    occupied_hours = jobs["core_hours_at_least"] if jobs else None
    paid = max(measured, occupied_hours or 0.0)
    starts, codes = reader.coded("start_method")
    how = Counter(codes.tolist())
    return {
        "store": str(path),
        "study": reader.study.name,
        "recorded": len(reader),
        "to come": int(left.sum()),
        "without a time": int(np.count_nonzero(~np.isfinite(times.elapsed))),
        "cores": sorted(set(times.cores.tolist())),
        "cores are recorded": times.has_cores,
        "running": bool(contents.owner),
        "core_hours": {
            "measured": measured,
            "measured, not done": float(times.core_seconds[~times.done].sum()) / _HOUR,
            "measured, cpu": _sum(times.cpu) / _HOUR,
            "measured, not in the study now": _hours_of_others(reader),
            "in jobs, at least": occupied_hours,
            "idle at the end": tail["idle core_hours"] if tail else None,
            "estimated, tries before the last": _hours_of_tries(times),
            "estimated, to come": _known(to_come.core_seconds / _HOUR),
        },
        "points that nothing is known of": to_come.n_unknown,
        "cpu_share": _cpu_share(times),
        "tries before the last": int((times.attempts - 1).clip(0).sum()),
        "jobs": jobs,
        "tail": tail,
        "elapsed": {"mean": _mean(times.elapsed), "longest": _largest(times.elapsed)},
        "memory": {"largest": _largest(times.memory), "asked": _largest(times.asked)},
        "started": {starts[code] or "unknown": count for code, count in how.items()},
        "energy": {"core_hours": paid, "watts": watts, "kWh": paid * watts / 1000},
        "suggested": suggested(times, to_come, profile),
        "points recorded": int(np.count_nonzero(np.bincount(times.points))),
        "points": list(_points(reader, times, listed)),
    }  # fmt: skip


def _sum(values: Values) -> float:
    return math.fsum(values[np.isfinite(values)].tolist())


def _largest(values: Values) -> float | None:
    values = values[np.isfinite(values)]
    return float(values.max()) if len(values) else None


def _mean(values: Values) -> float | None:
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else None


def _known(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _hours_of_others(reader: Reader) -> float:
    none = np.zeros(len(reader.others), int)
    others = reader.only(reader.study, reader.others, none)
    return float(Times.of(others).core_seconds.sum()) / _HOUR


def _hours_of_tries(times: Times) -> float:
    """Estimate what tries before the last have cost: each as much as the last."""
    return float((times.core_seconds * (times.attempts - 1).clip(0)).sum()) / _HOUR


def _cpu_share(times: Times) -> float | None:
    """Give CPU time by wall time and cores, of those of which both are known."""
    known = np.isfinite(times.cpu) & np.isfinite(times.elapsed)
    wall = float(times.core_seconds[known].sum())
    return float(times.cpu[known].sum()) / wall if wall else None


def _with_times(times: Times) -> Values:
    return np.asarray(np.isfinite(times.ends))


def _jobs(reader: Reader, times: Times) -> dict[str, Any] | None:
    """Say what is known of jobs of a batch system; None where there were none."""
    jobs, nodes = jobs_of(reader)
    known = (jobs >= 0) & _with_times(times)
    if not known.any():
        return None
    spans, most = occupied(
        nodes[known], times.started[known], times.ends[known], times.cores[known]
    )
    used = float(times.core_seconds[known].sum())
    at_least = float((spans * most).sum())
    return {
        "count": len(different(jobs[known])),
        "core_hours_at_least": at_least / _HOUR,
        "used share": used / at_least if at_least else None,
    }


def _tail(times: Times) -> dict[str, float]:
    known = _with_times(times)
    tail = tail_of(times.started[known], times.ends[known], times.cores[known])
    return {"seconds": tail.seconds, "idle core_hours": tail.idle / _HOUR}


def suggested(times: Times, to_come: Expected, profile: Profile | None) -> dict[str, Any]:
    """Suggest what a profile might ask for; of a job, where the profile says its cores."""
    largest, longest = _largest(times.memory), _largest(times.elapsed)
    ranks = int(times.cores.max()) if len(times.cores) else 1
    per_job = profile.slots(ranks) * ranks if profile and profile.system else None
    found: dict[str, Any] = {
        "cores of a job": per_job,
        "memory": None if largest is None else memory_for(largest, per_job or ranks),
        "walltime": None if longest is None else walltime_for(longest),
    }
    if longest is not None and to_come.core_seconds > 0:
        cores = max(ranks, cores_for(to_come.core_seconds, found["walltime"]))
        found["cores"] = cores
        found["jobs"] = math.ceil(cores / per_job) if per_job else None
    return found


def _points(reader: Reader, times: Times, listed: int | None) -> Iterator[dict[str, Any]]:
    """Give what is recorded of each point, the most expensive first."""
    study, n_points = reader.study, reader.study.n_points
    counts = np.bincount(times.points, minlength=n_points)
    done = np.bincount(times.points, times.done, n_points)
    seconds = np.bincount(times.points, times.core_seconds, n_points)
    known = np.isfinite(times.elapsed)
    timed = np.bincount(times.points, known, n_points)
    walls = np.bincount(times.points, np.nan_to_num(times.elapsed), n_points)
    memory = np.full(n_points, -1.0)
    np.maximum.at(memory, times.points, np.nan_to_num(times.memory, nan=-1.0))
    order = np.argsort(-seconds, kind="stable")
    order = order[counts[order] > 0][:listed]
    swept = [(name, *study.coded(name, order)) for name in study.swept]
    total = seconds.sum()
    for row, point in enumerate(order.tolist()):
        yield {
            "point": point,
            "parameters": {name: values[codes[row]] for name, values, codes in swept},
            "recorded": int(counts[point]),
            "done": int(done[point]),
            "core_hours": float(seconds[point]) / _HOUR,
            "share": float(seconds[point] / total) if total else None,
            "elapsed": float(walls[point] / timed[point]) if timed[point] else None,
            "memory": float(memory[point]) if memory[point] >= 0 else None,
        }
