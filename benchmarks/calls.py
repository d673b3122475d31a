"""Count the calls of functions in a driver and in its workers.

As a program, ``python -m benchmarks.calls WORDS…`` is ``dask-espresso WORDS…``; as a preload of
Dask workers it counts in them, and their simulations are stand-ins. Each process writes its number
into the directory that the variable ``CALLS`` names, when it ends.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from _lsprof import Profiler  # counts in C, and so many calls cost no more than twice the time
from pathlib import Path

from distributed import Worker

from . import stand_in

DIRECTORY = "CALLS"
DRIVER, WORKER = "driver", "worker"
_profilers: list[Profiler] = []


def start() -> None:
    """Begin, in this thread and in those that it starts."""
    if sys.version_info < (3, 12):  # from then on, it is in all of them
        threading.setprofile(_count_here)
    _count_here()


def _count_here(*_: object) -> None:
    _profilers.append(profiler := Profiler(subcalls=False))
    profiler.enable()


def write(name: str) -> None:
    """Write down how many calls there were."""
    calls = sum(entry.callcount for profiler in _profilers for entry in profiler.getstats())
    Path(os.environ[DIRECTORY], f"{os.getpid()}.{name}").write_text(str(calls))


def dask_setup(worker: Worker) -> None:
    """Begin in a worker."""
    stand_in.dask_setup(worker)
    for profiler in _profilers:  # the driver's, where this process was forked of it
        profiler.disable()
    _profilers.clear()
    start()


def dask_teardown(worker: Worker) -> None:
    """Write the number of a worker."""
    write(WORKER)


if __name__ == "__main__":
    from benchmarks import calls  # under the name by which workers know it
    from dask_espresso.__main__ import program

    calls.start()
    atexit.register(calls.write, DRIVER)
    program()
