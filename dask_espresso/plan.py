"""Which simulations a run has to do: a given number of replicas, or as many as results need."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .inputs.choice import EVERYTHING, Asked, Choice
from .inputs.study import Study
from .outcome import Status
from .process.order import Order
from .record import unpack
from .store.store import Entry, Store
from .targets import Standing
from .views.standing import describe, progress_of, sample_of, standing_at

if TYPE_CHECKING:
    from .inputs.simulations import Simulations


class Plan:
    """Orders in a given sequence.

    Parameters
    ----------
    orders : iterable of Order
        What is to be run, each once; taken as far as it is needed.
    count : int
        How many these are.
    total : int, optional
        Simulations of the study, or those that are asked for, with those that need not be run.
    asked : Asked, optional
        What is asked for, where that is not the whole study.

    Attributes
    ----------
    asked : Asked or None
    count : int
        Orders that were taken, or will be, as far as is known.
    total : int
        Simulations that are wanted, as far as is known.
    """

    def __init__(
        self, orders: Iterable[Order], count: int, total: int = 0, asked: Asked | None = None
    ) -> None:
        self.count, self.total, self.asked = count, total or count, asked
        self._orders = iter(orders)

    def take(self, count: int) -> Sequence[Order]:
        """Give what is to be run next, at most so many."""
        return list(itertools.islice(self._orders, count))

    def note(self, entries: Sequence[Entry]) -> None:
        """Take note of outcomes that are recorded."""

    def describe(self) -> str:
        """Say how far points are from their targets, if there are any."""
        return ""


class TargetPlan(Plan):
    """Orders of as many replicas as points need, those of the points first that need most.

    Parameters
    ----------
    study : Simulations
        With targets.
    standing : Standing
        Of its points, by what need not be run.
    """

    def __init__(self, study: Simulations, standing: Standing) -> None:
        super().__init__((), 0)
        self._study, self._standing = study, standing
        self._waiting: list[tuple[float, int, int]] = []  # a heap: minus distance, replica, point
        self._places: dict[str, tuple[int, int]] = {}  # point and replica of what was taken
        self._asked = np.zeros(study.n_points, int)  # replicas of each point
        self._ask(np.arange(study.n_points))
        self.total = standing.n_wanted

    def _ask(self, points: np.ndarray[tuple[int], np.dtype[np.intp]]) -> None:
        """Have all that points want wait, and has not been asked for before."""
        for point in points.tolist():
            distance, count = float(self._standing.distances[point]), self._standing.counts[point]
            for replica in range(int(self._asked[point]), int(count)):
                if not self._standing.has_ended(point, replica):
                    heapq.heappush(self._waiting, (-distance, replica, point))
                    self.count += 1
                    self.total += 1
            self._asked[point] = count

    def take(self, count: int) -> Sequence[Order]:
        """Give what is to be run next: of points without all of their minimum, then farthest."""
        orders = []
        for _ in range(min(count, len(self._waiting))):
            _, replica, point = heapq.heappop(self._waiting)
            order = Order.of(self._study.simulation(replica * self._study.n_points + point))
            self._places[order.id] = point, replica
            orders.append(order)
        return orders

    def note(self, entries: Sequence[Entry]) -> None:
        """Take note of outcomes, and see what their points need now."""
        until = self._standing.until
        points = set()
        for entry in entries:
            point, replica = self._places.pop(entry.id)
            outcome = unpack(b"".join(entry.record))
            samples = np.array([sample_of(outcome, target.result) for target in until.targets])
            at = np.array([point]), np.array([replica])
            self._standing.note(*at, samples[:, :, np.newaxis])
            points.add(point)
        self._ask(self._standing.decide(np.array(sorted(points), int)))

    def describe(self) -> str:
        """Say how many points have met their targets, and which is farthest from them."""
        return describe(progress_of(self._study, self._standing))


def plan_of(
    study: Study, store: Store, *, retry_failed: bool = False, choice: Choice = EVERYTHING
) -> Plan:
    """Plan what of a study is not in the store, or has to be run again.

    Of what is chosen, that is all that is not done.
    """
    retry_failed = retry_failed or bool(choice)

    def is_wanted(simulation_id: str) -> bool:
        status = store.statuses.get(simulation_id)
        return status is None or (retry_failed and status is not Status.DONE)

    if choice:
        asked = choice.ask(study, store.statuses)
        wanted = np.array([is_wanted(name) for name in asked.ids], bool)
        places = asked.places[wanted].tolist()
        chosen = (Order.of(study.simulation(place)) for place in places)
        return Plan(chosen, len(places), len(asked.ids), asked)
    if study.targets:
        if not store.statuses:
            return TargetPlan(study, Standing(study.targets, study.n_points))
        standing = standing_at(store.path, study, lambda name: not is_wanted(name))
        return TargetPlan(study, standing)
    orders = (Order.of(s) for s in study.simulations() if is_wanted(s.id))
    return Plan(orders, sum(map(is_wanted, set(study.ids()))), study.count)
