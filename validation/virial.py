"""The dilute fluid: its second virial coefficient is an integral."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from benchmarks.report import Table

from .comparison import chi_squared, compared, written
from .extrapolation import fitted
from .known import Value, second_virial_coefficient
from .studies import Studies, engines

_DENSITIES = (0.03, 0.06, 0.09, 0.12, 0.15)
_PARTICLES = 100


def check(studies: Studies, quick: bool) -> list[Table]:
    """Extrapolate (Z - 1) / density to no density."""
    exact = Value(second_virial_coefficient(), 0.0)
    rows = []
    for engine in engines():
        store = studies.run(
            "virial",
            engine,
            replicas=1 if quick else 6,
            n_particles=_PARTICLES,
            n_steps=2000 if quick else 16_000,
            volume_fraction=[round(density * math.pi / 6, 12) for density in _DENSITIES],
        )
        found = store.pooled("pressure", "volume_fraction").values()
        pressures = dict(zip(_DENSITIES, found, strict=True))
        rows.append({"engine": engine.title} | extrapolated(pressures, _PARTICLES, exact))
    return [
        Table(
            "Second virial coefficient",
            f"(Z - 1) N / (N - 1) / density of {_PARTICLES} WCA particles at densities from "
            f"{_DENSITIES[0]} to {_DENSITIES[-1]}, and its limit of no density, by a parabola; "
            "chi squared is that of the fit. The reference is the integral.",
            rows,
        )
    ]


def extrapolated(pressures: Mapping[float, Value], count: int, exact: Value) -> dict[str, Any]:
    """Extrapolate to no density, as cells of a row.

    Parameters
    ----------
    pressures : mapping of float to Value
        By the density, at kT = 1.
    count : int
        Of particles: they make count (count - 1) / 2 pairs, and not half of count squared.
    exact : Value
        What should come out.

    Returns
    -------
    dict
    """
    of_pairs = count / (count - 1)
    slopes = [
        Value((p.mean / rho - 1) / rho * of_pairs, p.sem / rho**2 * of_pairs)
        for rho, p in pressures.items()
    ]
    fit = fitted(list(pressures), slopes, powers=(0, 1, 2))
    shown = {f"at {rho}": written(slope) for rho, slope in zip(pressures, slopes, strict=True)}
    return {
        **compared(shown, fit.coefficients[0], exact, "integral"),
        **chi_squared(fit.zs, fit.n_fitted),
    }
