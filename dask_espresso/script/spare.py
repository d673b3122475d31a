"""The directories of one simulation, for the next one, where nothing was done with them.

Runs in the engine's own interpreter: with the standard library alone, on Python 3.9 and newer.
"""

from __future__ import annotations

import os
import time

from . import supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

# Whatever is done with a directory of this age gives it another time, also where a file system
# counts whole seconds; one that is too old is what people have removed who tidy up.
_OLD_ENOUGH, _TOO_OLD = 2.0, 3600.0  # seconds


class SpareScratch:
    """Makes and removes directories of simulations, or renames those that none has touched.

    To make three and to remove them takes a file system as long as a script takes to start.

    Parameters
    ----------
    home : str
        A directory on the same file system, which somebody removes in the end.
    clock : callable
        Gives the time, in seconds.

    Notes
    -----
    The spare ones are made here, and wait until they are old enough; until then simulations have
    new ones. Each has a path that none had before.
    """

    def __init__(self, home: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._place = f"{home}/spare-{os.getpid()}"
        self._clock = clock
        # when they were made, and their state; None where there are none
        self._spare: tuple[float, Any] | None = None
        self._in_use: tuple[float, Any] | None = None

    def make(self, path: str) -> None:
        """Have the directories of a simulation be there."""
        self._in_use = self._take(path)
        if not self._in_use:
            supervisor.make_scratch(path)

    def remove(self, path: str) -> bool:
        """Have them be gone; say whether that was all, with nothing in them."""
        if self._in_use:
            made, state = self._in_use
            if renamed := _renamed(path, self._place, state):
                self._spare, self._in_use = (made, renamed), None
                return True
        is_clean = supervisor.remove_scratch(path)
        if is_clean and not self._spare:  # the next one may leave nothing, either
            self._spare = self._make_spare()
        return is_clean

    def _make_spare(self) -> tuple[float, Any] | None:
        try:
            supervisor.make_scratch(self._place)
            return self._clock(), _state(self._place)
        except OSError:
            return None

    def _take(self, path: str) -> tuple[float, Any] | None:
        """Give the spare ones, renamed, if there are any of the right age."""
        if not self._spare:
            return None
        made, state = self._spare
        age = self._clock() - made
        if age < _OLD_ENOUGH:
            return None
        self._spare = None
        if age < _TOO_OLD and (renamed := _renamed(self._place, path, state)):
            return made, renamed
        supervisor.remove_scratch(self._place)
        return None


def _renamed(path: str, new: str, state: Any) -> Any:
    """Rename directories with which nothing was done; give their state then, None if they stay."""
    try:
        if _state(path) != state:
            return None
        os.rename(path, new)
        return [_numbers(new), *state[1:]]  # to be renamed is a change
    except OSError:  # somebody has removed one, or the place
        return None


def _state(path: str) -> Any:
    """Give all that anybody could change in directories of a simulation, or by what it is seen."""
    insides = f"{path}/run", f"{path}/tmp"
    # of one that was renamed just now, a coarse clock could hide a change
    listed = os.listdir(path), os.listxattr(path)
    return [_numbers(path), listed, *map(_numbers, insides)]


def _numbers(path: str) -> tuple[int, ...]:
    of = os.lstat(path)
    owner = of.st_uid, of.st_gid
    return of.st_dev, of.st_ino, of.st_mode, *owner, of.st_nlink, of.st_mtime_ns, of.st_ctime_ns
