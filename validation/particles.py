"""The error of few particles, and the pressure of infinitely many."""

from __future__ import annotations

from typing import Any

from benchmarks.report import Table
from dask_espresso.views.plot import wca_band

from .comparison import chi_squared, compared, written
from .extrapolation import Fit, fitted
from .known import OTHER_PARTICLES, OTHER_PROGRAM, Value
from .studies import Engine, Studies, engines

_COUNTS = (100, 200, 400)


def fits(studies: Studies, engine: Engine, quick: bool) -> dict[float, tuple[list[Value], Fit]]:
    """Give pressures at several numbers of particles, and a line in 1 / N through them."""
    store = studies.run(
        "particles",
        engine,
        replicas=1 if quick else 3,
        n_particles=list(_COUNTS),
        n_steps=2000 if quick else 6000,
        volume_fraction=[0.3, 0.45] if quick else list(OTHER_PROGRAM),
    )
    found = store.pooled("pressure", "volume_fraction", "n_particles")
    values = {
        fraction: [found[fraction, count] for count in _COUNTS]
        for fraction in dict.fromkeys(fraction for fraction, _ in found)
    }
    inverse = [1 / count for count in _COUNTS]
    return {
        fraction: (of_counts, fitted(inverse, of_counts, powers=(0, 1)))
        for fraction, of_counts in values.items()
    }


def curves(studies: Studies, quick: bool) -> dict[str, dict[float, Value]]:
    """Give the pressures of infinitely many particles by engine and volume fraction."""
    return {
        engine.title: {
            fraction: fit.coefficients[0]
            for fraction, (_, fit) in fits(studies, engine, quick).items()
        }
        for engine in engines()
    }


def check(studies: Studies, quick: bool) -> list[Table]:
    """Extrapolate to infinitely many particles, and compare with another program's."""
    rows, others = [], []
    for engine in engines():
        for fraction, (values, fit) in fits(studies, engine, quick).items():
            where = {"engine": engine.title, "volume fraction": str(fraction)}
            rows.append(where | _cells(values, fit))
            others += _compared(where, fraction, fit)
    return [
        Table(
            "Number of particles",
            "Pressure of so many particles, a line in 1 / N through them, and what it says of the "
            "error of 100 particles, in percent.",
            rows,
        ),
        Table(
            "Many particles, and what is known",
            f"{OTHER_PARTICLES} particles were simulated with a program of its own and another "
            "integrator. The band is that of `plot`, about the uv-theory's line.",
            others,
        ),
    ]


def _cells(values: list[Value], fit: Fit) -> dict[str, Any]:
    constant, slope = fit.coefficients
    percent = 100 / _COUNTS[0] / constant.mean
    return {
        **{f"N = {n}": written(value) for n, value in zip(_COUNTS, values, strict=True)},
        "infinitely many": written(constant),
        "error of 100 in %": written(Value(slope.mean * percent, slope.sem * percent)),
        **chi_squared(fit.zs, fit.n_fitted),
        "numbers": [*constant[:2], *slope[:2]],
    }


def _compared(where: dict[str, Any], fraction: float, fit: Fit) -> list[dict[str, Any]]:
    low, high = map(float, wca_band(fraction))
    of_line = Value((low + high) / 2, (high - low) / 2)
    at_other = fit.at(1 / OTHER_PARTICLES)
    return [
        compared(
            where | {"particles": OTHER_PARTICLES}, at_other, OTHER_PROGRAM[fraction], "BAOAB"
        ),
        compared(where | {"particles": "infinitely many"}, fit.coefficients[0], of_line, "band"),
    ]
