"""What takes a while to find out, and is found out once."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

_Asked = TypeVar("_Asked")
_Found = TypeVar("_Found")

_SHARE = 20  # a failure is believed for so many times as long as it took


class Memo(Generic[_Asked, _Found]):
    """Finds out what it is asked, once for all who ask; what may be otherwise soon, once more.

    Parameters
    ----------
    find : callable
        Finds it out. What it raises is not kept.
    is_lasting : callable
        Says whether a finding holds from then on. Others, such as a failure, hold for 20 times as
        long as it took to find them: asking again costs no more than a twentieth of the time.
    clock : callable
        Gives the time, in seconds.

    Examples
    --------
    >>> memo = Memo(len)
    >>> memo("engine")
    6
    """

    def __init__(
        self,
        find: Callable[[_Asked], _Found],
        is_lasting: Callable[[_Found], bool] = lambda _: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find = find
        self._is_lasting = is_lasting
        self._clock = clock
        self._answers: dict[_Asked, _Answer] = {}
        self._lock = threading.Lock()

    def __call__(self, asked: _Asked) -> _Found:
        """Give what was found; whoever asks while it is being found out waits for it."""
        with self._lock:
            answer = self._answers.setdefault(asked, _Answer())
        with answer.lock:
            before = self._clock()
            if before >= answer.until:
                answer.found = found = self._find(asked)
                after = self._clock()
                lasts = self._is_lasting(found)
                answer.until = math.inf if lasts else after + _SHARE * (after - before)
            return cast(_Found, answer.found)

    def found(self) -> list[_Found]:
        """Give all that was found."""
        with self._lock:
            answers = list(self._answers.values())
        return [cast(_Found, answer.found) for answer in answers if answer.found is not None]


@dataclass
class _Answer:
    found: object = None
    until: float = -math.inf
    lock: threading.Lock = field(default_factory=threading.Lock)
