"""What runs next is decided without Dask: every order comes back once, in whatever order."""

import collections
import itertools
import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from dask_espresso.feed import LARGEST_TASK, MAX_LOSSES, Feed, Ran
from dask_espresso.outcome import Status
from dask_espresso.plan import Plan
from dask_espresso.process.order import Order
from dask_espresso.waiting import SUSPICIOUS

ENDS = st.tuples(
    st.sampled_from([Status.DONE, Status.FAILED, Status.TIMED_OUT, Status.NOT_FINITE]),
    st.sampled_from([0.0, 1e-3, 0.3, 20.0]),
)


def orders(count):
    return list(map(order, range(count)))


def order(number):
    return Order(f"{number}", {"x": number}, replica=0, seed=1, attempt=1)


def feed_of(count, **options):
    return Feed(Plan((order(i) for i in range(count)), count), **options)


def ids(task):
    return [order.id for order in task.orders]


def left_of(task):
    return [*task.left.values()]


def give(feed, **workers):
    """Give the tasks that workers are given now."""
    return list(feed.next_tasks(workers))


def run_all(feed, task, elapsed_time=0.1, size=0):
    """Have all of a task be done."""
    assert all(feed.ran(task, [Ran(p, Status.DONE, elapsed_time, size) for p in task.left]))
    feed.returned(task)


class Everything(RuleBasedStateMachine):
    """Whatever comes back, in whichever order: no order is lost, and none is doubled."""

    @initialize(count=st.integers(0, 40), retries=st.integers(0, 2))
    def begin(self, count, retries):
        self.feed = feed_of(count, retries=retries)
        self.count, self.retries = count, retries
        self.flying, self.ended = [], []
        self.failures, self.losses = {}, {}

    @rule(workers=st.dictionaries(st.sampled_from("abc"), st.integers(1, 6)))
    def give_out(self, workers):
        known = {order.id for task in self.flying for order in left_of(task)}
        known |= {order.id for order in self.ended}
        for task in self.feed.next_tasks(workers):
            assert task.orders
            assert task.worker in workers
            assert {*ids(task)}.isdisjoint(known)
            known |= {*ids(task)}
            assert all(o.attempt == self.failures.get(o.id, 0) + 1 for o in task.orders)
            assert len(task.orders) == 1 or not any(self.losses.get(o.id) for o in task.orders)
            self.flying.append(task)
            out = [order for task in self.flying for order in left_of(task)]
            assert sum(map(self.suspicious, out)) <= 1

    def suspicious(self, order):
        return self.losses.get(order.id, 0) >= SUSPICIOUS

    def land(self, data):
        return self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))

    def fail(self, order):
        self.failures[order.id] = self.failures.get(order.id, 0) + 1
        assert self.failures[order.id] <= self.retries + 1
        return self.failures[order.id] > self.retries

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def some_run(self, data):
        task = self.flying[data.draw(st.integers(0, len(self.flying) - 1))]
        places = data.draw(st.lists(st.integers(0, len(task.orders) - 1), unique=True))
        results = [Ran(place, *data.draw(ENDS)) for place in places]
        new = {place: task.left[place] for place in places if place in task.left}
        ends = self.feed.ran(task, results)
        for result, is_end in zip(results, ends, strict=True):
            order = new.get(result.place)
            is_new = order is not None  # what comes twice counts once
            assert is_end is (is_new and (result.status is not Status.FAILED or self.fail(order)))
            self.ended += [order] * is_end
            assert result.place not in task.left

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def some_wait(self, data):
        task = self.flying[data.draw(st.integers(0, len(self.flying) - 1))]
        places = st.lists(st.integers(0, len(task.orders) - 1))
        not_run, held = data.draw(places), data.draw(places)
        self.feed.gave_back(task, not_run, held)
        assert task.left.keys().isdisjoint(not_run)
        assert task.held <= task.left.keys()

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def returns(self, data):
        self.feed.returned(self.land(data))

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def fails(self, data):
        task = self.land(data)
        left = left_of(task)
        ends = self.feed.failed(task)
        assert ends == [order for order in left if len(left) == 1 and self.fail(order)]
        self.ended += ends

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), workers=st.integers(1, 3))
    def dies(self, data, workers):
        task = self.land(data)
        left = left_of(task)
        for order in left:
            self.losses[order.id] = self.losses.get(order.id, 0) + workers
        lost = self.feed.killed(task, workers)
        assert lost == [
            (order, self.losses[order.id]) for order in left
            if self.losses[order.id] >= MAX_LOSSES
        ]  # fmt: skip
        self.ended += [order for order, _ in lost]

    @invariant()
    def adds_up(self):
        assert self.feed.n_flying == sum(len(task.left) for task in self.flying)
        busy = [task.worker for task in self.flying for place in task.left.keys() - task.held]
        assert self.feed._at == collections.Counter(busy)
        assert self.feed.n_ended == len(self.ended)
        assert self.feed.n_left == self.count - len(self.ended)

    def teardown(self):
        if not hasattr(self, "feed"):
            return
        while self.flying or self.feed.n_left:
            self.flying += give(self.feed, a=2)
            task = self.flying.pop()  # else something was lost
            self.ended += left_of(task)
            run_all(self.feed, task)
        assert give(self.feed, a=2) == []
        assert sorted(o.id for o in self.ended) == sorted(o.id for o in orders(self.count))


TestEverything = Everything.TestCase
TestEverything.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


class Machine:
    """Workers that run simulations in threads, and die with all that they have."""

    def __init__(self, feed, workers, threads, killers, seed, elapsed_time=0.01):
        self.feed, self.threads, self.killers = feed, threads, killers
        self.elapsed_time = elapsed_time
        self.workers = {f"{number}": [] for number in range(workers)}
        self.choose = random.Random(seed)
        self.done, self.lost = [], {}

    def run(self):
        while self.feed.n_left:
            for task in self.feed.next_tasks(dict.fromkeys(self.workers, self.threads)):
                self.workers[task.worker].append(task)
            tasks = self.choose.choice([tasks for tasks in self.workers.values() if tasks])
            all_left = [(task, place) for task in tasks for place in task.left]
            task, place = self.choose.choice(all_left[: self.threads])
            if task.orders[place].id not in self.killers:
                self.done.append(task.orders[place].id)
                self.feed.ran(task, [Ran(place, Status.DONE, self.elapsed_time)])
                if not task.left:
                    self.feed.returned(task)
                    tasks.remove(task)
                continue
            for task in tasks:
                self.lost |= {order.id: n for order, n in self.feed.killed(task)}
            tasks.clear()


@pytest.mark.parametrize(("workers", "threads"), [(1, 1), (1, 4), (2, 2), (3, 1)])
def test_a_simulation_that_kills_its_worker_takes_no_innocent_one_along(workers, threads):
    for count, seed, elapsed_time in itertools.product([1, 2, 7, 30], range(10), [0.01, 1.0]):
        for killer in {0, count // 2, count - 1}:
            machine = Machine(feed_of(count), workers, threads, {f"{killer}"}, seed, elapsed_time)
            machine.run()
            assert machine.lost == {f"{killer}": MAX_LOSSES}
            assert sorted(machine.done) == sorted({f"{i}" for i in range(count)} - {f"{killer}"})


def test_several_that_kill_their_workers_end():
    for seed in range(20):
        machine = Machine(feed_of(20), 2, 2, {"3", "4", "15"}, seed)
        machine.run()
        assert {"3", "4", "15"} <= machine.lost.keys()
        assert len(machine.done) + len(machine.lost) == 20


@pytest.mark.parametrize("retries", range(4))
@pytest.mark.parametrize("how", ["by itself", "on the worker"])
def test_as_many_more_attempts_as_there_are_retries(retries, how):
    feed, attempts = feed_of(1, retries=retries), []
    while tasks := give(feed, a=1):
        (task,) = tasks
        attempts += [order.attempt for order in task.orders]
        if how == "by itself":
            is_end = feed.ran(task, [Ran(0, Status.FAILED, 0.1)]) == [True]
            feed.returned(task)
        else:
            is_end = bool(feed.failed(task))
        assert is_end is (len(attempts) == retries + 1)
    assert attempts == list(range(1, retries + 2))


def test_a_dead_worker_is_no_attempt():
    feed = feed_of(1)
    for _ in range(MAX_LOSSES - 1):
        (task,) = give(feed, a=1)
        assert task.orders[0].attempt == 1
        assert feed.killed(task) == []
    (task,) = give(feed, a=1)
    assert [n for _, n in feed.killed(task)] == [MAX_LOSSES] == [5]
    assert feed.n_left == 0


def test_what_was_done_before_its_worker_died_is_no_suspect():
    feed = feed_of(16)
    task, *others = give(feed, a=8)
    assert ids(task) == list("01234567")
    feed.ran(task, [Ran(place, Status.DONE, 1.0) for place in (0, 3)])
    feed.killed(task)
    alone = [order for t in give(feed, b=8) for order in t.orders if len(t.orders) == 1]
    assert [order.id for order in alone][:6] == list("124567")
    assert not others
    assert feed.n_ended == 2


def test_a_suspect_that_came_back_unharmed_is_still_one():
    feed = feed_of(2)
    tasks = give(feed, a=1, b=1)
    for _ in range(SUSPICIOUS):
        for task in tasks:
            feed.killed(task)
        tasks = give(feed, a=2, b=2)
    (first,) = tasks
    feed.returned(first)
    (second,) = give(feed, a=2, b=2)
    assert {*ids(first), *ids(second)} == {"0", "1"}


def test_of_a_task_that_failed_each_is_tried_alone():
    feed = feed_of(100)
    (first,) = give(feed, a=2)
    run_all(feed, first, 0.01)
    task, *_ = give(feed, a=2)
    assert len(task.orders) > 1
    assert feed.failed(task) == []
    alone = give(feed, b=200)[: len(task.orders)]
    assert [order for t in alone for order in t.orders] == list(task.orders)
    assert [order.id for t in alone for order in feed.failed(t)] == ids(task)


WORKERS = {"one": {"a": 1}, "some": dict.fromkeys("abcd", 16), "uneven": {"a": 128, "b": 1}}


@pytest.mark.parametrize("elapsed_time", [1e-6, 1e-3, 0.1, 1.0])
@pytest.mark.parametrize("workers", WORKERS.values(), ids=WORKERS)
def test_tasks_shrink_towards_the_end(workers, elapsed_time):
    feed, flying, sizes, slots = feed_of(10_000), [], [], sum(workers.values())
    while feed.n_left:
        for task in feed.next_tasks(workers):
            flying.append(task)
            before = feed.n_left - feed.n_flying + len(task.orders)
            assert len(task.orders) <= max(1, workers[task.worker] / slots * before / 2)
            assert len(task.orders) <= LARGEST_TASK
            sizes.append(len(task.orders))
        run_all(feed, flying.pop(0), elapsed_time)
    assert sizes[-1] == 1


@pytest.mark.parametrize("elapsed_time", [2e-3, 0.01, 0.2, 1.0, 9.9, 60.0, 1e3])
@pytest.mark.parametrize("workers", WORKERS.values(), ids=WORKERS)
def test_little_more_is_out_than_is_run(workers, elapsed_time):
    feed, slots = feed_of(10**6), sum(workers.values())
    first = give(feed, **workers)
    assert [len(task.orders) for task in first] == [*workers.values()]
    for task in first:
        run_all(feed, task, elapsed_time)
    give(feed, **workers)
    assert slots <= feed.n_flying <= slots * (1 + 0.8 / elapsed_time) + len(workers)
    if elapsed_time >= max(slots, 10):  # a worker that dies takes nothing along that only waits
        assert feed.n_flying == slots
    assert give(feed, **workers) == []


@pytest.mark.parametrize("n_workers", [1, 30, 1000])
@pytest.mark.parametrize("slots", [1, 16])
def test_the_more_workers_the_rarer_tasks_and_messages(n_workers, slots):
    """One core of the driver has to do for all of them."""
    feed = feed_of(10**6)
    workers = {f"{number}": slots for number in range(n_workers)}
    flying = [*feed.next_tasks(workers)]
    for task in flying:
        run_all(feed, task, 1.0)
    flying = [*feed.next_tasks(workers)]
    n_tasks = n_ran = 0
    for task in flying:  # until as many have come back as run in three seconds
        if n_ran >= 3 * slots * n_workers:
            break
        n_ran += len(task.orders)
        n_tasks += 1
        run_all(feed, task, 1.0)
        flying += feed.next_tasks(workers)
    assert 3e-3 * n_tasks <= max(0.25 * 3, 3e-3 * 3 * slots * n_workers * 1.1)
    assert all(0.25 <= task.pace <= 1.0 for task in flying)
    if n_workers == 1000:
        assert n_tasks <= 0.25 * n_ran
        assert flying[-1].pace == 1.0


@pytest.mark.parametrize(("n_workers", "elapsed_time", "ahead"), [
    (40, 10.0, 1), (40, 60.0, 0), (500, 10.0, 2), (500, 50.0, 1), (500, 600.0, 0),
])  # fmt: skip
def test_no_slot_waits_for_long_for_the_next_simulation(n_workers, elapsed_time, ahead):
    """Of many workers, outcomes come in once a second, and what follows comes no sooner."""
    feed = feed_of(10**5)
    workers = {f"{number}": 2 for number in range(n_workers)}
    for task in [*feed.next_tasks(workers)]:
        run_all(feed, task, elapsed_time)
    given = sum(len(task.orders) for task in feed.next_tasks(workers))
    assert given == (2 + ahead) * n_workers


def test_a_worker_that_ends_little_gets_little():
    """Also one that is cut off: what it has stays with it, and others get the rest."""
    feed = feed_of(1000)
    for task in give(feed, a=4, b=4):
        if task.worker == "b":
            run_all(feed, task, 1.0)
    for _ in range(100):
        for task in give(feed, a=4, b=4):
            if task.worker == "b":
                run_all(feed, task, 1.0)
    assert feed.n_ended > 500
    assert feed.n_flying < 16


def test_large_outcomes_do_not_travel_together():
    feed = feed_of(1000)
    (task,) = give(feed, a=16)
    run_all(feed, task, 0.01, size=1 << 20)
    tasks = give(feed, a=16)
    assert {len(task.orders) for task in tasks} == {1}
    for task in tasks:  # small ones may, after a while
        run_all(feed, task, 0.01)
    assert max(len(task.orders) for task in give(feed, a=16)) > 1


@pytest.mark.parametrize(("time_limit", "expected"), [(None, [0.0, 0.5, 2.0]), (7.0, [7.0] * 3)])
def test_a_simulation_needs_its_time_limit_or_as_long_as_the_longest(time_limit, expected):
    feed, needs = feed_of(3, time_limit=time_limit), []
    for elapsed_time in (0.5, 2.0, 0.1):
        (task, *others) = give(feed, a=1)
        for other in others:
            feed.returned(other)
        (order,) = task.orders
        needs.append(order.needs)
        run_all(feed, task, elapsed_time)
    assert needs == expected
