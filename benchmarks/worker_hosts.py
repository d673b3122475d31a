"""A stand-in for a Slurm whose jobs are Dask workers in few processes, so that there can be many.

The programs keep a folder: a job is a file in ``queue``, named by its id, of which the only line is
what ``squeue`` prints of it; its script is in ``scripts``. The hosts look there, and once there is
a file ``go`` they run the worker of each job for as long as the job is in the queue, with stand-ins
for simulations. Usage:
``python -m benchmarks.worker_hosts FOLDER NUMBER HOSTS``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import shlex
import sys
import time
from pathlib import Path

import dask
from distributed import Security, Worker

from . import stand_in

PROGRAMS = {
    "sbatch": r"""
        sleep $SUBMISSION
        n=$(($(cat count) + 1))
        cp "$1" scripts/$n
        name=$(sed -n 's/^#SBATCH -J //p' "$1")
        echo "$n|PD|$name|Priority" > .new
        mv .new queue/$n
        echo $n > count
        echo "Submitted batch job $n"
    """,
    "squeue": "cat queue/* 2> /dev/null; echo look >> calls; exit 0",
    "scancel": 'echo cancel >> calls; cd queue; rm -f "$@"',
}
_QUIET = {
    "worker.profile.enabled": False,
    "admin.tick.interval": "10s",
    "admin.system-monitor.interval": "10s",
    "worker.memory.target": False,
    "worker.memory.spill": False,
    "worker.memory.pause": False,
    "worker.memory.terminate": False,
}
_INTERVAL = 0.2  # seconds between looks at the queue


def make_batch_system(folder: Path, submission: float) -> dict[str, str]:
    """Write the programs, and give the environment in which they are found.

    Parameters
    ----------
    folder : Path
        For jobs.
    submission : float
        How long ``sbatch`` takes at least, in seconds.
    """
    programs = folder / "programs"
    for path in (programs, folder / "queue", folder / "scripts", folder / "times"):
        path.mkdir(parents=True)
    (folder / "count").write_text("0\n")
    for log in ("calls", "came"):
        (folder / log).touch()
    for name, text in PROGRAMS.items():
        program = programs / name
        program.write_text(f"#!/bin/sh\ncd {shlex.quote(str(folder))}\n{text}")
        program.chmod(0o755)
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    return {"PATH": path, "SUBMISSION": str(submission), stand_in.DIRECTORY: str(folder / "times")}


def worker_of(script: str) -> Worker:
    """Make the worker that a job script starts."""
    words = shlex.split(script.strip().splitlines()[-1])
    address = words[words.index("distributed.cli.dask_worker") + 1]
    options = dict(re.findall(r"--([\w-]+) ([^-]\S*)", shlex.join(words)))
    security = Security(
        require_encryption=True,
        tls_ca_file=options["tls-ca-file"],
        tls_worker_cert=options["tls-cert"],
        tls_worker_key=options["tls-key"],
    )
    return Worker(
        address,
        name=options["name"],
        nthreads=int(options["nthreads"]),
        security=security,
        memory_limit=0,
        dashboard=False,
        host="127.0.0.1",
        protocol="tls",
    )


async def host(folder: Path, number: int, hosts: int) -> None:
    """Run the workers of every so many-th job, for ever."""
    workers: dict[str, Worker] = {}
    beginnings: dict[str, asyncio.Task[None]] = {}

    async def begin(job: str) -> None:
        worker = worker_of((folder / "scripts" / job).read_text())
        if not workers:  # what it does holds for all of this process
            stand_in.dask_setup(worker)
        workers[job] = worker
        await worker
        with (folder / "came").open("a") as came:
            came.write(f"{job} {time.monotonic()}\n")

    while True:
        jobs = {path.name for path in (folder / "queue").iterdir()}
        jobs = {job for job in jobs if int(job) % hosts == number}
        waiting = sorted(jobs - beginnings.keys(), key=int) if (folder / "go").exists() else []
        for job in waiting:
            _runs(folder, job)
            beginnings[job] = asyncio.create_task(begin(job))
        for job in beginnings.keys() - jobs:
            del beginnings[job]
            if worker := workers.pop(job, None):
                _closing.add(asyncio.create_task(worker.close(executor_wait=False, nanny=False)))
        await asyncio.sleep(_INTERVAL)


def _runs(folder: Path, job: str) -> None:
    """Have the queue say that a job runs."""
    with contextlib.suppress(FileNotFoundError):  # cancelled just now
        queued, new = folder / "queue" / job, folder / f".{job}"
        new.write_text(queued.read_text().replace("|PD|", "|R|").replace("|Priority", "|None"))
        if queued.exists():
            new.rename(queued)


_closing: set[asyncio.Task[None]] = set()

if __name__ == "__main__":
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    folder, *numbers = sys.argv[1:]
    with dask.config.set({f"distributed.{name}": value for name, value in _QUIET.items()}):
        asyncio.run(host(Path(folder), *map(int, numbers)))
