"""What results are drawn beside: the curve that a study names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .plot import Curve
from .points import Points
from .wca import WCA_HIGHER, wca_band, wca_pressure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..inputs.stored_study import StoredStudy

    Function = Callable[[NDArray[np.float64]], Any]

# parameters that the equation of state is in units of
_UNITS = frozenset({"kT", "temperature", "epsilon", "sigma"})
_BAND_LABEL = f"simulations, N \u2192 \u221e: up to {100 * WCA_HIGHER:g} % higher"


@dataclass(frozen=True)
class Reference:
    """A curve to compare with.

    Attributes
    ----------
    label : str
        What the legend calls it.
    function : callable
        Gives y for an array of x; nan where it is not known.
    band : callable or None
        Between what the truth is, where it has an error.
    band_label : str
        What the legend calls that.
    source
        What the study says: two of the same are equal.
    """

    label: str
    function: Function = field(compare=False)
    band: Function | None = None
    band_label: str = ""
    source: Any = None


_WCA = Reference("WCA equation of state", wca_pressure, wca_band, _BAND_LABEL)


def reference_of(study: StoredStudy, x: str, y: str) -> Reference | None:
    """Give the reference of a study for one result against one parameter; None for all others."""
    given = study.reference
    if given == "wca":
        return _WCA if (x, y) == ("volume_fraction", "pressure") else None
    if not given or (given["x"], given["y"]) != (x, y):
        return None
    at = np.array(given["at"], float)
    values = np.array([np.nan if value is None else value for value in given["values"]], float)

    def interpolated(places: NDArray[np.float64]) -> Any:
        return np.interp(places, at, values, left=np.nan, right=np.nan)

    label = given.get("label") or given.get("file") or given["function"]
    return Reference(label, interpolated, source=given)


def why_not(study: StoredStudy, points: Points, curves: Sequence[Curve]) -> str:
    """Say why the equation of state of the WCA fluid does not hold here; empty if it does."""
    names = [name for name in study.names if study.reference == "wca" and name in _UNITS]
    for values in zip(*map(points.parameter, names), strict=True):
        for name, value in zip(names, values, strict=True):
            if value != 1:
                return f"that of wca holds for {name} = 1, not for {name} = {value}"
    fractions = [x for curve in curves for x in curve.x] if study.reference == "wca" else []
    if not all(0 <= fraction < 1 for fraction in fractions):
        return "that of wca holds for volume fractions from 0 to 1"
    return ""


def residuals(curve: Curve, reference: Reference) -> Curve:
    """Give how many standard errors a curve is above its reference; nan where that is not known."""
    x, y, sems = (np.asarray(one, float) for one in (curve.x, curve.y, curve.sems))
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.where(sems > 0, (y - reference.function(x)) / sems, np.nan)
    return replace(curve, y=off.tolist(), y_err=[np.nan] * len(off))
