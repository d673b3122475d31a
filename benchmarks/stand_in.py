"""A preload of Dask workers: simulations that only wait, and tell when.

A worker does all that it does for any simulation, but starts no process for it.
``DASK_DISTRIBUTED__WORKER__PRELOAD`` names this module, and ``STAND_IN_TIMES`` a directory: each
worker writes into a file there when its simulations have begun and ended.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from distributed import Worker

from dask_espresso.outcome import Outcome
from dask_espresso.process.machine import host_name
from dask_espresso.process.order import Order, Workload
from dask_espresso.process.simulator import Simulator

DIRECTORY = "STAND_IN_TIMES"
TIMES = np.dtype([("start", float), ("end", float)])  # seconds of the monotonic clock


def dask_setup(worker: Worker) -> None:
    """Have the simulations of this worker wait for their parameter ``seconds``.

    Where they have a parameter ``said``, that is what they say to have taken.
    """
    path = Path(os.environ[DIRECTORY], f"{os.getpid()}.{worker.state.nthreads}")
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def simulate(
        self: Simulator,
        workload: Workload,
        order: Order,
        on_output: Callable[[bytes], None] | None = None,
    ) -> Outcome:
        outcome = order.outcome(workload)
        outcome.started = time.time()
        start = time.monotonic()
        time.sleep(order.parameters["seconds"])
        end = time.monotonic()
        # at once, as a worker may be killed at the end; two threads never mix what they append
        os.write(file, np.array((start, end), TIMES).tobytes())
        _fill(outcome, order, order.parameters.get("said", end - start))
        return outcome

    Simulator.simulate = simulate


def _fill(outcome: Outcome, order: Order, elapsed_time: float) -> None:
    """Give an outcome what one of ``echo`` has."""
    outcome.result = {**order.script_parameters, "processed": True}
    outcome.exit_code = 0
    outcome.host = host_name()
    outcome.elapsed_time, outcome.cpu_time = elapsed_time, 0.001
    outcome.peak_memory = 10_000_000
    outcome.start_method = "forked"
    outcome.engine_version = "stand-in"


def times_in(directory: Path) -> list[tuple[int, np.ndarray]]:
    """Give, for each worker, how many slots it has, and the times of its simulations."""
    return [
        (int(path.suffix[1:]), np.fromfile(path, TIMES)) for path in sorted(directory.iterdir())
    ]
