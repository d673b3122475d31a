"""Which simulations of a study are meant."""

import time

import numpy as np
import pytest

from dask_espresso.errors import InputError
from dask_espresso.inputs.choice import Choice
from dask_espresso.inputs.study import Study
from dask_espresso.outcome import Status

STUDY = Study(
    name="s", script="s.py", parameters={"x": [1, 2, 3], "kind": ["a", "b"]},
    derived={"y": "x * 2"}, replicas=2, rename={"sort": "kind"},
)  # fmt: skip
SIMULATIONS = list(STUDY.simulations())
IDS = [s.id for s in SIMULATIONS]


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ((), lambda x, kind, replica: True),
        (("x >= 2",), lambda x, kind, replica: x >= 2),
        (("x >= 2 and kind == 'b'",), lambda x, kind, replica: x >= 2 and kind == "b"),
        (("x >= 2", "replica == 1"), lambda x, kind, replica: x >= 2 and replica),
        (("y == 4 or replica > 0",), lambda x, kind, replica: x == 2 or replica),
        (("1 / (x - 1) > 0.5",), None),
        (("x > 1", "1 / (x - 1) > 0.5"), lambda x, kind, replica: x == 2),
    ],
)
def test_conditions(where, holds):
    if holds is None:
        with pytest.raises(InputError, match=r"--where '1 / \(x - 1\) > 0.5': .* divides by zero"):
            Choice(where=where).places(STUDY)
        return
    found = Choice(where=where).places(STUDY).tolist()
    assert found == [
        place for place, s in enumerate(SIMULATIONS)
        if holds(s.parameters["x"], s.parameters["kind"], s.replica)
    ]  # fmt: skip


def test_ids_and_their_beginnings():
    choice = Choice(only=(IDS[7], IDS[2][:8].upper(), IDS[2]))
    assert choice.places(STUDY).tolist() == [2, 7]
    assert Choice(only=(IDS[2],), where=("x > 0",)).places(STUDY).tolist() == [2]


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (Choice(only=("0" * 16,)), "no simulation has the id 0000000000000000"),
        (Choice(only=(IDS[0], IDS[3][:15] + "x")), f"the nearest is {IDS[3]}; of the 12"),
        (Choice(where=("z > 1",)), "--where 'z > 1': unknown parameter 'z'"),
        (Choice(where=("x > 0", "x > 3")), "is true of none of the 12 simulations"),
        (Choice(where=("x",)), "--where 'x': `x` gives the number 1"),
    ],
)
def test_what_is_wrong_is_said(choice, said):
    with pytest.raises(InputError, match=said.replace("`", ".")):
        choice.places(STUDY)


def test_what_is_asked_for_by_how_it_ended():
    recorded = {
        IDS[0]: Status.DONE,
        IDS[1]: Status.FAILED,
        IDS[5]: Status.LOST,
        "other": Status.DONE,
    }
    asked = Choice(statuses=(Status.FAILED, Status.LOST)).ask(STUDY, recorded)
    assert (asked.places.tolist(), asked.ids) == ([1, 5], [IDS[1], IDS[5]])
    assert (asked.left_out, asked.left_out_done) == (10, 1)
    asked = Choice(where=("x == 1",)).ask(STUDY, recorded)
    assert asked.places.tolist() == [0, 1, 6, 7]
    assert (asked.left_out, asked.left_out_done) == (8, 0)


def test_of_a_study_with_targets_only_what_is_recorded():
    study = Study(
        name="s", script="s.py", parameters={"x": [1, 2]},
        until={"y": {"absolute": 1.0}, "replicas": {"minimum": 2, "maximum": 40}},
    )  # fmt: skip
    ids = list(study.ids())
    asked = Choice(where=("x == 1",)).ask(study, {ids[0]: Status.FAILED, ids[1]: Status.DONE})
    assert (asked.places.tolist(), asked.left_out, asked.left_out_done) == ([0], 1, 1)


@pytest.mark.slow
def test_ten_million_simulations_are_looked_through_in_seconds():
    study = Study(
        name="s", script="s.py", replicas=10,
        parameters={"x": {"start": 0, "stop": 1, "num": 1000}, "n": [*range(1000)]},
    )  # fmt: skip
    begun = time.process_time()
    found = Choice(where=("x > 0.5 and n % 2 == 0", "replica == 3")).places(study)
    assert time.process_time() - begun < 20
    assert len(found) == 500 * 500
    assert np.all(found // 10**6 == 3)
