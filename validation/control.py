"""What the known temperature is worth: the pressure's variance with and without it."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.report import Table

from .comparison import Z
from .coverage import N_STEPS, short_runs
from .studies import Result, Studies, engines


def check(studies: Studies, quick: bool) -> list[Table]:
    """Compare the corrected pressures of many simulations with the plain ones."""
    rows = [
        {"engine": engine.title, "samples": n_steps, "volume fraction": str(fraction)}
        | compared_variances(*_pressures(results))
        for engine in engines()
        for (n_steps, fraction), results in short_runs(studies, engine, quick)
        .results("n_steps", "volume_fraction")
        .items()
        if n_steps == max(N_STEPS)  # with fewer samples, there is no correction
    ]
    return [
        Table(
            "With and without the known temperature",
            "*variance* is that of the plain pressures of the simulations of the tables above, by "
            "that of the corrected ones: so many times longer simulations would be as exact "
            "without the correction. *shift* is what the correction changes on average, in "
            "percent; it should be nothing.",
            rows,
        )
    ]


def compared_variances(controlled: Any, plain: Any) -> dict[str, Any]:
    """Compare two estimates of the same numbers, as cells of a row.

    Parameters
    ----------
    controlled, plain : numpy.ndarray, shape (N,)
        The same repetitions.

    Returns
    -------
    dict
    """
    count = len(plain)
    ratio = np.var(plain, ddof=1) / np.var(controlled, ddof=1)
    correlation = np.corrcoef(plain, controlled)[0, 1]
    error = ratio * 2 * np.sqrt((1 - correlation**2) / (count - 1))
    shifts = controlled - plain
    shift, its_error = np.mean(shifts), np.std(shifts, ddof=1) / count**0.5
    percent = 100 / np.mean(plain)
    return {
        "repetitions": count,
        "variance": float(ratio),
        "its error": float(error),
        "shift": float(shift * percent),
        "shift's error": float(its_error * percent),
        Z: float(shift / its_error) if its_error else None,
    }


def _pressures(results: list[Result]) -> Any:
    return (
        np.array([result[name] for result in results]) for name in ("pressure", "pressure_plain")
    )
