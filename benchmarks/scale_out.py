"""How many slots one driver keeps busy: real Dask workers, simulations that only wait."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
import psutil

from . import stand_in
from .contestants import CORES, HERE, SHIPPED, Package, Task
from .measure import FailedError, measure, workers_of
from .report import Table
from .rounds import say

_DURATION, _SHORT = 30.0, 5.0  # seconds that a combination shall take
_FEWEST = 4  # simulations a slot, of which the first and the last do not count
_FULL = 0.9  # of a core, or of all: then there is not more to be had
_BUSY = 95.0  # %
_MOST_PROCESSES, _MOST_TASKS = 1_000, 300.0  # of a peer: at a time, and a second
_MIB = 2**20


@dataclass(frozen=True)
class Combination:
    """So many slots, and simulations that take so long.

    Attributes
    ----------
    slots : int
        Simulations that run at a time.
    seconds : float
        How long each takes.
    """

    slots: int
    seconds: float

    @property
    def rate(self) -> float:
        """Simulations a second if all slots were always busy."""
        return self.slots / self.seconds

    @property
    def workers(self) -> int:
        """Worker processes, with the same number of threads each."""
        return 4 if self.slots < 5_000 else 10

    def count(self, duration: float, rate: float = math.inf) -> int:
        """Say how many simulations take so long, where so many a second may be had at most."""
        return int(max(_FEWEST * self.slots, duration * min(rate, self.rate)))


@dataclass
class Use:
    """CPU time and memory while a driver runs, looked at again and again.

    Attributes
    ----------
    looks : list of tuple
        Time of the monotonic clock, CPU time of the driver's process, of its workers' processes,
        and of all that runs on these cores, each in seconds.
    memory : int
        The driver's largest resident memory, in bytes.
    """

    looks: list[tuple[float, float, float, float]] = field(default_factory=list)
    memory: int = 0

    def look(self, driver: psutil.Process) -> None:
        """Look once."""
        workers = sum(_cpu(worker) for worker in workers_of(driver))
        self.looks.append((time.monotonic(), _cpu(driver), workers, _cpu_of_machine()))
        self.memory = max(self.memory, driver.memory_info().rss)

    def between(self, begin: float, end: float) -> np.ndarray:
        """Give the CPU times of driver, workers and machine between two times, in seconds."""
        times, *used = np.array(self.looks).T
        return np.array([np.diff(np.interp((begin, end), times, cpu))[0] for cpu in used])


def _cpu(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


def _cpu_of_machine() -> float:
    cores = psutil.cpu_times(percpu=True)
    return float(sum(sum(one) - one.idle - one.iowait for one in cores))


@dataclass(frozen=True)
class Shown:
    """What a combination has shown between its first simulations and its last.

    Attributes
    ----------
    combination : Combination
        Which one.
    count : int
        Simulations in all.
    rate : float
        Simulations a second.
    busy : float
        Slots that were busy, in %.
    driver, workers : float
        CPU time of the driver, with its scheduler, and of all workers, in ms a simulation.
    driver_load, machine_load, others_load : float
        Cores that were busy with the driver's process, with everything on this machine, and with
        what is neither driver nor worker.
    latency : tuple of float
        From a simulation's end to the start of the next one in its slot, in ms: the median, and
        what 1 % exceed.
    memory : int
        The driver's largest resident memory, in bytes.
    """

    combination: Combination
    count: int
    rate: float
    busy: float
    driver: float
    workers: float
    driver_load: float
    machine_load: float
    others_load: float
    latency: tuple[float, float]
    memory: int

    @property
    def limit(self) -> str:
        """Say what kept slots idle; empty where hardly any was."""
        if self.busy >= _BUSY:
            return ""
        if self.machine_load > _FULL * CORES:
            return "the cores of this machine"
        return "the driver's one core" if self.driver_load > _FULL else "waiting"

    def row(self) -> dict[str, object]:
        """Give it as the table has it."""
        return {
            "slots": self.combination.slots,
            "seconds a simulation": self.combination.seconds,
            "simulations": self.count,
            "simulations a second": self.rate,
            "slots busy in %": self.busy,
            "driver in CPU ms a simulation": self.driver,
            "workers in CPU ms a simulation": self.workers,
            "end to next start in ms": self.latency[0],
            "99 %": self.latency[1],
            "driver in MiB": self.memory / _MIB,
            "cores busy with the driver": self.driver_load,
            f"with everything, of {CORES}": self.machine_load,
            "with what is not part of it": self.others_load,
            "limited by": self.limit or "–",
        }


def run(combination: Combination, count: int) -> Shown:
    """Run so many simulations in so many slots."""
    workers = combination.workers
    package = Package(n_workers=workers, threads=combination.slots // workers)
    task = Task(SHIPPED / "echo.py", "processed", {"seconds": combination.seconds})
    use = Use()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        environment = {
            "DASK_DISTRIBUTED__WORKER__PRELOAD": stand_in.__name__,
            "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")]),
            stand_in.DIRECTORY: directory,
        }
        package.run(task, count, environment=environment, look=use.look)
        return shown(combination, stand_in.times_in(Path(directory)), use)


def shown(combination: Combination, times: list[tuple[int, np.ndarray]], use: Use) -> Shown:
    """Say what a combination has shown, by the times of each worker's simulations."""
    slots = combination.slots
    together = np.concatenate([found for _, found in times])
    starts = np.sort(together["start"])
    begin, end = starts[slots], starts[-slots]
    length = end - begin
    in_window = np.clip(together["end"], begin, end) - np.clip(together["start"], begin, end)
    # parts of simulations count as parts: they come in waves, of which an edge would cut one
    run = (in_window / (together["end"] - together["start"])).sum()
    driver, workers, machine = use.between(begin, end)
    latencies = np.concatenate([_latencies(n, found, begin, end) for n, found in times])
    return Shown(
        combination,
        len(together),
        rate=run / length,
        busy=100 * in_window.sum() / (slots * length),
        driver=1e3 * driver / run,
        workers=1e3 * workers / run,
        driver_load=driver / length,
        machine_load=machine / length,
        others_load=(machine - driver - workers) / length,
        latency=tuple(1e3 * np.quantile(latencies, [0.5, 0.99])),
        memory=use.memory,
    )


def _latencies(slots: int, times: np.ndarray, begin: float, end: float) -> np.ndarray:
    """Give how long the slots of a worker were idle between two simulations, in seconds.

    A simulation takes the slot that has been free longest: which thread it is does not matter.
    """
    starts, ends = np.sort(times["start"])[slots:], np.sort(times["end"])[: -slots or None]
    return (starts - ends)[(starts >= begin) & (starts < end)]


def benchmark(quick: bool) -> list[Table]:
    """Run combinations of slots and lengths, those that ask for more simulations a second later."""
    slots, lengths = ((20,), (0.2, 1.0)) if quick else ((100, 1_000, 5_000), (0.2, 1.0, 10.0))
    all_of_them = [Combination(n, seconds) for n in slots for seconds in lengths]
    found: list[Shown] = []
    left_out: list[Combination] = []
    for combination in sorted(all_of_them, key=lambda one: (one.rate, one.slots)):
        limited = [one.rate for one in found if one.limit]
        if limited and combination.rate > 2 * max(limited):
            left_out.append(combination)
            continue
        rate = 1.2 * max(limited) if limited else math.inf
        count = combination.count(_SHORT if quick else _DURATION, rate)
        say(f"{combination.slots} slots, {combination.seconds:g} s, {count} simulations")
        found.append(run(combination, count))
    peer = [_row_of_peer(one.combination, quick=quick) for one in found]
    return [_table(found, left_out), _on_paper(found), _table_of_peer(peer)]


def _table(found: list[Shown], left_out: list[Combination]) -> Table:
    how = (
        "`dask-espresso run` on this machine, with real Dask workers, of which the simulations "
        "are stand-ins: each waits for so many seconds and gives what `echo` gives; so there are "
        "far more slots than cores. Everything else is done as ever. Workers: 4, or 10 where there "
        "are 5,000 slots. All figures are of the time from when each slot could have had its "
        "first simulation to when so many are left to start as there are slots. CPU times are "
        "those of the driver's process, with Dask's scheduler in it, and of all worker processes. "
        "A simulation follows the one that has left its worker's slots longest ago. There is no "
        "TLS between processes of one machine."
    )
    if left_out:
        best = max(one.rate for one in found if one.limit)
        named = _listed([f"{one.slots:,} slots of {one.seconds:g} s" for one in left_out])
        how += (
            f" Left out: {named}, which ask for more than twice the {best:,.0f} simulations a "
            "second that this machine has carried, with all workers on it."
        )
    return Table("Scale-out: slots that one driver keeps busy", how, [one.row() for one in found])


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _on_paper(found: list[Shown]) -> Table:
    """Work out how many cores a driver may feed that has a core, of which it uses half."""
    return Table(
        "Cores that one driver keeps 95 % busy, on paper",
        "Worked out from the table above, with the most slots of each length: so many cores need "
        "half a core of the driver, where simulations of one core each take so long. Those that "
        "take longer than what was tried are taken to cost the driver as much as the longest.",
        list(_paper_rows(found)),
    )


def _paper_rows(found: list[Shown]) -> Iterator[dict[str, object]]:
    lengths = sorted({one.combination.seconds for one in found})
    for seconds in [*lengths, 60.0, 600.0]:
        like = min(seconds, lengths[-1])
        of_it = [one for one in found if one.combination.seconds == like]
        most = max(of_it, key=lambda one: one.combination.slots)
        yield {
            "seconds a simulation": seconds,
            "driver in CPU ms a simulation": most.driver,
            "cores": round(0.5 * seconds / (1e-3 * most.driver) / (_BUSY / 100), -1),
        }


def _table_of_peer(rows: list[dict[str, object]]) -> Table:
    return Table(
        "Scale-out: HyperQueue on the same machine",
        "Tasks of HyperQueue's that are `sleep`, with its server and a worker in one process, from "
        "handing them in to their end, which it looks for once a second, so that up to a second of "
        "the time was idle. Other than the stand-ins above, each is a process, and its start is "
        "not in the CPU time of server and worker; nothing is kept of what they print.",
        rows,
    )


def _row_of_peer(combination: Combination, *, quick: bool) -> dict[str, object]:
    slots, seconds = combination.slots, combination.seconds
    row: dict[str, object] = {"slots": slots, "seconds a task": seconds}
    if not importlib.util.find_spec("hyperqueue"):
        return {**row, "tasks": "not installed"}
    if slots > _MOST_PROCESSES:
        return {**row, "tasks": "left out: too many processes"}
    count = combination.count(_SHORT if quick else _DURATION, _MOST_TASKS)
    say(f"HyperQueue: {slots} slots, {seconds:g} s, {count} tasks")
    program = HERE / "programs" / "hyperqueue_sleep.py"
    command = [sys.executable, str(program), *map(str, (slots, seconds, count))]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        try:
            measure(command, Path(directory))
        except FailedError as error:
            say(str(error))
            return {**row, "tasks": "failed"}
        shown = json.loads(Path(directory, "shown.json").read_text())
    return {
        **row,
        "tasks": count,
        "tasks a second": count / shown["wall"],
        "slots busy in %": 100 * count * seconds / (slots * shown["wall"]),
        "server and worker in CPU ms a task": 1e3 * shown["cpu"] / count,
        "tasks in CPU ms each": 1e3 * shown["cpu of tasks"] / count,
    }


@click.command()
@click.argument("slots", type=int)
@click.argument("seconds", type=float)
@click.argument("count", type=int, required=False)
def main(slots: int, seconds: float, count: int | None) -> None:
    """Run one combination, and print its figures in a line."""
    combination = Combination(slots, seconds)
    count = count or max(_FEWEST * slots, min(combination.count(_DURATION), 10_000))
    if count < 3 * slots or slots % combination.workers:
        raise click.UsageError(
            f"slots are to be a multiple of {combination.workers}, simulations three times as many"
        )
    found = run(combination, count)
    cells = (f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
             for name, value in found.row().items())  # fmt: skip
    click.echo("; ".join(cells))


if __name__ == "__main__":
    main()
