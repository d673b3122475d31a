"""What is to be said of a result: why it has no error, replicas that lack it, or that differ."""

from __future__ import annotations

import collections
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..script.replicas import DIFFER, PooledRows, in_all_points
from ..store.arrays import Values
from .numbers import Numbers
from .points import Points
from .texts import literal

_MAX_POINTS = 3  # that a sentence lists
_FEW = 1000  # points, none of which is likely to say by chance that its replicas differ
_TOGETHER = 3.72  # sigmas, which all points together have by chance in 1 of 10,000 results
_MATTERS = 1.1  # by what factor their errors are too small; of many points, less would be seen
_NUMBER = re.compile(r"-?\d[\d.]*(e[-+]?\d+)?|nan|inf")


def doubts(
    path: Path, points: Points, numbers: Numbers, name: str, pooled: PooledRows
) -> list[str]:
    """Say what a reader of a result has to know.

    Parameters
    ----------
    path : Path
        The store.
    pooled : PooledRows
        What the points' replicas come to.

    Returns
    -------
    list of str
        A sentence each; empty where all errors are as they should be.
    """
    there = points.count(numbers.done & numbers.have(name))
    return [
        *_of_errors(numbers, name),
        *_of_missing(name, there, points.count(numbers.done)),
        *_of_replicas(path, points, name, there, pooled),
    ]


def _of_errors(numbers: Numbers, name: str) -> Iterator[str]:
    """Sum up what simulations say of their own errors."""
    if not numbers.say_errors(name):
        return
    there = numbers.done & numbers.have(name)
    is_unknown = np.isnan(numbers.errors(name)[there])
    reasons = numbers.reasons(name)[there]
    has_reason = reasons != ""
    of_all, of_name = f"of {len(reasons)} simulations", literal(name)
    if n_unknown := int(is_unknown.sum()):
        why = _summed_up(reasons[is_unknown & has_reason])
        yield f"{of_name}: no error in {n_unknown} {of_all}" + (f": {why}" if why else "")
    if n_doubtful := int((~is_unknown & has_reason).sum()):
        why = _summed_up(reasons[~is_unknown & has_reason])
        yield f"{of_name}: {n_doubtful} {of_all} say: {why}"


def _summed_up(reasons: Values) -> str:
    """Give the most common reason, of those that are the same but for numbers; and count others."""
    kinds: dict[str, list[str]] = collections.defaultdict(list)
    for reason in reasons.tolist():
        kinds[_NUMBER.sub("0", reason)].append(reason)
    if not kinds:
        return ""
    most = max(kinds.values(), key=len)
    others = len(kinds) - 1
    more = f"; {others} more reason{'s' if others > 1 else ''} in others" if others else ""
    return literal(most[0]) + more


def _of_missing(name: str, there: Values, done: Values) -> Iterator[str]:
    """Say how many replicas do not count in the mean of others."""
    is_partial = (there > 0) & (there < done)
    if is_partial.any():
        all_there, all_done = int(there[is_partial].sum()), int(done[is_partial].sum())
        at = "a point" if (n_points := int(is_partial.sum())) == 1 else f"{n_points} points"
        yield (
            f"warning: {literal(name)}: {all_done - all_there} of {all_done} simulations of {at} "
            "are done and do not have it: the mean there is that of the others"
        )


def _of_replicas(
    path: Path, points: Points, name: str, there: Values, pooled: PooledRows
) -> Iterator[str]:
    """Say where replicas differ by more than their own errors, and what is to be done."""
    limit = math.sqrt(DIFFER**2 + 2 * math.log(max(len(points) / _FEW, 1)))
    differ = pooled.sigmas > limit
    if differ.any():
        yield _of_each(path, points, name, pooled.sigmas, np.flatnonzero(differ))
    others = np.where(differ, math.nan, pooled.sigmas)
    found = in_all_points(others, there - 1)
    factor = math.sqrt(found.chi_squared / max(found.dof, 1))
    if found.sigmas > _TOGETHER and factor > _MATTERS:
        n_points = int(np.isfinite(others).sum())
        yield (
            f"warning: {literal(name)}: in {n_points}{' other' if differ.any() else ''} points "
            "together the replicas differ by more than their own errors, with a chi squared of "
            f"{found.chi_squared:.0f} in place of {found.dof:.0f}: those are about {factor:.1f} "
            "times too small, and the scatter, which counts where it is clearly larger, is a rough "
            "guess with few replicas; equilibrate or simulate longer, or have more replicas"
        )


def _of_each(path: Path, points: Points, name: str, sigmas: Values, differ: Values) -> str:
    """Warn of points in each of which replicas differ."""
    worst = differ[np.argsort(-sigmas[differ], kind="stable")][:_MAX_POINTS]
    at = "; ".join(filter(None, map(points.place, worst.tolist())))
    at = f"{', most' if len(differ) > len(worst) else ''} at {at}" if at else ""
    return (
        f"warning: {literal(name)}: in {len(differ)} of {len(points)} points the replicas "
        f"differ by more than their own errors{at}: those are too small, and the scatter alone "
        "counts; equilibrate or simulate longer, or see which replica is odd: "
        f"dask-espresso export {path} FILE.csv"
    )
