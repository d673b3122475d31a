"""The error of few particles, and the pressure of infinitely many."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.report import Table
from dask_espresso.views.wca import wca_band

from .comparison import compared, sigmas, written
from .extrapolation import Fit, fitted
from .known import OTHER_PARTICLES, OTHER_PROGRAM, Value
from .studies import Engine, Studies, engines

_FEWEST = 100
_COUNTS = (200, 400)  # of the line: at 0.45, close to freezing, 100 are not on it


def fits(
    studies: Studies, engine: Engine, quick: bool
) -> dict[float, tuple[dict[int, Value], Fit]]:
    """Give pressures at several numbers of particles, and a line in 1 / N through the larger."""
    store = studies.run(
        "particles",
        engine,
        replicas=1 if quick else 3,
        n_particles=[_FEWEST, *_COUNTS],
        n_steps=2000 if quick else 6000,
        volume_fraction=[0.45] if quick else list(OTHER_PROGRAM),
    )
    found = store.pooled("pressure", "volume_fraction", "n_particles")
    values = {
        fraction: {count: found[fraction, count] for count in (_FEWEST, *_COUNTS)}
        for fraction in dict.fromkeys(fraction for fraction, _ in found)
    }
    return {fraction: (of_counts, line(of_counts)) for fraction, of_counts in values.items()}


def line(values: dict[int, Value]) -> Fit:
    """Fit a line in 1 / N to the larger numbers of particles."""
    inverse = [1 / count for count in _COUNTS]
    return fitted(inverse, [values[count] for count in _COUNTS], powers=(0, 1))


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
            rows.append(where | cells(values, fit))
            others += _compared(where, fraction, fit)
    return [
        Table(
            "Number of particles",
            f"Pressure of so many particles, a line in 1 / N through those of {_COUNTS[0]} and "
            f"{_COUNTS[1]}, what it comes to for infinitely many, and by how many percent "
            f"{_FEWEST} are off that. The last column is how far they are from the line, in "
            "sigmas, which they need not be on.",
            rows,
        ),
        Table(
            "Many particles, and what is known",
            f"{OTHER_PARTICLES} particles were simulated with a program of its own and another "
            "integrator. The band is that of `plot`, about the uv-theory's line.",
            others,
        ),
    ]


def cells(values: dict[int, Value], fit: Fit) -> dict[str, Any]:
    """Give what is found of one volume fraction, as cells of a row."""
    constant, slope = fit.coefficients
    few, percent = values[_FEWEST], 100 / constant.mean
    below = Value((few.mean - constant.mean) * percent, math.hypot(few.sem, constant.sem) * percent)
    return {
        **{f"N = {count}": written(value) for count, value in values.items()},
        "infinitely many": written(constant),
        f"{_FEWEST} off by %": written(below),
        f"{_FEWEST} off the line": sigmas(few, fit.at(1 / _FEWEST)),
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
