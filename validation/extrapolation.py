"""Weighted fits of few powers, to what cannot be simulated: no time step, all particles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .known import Value


class Fit(NamedTuple):
    """Coefficients of powers, fitted to values with their errors.

    Attributes
    ----------
    coefficients : list of Value
        One a power, in the order of the powers; that of power 0 is the extrapolation to x = 0.
    covariance : numpy.ndarray, shape (powers, powers)
        Of the coefficients.
    powers : sequence of int
        As they were asked for.
    zs : list of float
        Deviations of the values from the fit, in standard errors.
    """

    coefficients: list[Value]
    covariance: np.ndarray
    powers: Sequence[int]
    zs: list[float]

    @property
    def n_fitted(self) -> int:
        """How many coefficients there are."""
        return len(self.coefficients)

    def at(self, x: float) -> Value:
        """Give the fit somewhere, with its error."""
        terms = np.array([x**power for power in self.powers])
        mean = sum(term * of.mean for term, of in zip(terms, self.coefficients, strict=True))
        return Value(float(mean), float(np.sqrt(terms @ self.covariance @ terms)))


def fitted(xs: Sequence[float], values: Sequence[Value], powers: Sequence[int]) -> Fit:
    """Fit a sum of powers, weighted with the errors of the values.

    Parameters
    ----------
    xs : sequence of float, length N
        Where the values are.
    values : sequence of Value, length N
        Independent of each other.
    powers : sequence of int
        At most N; 0 for the constant.

    Returns
    -------
    Fit
        Its errors are those that the values' errors make, not those of the scatter.

    Examples
    --------
    >>> found = fitted([1, 2], [Value(3, 0.1), Value(9, 0.1)], powers=[0, 2])
    >>> [round(of.mean, 6) for of in found.coefficients], round(found.at(3).mean, 6)
    ([1.0, 2.0], 19.0)
    """
    means, sems, _ = np.array(values).T
    terms = np.array(xs, dtype=float)[:, np.newaxis] ** np.array(powers)
    weighted = terms / sems[:, np.newaxis]
    found, *_ = np.linalg.lstsq(weighted, means / sems, rcond=None)
    covariance = np.linalg.inv(weighted.T @ weighted)
    errors = np.sqrt(np.diag(covariance))
    coefficients = [Value(*pair) for pair in zip(found.tolist(), errors.tolist(), strict=True)]
    zs = (means - terms @ found) / sems
    return Fit(coefficients, covariance, powers, zs.tolist())
