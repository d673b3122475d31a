"""What runs next is decided without Dask: every order comes back once, in whatever order."""

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

from dask_espresso.feed import LARGEST_TASK, MAX_LOSSES, SUSPICIOUS, Feed
from dask_espresso.outcome import Status
from dask_espresso.plan import Plan
from dask_espresso.process.order import Order

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
    return [order.id for order in task]


def run_all(feed, task, elapsed_time=0.1):
    """Have all of a task be done."""
    assert all(feed.ran(task, [(Status.DONE, elapsed_time)] * len(task)))


class Everything(RuleBasedStateMachine):
    """Whatever comes back, in whichever order: no order is lost, and none is doubled."""

    @initialize(count=st.integers(0, 40), retries=st.integers(0, 2))
    def begin(self, count, retries):
        self.feed = feed_of(count, retries=retries)
        self.count, self.retries = count, retries
        self.flying, self.ended = [], []
        self.failures, self.losses = {}, {}

    @rule(slots=st.integers(0, 6), stuck=st.integers(0, 2))
    def give_out(self, slots, stuck):
        window = self.feed.window(slots) + stuck
        task = self.feed.next_task(slots, stuck)
        assert not task or len(self.flying) < window
        known = set(ids(itertools.chain(self.ended, *self.flying)))
        assert len({*ids(task)} - known) == len(task)
        assert all(order.attempt == self.failures.get(order.id, 0) + 1 for order in task)
        suspects = [order for t in [*self.flying, task] for order in t if self.suspicious(order)]
        assert len(suspects) <= 1
        assert len(task) <= 1 or not any(self.losses.get(order.id) for order in task)
        if task:
            self.flying.append(task)

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
    def runs(self, data):
        task = self.land(data)
        results = data.draw(st.lists(ENDS, max_size=len(task)))
        ends = self.feed.ran(task, results)
        for order, (status, _), is_end in zip(task, results, ends, strict=False):
            assert is_end is (status is not Status.FAILED or self.fail(order))
            self.ended += [order] * is_end
        assert len(ends) == len(results)

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def returns(self, data):
        self.feed.returned(self.land(data))

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def fails(self, data):
        task = self.land(data)
        ends = self.feed.failed(task)
        assert ends == [order for order in task if len(task) == 1 and self.fail(order)]
        self.ended += ends

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), workers=st.integers(1, 3))
    def dies(self, data, workers):
        task = self.land(data)
        for order in task:
            self.losses[order.id] = self.losses.get(order.id, 0) + workers
        lost = self.feed.killed(task, workers)
        assert lost == [
            (order, self.losses[order.id]) for order in task
            if self.losses[order.id] >= MAX_LOSSES
        ]  # fmt: skip
        self.ended += [order for order, _ in lost]

    @invariant()
    def adds_up(self):
        assert self.feed.n_flying == sum(map(len, self.flying))
        assert self.feed.n_ended == len(self.ended)
        assert self.feed.n_left == self.count - len(self.ended)

    def teardown(self):
        if not hasattr(self, "feed"):
            return
        while self.flying or self.feed.n_left:
            while task := self.feed.next_task(slots=2):
                self.flying.append(task)
            task = self.flying.pop()  # else something was lost
            run_all(self.feed, task)
            self.ended += task
        assert self.feed.next_task(slots=2) == ()
        assert sorted(ids(self.ended)) == sorted(ids(orders(self.count)))


TestEverything = Everything.TestCase
TestEverything.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


class Machine:
    """Workers that run tasks in threads, and die with all that they have."""

    def __init__(self, feed, workers, threads, killers, seed, elapsed_time=0.01):
        self.feed, self.threads, self.killers = feed, threads, killers
        self.elapsed_time = elapsed_time
        self.workers = [[] for _ in range(workers)]
        self.choose = random.Random(seed)
        self.done, self.lost = [], {}

    def run(self):
        slots = len(self.workers) * self.threads
        while self.feed.n_left:
            while task := self.feed.next_task(slots):
                min(self.workers, key=len).append(task)
            worker = self.choose.choice([worker for worker in self.workers if worker])
            running = self.choose.randrange(min(self.threads, len(worker)))
            if self.killers.isdisjoint(ids(worker[running])):
                task = worker.pop(running)
                self.done += ids(task)
                run_all(self.feed, task, self.elapsed_time)
                continue
            for task in worker:
                self.lost |= {order.id: n for order, n in self.feed.killed(task)}
            worker.clear()


@pytest.mark.parametrize(("workers", "threads"), [(1, 1), (1, 4), (2, 2), (3, 1)])
def test_a_simulation_that_kills_its_worker_takes_no_innocent_one_along(workers, threads):
    for count, seed, elapsed_time in itertools.product([1, 2, 7, 30], range(10), [0.01, 1.0]):
        for killer in {0, count // 2, count - 1}:
            machine = Machine(feed_of(count), workers, threads, {f"{killer}"}, seed, elapsed_time)
            machine.run()
            assert machine.lost == {f"{killer}": MAX_LOSSES}
            assert sorted(machine.done) == sorted({*ids(orders(count))} - {f"{killer}"})


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
    while task := feed.next_task(1):
        attempts += [order.attempt for order in task]
        if how == "by itself":
            is_end = feed.ran(task, [(Status.FAILED, 0.1)]) == [True]
        else:
            is_end = bool(feed.failed(task))
        assert is_end is (len(attempts) == retries + 1)
    assert attempts == list(range(1, retries + 2))


def test_a_dead_worker_is_no_attempt():
    feed = feed_of(1)
    for _ in range(MAX_LOSSES - 1):
        (order,) = task = feed.next_task(1)
        assert order.attempt == 1
        assert feed.killed(task) == []
    assert [n for _, n in feed.killed(feed.next_task(1))] == [MAX_LOSSES] == [5]
    assert feed.n_left == 0


def test_a_suspect_that_came_back_unharmed_is_still_one():
    feed = feed_of(2)
    tasks = [feed.next_task(1) for _ in range(2)]
    for _ in range(SUSPICIOUS):
        for task in tasks:
            feed.killed(task)
        tasks = [task for _ in range(2) if (task := feed.next_task(4))]
    ((first,),) = tasks
    feed.returned(tasks[0])
    ((second,),) = [task for _ in range(2) if (task := feed.next_task(4))]
    assert {first.id, second.id} == {"0", "1"}


def test_of_a_task_that_failed_each_is_tried_alone():
    feed = feed_of(100)
    run_all(feed, feed.next_task(2), 0.01)
    task = feed.next_task(2)
    assert len(task) > 1
    assert feed.failed(task) == []
    alone = [feed.next_task(200) for _ in task]
    assert [order for (order,) in alone] == list(task)
    assert [order.id for t in alone for order in feed.failed(t)] == ids(task)


@pytest.mark.parametrize("elapsed_time", [1e-6, 1e-3, 0.1, 1.0])
@pytest.mark.parametrize("slots", [1, 4, 64])
def test_tasks_shrink_towards_the_end(slots, elapsed_time):
    feed, sizes = feed_of(10_000), []
    while feed.n_left:
        left = feed.n_left
        task = feed.next_task(slots)
        run_all(feed, task, elapsed_time)
        sizes.append(len(task))
        assert len(task) <= max(1, left // (2 * slots))
    later = sizes[1:]  # how long they take is not known of the first
    assert later == sorted(later, reverse=True)
    assert later[-1] == 1
    assert max(sizes) <= LARGEST_TASK
    assert max(later) <= max(1, 0.25 / elapsed_time)


@pytest.mark.parametrize("slots", [0, 1, 2, 16])
@pytest.mark.parametrize("elapsed_time", [1e-6, 0.01, 0.2, 1.0, 9.9, 60.0, 1e3])
def test_little_more_is_out_than_is_run(slots, elapsed_time):
    feed = feed_of(10**6)
    assert feed.window(slots) == slots + 2
    run_all(feed, feed.next_task(slots), elapsed_time)
    given = [task for _ in range(50) if (task := feed.next_task(slots))]
    assert len(given) == feed.window(slots)
    assert max(slots, 1) <= len(given) <= 2 * max(slots, 1) + 2
    if elapsed_time >= max(slots, 10):  # a worker that dies takes nothing along that only waits
        assert len(given) == max(slots, 1)
    assert len(feed.next_task(slots, stuck=1)) > 0
    assert feed.next_task(slots, stuck=1) == ()


@pytest.mark.parametrize(("time_limit", "expected"), [(None, [0.0, 0.5, 2.0]), (7.0, [7.0] * 3)])
def test_a_simulation_needs_its_time_limit_or_as_long_as_the_longest(time_limit, expected):
    feed, needs = feed_of(3, time_limit=time_limit), []
    for elapsed_time in (0.5, 2.0, 0.1):
        (order,) = task = feed.next_task(1)
        needs.append(order.needs)
        run_all(feed, task, elapsed_time)
    assert needs == expected
