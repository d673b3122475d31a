"""What comes of the tasks that workers have, by a feed of its own and workers that are told."""

import pickle
from types import SimpleNamespace

import pytest

from dask_espresso import flights as flights_module
from dask_espresso.cluster.workers import News
from dask_espresso.engines import Engine
from dask_espresso.feed import Feed
from dask_espresso.flights import Flights
from dask_espresso.outcome import Outcome, Status
from dask_espresso.plan import Plan
from dask_espresso.process.order import Order, Workload
from dask_espresso.process.task_run import TaskResults
from dask_espresso.record import pack


class Task(SimpleNamespace):
    """A future, of which a test says what becomes of it."""

    status = "pending"
    __hash__ = object.__hash__

    def release(self):
        self.status = "released"


class Workers:
    """Workers that do nothing by themselves."""

    def __init__(self, *names):
        self.tasks = {}
        self.holders = {}
        self.cluster = SimpleNamespace(is_own=True)
        self.fetched = []
        self.are(*names)

    def are(self, *names):
        self.crew = SimpleNamespace(running={*names}, free=dict.fromkeys(names, 2))

    def submit(self, key, function, workload, orders, pace, worker):
        self.tasks[key] = Task(key=key, orders=pickle.loads(orders), worker=worker)
        return self.tasks[key]

    def whose(self):
        return self.holders

    def fetch(self, futures):
        self.fetched += futures


@pytest.fixture
def made():
    orders = [Order(str(i), {"x": i}, replica=0, seed=1, attempt=1) for i in range(4)]
    feed, workers = Feed(Plan(orders, 4)), Workers("a")
    work = Workload(Engine("python"), "script.py", "hash", None)
    return feed, workers, Flights(feed, workers, work, lambda reason: None)


def results(task, *places, is_all=True):
    """Give what a task says of some of its simulations."""
    ran = []
    for place in places:
        outcome = Outcome(task.orders[place].id, task.orders[place].parameters, 0)
        ran.append((place, int(Status.DONE), pack(outcome), 0.1))
    return TaskResults(ran, is_all=is_all)


def recorded(flights, **news):
    return [entry.id for found in flights.entries(News(**news)) for entry in found]


def message(task, *places, is_all=True):
    return {"task": task.key, **results(task, *places, is_all=is_all).as_message()}


def test_what_comes_twice_counts_once_and_the_last_message_ends_the_task(made):
    feed, workers, flights = made
    flights.send()
    first, *_ = workers.tasks.values()
    assert [order.id for order in first.orders] == ["0", "1"]
    said = message(first, 0, is_all=False)
    assert recorded(flights, messages=[said]) == ["0"]
    assert recorded(flights, messages=[said, message(first, 0, 1)]) == ["1"]
    assert recorded(flights, messages=[message(first, 1)]) == []
    first.status = "finished"
    assert recorded(flights, ended=[first]) == []
    assert workers.fetched == []
    flights.release(News(ended=[first]))
    assert first.status == "released"
    assert feed.n_ended == 2


def test_a_message_of_another_driver(made):
    _, _, flights = made
    other = Task(key="simulations-0-other-1", orders=[Order("0", {}, 0, 1, 1)])
    assert recorded(flights, messages=[message(other, 0)]) == []


def test_what_was_not_in_messages_is_fetched_and_what_was_not_run_is_run_again(made):
    _, workers, flights = made
    flights.send()
    first, *_ = workers.tasks.values()
    first.status = "finished"
    assert recorded(flights, ended=[first]) == []
    assert workers.fetched == [first]
    arrival = SimpleNamespace(future=first, result=results(first, 1), is_given_up=False)
    assert recorded(flights, arrivals=[arrival]) == ["1"]
    assert flights.fetching == set()
    before = {*workers.tasks}
    flights.send()
    again = [workers.tasks[key] for key in workers.tasks.keys() - before]
    assert "0" in [order.id for task in again for order in task.orders]


def test_tasks_of_workers_that_are_gone(made):
    """Dask gives them to others; what nobody has, where there was nobody, is given anew."""
    feed, workers, flights = made
    workers.are("a", "b")
    flights.send()
    moved, stray, *_ = tasks = [*workers.tasks.values()]
    workers.are()
    flights.look_for_strays()
    workers.are("c")
    workers.holders = {task.key: "c" for task in tasks if task is not stray}
    flights.look_for_strays()  # it may be under way
    assert stray.status == "pending"
    n_flying = feed.n_flying
    flights.look_for_strays()
    assert (stray.status, moved.status) == ("released", "pending")
    assert feed.n_flying == n_flying - len(stray.orders)
    workers.holders = {}
    flights.look_for_strays()
    flights.look_for_strays()
    assert moved.status == "pending"  # it is c's now


def test_a_task_that_nobody_begins_for_long_is_given_anew(made, monkeypatch):
    monkeypatch.setattr(flights_module, "_PATIENCE", 0.0)
    feed, workers, flights = made
    workers.are("a", "b")
    flights.send()
    first, second, *_ = tasks = [*workers.tasks.values()]
    recorded(flights, messages=[message(first, is_all=False)])  # it is at work
    workers.holders = {task.key: task.worker for task in tasks}
    flights.look_for_strays()
    assert [task.status for task in tasks] == ["pending"] + ["released"] * (len(tasks) - 1)
    assert feed.n_flying == len(first.orders)
    assert recorded(flights, messages=[message(second, 0)]) == []


def test_a_worker_that_takes_no_more_keeps_what_it_has_begun_alone(made):
    """Also of a scheduler of others, where nobody ends it."""
    feed, workers, flights = made
    workers.cluster.is_own = False
    workers.are("a", "b")
    flights.send()
    first, *_ = tasks = [*workers.tasks.values()]
    recorded(flights, messages=[message(first, is_all=False)])
    workers.holders = {task.key: "a" for task in tasks}
    workers.are("b")
    flights.look_for_strays()
    flights.look_for_strays()
    begun_or_b = [task for task in tasks if task is first or task.worker == "b"]
    assert {task.status for task in begun_or_b} == {"pending"}
    assert {task.status for task in tasks if task not in begun_or_b} <= {"released"}
    assert feed.n_flying == sum(len(task.orders) for task in begun_or_b)


def test_what_a_worker_does_not_run_is_given_anew_and_what_it_holds_takes_no_slot(made):
    _, workers, flights = made
    flights.send()
    first, *_ = workers.tasks.values()
    said = TaskResults([], is_all=False, not_run=[1], held=[0]).as_message()
    n_before = len(workers.tasks)
    assert recorded(flights, messages=[{"task": first.key, **said}] * 2) == []
    flights.send()
    again = [*workers.tasks.values()][n_before:]
    assert "1" in [order.id for task in again for order in task.orders]
    first.status = "finished"
    arrival = SimpleNamespace(future=first, result=results(first, 0), is_given_up=False)
    assert recorded(flights, arrivals=[arrival]) == ["0"]


def test_what_strays_again_and_again_is_not_to_blame(made):
    feed, workers, flights = made
    for number in range(20):
        workers.are(f"w{number}")
        flights.send()
        workers.are("last")
        flights.look_for_strays()
        flights.look_for_strays()
        assert (feed.n_left, feed.n_flying) == (4, 0)


def test_a_scheduler_of_others_looks_after_its_tasks_itself(made):
    feed, workers, flights = made
    workers.cluster.is_own = False
    flights.send()
    workers.are("b")
    flights.look_for_strays()
    flights.look_for_strays()
    assert feed.n_flying > 0
    assert {task.status for task in workers.tasks.values()} == {"pending"}
