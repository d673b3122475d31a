"""What brackets and bars are: one standard error, or the interval of a confidence."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..store.arrays import Values


def check_confidence(confidence: float | str) -> float:
    """Expect a percentage, such as 95 or ``"95 %"``.

    Raises
    ------
    InputError
        If it is none, or one that nobody means.

    Examples
    --------
    >>> check_confidence("95%")
    95.0
    """
    try:
        percent = float(str(confidence).strip().removesuffix("%"))
    except ValueError:
        percent = -1.0
    if 50 <= percent < 100:
        return percent
    hint = f"; write {100 * percent:g} for {100 * percent:g} %" if 0.5 <= percent < 1 else ""
    raise InputError(
        f"confidence {confidence}: give a percentage from 50 to below 100, such as 95{hint}"
    )


def half_widths(sems: Values, dofs: Values, confidence: float | None) -> Values:
    """Give how far intervals reach to either side of their means.

    Parameters
    ----------
    sems, dofs : array of float, same shape
        Standard errors and their degrees of freedom; nan where unknown.
    confidence : float or None
        In percent, by Student's t; None for one standard error.

    Returns
    -------
    array of float, same shape
        In the unit of the standard errors; nan where these are.
    """
    if confidence is None:
        return sems
    from scipy.special import stdtrit  # late: it takes a while, and most have no need of it

    return np.asarray(stdtrit(dofs, (1 + confidence / 100) / 2) * sems)


def meaning(confidence: float | None) -> str:
    """Say what brackets and bars are."""
    return "one standard error" if confidence is None else f"{confidence:g} % confidence"
