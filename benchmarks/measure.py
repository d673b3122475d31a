"""What a command costs: wall time, CPU time of all that it starts, memory of its processes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import resource
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_PR_SET_CHILD_SUBREAPER = 36
_PATIENCE = 10  # seconds that what a command has left behind may take to end by itself
_WORKER = re.compile(r"spawn_main|dask worker")  # the latter once it has named itself
_INTERVAL = 0.5  # seconds between looks at memory


Look = Callable[[psutil.Process], object]


class FailedError(RuntimeError):
    """A command that did not end well; the message has the end of its output."""


@dataclass(frozen=True)
class Cost:
    """What a command has cost.

    Attributes
    ----------
    wall, cpu : float
        In seconds; the CPU time of its whole process tree.
    memory : Memory or None
        Where it was looked at.
    """

    wall: float
    cpu: float
    memory: Memory | None = None


@dataclass
class Memory:
    """Peaks of memory, in bytes.

    Attributes
    ----------
    driver : int
        Largest resident memory of the command's own process (VmHWM).
    largest_worker : int
        The same of that of its Dask workers which has most.
    workers : int
        Of all Dask workers together, what they do not share counted once (PSS).
    below : int
        The same of all processes that the command has started, simulations included.
    n_workers : int
        The most Dask workers that were seen.
    """

    driver: int = 0
    largest_worker: int = 0
    workers: int = 0
    below: int = 0
    n_workers: int = 0
    _resident: dict[int, int] = field(default_factory=dict, repr=False)

    def look(self, root: psutil.Process) -> None:
        """Look at all processes once, and keep what is larger than before."""
        self.driver = max(self.driver, _peak_resident(root.pid))
        direct = {worker.pid for worker in workers_of(root)}
        workers = below = n_workers = 0
        for process in root.children(recursive=True):
            with contextlib.suppress(psutil.Error, OSError):
                size = process.memory_full_info().pss
                below += size
                if process.pid in direct:
                    workers += size
                    n_workers += 1
                    self.largest_worker = max(self.largest_worker, _peak_resident(process.pid))
        self.workers, self.below = max(self.workers, workers), max(self.below, below)
        self.n_workers = max(self.n_workers, n_workers)


def _peak_resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0  # a process that has ended, but is not reaped


def measure(
    command: Sequence[str],
    directory: Path,
    environment: Mapping[str, str] | None = None,
    *,
    look_at_memory: bool = False,
    look: Look | None = None,
    time_limit: float = 4 * 3600,
) -> Cost:
    """Run a command to its end, and whatever it leaves behind.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    directory : Path
        Its working directory; its output goes to ``output.txt`` there.
    environment : mapping, optional
        Variables on top of this process's own.
    look_at_memory : bool
        Costs some CPU time, though not in the tree that is measured.
    look : callable, optional
        Called with the command's process every half a second.
    time_limit : float
        In seconds; then it is killed.

    Returns
    -------
    Cost

    Raises
    ------
    FailedError
        If it does not end with status 0.
    """
    # daemons, such as the worker pools of some contestants, come back to this process when their
    # parents have ended, and their CPU time with them
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    output = directory / "output.txt"
    memory = Memory() if look_at_memory else None
    looks = [one for one in (memory and memory.look, look) if one]
    over = threading.Event()
    cpu = _cpu_of_children()
    with output.open("wb") as stream:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=directory,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        watch = threading.Timer(time_limit, process.kill)
        watch.start()
        looker = threading.Thread(target=_look_until, args=(over, looks, process.pid))
        looker.start()
        status = process.wait()  # without a timeout: with one, Python looks every 50 ms only
        wall = time.perf_counter() - started
    watch.cancel()
    over.set()
    looker.join()
    _reap_what_is_left()
    if status:
        end = output.read_text(errors="replace").strip().splitlines()[-12:]
        raise FailedError(f"{command[0]} ended with {status}: " + "\n".join(end))
    return Cost(wall, _cpu_of_children() - cpu, memory)


def _look_until(over: threading.Event, looks: Sequence[Look], pid: int) -> None:
    if not looks:
        return
    with contextlib.suppress(psutil.Error, OSError):
        root = psutil.Process(pid)
        while not over.wait(_INTERVAL):
            for look in looks:
                look(root)


def workers_of(root: psutil.Process) -> list[psutil.Process]:
    """Give the Dask workers that a driver has started on this machine."""
    found = []
    for process in root.children():
        with contextlib.suppress(psutil.Error, OSError):
            if _WORKER.search(" ".join(process.cmdline())):
                found.append(process)
    return found


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _reap_what_is_left() -> None:
    """Wait for daemons, end those that stay, and take them into account."""
    left = psutil.Process().children(recursive=True)
    for process in psutil.wait_procs(left, timeout=_PATIENCE)[1]:
        with contextlib.suppress(psutil.Error):
            process.kill()
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
