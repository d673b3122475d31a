"""The mean of a correlated series, and what is known of its error."""

from typing import Any, Dict, NamedTuple, Tuple, Union

import numpy as np

from .spectrum import density_of_error, density_of_memory

# What stands behind the name of a mean, to say how good it is; and, for what else is to be said:
OF_ERRORS = {
    "_sem": "standard error (one sigma)",
    "_dof": "degrees of freedom of the standard error",
    "_n_eff": "effective number of independent samples",
}
REASON = "_reason"
FEWEST = 12  # effective samples that an error needs: of fewer, it often comes out far too small
_LEAST = 20  # samples
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

    It is the spectral density at frequency zero, from the sums of overlapping windows of the
    series. These are an eighth of it, and a sixteenth or a thirty-second where it is worth 100 or
    1000 independent samples and more: so long that little is missed of what is slow and small, and
    so few that the error is itself uncertain, as its degrees of freedom say. What windows miss all
    the same is made up for by what shorter ones miss more: of a quick memory by twice as much, of a
    slow one by less.

    Parameters
    ----------
    samples : array_like, shape (N,)
        Samples, equally spaced in time, without the equilibration.

    Returns
    -------
    Estimate
        With fewer than 12 effective samples, as far as one can tell, there is no error but a
        reason: it would often be far too small. The error of a constant series is 0.

    Raises
    ------
    ValueError
        If the samples are not one-dimensional.

    Notes
    -----
    Source: lugsail windows, which lean to the other side than others: D. Vats and J. M. Flegal,
    Biometrika 109, 735 (2022), doi 10.1093/biomet/asab049; here with r = 4 and c = 1/2, and
    Bartlett's window, of whose density it is four fifths at least: a shorter window that sees a
    part of a wave sees far too much. Degrees of freedom are those of a window that is a fixed part
    of the series.

    Examples
    --------
    >>> import numpy as np
    >>> found = mean_error(np.sin(np.arange(1000.0) ** 2))
    >>> round(found.sem, 3), found.reason
    (0.019, '')
    >>> mean_error([1.0, 2.0, 3.0]).reason
    'there are 3 samples, but an error needs at least 20'
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
    if n_samples < _LEAST:
        said = f"there are {n_samples} samples, but an error needs at least {_LEAST}"
        return Estimate(mean, _NAN, _NAN, _NAN, said)
    density, dof = density_of_error(of_one)
    n_eff = n_samples * float(np.var(of_one, ddof=1)) / density
    if n_eff < FEWEST:
        said = f"{n_samples} samples are worth about {int(n_eff)} that are independent"
        return Estimate(mean, _NAN, _NAN, n_eff, f"{said}, but an error needs at least {FEWEST}")
    return Estimate(mean, float(np.ldexp((density / n_samples) ** 0.5, exponent)), dof, n_eff)


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
        worth about ``N / (2 * correlation_time)`` independent ones. nan where it is not known.
        Windows are ten times as long, and not as long as those of :func:`mean_error`: it is less
        uncertain than the effective samples there, and misses more of what is slow and small.

    Raises
    ------
    ValueError
        If the samples are not one-dimensional.
    """
    if not mean_error(samples).sem > 0:
        return _NAN
    series, _ = scaled(one_dimensional(samples))
    return density_of_memory(series) / (2 * float(np.var(series, ddof=1)))


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
