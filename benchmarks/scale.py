"""From 1,000 simulations to 100,000: time, memory, size of the store."""

from __future__ import annotations

from .contestants import CORES, ECHO, OURS, Run
from .report import Table
from .rounds import say

_MIB = 2**20


def benchmark(quick: bool) -> list[Table]:
    """Run more and more simulations that do nothing."""
    runs = []
    for count in (50, 200) if quick else (1_000, 10_000, 100_000):
        say(f"{count} simulations")
        runs.append(OURS.run(ECHO, count, look_at_memory=True))
    return [
        Table(
            "From few simulations to many",
            "The simulation of the first table, with `dask-espresso run` from beginning to end, "
            "its start included. Memory is the largest that was resident: of the driver, with "
            f"Dask's scheduler in it, and of the worker, which has {CORES} threads. What the "
            "driver has more than in the first row is also given for each simulation more.",
            [_row(run, runs[0]) for run in runs],
        )
    ]


def _row(run: Run, first: Run) -> dict[str, object]:
    memory, before = run.cost.memory, first.cost.memory
    assert memory
    assert before
    more = run.count - first.count
    return {
        "simulations": run.count,
        "wall in ms a simulation": 1e3 * run.cost.wall / run.count,
        "CPU in core-ms a simulation": 1e3 * run.cost.cpu / run.count,
        "driver in MiB": memory.driver / _MIB,
        "ratio": memory.driver / before.driver,
        "bytes a simulation more": (memory.driver - before.driver) / more if more else None,
        "worker in MiB": memory.largest_worker / _MIB,
        "store in bytes a simulation": run.store_size / run.count,
    }
