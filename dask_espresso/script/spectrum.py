"""Spectral densities at frequency zero: how much the mean of a correlated series scatters."""

from typing import Any, Tuple

import numpy as np

# How many windows fit into a series, by the effective samples that it is worth at least.
_WINDOWS = ((1000.0, 32), (100.0, 16), (0.0, 8))
_FIRST = 16  # as many, to see what it is worth
# By so much shorter are the windows that tell what windows miss: 2 makes up for about as much as is
# missed of a quick memory; 4 for more, since what is slow and small is missed too.
_EVEN, _CAUTIOUS = 2, 4
_MEMORIES = 10  # correlation times in a window by which these are estimated
_OF_BARTLETT = 1.5  # degrees of freedom, of each window that fits
_OF_LUGSAIL = 12 / 23  # of the cautious one: by 23 / 12, the integral of its squared weights
_LEAST = 0.8  # of Bartlett's: a shorter window that sees a part of a wave sees far too much


def density_of_error(series: Any) -> Tuple[float, float]:
    """Give the density of which a standard error is made, and its degrees of freedom.

    Parameters
    ----------
    series : numpy.ndarray, shape (N,)
        At least 2 samples, which are not all the same.

    Returns
    -------
    tuple of float and float
        The variance of the mean is the first by N.
    """
    window = window_of(series)
    return _lugsail(series, window, _CAUTIOUS), _OF_LUGSAIL * len(series) / window


def window_of(series: Any) -> int:
    """Give the length of windows that suits a series, by how much it remembers."""
    n_samples = len(series)
    density = _lugsail(series, _part(n_samples, _FIRST), _CAUTIOUS)
    n_eff = n_samples * float(np.var(series, ddof=1)) / density
    return _part(n_samples, next(count for least, count in _WINDOWS if n_eff >= least))


def density_of_memory(series: Any) -> float:
    """Give the density from the shortest windows that see most of what samples remember.

    It is less noisy than that of which errors are made, and misses more of what is slow and small.

    Parameters
    ----------
    series : numpy.ndarray, shape (N,)
        At least 16 samples, which are not all the same.

    Returns
    -------
    float
    """
    variance = float(np.var(series, ddof=1))
    longest = _part(len(series), _WINDOWS[-1][1])
    window = 1
    while True:
        density = _lugsail(series, window, _EVEN)
        if window >= _MEMORIES * density / (2 * variance) or 2 * window > longest:
            return density
        window *= 2


def regression(values: Any, controls: Any) -> Tuple[float, float, float]:
    """Give how far values follow controls in the long run, that is at frequency zero.

    Parameters
    ----------
    values, controls : numpy.ndarray, shape (N,)
        Series of the same times.

    Returns
    -------
    tuple of float, float and float
        The slope, the density of the controls, and the degrees of freedom of both.
    """
    window = window_of(controls)
    density = _bartlett(controls, controls, window)
    slope = _bartlett(values, controls, window) / density
    return slope, density, _OF_BARTLETT * len(values) / window


def _part(n_samples: int, count: int) -> int:
    return -(-n_samples // count)


def _lugsail(series: Any, window: int, shorter: int) -> float:
    """Give Bartlett's density, and what it misses by how much more shorter windows miss."""
    density = _bartlett(series, series, window)
    short = max(1, round(window / shorter))
    return max(2 * density - _bartlett(series, series, short), _LEAST * density)


def _bartlett(series: Any, other: Any, window: int) -> float:
    """Sum covariances, with weights that fall from one at lag 0 to zero at the window's length.

    That is what products of sums over all windows come to, those over the ends included.
    """
    sums, others = (_sums(values, window) for values in (series, other))
    # less than N, since the mean that was taken off is one of the same samples
    return float(np.sum(sums * others)) / (window * (len(series) - window))


def _sums(series: Any, window: int) -> Any:
    ends = np.zeros(window)
    summed = np.concatenate((ends, np.cumsum(series - np.mean(series)), ends))
    return summed[window:] - summed[:-window]
