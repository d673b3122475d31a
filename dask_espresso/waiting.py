"""Simulations that were given out, came to nothing, and wait to be run again."""

from __future__ import annotations

import collections
from collections.abc import Iterable

from .process.order import Order

SUSPICIOUS = 2  # losses after which only one at a time is tried


class Waiting:
    """Orders that are to be given out again, by how suspicious they are of killing their workers.

    Those that were lost with a worker go alone, and those that were lost repeatedly run one at a
    time.
    """

    def __init__(self) -> None:
        self._unharmed: collections.deque[Order] = collections.deque()
        self._alone: collections.deque[Order] = collections.deque()
        self._suspects: collections.deque[Order] = collections.deque()
        self._suspect = ""  # the one of them that was given out
        self._losses: collections.Counter[str] = collections.Counter()

    def put(self, order: Order) -> None:
        """Have a simulation wait among those that are as suspicious as it is."""
        losses = self._losses[order.id]
        if losses >= SUSPICIOUS:
            self._suspects.append(order)
        elif losses:
            self._alone.append(order)
        else:
            self._unharmed.append(order)

    def put_alone(self, orders: Iterable[Order]) -> None:
        """Have each of some simulations be tried alone: one of them may be to blame."""
        self._alone.extend(orders)

    def take(self, count: int) -> tuple[list[Order], bool]:
        """Give what goes together, at most so many, and whether more may go with it."""
        if self._alone:
            return [self._alone.popleft()], False
        if self._suspects and not self._suspect:
            order = self._suspects.popleft()
            self._suspect = order.id
            return [order], False
        return [self._unharmed.popleft() for _ in range(min(count, len(self._unharmed)))], True

    def is_back(self, order: Order) -> None:
        """Take note that a simulation is not out any more."""
        if self._suspect == order.id:
            self._suspect = ""

    def lost(self, order: Order, workers: int) -> int:
        """Take note of workers that have died with a simulation; give how many that were."""
        self._losses[order.id] += workers
        return self._losses[order.id]
