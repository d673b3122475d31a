"""Who gets work, by how results come from whom."""

import time
from types import SimpleNamespace

import dask
import pytest

from dask_espresso.cluster.crew import Crew
from dask_espresso.cluster.transfers import Trouble

THREADS = {"a": 1, "b": 4}


def crew_of(threads=THREADS, under_way=(), **ages):
    """Give a crew, by how many results are under way, and for how long who has not answered."""
    now = time.monotonic()
    troubles = {name: Trouble(now - age, f"silent for {age} s") for name, age in ages.items()}
    return Crew(threads, SimpleNamespace(under_way=dict(under_way), troubles=troubles), "tcp://s")


def only(*names):
    return {"workers": [*names], "allow_other_workers": True}


@pytest.mark.parametrize(
    ("under_way", "where", "free"),
    [
        ({}, {}, "ab"),
        ({"a": 4, "b": 10}, {}, "ab"),  # two for each thread, and two more
        ({"a": 5, "b": 10}, only("b"), "b"),
        ({"a": 4, "b": 11}, only("a"), "a"),
        ({"a": 5, "b": 11}, {}, "ab"),  # somebody has to get it
        ({"gone": 99}, {}, "ab"),
    ],
)
def test_who_has_more_results_than_its_line_takes_gets_no_more(under_way, where, free):
    crew = crew_of(under_way=under_way)
    assert (crew.where, crew.free) == (where, {name: THREADS[name] for name in free})
    assert crew.slots == 5
    assert crew.troubles == set()


def test_who_does_not_answer_gets_nothing():
    crew = crew_of(under_way={"a": 2}, a=30, gone=30)
    assert (crew.where, crew.slots, crew.free) == (only("b"), 4, {"b": 4})
    (said,) = crew.troubles
    assert said.startswith("the scheduler, tcp://s, does not reach the worker, a (silent for 30 s)")
    assert crew_of(a=0).troubles == set()  # it may be gone, and not yet missed
    assert crew_of(a=0).where == only("b")


def test_where_nobody_answers_that_is_said_after_a_while():
    with dask.config.set({"dask-espresso.transfers.give-up": "60s"}):
        assert "worker, a (" in crew_of(a=70, b=61).lasting_trouble
        assert crew_of(a=70, b=50).lasting_trouble == ""
        assert crew_of(a=70).lasting_trouble == ""
        assert crew_of({}, a=70).lasting_trouble == ""
    nobody = crew_of(a=70, b=70)
    assert (nobody.where, nobody.slots, nobody.free) == ({}, 0, {})


def test_a_trouble_that_has_become_lasting_since_it_was_seen():
    with dask.config.set({"dask-espresso.transfers.give-up": "0.05s"}):
        crew = crew_of(a=0, b=0)
        assert crew.troubles == set()
        time.sleep(0.1)
        assert "worker, a (" in crew.lasting_trouble


def test_who_is_lost_since_a_look():
    well, ill, worse = crew_of(), crew_of(a=5), crew_of(a=5, b=5)
    assert ill.has_lost_since(well)
    assert not ill.has_lost_since(ill)
    assert not worse.has_lost_since(well)  # nobody else would do better
    assert not well.has_lost_since(ill)


def test_before_anybody_is_there():
    assert (Crew().where, Crew().slots, Crew().lasting_trouble) == ({}, 0, "")
