"""How long the command line takes to say what it can do."""

from __future__ import annotations

import statistics
import sys
import sysconfig
import tempfile
from pathlib import Path

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
        )
    ]
