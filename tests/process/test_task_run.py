"""How simulations of a task share the slots of their worker, and what is handed over when."""

import queue
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from distributed import Reschedule
from processes import wait_until

from dask_espresso.engines import Engine
from dask_espresso.errors import ScriptChangedError
from dask_espresso.outcome import Status
from dask_espresso.process import task_run
from dask_espresso.process.order import Order, Workload
from dask_espresso.process.task_run import TaskResults, TaskRun
from dask_espresso.process.warm_server import StartAbandonedError
from dask_espresso.record import unpack

WORK = Workload(Engine("python"), "script.py", "hash", None)


class Held:
    """Simulations that end when they are told to, in the order in which they are told."""

    def __init__(self):
        self.begun = queue.Queue()
        self.ends = {}
        self.n_running = self.most = 0
        self.lock = threading.Lock()

    def why_fresh(self, workload):
        return "it is a test"

    def simulate(self, workload, order):
        with self.lock:
            self.n_running += 1
            self.most = max(self.most, self.n_running)
            end = self.ends.setdefault(order.id, queue.Queue())
        self.begun.put(order.id)
        outcome = order.outcome(workload)
        outcome.elapsed_time = 0.5
        result = end.get(timeout=20)
        with self.lock:
            self.n_running -= 1
        if isinstance(result, Exception):
            raise result
        outcome.result = result
        return outcome

    def end(self, *ids, result=None):
        for one in ids:
            with self.lock:
                end = self.ends.setdefault(one, queue.Queue())
            end.put({"id": one} if result is None else result)

    def wait_for(self, *ids):
        """Wait until these have begun, next after those that were waited for."""
        assert {self.begun.get(timeout=20) for _ in ids} == {*ids}


class Tasks:
    """A worker's slots, and what comes of its tasks."""

    def __init__(self, n_slots):
        self.held = Held()
        self.slots, self.threads = ThreadPoolExecutor(n_slots), ThreadPoolExecutor(4)
        self.messages = {}

    def begin(self, ids, pace=0.0, work=WORK):
        orders = [Order(one, {}, replica=0, seed=1, attempt=1) for one in ids]
        said = self.messages[ids] = []

        def send(message):
            said.append(TaskResults.of_message(message))

        return self.threads.submit(TaskRun(self.held, work, orders, self.slots).run, send, pace)

    def sent(self, ids):
        """Give which of a task's simulations have been sent."""
        return [ids[place] for one in [*self.messages[ids]] for place, *_ in one.results]


@pytest.fixture
def tasks():
    made = []

    def make(n_slots):
        made.append(Tasks(n_slots))
        return made[-1]

    yield make
    for one in made:
        one.slots.shutdown(wait=False)
        one.threads.shutdown(wait=False)


def test_tasks_share_the_slots_and_each_outcome_is_sent_while_others_run(tasks):
    worker = tasks(2)
    first = worker.begin("abc")
    worker.held.wait_for("a", "b")
    worker.held.end("b")
    worker.held.wait_for("c")
    second = worker.begin("de")
    assert wait_until(lambda: worker.sent("abc") == ["b"])
    worker.held.end("c")
    worker.held.wait_for("d")  # of the other task, as a slot is free
    assert wait_until(lambda: worker.sent("abc") == ["b", "c"])
    assert not first.done()
    worker.held.end("a", "d", "e")
    assert first.result(20) == TaskResults([], "it is a test")
    assert second.result(20).is_all
    assert sorted(worker.sent("abc")) == ["a", "b", "c"]
    assert worker.held.most == 2
    *before, last = worker.messages["abc"]
    assert (last.is_all, last.note) == (True, "it is a test")
    assert not any(message.is_all for message in before)
    place, status, record, elapsed_time = before[1].results[0]
    assert (place, status, elapsed_time) == (1, Status.DONE, 0.5)
    assert unpack(b"".join(record)).result == {"id": "b"}


def test_what_ends_at_about_the_same_time_is_sent_together(tasks):
    worker = tasks(4)
    worker.held.end(*"abcdefgh")
    task = worker.begin("abcdefgh", pace=5.0)
    assert task.result(20).is_all  # and nothing waits longer than the last of them
    assert sorted(worker.sent("abcdefgh")) == [*"abcdefgh"]
    assert len(worker.messages["abcdefgh"]) <= 4  # the first one says that it has begun


def test_messages_are_of_a_sane_size(tasks):
    worker = tasks(1)
    worker.held.end(*"abcdefgh", result={"text": "x" * 20_000})
    assert worker.begin("abcdefgh", pace=5.0).result(20).is_all
    assert max(message.nbytes for message in worker.messages["abcdefgh"]) < 100_000
    assert sorted(worker.sent("abcdefgh")) == [*"abcdefgh"]


def test_what_is_too_large_for_a_message_is_the_result_and_ends_the_task_soon(tasks, monkeypatch):
    monkeypatch.setattr(task_run, "_LONGEST_HELD", 0.2)
    worker = tasks(1)
    task = worker.begin("abcd", pace=0.05)
    worker.held.end("a", result={"data": np.arange(50_000)})
    worker.held.wait_for("a", "b")
    assert not task.done()
    threading.Event().wait(0.5)
    worker.held.end("b")
    found = task.result(20)
    assert [place for place, *_ in found.results] == [0]
    told = worker.messages["abcd"]
    assert [place for message in told for place in message.held] == [0]
    assert [place for message in told for place in message.not_run] == [2, 3]
    assert found.nbytes > 400_000
    assert worker.sent("abcd") == ["b"]
    assert not worker.messages["abcd"][-1].is_all
    assert worker.held.begun.empty()  # others do the rest


def test_where_it_takes_much_longer_than_expected_others_do_the_rest(tasks, monkeypatch):
    monkeypatch.setattr(task_run, "LONGEST_TASK", 0.2)
    monkeypatch.setattr(task_run, "_LOOK", 0.1)
    worker = tasks(1)
    task = worker.begin("abc", pace=0.05)
    worker.held.wait_for("a")
    assert wait_until(lambda: [1, 2] in [said.not_run for said in worker.messages["abc"]])
    worker.held.end("a")
    assert task.result(20).is_all
    assert worker.sent("abc") == ["a"]


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (ScriptChangedError("changed"), ScriptChangedError),
        (StartAbandonedError("ends"), Reschedule),
    ],
)
@pytest.mark.parametrize("n_before", [0, 1])
def test_no_more_is_run_of_a_script_that_changed_or_on_a_worker_that_ends(
    tasks, error, raised, n_before
):
    worker = tasks(1)
    worker.held.end(*"ab"[:n_before])
    worker.held.end(*"ab"[n_before], result=error)
    task = worker.begin("abc")
    if n_before:
        assert task.result(20).is_all
        assert worker.sent("abc") == ["a"]
    else:
        with pytest.raises(raised):
            task.result(20)
        assert worker.sent("abc") == []
        assert not any(message.is_all for message in worker.messages["abc"])


def test_what_goes_wrong_with_one_is_its_own(tasks):
    worker = tasks(2)
    worker.held.end("a", result=RuntimeError("no room"))
    worker.held.end("b")
    assert worker.begin("ab").result(20).is_all
    found = {
        place: (status, unpack(b"".join(record)).error)
        for one in worker.messages["ab"]
        for place, status, record, _ in one.results
    }
    assert found == {
        0: (Status.FAILED, "on the worker: RuntimeError: no room"),
        1: (Status.DONE, ""),
    }


def test_a_worker_whose_job_ends_soon_takes_no_more(tasks, monkeypatch):
    left = []
    monkeypatch.setattr(task_run, "_take_no_more", lambda: left.append(True))
    monkeypatch.setattr(task_run, "has_time_for", lambda needs, walltime: not left_over)
    left_over = []
    worker = tasks(1)
    task = worker.begin("abc")
    worker.held.wait_for("a")
    left_over.append(True)
    worker.held.end("a")
    assert task.result(20).is_all
    assert (worker.sent("abc"), left) == (["a"], [True])
    assert worker.begin("de").result(20).is_all
    assert worker.sent("de") == []


def test_a_fault_in_what_is_asked_of_the_job_ends_the_task(tasks, monkeypatch):
    def broken(needs, walltime):
        raise ValueError("SLURM_JOB_END_TIME: 'soon'")

    monkeypatch.setattr(task_run, "has_time_for", broken)
    with pytest.raises(ValueError, match="soon"):
        tasks(1).begin("ab").result(20)


def test_slots_that_are_shut(tasks):
    worker = tasks(1)
    worker.slots.shutdown()
    with pytest.raises(Reschedule):
        worker.begin("ab").result(20)
