"""The mean of a correlated series, and what is known of its error."""

from typing import Any, Dict, NamedTuple, Tuple, Union

import numpy as np

# What stands behind the name of a mean, to say how good it is; and, for what else is to be said:
OF_ERRORS = {
    "_sem": "standard error (one sigma)",
    "_dof": "degrees of freedom of the standard error",
    "_n_eff": "effective number of independent samples",
}
REASON = "_reason"
FEWEST = 20  # effective samples that an error needs; below, all estimators are too small
_BATCHES = 8
_CLEARLY = 1.2  # batches count if they say so much more: else their own noise would, too
_FEW = 10.0  # effective samples that would double it: of short series, too small errors are left
_NAN = float("nan")


class Estimate(NamedTuple):
    """A mean, and what is known of its error.

    Attributes
    ----------
    mean : float
        In the unit of the samples.
    sem : float
        Its standard error, one sigma; nan where it is not known.
    dof : float
        Degrees of freedom of `sem`, for Student's t: the interval of 95 % is
        ``mean`` give or take ``scipy.stats.t.ppf(0.975, dof) * sem``.
    n_eff : float
        How many independent samples would have this error; nan where not known.
    reason : str
        What is not as one would wish, such as why `sem` is not known; or empty.
    """

    mean: float
    sem: float
    dof: float
    n_eff: float
    reason: str = ""

    def results(self, name: str) -> Dict[str, Union[float, str, None]]:
        """Give it as results of a simulation, under names that go with each other.

        Parameters
        ----------
        name : str
            Of the mean.

        Returns
        -------
        dict of str to float, str or None
            ``name``, ``name_sem``, ``name_dof``, ``name_n_eff``; ``name_reason`` if there is one.
            None for what is not known, so that equal results compare equal.

        Examples
        --------
        >>> Estimate(2.5, 0.5, 40.0, 200.0).results("pressure")
        {'pressure': 2.5, 'pressure_sem': 0.5, 'pressure_dof': 40.0, 'pressure_n_eff': 200.0}
        """
        found: Dict[str, Union[float, str, None]] = {}
        for at, suffix in enumerate(("", *OF_ERRORS)):
            value = float(self[at])
            found[f"{name}{suffix}"] = None if value != value else value
        if self.reason:
            found[f"{name}{REASON}"] = self.reason
        return found


def mean_error(samples: Any) -> Estimate:
    """Estimate the mean of a correlated series and its standard error.

    Two estimates of the error are made: from the autocorrelation function, summed while sums of
    neighbours are above their noise and do not grow (the initial monotone sequence), and from the
    scatter of eight batches' means. The first is less noisy, the second sees what is slow and
    small; it counts where it is larger by a fifth. The error is widened where effective samples
    are few, by a sixth for 25: of series that are so short, those with too small errors give any.

    Parameters
    ----------
    samples : array_like, shape (N,)
        Samples, equally spaced in time, without the equilibration.

    Returns
    -------
    Estimate
        With fewer than 20 effective samples there is no error but a reason: whatever could be
        given would be too small. The error of a constant series is 0.

    Raises
    ------
    ValueError
        If the samples are not one-dimensional.

    Notes
    -----
    Sources: C. J. Geyer, Statist. Sci. 7, 473 (1992), doi 10.1214/ss/1177011137; the correction of
    the autocorrelation's bias and the degrees of freedom: U. Wolff, Comput. Phys. Commun. 156, 143
    (2004), doi 10.1016/S0010-4655(03)00467-3.

    Examples
    --------
    >>> import numpy as np
    >>> found = mean_error(np.sin(np.arange(1000.0) ** 2))
    >>> round(found.sem, 3), found.reason
    (0.023, '')
    >>> mean_error([1.0, 2.0, 3.0]).reason
    'there are 3 samples, but an error needs at least 20 that are independent'
    """
    series = one_dimensional(samples)
    n_samples = len(series)
    of_one, exponent = scaled(series)
    mean = float(np.ldexp(np.mean(of_one), exponent)) if n_samples else _NAN
    if not np.all(np.isfinite(series)):
        at = int(np.argmin(np.isfinite(series)))
        return Estimate(mean, _NAN, _NAN, _NAN, f"sample {at} is {series[at]}")
    if n_samples > 1 and np.all(series == series[0]):
        return Estimate(float(series[0]), 0.0, n_samples - 1.0, float(n_samples))
    if n_samples < FEWEST:
        said = f"there are {n_samples} samples, but an error needs at least {FEWEST}"
        return Estimate(mean, _NAN, _NAN, _NAN, f"{said} that are independent")
    sem, dof = _error_of(of_one)
    n_eff = float(np.var(of_one, ddof=1)) / sem**2
    if n_eff < FEWEST:
        said = f"{n_samples} samples are worth about {n_eff:.0f} that are independent"
        return Estimate(mean, _NAN, _NAN, n_eff, f"{said}, but an error needs at least {FEWEST}")
    return Estimate(mean, float(np.ldexp(sem * (1 + (_FEW / n_eff) ** 2), exponent)), dof, n_eff)


def blocking_error(samples: Any) -> float:
    """Give the standard error of the mean of a correlated series.

    The name is of old, when it came from blocks; it is the ``sem`` of :func:`mean_error`.

    Parameters
    ----------
    samples : array_like, shape (N,)
        Samples, equally spaced in time, without the equilibration.

    Returns
    -------
    float
        In the unit of the samples; nan where it is not known, 0 for a constant series.

    Raises
    ------
    ValueError
        If the samples are not one-dimensional.
    """
    return mean_error(samples).sem


def correlation_time(samples: Any) -> float:
    """Estimate the integrated autocorrelation time of a series.

    Parameters
    ----------
    samples : array_like, shape (N,)
        Samples, equally spaced in time, without the equilibration.

    Returns
    -------
    float
        In units of the time between samples, half of one for independent samples: N samples are
        worth ``N / (2 * correlation_time)`` independent ones. nan where it is not known.

    Raises
    ------
    ValueError
        If the samples are not one-dimensional.
    """
    if not mean_error(samples).sem > 0:
        return _NAN
    series, _ = scaled(one_dimensional(samples))
    sem, _ = _error_by_autocorrelation(series)  # without what makes errors safe
    return len(series) * sem**2 / (2 * float(np.var(series)))


def one_dimensional(samples: Any) -> Any:
    """Give samples as an array, or say that they have another shape."""
    series = np.asarray(samples, dtype=float)
    if series.ndim != 1:
        raise ValueError(f"samples have to be one-dimensional, they have shape {series.shape}")
    return series


def scaled(values: Any) -> Tuple[Any, Any]:
    """Give values / 2**exponent and the exponent, so that squares are neither 0 nor infinite.

    There is an exponent for each row of the last axis.
    """
    largest = np.max(np.abs(values), axis=-1, where=np.isfinite(values), initial=0.0, keepdims=True)
    exponent = np.frexp(largest)[1]
    return np.ldexp(values, -exponent), exponent[..., 0]


def _error_of(series: Any) -> Tuple[float, float]:
    """Give the standard error of the mean, and its degrees of freedom."""
    by_time, by_batch = _error_by_autocorrelation(series), _error_by_batches(series)
    return by_batch if by_batch[0] > _CLEARLY * by_time[0] else by_time


def _error_by_autocorrelation(series: Any) -> Tuple[float, float]:
    n_samples = len(series)
    covariance = _autocovariance(series)
    pairs = covariance[: n_samples // 4 * 2].reshape(-1, 2).sum(axis=1)
    noise = float(covariance[0]) * (2 / n_samples) ** 0.5
    ended = np.flatnonzero(pairs <= np.where(np.arange(len(pairs)), noise, 0))
    n_pairs = int(ended[0]) if len(ended) else len(pairs)
    window = max(2 * n_pairs - 1, 0)
    variance = 2 * float(np.sum(np.minimum.accumulate(pairs[:n_pairs]))) - float(covariance[0])
    # the mean, which was taken off, is one of the same samples
    variance = max(variance, float(covariance[0]) / n_samples) * (1 + (2 * window + 1) / n_samples)
    return (variance / n_samples) ** 0.5, n_samples / (2 * window + 1)


def _autocovariance(series: Any) -> Any:
    """Give the autocovariance at every lag, from the Fourier transform of the padded series."""
    n_samples = len(series)
    size = 1 << (2 * n_samples - 1).bit_length()
    transformed = np.fft.rfft(series - np.mean(series), size)
    sums = np.fft.irfft(transformed * np.conj(transformed), size)[:n_samples]
    return sums / np.arange(n_samples, 0, -1)


def _error_by_batches(series: Any) -> Tuple[float, float]:
    means = block_means(series, len(series) // _BATCHES)
    return float(np.std(means, ddof=1)) / _BATCHES**0.5, _BATCHES - 1.0


def block_means(series: Any, size: int) -> Any:
    """Give the means of blocks; where they do not fit, the first samples are left out."""
    n_blocks = len(series) // size
    return series[len(series) - size * n_blocks :].reshape(n_blocks, size).mean(axis=1)
