"""What more can be said of a mean: by a control whose mean is known, and by two halves."""

from typing import Any, Tuple

import numpy as np

from .estimate import Estimate, block_means, mean_error, one_dimensional
from .replicas import pool_replicas

_BLOCKS = 32  # for the slope of a control variate
_OFF = 5.0  # standard errors of a control that is not where it was said to be


def control_variate(samples: Any, control: Any, expected: float) -> Estimate:
    """Estimate a mean with the help of another quantity, whose mean is known exactly.

    Where both fluctuate together, as the pressure and the kinetic temperature of a thermostatted
    fluid do, the known mean says how much of the deviation is chance, and that is taken off:
    ``mean(samples) - slope * (mean(control) - expected)``. The slope comes from a regression of
    the means of at least 32 blocks.

    Parameters
    ----------
    samples, control : array_like, shape (N,)
        Both of the same times, equally spaced, without the equilibration.
    expected : float
        The exact mean of the control, such as kT for the kinetic temperature.

    Returns
    -------
    Estimate
        The plain mean, its own error and a reason, where the control cannot be used: there are
        fewer than 64 samples or 32 effective ones of the control, or its mean is more than five
        standard errors off, as that of a fluid that is not in equilibrium.

    Raises
    ------
    ValueError
        If the two are not one-dimensional and of the same length.

    Notes
    -----
    Source: S. S. Lavenberg and P. D. Welch, Management Sci. 27, 322 (1981),
    doi 10.1287/mnsc.27.3.322. The uncertainty of the slope is part of the error.

    Examples
    --------
    >>> import numpy as np
    >>> random = np.random.default_rng(1)
    >>> noise = random.normal(size=1000)
    >>> found = control_variate(3 + 2 * noise + 0.1 * random.normal(size=1000), noise, 0.0)
    >>> mean_error(3 + 2 * noise).sem > 10 * found.sem
    True
    """
    series, controls = one_dimensional(samples), one_dimensional(control)
    if len(series) != len(controls):
        raise ValueError(
            "samples and control have to be of the same times, "
            f"they are {len(series)} and {len(controls)}"
        )
    plain, known = mean_error(series), mean_error(controls)
    if not (plain.sem > 0 or plain.n_eff > 0):
        return plain
    if why := _misuse(known, len(controls), expected):
        return plain._replace(reason=plain.reason or f"plain mean: {why}")
    size = len(series) // _BLOCKS
    slope, excess = _regression(block_means(series, size), block_means(controls, size), expected)
    found = mean_error(series - slope * (controls - expected))
    return found._replace(sem=found.sem * excess, dof=min(found.dof, _BLOCKS - 2.0))


def _misuse(known: Estimate, n_samples: int, expected: float) -> str:
    """Say why a control is none, or nothing."""
    if n_samples < 2 * _BLOCKS:
        return f"a control needs at least {2 * _BLOCKS} samples, there are {n_samples}"
    if not known.sem > 0:
        return f"no error of the control's mean: {known.reason or 'it is constant'}"
    if not abs(known.mean - expected) <= _OFF * known.sem:
        off = f"{known.mean:.6g} with a standard error of {known.sem:.2g}"
        return f"the control's mean is {off}, not {expected:.6g}"
    if known.n_eff < _BLOCKS:
        return f"the control's samples are worth {known.n_eff:.0f} that are independent"
    return ""


def _regression(values: Any, controls: Any, expected: float) -> Tuple[float, float]:
    """Give the slope, and by what factor its uncertainty widens the error of the mean."""
    deviations = controls - np.mean(controls)
    square = float(np.sum(deviations**2))
    slope = float(np.sum(deviations * (values - np.mean(values)))) / square
    lever = (float(np.mean(controls)) - expected) ** 2 * len(controls) / square
    return slope, ((1 + lever) * (len(controls) - 1) / (len(controls) - 2)) ** 0.5


def drift(series: Any) -> Estimate:
    """Estimate how much the mean of the second half differs from that of the first.

    What drifts was not in equilibrium, so that its mean depends on how long it was simulated.

    Parameters
    ----------
    series : array_like, shape (N,) or (R, N)
        One series, or those of R independent replicas.

    Returns
    -------
    Estimate
        The difference, second half less first: it is one if it is larger than what chance gives,
        some three times `sem`.

    Raises
    ------
    ValueError
        If the series have another shape.
    """
    rows = np.atleast_2d(np.asarray(series, dtype=float))
    if rows.ndim != 2:
        raise ValueError(f"series have to have shape (N,) or (R, N), not {rows.shape}")
    half = rows.shape[1] // 2
    halves = [(mean_error(row[:half]), mean_error(row[-half:])) for row in rows]
    differences = [second.mean - first.mean for first, second in halves]
    errors = [float(np.hypot(first.sem, second.sem)) for first, second in halves]
    return pool_replicas(differences, errors, [a.dof + b.dof for a, b in halves])
