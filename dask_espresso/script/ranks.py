"""What several MPI ranks of a simulation need before they start, and leave behind when they end.

Their supervisor loads this. Needs the standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import time

TYPE_CHECKING = False  # without importing typing for that
if TYPE_CHECKING:
    from typing import Any

_MPI_MEMORY = ("mpich_shm_", "vader_segment.", "sm_segment.")  # of MPICH, and of Open MPI


def prepare(request: dict[str, Any]) -> None:
    """Leave for `rank.py` what every rank needs; standard input is in a file already."""
    with open(os.path.join(request["scratch"], "order"), "w", encoding="utf-8") as text:
        order = {"directory": request["directory"], "variables": request["for_ranks"]}
        json.dump(order, text)


def end(mark: str, start_time: float) -> None:
    """End ranks on this machine that are no descendants of their launcher, such as those of srun.

    Parameters
    ----------
    mark : str
        What they have in their environment, as ``NAME=VALUE``.
    start_time : float
        Unix time at which the simulation started: their shared memory is no older.
    """
    deadline = time.monotonic() + 3
    found = _marked(mark)
    while found and time.monotonic() < deadline:
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        time.sleep(0.02)
        found = _marked(mark)
    _remove_unused_memory(start_time)


def _marked(mark: str) -> list[int]:
    wanted = mark.encode()
    return [pid for pid in _pids() if wanted in _read(f"/proc/{pid}/environ").split(b"\0")]


def _pids() -> list[int]:
    return [int(name) for name in _names("/proc") if name.isdigit()]


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:  # this is no Linux
        return []


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:  # it is another user's, or has ended
        return b""


def _remove_unused_memory(start_time: float) -> None:
    """Remove what MPI has made in the node's memory since then, and nobody uses any more.

    Of several ranks that are killed it is left behind, some MB each, under names that do not tell
    whose it was. What is younger than a second may be somebody's who is just about to use it.
    """
    paths = [f"/dev/shm/{name}" for name in _names("/dev/shm") if name.startswith(_MPI_MEMORY)]
    unused = [path for path in paths if _was_made_here(path, start_time)]
    used = b"".join(_read(f"/proc/{pid}/maps") for pid in _pids()) if unused else b""
    for path in unused:
        if path.encode() not in used:
            os.unlink(path)


def _was_made_here(path: str, start_time: float) -> bool:
    try:
        found = os.stat(path)
    except OSError:
        return False
    return found.st_uid == os.getuid() and start_time <= found.st_mtime < time.time() - 1
