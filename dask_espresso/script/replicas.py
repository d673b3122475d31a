"""Independent replicas of one simulation, pooled."""

from typing import Any, NamedTuple, Tuple

import numpy as np

from .estimate import FEWEST, Estimate, scaled

_DOF = 7.0  # of an error that does not say: many come from about eight blocks
_ENOUGH = 30.0  # effective samples: of fewer, errors that are too small are those that are given
_AT_LEAST = 0.1  # of its degrees of freedom, such an error counts
_BY_CHANCE = 2.05  # sigmas by which the scatter is larger than it should be, in one of 50 cases
_DOUBTFUL = 3.0  # the same: nothing but the scatter counts
DIFFER = 4.0  # the same: they surely differ, as those that agree say in 1 of 30,000 points
_ROUNDING = 1e-12  # of a mean: less is none
_SURELY = 1e20  # no chance makes the scatter so much larger
_NAN = float("nan")


def pool(means: Any, errors: Any) -> Tuple[float, float]:
    """Give the first two of what :func:`pool_replicas` gives: the mean and its standard error."""
    return pool_replicas(means, errors)[:2]


def pool_replicas(means: Any, errors: Any, dofs: Any = None, n_effs: Any = None) -> Estimate:
    """Pool independent replicas of one simulation.

    Parameters
    ----------
    means : array_like, shape (R,)
        Mean of every replica. All replicas are of the same length.
    errors : array_like, shape (R,)
        Standard error of every mean, in the same unit; nan where unknown.
    dofs : array_like, shape (R,), optional
        Degrees of freedom of every error; nan where unknown, which counts as 7, as does what cannot
        be one.
    n_effs : array_like, shape (R,), optional
        Effective samples of every replica; nan where unknown, which counts as enough.

    Returns
    -------
    Estimate
        The mean of the replicas' means, nan for R = 0. For R = 1 its error is the replica's own,
        otherwise what their own errors, ``sqrt(sum(errors**2)) / R``, and the scatter between the
        replicas, ``std(means) / sqrt(R)``, come to together, root mean square, each by its degrees
        of freedom, ``sum(dofs)`` and ``R - 1``; or the scatter, where it is larger than chance
        gives in one of 50 cases. The scatter alone if an error is unknown; nan if all are equal
        then, which may be chance. Its degrees of freedom are ``R - 1 + sum(dofs)``; or ``R - 1``
        where only the scatter can be right, since an error is unknown, or since replicas differ by
        more than their own errors allow. That is a `reason`, too. Of errors from fewer than 30
        effective samples, part of their degrees of freedom is taken: of 12 only a tenth.

    Raises
    ------
    ValueError
        If they are not one-dimensional and of the same length.

    Notes
    -----
    Means are not weighted by their errors: an error estimated from a short
    series is correlated with its mean (hot, dense stretches scatter more), so
    that weighting biases the mean.

    The scatter holds whatever made replicas differ, but from R replicas it is
    itself uncertain by about ``1 / sqrt(2 (R - 1))``, 71 % for two. The own
    errors are far less noisy, but miss everything slower than one replica. So
    the scatter alone is taken where it surely says more. Where both are right it
    does so in one of 50 points, which makes errors larger, root mean square, by
    6 % for R = 2, 3 % for 4, 2 % for 8.

    Replicas that are worth so few samples that some of them have no error have
    too small ones where they have any: the scatter then counts for more.

    Examples
    --------
    >>> pool_replicas([2.0, 4.0], [0.5, 0.5], [40, 40])
    Estimate(mean=3.0, sem=1.0, dof=81.0, n_eff=nan, reason='')
    >>> round(pool_replicas([2.0, 2.8], [0.5, 0.5], [40, 40]).sem, 3)
    0.354
    >>> pool_replicas([2.0], [0.5])
    Estimate(mean=2.0, sem=0.5, dof=7.0, n_eff=nan, reason='')
    """
    of_means = np.asarray(means, dtype=float)
    of_errors = np.asarray(errors, dtype=float)
    of_dofs, of_n_effs = (
        np.full(of_means.shape, _NAN) if values is None else np.asarray(values, dtype=float)
        for values in (dofs, n_effs)
    )
    given = of_means, of_errors, of_dofs, of_n_effs
    if of_means.ndim != 1 or any(values.shape != of_means.shape for values in given):
        shapes = ", ".join(str(values.shape) for values in given)
        raise ValueError(
            "means and what is known of their errors have to be one-dimensional and of the same "
            f"length, they have shapes {shapes}"
        )
    if len(of_means) == 0:
        return Estimate(_NAN, _NAN, _NAN, _NAN, "there are no replicas")
    found = pool_rows(*(values[np.newaxis] for values in given))
    mean, sem, dof = (float(column[0]) for column in found[:3])
    why = ""
    if found.differ[0]:
        why = f"its {len(of_means)} replicas differ by more than their own errors"
    elif np.isfinite(mean) and np.isnan(sem) and len(of_means) > 1:
        why = f"its {len(of_means)} replicas are equal, and do not all have errors of their own"
    return Estimate(mean, sem, dof, _NAN, why)


class PooledRows(NamedTuple):
    """What :func:`pool_rows` gives, each of shape (N,)."""

    means: Any
    sems: Any
    dofs: Any
    differ: Any  # whether replicas do, by more than their own errors
    sigmas: Any  # by how many of its own the scatter is larger than these allow; nan: not known


def pool_rows(means: Any, errors: Any, dofs: Any, n_effs: Any) -> PooledRows:
    """Pool the replicas of several simulations, as :func:`pool_replicas` does those of one.

    Parameters
    ----------
    means, errors, dofs, n_effs : numpy.ndarray, shape (N, R)
        A row a simulation, R > 0.

    Returns
    -------
    PooledRows
    """
    n_replicas = means.shape[1]
    dofs = np.where(dofs > 0, dofs, _DOF)
    if n_replicas == 1:
        none = np.full(len(means), _NAN)
        return PooledRows(means[:, 0], errors[:, 0], dofs[:, 0], none > 0, none)
    of_means, exponent = scaled(means)
    mean = np.ldexp(np.mean(of_means, axis=1), exponent)
    between = np.ldexp(np.std(of_means, axis=1, ddof=1) / n_replicas**0.5, exponent)
    of_errors, exponent = scaled(errors)
    within = np.ldexp(np.sqrt(np.sum(of_errors**2, axis=1)) / n_replicas, exponent)
    own = np.sum(dofs * _shares(n_effs), axis=1)
    sigmas = _excess(between, within, n_replicas - 1.0, own)
    are_equal = between <= _ROUNDING * np.abs(mean)
    sigmas[are_equal & (within <= _ROUNDING * np.abs(mean))] = _NAN
    is_scatter = (sigmas > _DOUBTFUL) | np.isnan(within)
    dof = n_replicas - 1.0 + np.where(is_scatter, 0.0, own)
    is_within = np.isfinite(within) & ~np.isnan(between) & ~(sigmas > _BY_CHANCE)
    sem = np.where(is_within, _together(between, within, n_replicas - 1.0, own), between)
    sem[are_equal & np.isnan(within)] = _NAN
    return PooledRows(mean, sem, dof, sigmas > DIFFER, sigmas)


def pool_groups(means: Any, errors: Any, dofs: Any, n_effs: Any, counts: Any) -> PooledRows:
    """Pool the replicas of simulations that have different numbers of them, as rows.

    Parameters
    ----------
    means, errors, dofs, n_effs : numpy.ndarray, shape (sum(counts),)
        Replicas, simulation after simulation.
    counts : numpy.ndarray of int, shape (N,)
        How many each simulation has; one without any has the mean nan.

    Returns
    -------
    PooledRows
    """
    mean, sem, dof, sigmas = np.full((4, len(counts)), _NAN)
    pooled = PooledRows(mean, sem, dof, np.zeros(len(counts), bool), sigmas)
    starts = np.cumsum(counts) - counts
    for count in np.unique(counts[counts > 0]).tolist():
        alike = np.flatnonzero(counts == count)
        places = starts[alike][:, np.newaxis] + np.arange(count)
        found = pool_rows(means[places], errors[places], dofs[places], n_effs[places])
        for at, column in enumerate(found):
            pooled[at][alike] = column
    return pooled


def _shares(n_effs: Any) -> Any:
    """Say what part of its degrees of freedom an error counts, by the samples it comes from."""
    known = np.where(np.isnan(n_effs), _ENOUGH, n_effs)
    return np.clip((known - FEWEST) / (_ENOUGH - FEWEST), _AT_LEAST, 1.0)


def _together(between: Any, within: Any, dof: float, own: Any) -> Any:
    """Give the root mean square of both, each by its degrees of freedom."""
    return np.hypot(within * np.sqrt(own / (own + dof)), between * np.sqrt(dof / (own + dof)))


def _excess(between: Any, within: Any, dof: float, own: Any) -> Any:
    """Say by how many sigmas the scatter is larger than own errors allow.

    E. Paulson's approximation of F's upper tail, Ann. Math. Statist. 13, 233 (1942),
    doi 10.1214/aoms/1177731608.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = (between / within) ** (2 / 3)
    is_sure = ratio > _SURELY
    ratio[is_sure] = _SURELY
    of_scatter, of_own = 2 / (9 * dof), 2 / (9 * own)
    z = ((1 - of_own) * ratio - (1 - of_scatter)) / np.sqrt(of_own * ratio**2 + of_scatter)
    return np.where(is_sure, np.inf, z)


class InAllPoints(NamedTuple):
    """What :func:`in_all_points` gives."""

    chi_squared: float
    dof: float
    sigmas: float


def in_all_points(sigmas: Any, dofs: Any) -> InAllPoints:
    """Say by how much replicas differ in all points together, which know more than each.

    Parameters
    ----------
    sigmas : numpy.ndarray, shape (N,)
        Of :class:`PooledRows`; points that have nan are left out.
    dofs : numpy.ndarray, shape (N,)
        Degrees of freedom of the scatter of each, one less than it has replicas.

    Returns
    -------
    InAllPoints
        The sum over points of chi squared, of replicas against their own errors, without what the
        uncertainty of these adds; its degrees of freedom, which it is on average where replicas
        agree; and by how many of its own sigmas it is larger, nan where there are no points.

    Notes
    -----
    Between chi squared and sigmas: E. B. Wilson and M. M. Hilferty, Proc. Natl. Acad. Sci. 17, 684
    (1931), doi 10.1073/pnas.17.12.684, which Paulson's approximation is of errors that are known.
    """
    is_known = np.isfinite(sigmas)
    sigmas, dofs = sigmas[is_known], dofs[is_known]
    spread = 2 / (9 * dofs)
    chi_squared = float(np.sum(dofs * (1 - spread + sigmas * np.sqrt(spread)) ** 3))
    dof = float(np.sum(dofs))
    if not dof:
        return InAllPoints(0.0, 0.0, _NAN)
    spread = 2 / (9 * dof)
    of_all = ((chi_squared / dof) ** (1 / 3) - (1 - spread)) / spread**0.5
    return InAllPoints(chi_squared, dof, of_all)
