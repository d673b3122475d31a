"""What more can be said of a mean: by a control whose mean is known, and by two halves."""

from typing import Any

import numpy as np

from .estimate import Estimate, mean_error, one_dimensional, scaled
from .replicas import pool_replicas
from .spectrum import density_of_error, regression

_LEAST = 64  # samples
_FEWEST = 6  # effective ones of the control: what is slower than the series seems worth 5
_OFF = 5.0  # standard errors of a control that is not where it was said to be
_OF_FEW = 15.0  # by their degrees of freedom, these come on top


def control_variate(samples: Any, control: Any, expected: float) -> Estimate:
    """Estimate a mean with the help of another quantity, whose mean is known exactly.

    Where both fluctuate together, as the pressure and the kinetic temperature of a thermostatted
    fluid do, the known mean says how much of the deviation is chance, and that is taken off:
    ``mean(samples) - slope * (mean(control) - expected)``. The slope is how far one follows the
    other in the long run: at frequency zero, as windows say that are as long as the control
    remembers. The error is that of :func:`mean_error`, of what the control leaves.

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
        fewer than 64 samples or 6 effective ones of the control, or its mean is more than five
        standard errors off, eight of a short series, as that of a fluid that is not in
        equilibrium. No error but a reason, where what the control leaves is worth fewer than 12
        effective samples.

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
    if why := _misuse(known, controls, expected):
        return plain._replace(reason=plain.reason or f"plain mean: {why}")
    of_one, exponent = scaled(series)
    off, _ = scaled(controls - expected)
    found = _at_zero(of_one, off)
    return found._replace(
        mean=float(np.ldexp(found.mean, exponent)), sem=float(np.ldexp(found.sem, exponent))
    )


def _at_zero(values: Any, controls: Any) -> Estimate:
    """Estimate what the values' mean were if the controls' were 0."""
    slope, density, dof = regression(values, controls)
    left = mean_error(values - slope * controls)
    if not left.sem > 0:  # there is no error, or none that is known
        return left
    # a slope that is fitted leaves too little, and is the more wrong the farther one goes along it
    square = len(values) * float(np.mean(controls)) ** 2 / density
    wider = (dof / (dof - 1) * (1 + square / dof)) ** 0.5
    return left._replace(sem=left.sem * wider, n_eff=left.n_eff / wider**2)


def _misuse(known: Estimate, controls: Any, expected: float) -> str:
    """Say why a control is none, or nothing."""
    if len(controls) < _LEAST:
        return f"a control needs at least {_LEAST} samples, there are {len(controls)}"
    if known.sem == 0 or not known.n_eff > 0:
        return f"no error of the control's mean: {known.reason or 'it is constant'}"
    if known.n_eff < _FEWEST:
        return f"the control's samples are worth {known.n_eff:.0f} that are independent"
    of_one, exponent = scaled(controls)
    density, dof = density_of_error(of_one)
    sem = float(np.ldexp((density / len(controls)) ** 0.5, exponent))
    if not abs(known.mean - expected) <= (_OFF + _OF_FEW / dof) * sem:
        off = f"{known.mean:.6g} with a standard error of {sem:.2g}"
        return f"the control's mean is {off}, not {expected:.6g}"
    return ""


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
