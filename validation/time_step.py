"""The error of the time step, and the pressure without one."""

from __future__ import annotations

from typing import Any

from benchmarks.report import Table

from .comparison import Z, chi_squared, sigmas, written
from .extrapolation import fitted
from .known import GOLDEN, GOLDEN_PARTICLES, Value
from .studies import Studies, engines

_TIME_STEPS = (0.02, 0.01, 0.005)
_SHOWN = 0.01  # for which the error is given


def check(studies: Studies, quick: bool) -> list[Table]:
    """Extrapolate to no time step, with an error that is quadratic in it."""
    rows = []
    for engine in engines():
        store = studies.run(
            "time_step",
            engine,
            replicas=2 if quick else 3,
            n_particles=GOLDEN_PARTICLES,
            n_steps=2000 if quick else 16_000,
            time_step=list(_TIME_STEPS),
            volume_fraction=[0.45] if quick else list(GOLDEN),
        )
        found = store.pooled("pressure", "volume_fraction", "time_step")
        for fraction in dict.fromkeys(fraction for fraction, _ in found):
            values = {step: found[fraction, step] for step in _TIME_STEPS}
            where = {"engine": engine.title, "volume fraction": str(fraction)}
            rows.append(where | extrapolated(values, GOLDEN[fraction]))
    return [
        Table(
            "Time step",
            "Pressure at three time steps, a fit of a constant and the time step's square, and "
            "what the fit says of the error at 0.01, in percent. z compares the constant with the "
            "golden value; chi squared is that of the fit.",
            rows,
        )
    ]


def extrapolated(values: dict[float, Value], golden: Value) -> dict[str, Any]:
    """Extrapolate to no time step, as cells of a row."""
    fit = fitted(list(values), list(values.values()), powers=(0, 2))
    constant, slope = fit.coefficients
    percent = 100 * _SHOWN**2 / constant.mean
    return {
        **{f"at {step}": written(value) for step, value in values.items()},
        "at 0": written(constant),
        f"error at {_SHOWN} in %": written(Value(slope.mean * percent, slope.sem * percent)),
        "golden value": written(golden),
        Z: sigmas(constant, golden),
        **chi_squared(fit.zs, fit.n_fitted),
        "numbers": [*constant[:2], *slope[:2]],
    }
