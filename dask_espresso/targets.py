"""Replicas until results are known well enough: which point needs how many more.

Decided here, without Dask, clock or store. A point gets its replicas in stages, and what comes next
is decided when all of a stage have come to their end, from these alone. So it depends on results,
and on nothing else: not on the order in which they came, nor on who was killed meanwhile.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .script.replicas import pool_groups

if TYPE_CHECKING:
    from .inputs.until import Target, Until

Values = np.ndarray[Any, Any]

_ONE_SIDED = 0.975  # quantile of the interval of 95 %
_WITHIN = 1.959964  # standard errors from its middle to its end, where the error is known
_FEWEST = 9.0  # degrees of freedom of an error to stop at: one of fewer is often far too small


class Standing:
    """Where the points of a study stand.

    Parameters
    ----------
    until : Until
        When a point has enough replicas.
    n_points : int
        Of the study.

    Attributes
    ----------
    counts : array of int, shape (n_points,)
        Replicas that are wanted now: 0, 1 … ``counts - 1``.
    distances : array of float, shape (n_points,)
        At the last decision: the interval of 95 % over that of an error which is the target, of the
        result that is farthest from it. Infinite where it is not known.
    """

    def __init__(self, until: Until, n_points: int) -> None:
        self.until = until
        self.counts = np.full(n_points, until.minimum)
        self.distances = np.full(n_points, math.inf)
        self._is_open = np.ones(n_points, bool)
        self._have_ended = np.zeros((n_points, until.minimum), bool)
        self._samples = np.full((len(until.targets), 4, n_points, until.minimum), math.nan)

    @property
    def have_met(self) -> Values:
        """Whether points have met their targets, and want no more."""
        return ~self._is_open & (self.distances <= 1)

    @property
    def have_failed(self) -> Values:
        """Whether points have not, and get no more, either."""
        return ~self._is_open & ~(self.distances <= 1)

    @property
    def farthest(self) -> int | None:
        """The point that is farthest from its targets, None where all have met them."""
        distances = np.where(self.have_met, -1.0, self.distances)
        point = int(np.argmax(distances))
        return point if distances[point] >= 0 else None

    @property
    def may_want_more(self) -> bool:
        """Whether any point has not come to its end, and has not its maximum."""
        return bool(np.any(self._is_open & (self.counts < self.until.maximum)))

    @property
    def n_missing(self) -> int:
        """Replicas that are wanted now and have not ended."""
        return self.n_wanted - int(self._have_ended.sum())

    @property
    def n_wanted(self) -> int:
        """Replicas that are wanted now, or have ended."""
        beyond = np.arange(self._have_ended.shape[1]) >= self.counts[:, np.newaxis]
        return int(self.counts.sum() + (self._have_ended & beyond).sum())

    def has_ended(self, point: int, replica: int) -> bool:
        """Say whether a replica has come to its end."""
        return replica < self._have_ended.shape[1] and bool(self._have_ended[point, replica])

    def note(self, points: Values, replicas: Values, samples: Values) -> None:
        """Take note of replicas that have come to their end, well or not.

        Parameters
        ----------
        points, replicas : array of int, shape (n,)
            Which.
        samples : array of float, shape (targets, 4, n)
            Mean, its standard error, the degrees of freedom of that and the effective samples, of
            each result; NaN where there is none.
        """
        self._make_room(int(np.max(replicas, initial=0)) + 1)
        self._have_ended[points, replicas] = True
        self._samples[:, :, points, replicas] = samples

    def _make_room(self, width: int) -> None:
        more = max(width, min(2 * width, self.until.maximum)) - self._have_ended.shape[1]
        if width > self._have_ended.shape[1]:
            self._have_ended = np.pad(self._have_ended, ((0, 0), (0, more)))
            room = ((0, 0), (0, 0), (0, 0), (0, more))
            self._samples = np.pad(self._samples, room, constant_values=math.nan)

    def decide(self, points: Values | None = None) -> Values:
        """Decide how many replicas points need, of those that have all that they wanted.

        Parameters
        ----------
        points : array of int, optional
            The only ones that may have changed.

        Returns
        -------
        array of int
            Those that want more than before.
        """
        points = np.arange(len(self.counts)) if points is None else points
        before, ready = self.counts[points], points
        while (ready := ready[self._are_ready(ready)]).size:
            counts = self.counts[ready]
            for count in np.unique(counts).tolist():
                self._judge(ready[counts == count], count)
        return points[(self.counts[points] > before) & self._is_open[points]]

    def _are_ready(self, points: Values) -> Values:
        return np.asarray(self._leading(points) >= self.counts[points]) & self._is_open[points]

    def _leading(self, points: Values) -> Values:
        """Count the replicas that have ended, up to the first that has not."""
        ended = self._have_ended[points]
        found = np.where(ended.all(axis=1), ended.shape[1], np.argmin(ended, axis=1))
        return np.asarray(found)

    def _judge(self, points: Values, count: int) -> None:
        """Decide for points with this count, all of which have ended."""
        samples = self._samples[:, :, points, :count]
        found = [_judged(t, *s) for t, s in zip(self.until.targets, samples, strict=True)]
        self.distances[points] = np.max([one.distances for one in found], axis=0)
        wanted = count + np.max([one.more for one in found], axis=0)
        # one that can never be met needs no more for the others
        wanted[np.any([one.is_hopeless for one in found], axis=0)] = count
        # what is there already, such as for a target of before, counts
        wanted = np.where(wanted > count, wanted, self._leading(points))
        self.counts[points] = np.minimum(wanted, self.until.maximum)
        self._is_open[points] = self.counts[points] > count


class _Judged(NamedTuple):
    """What replicas say of a target, each of shape (N,)."""

    distances: Values
    more: Values  # replicas, to meet it
    is_hopeless: Values  # no replica has the result


def _judged(target: Target, means: Values, errors: Values, dofs: Values, n_effs: Values) -> _Judged:
    """Say how far points are from a target, and how many more replicas are likely to meet it.

    Not more than there are: an error from few replicas is itself uncertain.

    Parameters
    ----------
    means, errors, dofs, n_effs : array of float, shape (N, R)
        A row a point; NaN where there is none.
    """
    are_there = np.isfinite(means)
    used = are_there.sum(axis=1)
    found = pool_groups(
        means[are_there], errors[are_there], dofs[are_there], n_effs[are_there], used
    )
    mean, sem, dof = found.means, found.sems, found.dofs
    limit = target.error * (np.abs(mean) if target.is_relative else np.ones_like(mean))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = 1 + np.arange(means.shape[1] + 1) / used[:, np.newaxis]
        dofs_then = (dof[:, np.newaxis] + 1) * share - 1
        distances = (sem / limit)[:, np.newaxis] / np.sqrt(share) * _widening(dofs_then)
    distances[np.isnan(distances)] = math.inf
    distances[sem == 0] = 0.0
    is_enough = (distances <= 1) & (dofs_then >= _FEWEST)
    more = np.where(is_enough.any(axis=1), np.argmax(is_enough, axis=1), means.shape[1])
    return _Judged(distances[:, 0], more, used == 0)


def _widening(dofs: Values) -> Values:
    """Say by how much an interval is wider than it would be, were its error known."""
    from scipy.special import stdtrit  # which takes long to import

    different, which = np.unique(dofs, return_inverse=True)  # most points have the same
    return np.asarray(stdtrit(different, _ONE_SIDED) / _WITHIN)[which].reshape(dofs.shape)
