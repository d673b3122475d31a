"""Which simulations a run has to do: a given number of replicas, or as many as results need."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .inputs.choice import EVERYTHING, Asked, Choice
from .inputs.study import Study
from .outcome import Status
from .process.order import Order
from .record import unpack
from .store.store import Entry, Store
from .targets import Standing
from .views.cost import times_of_points
from .views.standing import describe, progress_of, sample_of, standing_at

if TYPE_CHECKING:
    from .inputs.simulations import Simulations


_AHEAD = 10_000  # simulations that are compared, where there are as many points
_UNKNOWN = -math.inf  # goes before everything that is known


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

    def took(self, order_id: str, elapsed_time: float) -> None:
        """Take note of how long a simulation has taken, in seconds; NaN if it is not done."""

    def note(self, entries: Sequence[Entry]) -> None:
        """Take note of outcomes that are recorded."""

    def describe(self) -> str:
        """Say how far points are from their targets, if there are any."""
        return ""


class LongestFirst(Plan):
    """Orders of several replicas of each point, those first that take longest.

    What a point takes is known from the first of its replicas that is done; points of which nothing
    is known go before all others. Those that take about the same stay in the study's sequence. All
    points get one more replica before any gets two; of the last ones, what takes little is left for
    the end, when it keeps all slots busy.

    Parameters
    ----------
    study : Simulations
    simulations : iterable of (int, Order)
        What is to be run, with its place in the study, in the study's sequence.
    count : int
        How many these are.
    known : mapping of int to float
        How long simulations of points take, in seconds, as far as it is known.
    """

    def __init__(
        self,
        study: Simulations,
        simulations: Iterable[tuple[int, Order]],
        count: int,
        known: Mapping[int, float],
    ) -> None:
        super().__init__((), count, study.count)
        self._n_points = study.n_points
        self._simulations = iter(simulations)
        self._ranks = {point: _rank(time) for point, time in known.items()}
        self._waiting: list[tuple[int, float, int, Order]] = []  # a heap: replica, rank, place
        self._points: dict[str, int] = {}  # of what was taken, where nothing is known of it

    def take(self, count: int) -> Sequence[Order]:
        """Give what is to be run next: what takes longest of what is at hand."""
        missing = min(self._n_points, _AHEAD) + count - len(self._waiting)
        for place, order in itertools.islice(self._simulations, max(missing, 0)):
            self._wait(place, order)
        orders: list[Order] = []
        while self._waiting and len(orders) < count:
            _, rank, place, order = heapq.heappop(self._waiting)
            if rank != self._rank_of(place):  # its point has become known meanwhile
                self._wait(place, order)
                continue
            if rank == _UNKNOWN:
                self._points[order.id] = place % self._n_points
            orders.append(order)
        return orders

    def took(self, order_id: str, elapsed_time: float) -> None:
        """Take note of how long a point takes, when the first of its replicas is done."""
        point = self._points.pop(order_id, None)
        if point is not None and not math.isnan(elapsed_time):
            self._ranks.setdefault(point, _rank(elapsed_time))

    def _wait(self, place: int, order: Order) -> None:
        heapq.heappush(self._waiting, (order.replica, self._rank_of(place), place, order))

    def _rank_of(self, place: int) -> float:
        return self._ranks.get(place % self._n_points, _UNKNOWN)


def _rank(elapsed_time: float) -> float:
    """Say how early something is run that takes so long; the same within a fifth or so."""
    return -round(4 * math.log2(max(elapsed_time, 1e-3)))


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
    count = sum(map(is_wanted, study.ids()))
    simulations = enumerate(study.simulations())
    orders = ((place, Order.of(s)) for place, s in simulations if is_wanted(s.id))
    if study.replicas == 1:
        return Plan((order for _, order in orders), count, study.count)
    known = times_of_points(store.path, study) if count and store.statuses else {}
    return LongestFirst(study, orders, count, known)
