"""The full, attractive Lennard-Jones fluid, beside its equations of state."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.report import Table

from .comparison import Z, chi_squared, compared
from .known import LENNARD_JONES, Fluid
from .studies import ESPRESSO, LAMMPS, Engine, Studies, engines

_REPLICAS = {LAMMPS: 8, ESPRESSO: 2}  # of which one takes four times as long


def check(studies: Studies, quick: bool) -> list[Table]:
    """Compare pressures with those of the equations of state."""
    fluids = LENNARD_JONES[:1] if quick else LENNARD_JONES
    of_engines = {
        engine.title: [_row(studies, engine, fluid, quick) for fluid in fluids]
        for engine in engines()
    }
    sums = [
        {"engine": title} | chi_squared(row[Z] for row in rows)
        for title, rows in of_engines.items()
    ]
    return [
        Table(
            "Lennard-Jones fluid",
            "A cutoff of 3, and corrections for what is beyond it. The reference is where the "
            "equations of state of Kolafa and Nezbeda and of Thol et al. agree, to 0.2 %.",
            [row for rows in of_engines.values() for row in rows],
        ),
        Table("Its chi squared", "", sums),
    ]


def _row(studies: Studies, engine: Engine, fluid: Fluid, quick: bool) -> dict[str, Any]:
    store = studies.run(
        f"lennard_jones_{fluid.kt:g}_{fluid.density:g}".replace(".", ""),
        engine,
        replicas=2 if quick else _REPLICAS[engine],
        n_particles=256 if quick else 500,
        n_steps=500 if quick else 1500,
        volume_fraction=round(fluid.density * math.pi / 6, 12),
        kT=fluid.kt,
        cutoff=3.0,
        shift=False,
    )
    (value,) = store.pooled("pressure").values()
    where = {"engine": engine.title, "kT": str(fluid.kt), "density": str(fluid.density)}
    return compared(where, value, fluid.pressure, "equations of state")
