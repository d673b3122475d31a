"""How long the command line takes to say what it can do, and a run to its first simulation."""

from __future__ import annotations

import statistics
import sys
import sysconfig
import tempfile
from pathlib import Path

from .contestants import ECHO, OURS, Run
from .measure import Cost, measure
from .report import Table

_PROGRAM = str(Path(sysconfig.get_path("scripts"), "dask-espresso"))
_COMMANDS = {
    "`python -c pass`": [sys.executable, "-c", "pass"],
    '`python -c "import distributed"`': [sys.executable, "-c", "import distributed"],
    "`dask-espresso --version`": [_PROGRAM, "--version"],
    "`dask-espresso --help`": [_PROGRAM, "--help"],
}


def benchmark(quick: bool) -> list[Table]:
    """Start commands that do nothing, in turns."""
    costs: dict[str, list[Cost]] = {name: [] for name in _COMMANDS}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        for number in range(-1, 1 if quick else 20):
            for name, command in _COMMANDS.items():
                cost = measure(command, Path(directory))
                if number >= 0:  # the first round fills the page cache
                    costs[name].append(cost)
    few = 1 if quick else 5
    runs = [OURS.run(ECHO, 100 if quick else 1000) for _ in range(few)]
    wall = {name: statistics.median(cost.wall for cost in costs[name]) for name in costs}
    nothing, distributed, *_ = wall.values()
    return [
        Table(
            "Start-up of the command line",
            f"Medians of {len(costs['`python -c pass`'])} rounds.",
            [
                {
                    "command": name,
                    "wall in ms": 1e3 * wall[name],
                    "CPU in core-ms": 1e3 * statistics.median(cost.cpu for cost in costs[name]),
                    "ratio to pass": wall[name] / nothing,
                    "ratio to import distributed": wall[name] / distributed,
                }
                for name in costs
            ],
        ),
        _first_simulation(runs, nothing, distributed),
    ]


def _first_simulation(runs: list[Run], nothing: float, distributed: float) -> Table:
    seconds = {
        "its first simulation starts": statistics.median(run.first_start for run in runs),
        "its first simulation has ended": statistics.median(run.first_end for run in runs),
    }
    return Table(
        "Start-up of a run",
        f"From `dask-espresso run`, of {runs[0].count:,} simulations that do nothing, on this "
        f"machine. Medians of {len(runs)} rounds.",
        [
            {
                "until": name,
                "wall in ms": 1e3 * wall,
                "ratio to `python -c pass`": wall / nothing,
                "ratio to import distributed": wall / distributed,
            }
            for name, wall in seconds.items()
        ],
    )
