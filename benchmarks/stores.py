"""Stores of few and of many simulations: filling them, and looking at them.

``python -m benchmarks.stores COUNT`` fills one, in the directory where it is started.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import resource
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from dask_espresso import load_study
from dask_espresso.inputs.study import Simulation
from dask_espresso.outcome import Outcome, Status
from dask_espresso.record import pack
from dask_espresso.store.store import Entry, open_store

from .measure import measure
from .report import Table
from .rounds import say

_PROGRAM = str(Path(sysconfig.get_path("scripts"), "dask-espresso"))
_XARRAY = (
    "import time, xarray; from xarray.backends import H5netcdfBackendEntrypoint as _; "
    "started = time.perf_counter(); data = xarray.open_dataset('s.h5', engine='h5netcdf'); "
    "data['peak_memory'].mean().item(); print(time.perf_counter() - started)"
)
_COMMANDS = {
    "`status`": ["status", "s.h5"],
    "`show`": ["show", "s.h5"],
    "`failures`": ["failures", "s.h5"],
    "`export` to .csv": ["export", "s.h5", "s.csv"],
    "`export` to .parquet": ["export", "s.h5", "s.parquet"],
    "`run`, complete": ["run", "s.yaml"],
}
_TOGETHER = 500  # outcomes that are recorded together
_MIB = 2**20


def benchmark(quick: bool) -> list[Table]:
    """Fill stores with outcomes as `echo` gives them, and look at them."""
    counts = (500,) if quick else (10_000, 100_000, 1_000_000)
    filled, looks = [], []
    for count in counts:
        say(f"{count} outcomes")
        with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
            filled.append(_filled(Path(name), count))
            looks += _looks(Path(name), count)
    return [
        Table(
            "Filling a store",
            "Outcomes as `echo` gives them, without the simulations: recorded 500 at a time, as "
            "fast as they are taken, and published as a driver does. A pause is the longest time "
            "in which a driver could send nothing because of that. Memory is the largest that was "
            "resident, with the study and the ids; the process beside it builds the HDF5 file.",
            filled,
        ),
        Table(
            "Looking at a store",
            "The commands from beginning to end, and `xarray.open_dataset` with the mean of one "
            "variable, without its imports.",
            looks,
        ),
    ]


def _filled(directory: Path, count: int) -> dict[str, object]:
    parameters = {"i": {"start": 0, "stop": count - 1, "step": 1}}
    study = {"name": "s", "engine": "python", "script": "echo", "parameters": parameters}
    (directory / "s.yaml").write_text(yaml.safe_dump(study))
    root = Path(__file__).resolve().parents[1]
    cost = measure(
        [sys.executable, "-m", f"{__package__}.stores", str(count)], directory,
        {"PYTHONPATH": str(root)},
    )  # fmt: skip
    found = json.loads((directory / "output.txt").read_text())
    return {
        "outcomes": count,
        "wall in µs an outcome": 1e6 * cost.wall / count,
        "longest pause in s": found["pause"],
        "published at the end, in s": found["end"],
        "driver in MiB": found["memory"] / _MIB,
        "beside it in MiB": found["beside"] / _MIB,
        "bytes an outcome": (directory / "s.h5").stat().st_size / count,
    }


def _looks(directory: Path, count: int) -> Iterator[dict[str, object]]:
    for name, words in _COMMANDS.items():
        cost = measure([_PROGRAM, *words], directory, look_at_memory=True)
        assert cost.memory
        memory = cost.memory.driver / _MIB or None  # it may have been too quick for a look
        yield {"outcomes": count, "what": name, "wall in s": cost.wall, "MiB": memory}
    cost = measure([sys.executable, "-c", _XARRAY], directory, look_at_memory=True)
    assert cost.memory
    wall = float((directory / "output.txt").read_text())
    memory = cost.memory.driver / _MIB or None
    yield {"outcomes": count, "what": "xarray", "wall in s": wall, "MiB": memory}


# ---- in a process of its own ---------------------------------------------------------------------


def _entries(count: int, script_hash: str, simulations: Iterator[Simulation]) -> Iterator[Entry]:
    draw = random.Random(1)
    for simulation in simulations:
        outcome = Outcome(
            id=simulation.id, parameters=simulation.parameters, seed=simulation.seed,
            result={**simulation.parameters, "replica": 0, "seed": simulation.seed,
                    "processed": True},
            exit_code=0, log="\n", host=f"node{draw.randrange(20)}",
            started=1.8e9 + draw.random() * count, elapsed_time=draw.gauss(0.003, 0.0003),
            cpu_time=round(draw.gauss(0.003, 0.0002), 6), n_ranks=1,
            peak_memory=14_217_216 + 4096 * draw.randrange(100), start_method="forked",
            engine="python", engine_version="Python 3.11.7", script_hash=script_hash, unread=[],
            code_hash=script_hash[:16],
        )  # fmt: skip
        yield Entry(outcome.id, Status.DONE, pack(outcome))


def main() -> None:
    """Fill a store, and say how that went."""
    count = int(sys.argv[1])
    study, pause = load_study("s.yaml"), 0.0
    with open_store(Path("s.h5"), study) as store:
        entries = _entries(count, study.script_hash, study.simulations())
        for _ in range(math.ceil(count / _TOGETHER)):
            store.record(list(itertools.islice(entries, _TOGETHER)))
            started = time.perf_counter()
            store.publish_beside()
            pause = max(pause, time.perf_counter() - started)
        started = time.perf_counter()
        store.publish()
        end = time.perf_counter() - started
    memory, beside = (
        1024 * resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(json.dumps({"pause": pause, "end": end, "memory": memory, "beside": beside}))


if __name__ == "__main__":
    main()
