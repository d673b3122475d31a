"""The WCA fluid of the original sample: engine against engine, and against what is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.report import Table

from .comparison import Z, chi_squared, compared
from .known import GOLDEN, GOLDEN_PARTICLES, Value
from .studies import ESPRESSO, Engine, Store, Studies, engines

RESULTS = ("pressure", "pressure_plain", "energy")
_EXACT = Value(1.0, 0.0)  # kT


def long_runs(studies: Studies, engine: Engine, quick: bool) -> Store:
    """Run the fluid long enough that its errors are some hundredths of a percent."""
    return studies.run(
        "fluid",
        engine,
        replicas=2 if quick else 8,
        n_particles=GOLDEN_PARTICLES,
        n_steps=5000 if quick else 16_000,
        volume_fraction=[0.1, 0.3, 0.45] if quick else [0.1, 0.2, 0.3, 0.4, 0.45],
    )


def curves(studies: Studies, quick: bool) -> dict[str, dict[float, Value]]:
    """Give the pressures of these by engine and volume fraction."""
    return {
        engine.title: {
            fraction: value
            for (fraction,), value in long_runs(studies, engine, quick)
            .pooled("pressure", "volume_fraction")
            .items()
        }
        for engine in engines()
    }


def check(studies: Studies, quick: bool) -> list[Table]:
    """Compare engines with each other, and with golden values."""
    stores = {engine.title: long_runs(studies, engine, quick) for engine in engines()}
    groups = {}
    for title, store in stores.items():
        groups[title, "golden values"] = _with_golden_values(title, store)
        groups[title, "kT"] = _with_temperature(title, store)
    if len(stores) == 2:
        for result in RESULTS:
            groups[result, "both engines"] = _with_each_other(result, stores)
    sums = [
        {"what": what, "against": other} | chi_squared(row[Z] for row in rows)
        for (what, other), rows in groups.items()
    ]
    rows = [row for of_group in groups.values() for row in of_group]
    if ESPRESSO.title not in stores:
        rows.append({"engine": "ESPResSo", "value": "not tried: PYPRESSO is not set"})
    return [
        Table(
            "Both engines, and what is known",
            f"{GOLDEN_PARTICLES} WCA particles, with the scripts' defaults. z is the difference "
            "from the reference in its standard errors, those of both sides together. Golden "
            "values are for no time step.",
            rows,
        ),
        Table(
            "Their chi squared", "Sums of the squares of z, and the chance of larger ones.", sums
        ),
    ]


def _with_golden_values(title: str, store: Store) -> list[dict[str, Any]]:
    found = store.pooled("pressure", "volume_fraction")
    return [
        compared(_where(title, "pressure", fraction), found[fraction,], golden, "golden value")
        for fraction, golden in GOLDEN.items()
    ]


def _with_temperature(title: str, store: Store) -> list[dict[str, Any]]:
    found = store.pooled("temperature", "volume_fraction")
    return [
        compared(_where(title, "temperature", fraction), value, _EXACT, "kT")
        for (fraction,), value in found.items()
    ]


def _with_each_other(result: str, stores: Mapping[str, Store]) -> list[dict[str, Any]]:
    (title, one), (other, another) = (
        (title, store.pooled(result, "volume_fraction")) for title, store in stores.items()
    )
    return [
        compared(_where(title, result, fraction), value, another[fraction,], other)
        for (fraction,), value in one.items()
    ]


def _where(title: str, result: str, fraction: float) -> dict[str, Any]:
    return {"engine": title, "result": result, "volume fraction": str(fraction)}
