"""What a run has to do, in which order: of points with targets, as much as results ask for."""

import random

import pytest

from dask_espresso.feed import Feed, Ran
from dask_espresso.inputs.study import Study, load_study
from dask_espresso.outcome import Outcome, Status
from dask_espresso.plan import LongestFirst, Plan, TargetPlan, plan_of
from dask_espresso.process.order import Order
from dask_espresso.record import pack
from dask_espresso.store.store import Entry, open_store
from dask_espresso.targets import Standing


@pytest.fixture
def study():
    return Study(
        name="s", script="s.py", parameters={"x": [1, 2, 3], "c": 0.5}, seed=7,
        until={"y": {"absolute": 1.0}, "replicas": {"minimum": 2, "maximum": 40}},
    )  # fmt: skip


def entry(order, error, status=Status.DONE):
    result = {"y": 0.0, "y_sem": error, "y_dof": 100.0} if status is Status.DONE else None
    outcome = Outcome(order.id, order.parameters, order.replica, status=status, result=result)
    return Entry(order.id, status, pack(outcome))


def test_first_the_minimum_of_all_then_the_points_that_are_farthest(study):
    plan = TargetPlan(study, Standing(study.targets, study.n_points))
    orders = plan.take(100)
    simulations = list(study.simulations())
    assert [o.id for o in orders] == [s.id for s in simulations[:6]]
    assert [o.seed for o in orders] == [s.seed for s in simulations[:6]]
    assert (plan.count, plan.total, list(plan.take(5))) == (6, 6, [])
    errors = {1: 1.0, 2: 2.0, 3: 5.0}
    plan.note([entry(order, errors[order.parameters["x"]]) for order in orders])
    more = plan.take(100)
    assert [(o.parameters["x"], o.replica) for o in more] == [(3, 2), (3, 3), (2, 2), (2, 3)]
    known = {s.id: s for s in simulations}
    assert all(known[o.id].seed == o.seed and known[o.id].replica == o.replica for o in more)
    assert (plan.count, plan.total) == (10, 10)
    assert "1 of 3 points" in plan.describe()
    assert "x=3" in plan.describe()


def test_a_stage_waits_for_its_last_replica(study):
    plan = TargetPlan(study, Standing(study.targets, study.n_points))
    first, second = (o for o in plan.take(100) if o.parameters["x"] == 1)
    plan.note([entry(first, 3.0)])
    assert plan.count == 6
    plan.note([entry(second, 3.0, Status.FAILED)])
    assert plan.count == 8
    plan.note([])
    assert plan.total == 8


def run(study, rng, *, retries=1, is_lost=lambda order: False):
    """Run a study on workers that die, give back, come late; say what was run, and how it ended."""
    plan = TargetPlan(study, Standing(study.targets, study.n_points))
    feed = Feed(plan, retries=retries)
    flying, ended = [], {}
    while feed.n_left:
        flying += feed.next_tasks({"a": 1, "b": 2})
        task = flying.pop(rng.randrange(len(flying)))
        entries = []
        if any(map(is_lost, task.orders)) or rng.random() < 0.05:
            lost = feed.killed(task)
            entries = [entry(order, 0.0, Status.LOST) for order, _ in lost]
        elif rng.random() < 0.2:
            feed.returned(task)
        else:
            ran = task.orders[: rng.randint(0, len(task.orders))]
            feed.ran(task, [Ran(place, Status.DONE, 0.1) for place in range(len(ran))])
            feed.returned(task)
            entries = [entry(o, o.parameters["x"] * (1 + o.seed % 7 / 7)) for o in ran]
        assert not ended.keys() & {e.id for e in entries}
        ended |= {e.id: e.status for e in entries}
        plan.note(entries)
    assert not flying
    assert (feed.n_ended, plan.total) == (len(ended), len(ended))
    return ended


def test_workers_that_die_change_nothing(study):
    straight = run(study, random.Random(0))
    assert len(straight) > 20
    for seed in range(1, 6):
        assert run(study, random.Random(seed)) == straight


def test_what_kills_its_workers_is_lost_and_used_up(study):
    ended = run(study, random.Random(0), is_lost=lambda o: o.replica == 1)
    assert list(ended.values()).count(Status.LOST) == study.n_points
    assert len(ended) > 20


def timed(plan, slots, takes):
    """Run a plan on slots, by a clock of our own; give the time that it took, and the sequence."""
    feed, sequence, now = Feed(plan), [], 0.0
    running, waiting = [], []  # (when it ends, task, place)
    while feed.n_left:
        for task in feed.next_tasks({"a": slots}):
            sequence += task.orders
            waiting += [(task, place) for place in range(len(task.orders))]
        while waiting and len(running) < slots:
            task, place = waiting.pop(0)
            running.append((now + takes(task.orders[place]), task, place))
        now, task, place = running.pop(running.index(min(running, key=lambda one: one[0])))
        feed.ran(task, [Ran(place, Status.DONE, takes(task.orders[place]))])
    return now, sequence


def takes_x_squared(order):
    return float(order.parameters["x"] ** 2)


@pytest.fixture
def uneven():
    return Study(name="s", script="s.py", parameters={"x": list(range(1, 41))}, replicas=3, seed=7)


def orders_of(study):
    return list(map(Order.of, study.simulations()))


def test_what_takes_longest_is_not_left_for_the_end(uneven):
    orders = orders_of(uneven)
    work = sum(map(takes_x_squared, orders))
    as_written, _ = timed(Plan(orders, len(orders)), 16, takes_x_squared)
    longest_first = LongestFirst(uneven, enumerate(orders), len(orders), {})
    took, sequence = timed(longest_first, 16, takes_x_squared)
    assert sorted(o.id for o in sequence) == sorted(o.id for o in orders)
    assert took < 1.08 * work / 16 < 0.9 * as_written


def test_points_of_which_nothing_is_known_go_first_and_equal_ones_as_they_are_written(uneven):
    orders = orders_of(uneven)
    plan = LongestFirst(uneven, enumerate(orders), len(orders), {9: 100.0, 8: 99.0, 7: 1.0})
    taken = list(plan.take(7))
    assert taken == orders[:7]
    for order in taken:
        plan.took(order.id, 50.0)
    rest = plan.take(33)
    unknown, fast = [*range(10, 40)], 7
    assert [orders.index(order) for order in rest[:33]] == [*unknown, 8, 9, fast]
    for order in rest[:30]:
        plan.took(order.id, 52.0)  # about as long as the first seven
    places = [orders.index(order) % 40 for order in plan.take(40)]
    assert places == [8, 9, *range(7), *unknown, fast]


def test_points_get_their_replicas_at_about_the_same_time(uneven):
    orders = orders_of(uneven)
    _, sequence = timed(LongestFirst(uneven, enumerate(orders), 120, {}), 2, takes_x_squared)
    assert [order.replica for order in sequence] == sorted(order.replica for order in orders)


def test_each_simulation_comes_to_one_end_whatever_fails_dies_or_comes_back(uneven):
    for seed in range(20):
        rng = random.Random(seed)
        orders = [pair for pair in enumerate(orders_of(uneven)) if rng.random() < 0.8]
        known = {point: rng.choice([0.0, 5.0, 1e9]) for point in range(10) if rng.random() < 0.3}
        plan = LongestFirst(uneven, orders, len(orders), known)
        feed, flying, ended = Feed(plan, retries=1), [], []
        while feed.n_left:
            flying += feed.next_tasks({"a": rng.randint(1, 8), "b": 1})
            task = flying.pop(rng.randrange(len(flying)))
            if rng.random() < 0.1:
                ended += [order.id for order, _ in feed.killed(task)]
                continue
            ran = task.orders[: rng.randint(0, 9)]
            status = [Status.FAILED if o.parameters["x"] == 3 else Status.DONE for o in ran]
            times = [rng.choice([0.0, 1e-4, 20.0]) for _ in ran]
            ends = feed.ran(task, list(map(Ran, range(len(ran)), status, times)))
            feed.returned(task)
            ended += [order.id for order, is_end in zip(ran, ends, strict=True) if is_end]
        assert sorted(ended) == sorted(order.id for _, order in orders)
        assert not flying


def test_what_fails_costs_no_memory(uneven):
    orders = orders_of(uneven)
    plan = LongestFirst(uneven, enumerate(orders), len(orders), {})
    feed = Feed(plan)
    while tasks := list(feed.next_tasks({"a": 1})):
        for task in tasks:
            feed.ran(task, [Ran(place, Status.FAILED, 1.0) for place in task.left])
    assert feed.n_ended == len(orders)
    assert not plan._points


def test_a_study_that_goes_on_knows_what_its_points_took(tmp_path):
    (tmp_path / "s.py").touch()
    written = "{name: s, script: s.py, parameters: {x: {start: 1, stop: 10, step: 1}}, replicas: 7}"
    (tmp_path / "s.yaml").write_text(written)
    uneven = load_study(tmp_path / "s.yaml")
    orders = orders_of(uneven)
    with open_store(tmp_path / "s.h5", uneven) as store:
        entries = []
        for order in orders[:20]:
            outcome = Outcome(order.id, order.parameters, order.replica, status=Status.DONE)
            outcome.elapsed_time = takes_x_squared(order)
            entries.append(Entry(order.id, outcome.status, pack(outcome)))
        store.record(entries)
        plan = plan_of(uneven, store)
        assert [o.parameters["x"] for o in plan.take(50)] == [*range(10, 0, -1)] * 5
        assert (plan.count, plan.total) == (50, 70)
