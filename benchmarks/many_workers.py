"""Many worker jobs of one driver: how they come, how they leave, and what they cost it.

Usage: ``python -m benchmarks.many_workers JOBS``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
import psutil
import yaml

from . import stand_in
from .contestants import HERE, SHIPPED
from .worker_hosts import make_batch_system

_SLOTS = 2
_MOST_HOSTS, _FEW_JOBS = 4, 3  # processes that hold workers; each has that many jobs first
_STEADY = 6  # simulations, one after the other, between all have come and all are cancelled
_PATIENCE = 600.0  # seconds for what is waited for
_MIB = 2**20


@dataclass
class Watch:
    """A driver and its batch system, looked at again and again.

    Attributes
    ----------
    folder : Path
        The batch system's.
    driver : psutil.Process
        Whose it is.
    looks : list of tuple
        Time, CPU time of the driver in seconds, jobs submitted, workers that came, calls.
    files, memory : int
        The most that the driver had open, and its largest resident memory, in bytes.
    """

    folder: Path
    driver: psutil.Process
    looks: list[tuple[float, ...]] = field(default_factory=list)
    files: int = 0
    memory: int = 0

    def until(self, is_enough: Callable[[], bool], limit: float = _PATIENCE) -> None:
        """Look until something is so, or the driver is gone."""
        end = time.monotonic() + limit
        with contextlib.suppress(psutil.Error):  # of one that has ended
            while self.driver.num_fds() and time.monotonic() < end:
                self.look()
                if is_enough():
                    break
                time.sleep(0.2)

    def look(self) -> None:
        """Look once."""
        used = self.driver.cpu_times()
        self.looks.append(
            (time.monotonic(), used.user + used.system, self.submitted, self.came, self.calls)
        )
        self.files = max(self.files, self.driver.num_fds())
        self.memory = max(self.memory, self.driver.memory_info().rss)

    @property
    def submitted(self) -> int:
        """How many jobs were submitted."""
        return int((self.folder / "count").read_text() or 0)

    @property
    def came(self) -> int:
        """How many workers have registered."""
        return (self.folder / "came").read_bytes().count(b"\n")

    @property
    def calls(self) -> int:
        """How often squeue and scancel were called."""
        return (self.folder / "calls").read_bytes().count(b"\n")

    def describe(self, what: str, begin: int) -> str:
        """Say what has happened since a look."""
        (time_0, cpu_0, *before), (time_1, cpu_1, *after) = self.looks[begin], self.looks[-1]
        submitted, came, calls = (int(b - a) for a, b in zip(before, after, strict=True))
        return (
            f"{what}: {time_1 - time_0:.1f} s, {cpu_1 - cpu_0:.1f} s of the driver's CPU time; "
            f"{submitted} submitted, {came} came, {calls} calls of squeue and scancel"
        )


def run(jobs: int, submission: float, seconds: float) -> Iterator[str]:
    """Have so many jobs come, leave, come again and end, and say what that has taken."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name, contextlib.ExitStack() as stack:
        directory = Path(name)
        folder = directory / "slurm"
        environment = {**os.environ, **make_batch_system(folder, submission)}
        environment["PYTHONPATH"] = str(HERE.parent)
        hosts = min(_MOST_HOSTS, max(1, jobs // _FEW_JOBS))
        for number in range(hosts):
            stack.callback(_end, _host(folder, number, hosts, environment))
        process = _driver(directory, jobs, seconds, environment)
        stack.callback(_end, process)
        watch = Watch(folder, psutil.Process(process.pid))
        watch.look()
        watch.until(lambda: watch.submitted >= jobs)
        yield watch.describe("until all jobs were submitted", 0)
        begin = len(watch.looks) - 1
        (folder / "go").touch()
        watch.until(lambda: watch.came >= jobs)
        yield watch.describe("then, until all workers had come", begin)
        begin, came_at = len(watch.looks) - 1, time.monotonic()
        watch.until(lambda: time.monotonic() > came_at + _STEADY * seconds)
        yield watch.describe("of steady work", begin)
        busy = _busy(folder, jobs, came_at, time.monotonic() - seconds)
        yield f"slots busy meanwhile: {busy:.0f} %"
        yield from _status(directory)

        begin, before = len(watch.looks) - 1, watch.came
        for job in (folder / "queue").iterdir():
            job.unlink()
        watch.until(lambda: watch.came >= before + jobs)
        yield watch.describe("all cancelled from outside, until as many had come again", begin)

        process.send_signal(signal.SIGINT)
        begin = len(watch.looks) - 1
        stopped = time.monotonic()
        watch.until(lambda: process.poll() is not None)
        status = process.wait(_PATIENCE)
        yield f"end: {time.monotonic() - stopped:.1f} s, status {status}; " + (
            watch.describe("until the last look", begin)
        )
        left = len(list((folder / "queue").iterdir()))
        yield f"driver: {watch.files} open files, {watch.memory / _MIB:.0f} MiB; {left} jobs left"
        said = (directory / "output.txt").read_text(errors="replace").splitlines()
        yield f"it said {len(said)} lines, such as:"
        yield from [*said[:5], "…", *said[-5:]]


def _host(
    folder: Path, number: int, hosts: int, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.worker_hosts", *map(str, (folder, number, hosts))]
    with (folder / f"host-{number}.txt").open("wb") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output)


def _driver(
    directory: Path, jobs: int, seconds: float, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    study = {
        "name": "many",
        "engine": "python",
        "script": str(SHIPPED / "echo.py"),
        "parameters": {"seconds": seconds, "i": {"start": 0, "stop": 200_000, "step": 1}},
    }
    options = {"cores": _SLOTS, "memory": "1 GB", "walltime": "10:00:00", "interface": "lo"}
    profile = {"cluster": "slurm", "jobs": jobs, "options": options}
    for name, content in (("study", study), ("profile", profile)):
        (directory / f"{name}.yaml").write_text(yaml.safe_dump(content))
    command = [sys.executable, "-m", "dask_espresso", "run", "study.yaml"]
    with (directory / "output.txt").open("wb") as output:
        return subprocess.Popen(
            [*command, "--profile", "profile.yaml"], cwd=directory, env=environment,
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip


def _status(directory: Path) -> Iterator[str]:
    began = time.monotonic()
    command = [sys.executable, "-m", "dask_espresso", "status", "many.h5"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    roster = directory / "many.h5.jobs"
    size = roster.stat().st_size if roster.exists() else 0
    yield f"status: {time.monotonic() - began:.1f} s, of a roster of {size} bytes:"
    yield from (done.stdout + done.stderr).splitlines()


def _busy(folder: Path, jobs: int, begin: float, end: float) -> float:
    """Say how many slots were busy, in %, in a time of which all simulations have ended."""
    times = np.concatenate([found for _, found in stand_in.times_in(folder / "times")])
    run = np.clip(times["end"], begin, end) - np.clip(times["start"], begin, end)
    return float(100 * run.sum() / (_SLOTS * jobs * (end - begin)))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


@click.command()
@click.argument("jobs", type=int)
@click.option("--submission", default=0.1, help="Seconds that sbatch takes at least.")
@click.option("--seconds", default=10.0, help="That a simulation takes.")
def main(jobs: int, submission: float, seconds: float) -> None:
    """Run it with so many JOBS."""
    for line in run(jobs, submission, seconds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
