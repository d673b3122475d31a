"""Memory of a worker with many threads, and of many workers."""

from __future__ import annotations

from .contestants import HERE, OURS, Package, Task
from .report import Table
from .rounds import say

_MIB = 2**20


def benchmark(quick: bool) -> list[Table]:
    """Run simulations that sleep on workers of different shapes."""
    many = 3 if quick else 16
    task = Task(HERE / "simulations" / "busy.py", "seconds", {"seconds": 1.0, "spin": False})
    rows = []
    for n_workers, threads in (1, 1), (1, many), (many, 1):
        say(f"{n_workers} workers with {threads} threads")
        shape = Package(OURS.name, n_workers=n_workers, threads=threads)
        memory = shape.run(task, 3 * n_workers * threads, look_at_memory=True).cost.memory
        assert memory
        workers = memory.workers / _MIB
        row: dict[str, object] = {
            "worker processes": n_workers,
            "threads of each": threads,
            "seen": memory.n_workers,
            "workers in MiB": workers,
            "workers and simulations in MiB": memory.below / _MIB,
        }
        row["workers, ratio"] = workers / rows[0]["workers in MiB"] if rows else 1.0
        rows.append(row)
    return [
        Table(
            "Memory of workers",
            "Simulations that sleep for a second, three a thread. The largest memory that all "
            "worker processes together had at a time, and that of everything below the driver; "
            "what processes share is counted once (PSS).",
            rows,
        )
    ]
