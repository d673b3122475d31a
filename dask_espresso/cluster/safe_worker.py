"""Workers, and their processes, that do not take modules from the directory they are started in."""

from __future__ import annotations

import contextlib
import runpy
import sys
from collections.abc import Iterator, Sequence
from multiprocessing import util
from typing import Any

from ..safe_path import NO_DIRECTORY, leave_directory_to_the_end


def run_worker() -> None:
    """Be ``python -m MODULE ARGUMENTS…``, for the words on the command line."""
    leave_directory_to_the_end()
    del sys.argv[0]
    with safe_children():
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


@contextlib.contextmanager
def safe_children() -> Iterator[None]:
    """Have the processes that multiprocessing starts begin without that directory, too."""
    spawn = util.spawnv_passfds

    def safely(path: bytes, words: Sequence[Any], passfds: Sequence[int]) -> int:
        safe = [*words]
        if "-c" in safe:
            code = safe.index("-c") + 1
            safe[code] = NO_DIRECTORY + safe[code]
        return spawn(path, safe, passfds)

    util.spawnv_passfds = safely  # type: ignore[assignment]
    try:
        yield
    finally:
        util.spawnv_passfds = spawn
