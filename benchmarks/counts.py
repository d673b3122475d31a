"""What a simulation costs in counts, which no other load changes by much.

``python -m benchmarks.counts`` prints them beside those that are kept, ``--keep`` keeps them, and
``--check`` fails where one has grown by more than a fifth, as a test does.
"""

from __future__ import annotations

import json
import math
import os
import platform
import resource
import statistics
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import click
import distributed
import numpy as np

from . import calls, stand_in
from .contestants import ECHO, HERE, SHIPPED, Package, Task

# numbers of simulations, and seconds that each takes
_STAND_INS = (200, 0.0), (2_200, 0.0), (10, 8.0)
_REAL = 100, 400
_TRIALS = 3
_GROWTH = 1.2
KEPT = HERE / "counts.json"


def kind_of_machine() -> str:
    """Say for what counts hold: another Python makes other calls, other pages other faults."""
    python = ".".join(platform.python_version_tuple()[:2])
    page = os.sysconf("SC_PAGE_SIZE") // 1024
    return f"{platform.python_implementation()} {python}, {platform.machine()}, {page} KiB pages"


def counts() -> dict[str, float]:
    """Count what one simulation more costs."""
    return _calls_of_one() | _page_faults_of_one()


def _calls_of_one() -> dict[str, float]:
    """Give calls of functions of one simulation more.

    What is done by the clock is told apart by a run in which little else is done: else there would
    be more of it where the machine is busy, and a run takes longer.
    """
    runs = [_calls(count, seconds) for count, seconds in _STAND_INS]
    unknown = [[1.0, count, wall] for (count, _), (wall, _) in zip(_STAND_INS, runs, strict=True)]
    names = list(runs[0][1])
    _, of_one, _ = np.linalg.solve(unknown, [list(calls.values()) for _, calls in runs])
    return dict(zip(names, of_one.tolist(), strict=True))


def _page_faults_of_one() -> dict[str, float]:
    """Give the pages that all processes together are given for one simulation more."""
    few, many = (_page_faults(count) for count in _REAL)
    return {"page faults of all processes": (many - few) / (_REAL[1] - _REAL[0])}


def grown(
    kept: Mapping[str, float], count: Callable[[], Mapping[str, float]] = counts
) -> dict[str, float]:
    """Give what has grown by more than a fifth: the least of three trials.

    Parameters
    ----------
    kept : mapping
        Counts to compare with.
    count : callable
        Counts once.
    """
    least = dict.fromkeys(kept, math.inf)
    for _ in range(_TRIALS):
        now = count()
        least = {name: min(now[name], least[name]) for name in kept}
        if not any(least[name] > _GROWTH * kept[name] for name in kept):
            return {}
    return {name: number for name, number in least.items() if number > _GROWTH * kept[name]}


def _calls(count: int, seconds: float) -> tuple[float, dict[str, int]]:
    """Give the wall time of a run of so many stand-ins, and the calls of functions in it.

    They say that each has taken a second, and may take none: then nobody waits, and the number of
    looks whether there is news depends little on the machine.
    """
    task = Task(SHIPPED / "echo.py", "processed", {"seconds": seconds, "said": 1.0})
    with (
        tempfile.TemporaryDirectory(prefix="counts-") as times,
        tempfile.TemporaryDirectory(prefix="counts-") as directory,
    ):
        environment = {
            "PYTHONPATH": str(HERE.parent),
            "PYTHONHASHSEED": "0",
            "DASK_DISTRIBUTED__WORKER__PRELOAD": calls.__name__,
            stand_in.DIRECTORY: times,
            calls.DIRECTORY: directory,
        }
        run = Package(threads=10).run(task, count, environment=environment, module=calls.__name__)
        (driver,), (worker,) = (
            Path(directory).glob(f"*.{name}") for name in (calls.DRIVER, calls.WORKER)
        )
        return run.cost.wall, {
            "calls of functions in driver and scheduler": int(driver.read_text()),
            "calls of functions in the worker": int(worker.read_text()),
        }


def _page_faults(count: int) -> int:
    """Give the pages that all processes together were given where so many simulations run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt
    Package(threads=2).run(ECHO, count)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt - before


def kept_counts() -> dict[str, float]:
    """Give the counts that are kept for this kind of machine; none if there are none."""
    found: dict[str, dict[str, float]] = json.loads(KEPT.read_text())["counts"]
    return found.get(kind_of_machine(), {})


@click.command()
@click.option("--keep", is_flag=True, help="Keep them: the medians of three trials.")
@click.option("--check", is_flag=True, help="Only say what has grown, with status 1.")
def main(keep: bool, check: bool) -> None:
    """Count what a simulation costs, and compare it with what is kept."""
    # on one core it is always the same process that waits for the other
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    kept = kept_counts()
    if check:
        for name, number in (found := grown(kept)).items():
            click.echo(f"{number:,.0f} {name} a simulation, where {kept[name]:,.0f} are kept")
        raise SystemExit(bool(found))
    trials = [counts() for _ in range(_TRIALS if keep else 1)]
    now = {name: round(statistics.median(t[name] for t in trials)) for name in trials[0]}
    for name, number in now.items():
        click.echo(f"{number:8,} {name} a simulation; kept: {kept.get(name, 'nothing')}")
    if keep:
        everything = json.loads(KEPT.read_text())
        everything["counts"][kind_of_machine()] = now
        everything["distributed"] = distributed.__version__
        KEPT.write_text(json.dumps(everything, indent=2) + "\n")


if __name__ == "__main__":
    main()
