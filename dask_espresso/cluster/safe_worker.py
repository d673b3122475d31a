"""Workers, and their processes, that do not take modules from the directory they are started in."""

from __future__ import annotations

import contextlib
import functools
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import util
from typing import Any

from ..safe_path import NO_DIRECTORY, leave_directory_to_the_end

Spawn = Callable[[bytes, Sequence[Any], Sequence[int]], int]
_Starter = Callable[[Spawn, bytes, Sequence[Any], Sequence[int]], int]


def run_worker() -> None:
    """Be ``python -m MODULE ARGUMENTS…``, for the words on the command line."""
    leave_directory_to_the_end()
    del sys.argv[0]
    with safe_children():
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


@contextlib.contextmanager
def safe_children() -> Iterator[None]:
    """Have the processes that multiprocessing starts begin without that directory, too."""

    def safely(spawn: Spawn, path: bytes, words: Sequence[Any], files: Sequence[int]) -> int:
        safe = [*words]
        if "-c" in safe:
            code = safe.index("-c") + 1
            safe[code] = NO_DIRECTORY + safe[code]
        return spawn(path, safe, files)

    with spawned_by(safely):
        yield


@contextlib.contextmanager
def spawned_by(start: _Starter) -> Iterator[None]:
    """Have multiprocessing start processes by something that is given how it does so itself."""
    spawn = util.spawnv_passfds
    util.spawnv_passfds = functools.partial(start, spawn)
    try:
        yield
    finally:
        util.spawnv_passfds = spawn
