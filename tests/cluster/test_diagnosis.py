"""What is seen of a worker job, enumerated: the state that it means, and what is done about it."""

import itertools
from types import SimpleNamespace

import pytest

from dask_espresso.cluster.diagnosis import KeptJob, State, View, diagnose
from dask_espresso.systems.queue import QueuedJob

QUEUED = {
    "not in it": None,
    "not seen": None,
    "waiting": QueuedJob("job-1", "waiting", "Priority"),
    "running": QueuedJob("job-1", "running"),
    "held": QueuedJob("job-1", "held", "JobHeldUser"),
}


def view_of(queue, n_workers, is_leaving=False, is_silent=False, is_executing=False):
    """Look at a job of two workers."""
    return View(
        queued=QUEUED[queue],
        is_absent=queue == "not in it",
        n_workers=n_workers,
        is_complete=n_workers == 2,
        is_leaving=is_leaving,
        is_silent=is_silent,
        is_executing=is_executing,
    )


def job_of(job_id="1", said="", submitted_at=0.0):
    return KeptJob("job-1", SimpleNamespace(job_id=job_id, said=said), 2, submitted_at)


# by the queue, and how many workers there are: before all have come, and after
STATES = {
    ("not in it", 0): (State.GONE, State.GONE),
    ("not in it", 1): (State.STARTING, State.INCOMPLETE),
    ("not in it", 2): (State.WORKING, State.WORKING),
    ("not seen", 0): (State.WAITING, State.INCOMPLETE),
    ("not seen", 1): (State.STARTING, State.INCOMPLETE),
    ("not seen", 2): (State.WORKING, State.WORKING),
    ("waiting", 0): (State.WAITING, State.WAITING),
    ("waiting", 1): (State.STARTING, State.INCOMPLETE),
    ("waiting", 2): (State.WORKING, State.WORKING),
    ("running", 0): (State.STARTING, State.INCOMPLETE),
    ("running", 1): (State.STARTING, State.INCOMPLETE),
    ("running", 2): (State.WORKING, State.WORKING),
    ("held", 0): (State.HELD, State.HELD),
    ("held", 1): (State.HELD, State.HELD),
    ("held", 2): (State.HELD, State.HELD),
}


def test_all_that_can_be_seen_is_in_the_table():
    assert set(STATES) == set(itertools.product(QUEUED, range(3)))
    reached = {state for states in STATES.values() for state in states}
    assert reached | {State.SILENT, State.LEAVING} == set(State)


@pytest.mark.parametrize(("seen", "states"), STATES.items(), ids=str)
def test_what_is_seen_means_one_state(seen, states):
    queue, n_workers = seen
    for has_come_up, state in zip((False, True), states, strict=True):
        assert view_of(*seen).state(has_come_up) is state
        if n_workers:
            assert view_of(*seen, is_leaving=True).state(has_come_up) is State.LEAVING
            silent = view_of(*seen, is_silent=True).state(has_come_up)
            assert silent is (State.HELD if queue == "held" else State.SILENT)


SEES = {
    State.WAITING: view_of("waiting", 0),
    State.STARTING: view_of("running", 1),
    State.WORKING: view_of("running", 2),
    State.INCOMPLETE: view_of("running", 1),
    State.SILENT: view_of("running", 2, is_silent=True),
    State.LEAVING: view_of("running", 2, is_leaving=True),
    State.HELD: view_of("held", 0),
    State.GONE: view_of("not in it", 0),
}
# how long it lasts at most, what is said then, and whether that is a failure: of a job that has
# never come up, soon after it has, and later
FAULTS = {
    State.WAITING: (None, "", (False, False, False)),
    State.STARTING: (300.0, "ran for 300 s without its worker registering", (True,)),
    State.WORKING: (None, "", (False, False, False)),
    State.INCOMPLETE: (15.0, "lost a worker", (None, True, False)),
    State.SILENT: (1.5, "did not answer for 60 s", (False, False, False)),
    State.LEAVING: (5.0, "left before the end of its walltime", (False, False, False)),
    State.HELD: (0.0, "was held: JobHeldUser", (True, True, True)),
    State.GONE: (0.0, "ended", (True, True, False)),
}


def test_every_state_is_in_the_table():
    assert set(SEES) == set(FAULTS) == set(State)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("age", range(3))
def test_how_long_a_state_may_last_and_what_is_said_then(state, age):
    limit, said, failures = FAULTS[state]
    if age >= len(failures) or failures[age] is None:
        return
    job, view = job_of(), SEES[state]
    if age:
        job.update(view_of("running", 2), 500.0)
    if state is State.WAITING:
        age = 0  # it has been put back
    entered = [1000.0, 501.0, 1000.0][age]
    job.update(view, entered)
    assert job.state is state
    if limit is None:
        assert diagnose(job, view, entered + 1e6) is None
        return
    if limit:
        assert diagnose(job, view, entered + limit) is None
    fault = diagnose(job, view, entered + limit + 0.1)
    assert fault.reason.startswith(said)
    assert fault.is_failure is failures[age]
    assert fault.is_regular is (state is State.LEAVING)


def test_a_state_lasts_from_its_beginning():
    job, silent = job_of(), SEES[State.SILENT]
    for now, view in enumerate([SEES[State.WORKING], silent, SEES[State.WORKING], silent]):
        job.update(view, float(now))
        assert diagnose(job, view, float(now)) is None
    job.update(silent, 4.4)  # looking once more does not make it begin anew
    assert diagnose(job, silent, 4.4) is None
    job.update(silent, 4.6)
    assert diagnose(job, silent, 4.6).reason == "did not answer for 60 s"


def test_what_still_runs_is_waited_for():
    job, view = job_of(), view_of("running", 2, is_leaving=True, is_executing=True)
    job.update(view, 0.0)
    assert diagnose(job, view, 1e5) is None


def test_a_job_that_is_put_back_starts_over():
    job = job_of()
    for now, name in enumerate([State.WORKING, State.WAITING, State.STARTING]):
        job.update(SEES[name], 1000.0 * now)
    assert job.came_up_at is None
    assert diagnose(job, SEES[State.STARTING], 2299.0) is None
    assert diagnose(job, SEES[State.STARTING], 2301.0).is_failure


@pytest.mark.parametrize(
    ("said", "tells"), [("Have a\nnice day\n", "Have a nice day"), ("", "nothing")]
)
def test_a_job_whose_id_was_not_told_has_some_time_to_appear(said, tells):
    job, view = job_of(job_id="", said=said, submitted_at=100.0), SEES[State.GONE]
    job.update(view, 101.0)
    assert diagnose(job, view, 130.0) is None
    fault = diagnose(job, view, 130.1)
    assert fault.is_failure
    assert fault.reason == f"is not in the queue, and its submission said: {tells}"


@pytest.mark.parametrize(
    ("states", "reported"),
    [
        ([State.WAITING], "waiting"),
        ([State.STARTING], "starting"),
        ([State.WORKING], "working"),
        ([State.WORKING, State.INCOMPLETE], "working"),
        ([State.WORKING, State.SILENT], "working"),
        ([State.WORKING, State.WAITING], "waiting"),
        ([State.WORKING, State.LEAVING], "leaving"),
    ],
)
def test_what_a_user_is_told(states, reported):
    job = job_of()
    for now, state in enumerate(states):
        job.update(SEES[state], float(now))
        assert job.state is state
    assert job.listed().state == reported
    expected = {"waiting": "Priority", "leaving": "its walltime ends"}
    assert job.listed().reason == expected.get(reported, "")
