"""What is found on columns is what is found when every two outcomes are compared."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outcome_tables import filled_table
from plain_dependence import missing_dependence

from dask_espresso.inputs.study import Study
from dask_espresso.outcome import Outcome, Status
from dask_espresso.store.hdf5 import open_hdf5, write_hdf5
from dask_espresso.store.reader import Reader
from dask_espresso.store.rows import Rows
from dask_espresso.views.dependence import find_missing

NAMES = ("y", "y_sem", "n", "time", "seed", "x", "e")
NUMBERS = st.sampled_from([0.3, 0.7, 0.0, 1.0, 2.5, 1, 2, 3, 2**53 + 1, float(2**53), float("nan")])
ARRAYS = st.sampled_from(
    [np.array([0.3]), np.array([0.3, 0.7]), np.array([1.0]), np.arange(5), np.array(["a"])]
)
LEAVES = st.one_of(NUMBERS, ARRAYS, st.sampled_from([None, True, False, "a", "b", 0.3j, [0.3], []]))
VALUES = st.one_of(NUMBERS, LEAVES, st.dictionaries(st.sampled_from("ab"), LEAVES, max_size=2))
RESULTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4)


@st.composite
def studies(draw):
    parameters = draw(
        st.sampled_from(
            [
                {"x": [1, 2.5], "b": [0.3, 0.7]},
                {"x": [2, 3], "b": ["a", "c"], "c": 0.3},
                {"x": [0.3, 0.7, 3]},
                {"c": 0.7, "d": {"value": {"e": 1}}},
            ]
        )
    )
    sweep = "zip" if len(parameters) > 1 and draw(st.booleans()) else "product"
    return Study(
        name="s", script="s.py", parameters=parameters, sweep=sweep,
        replicas=draw(st.integers(1, 3)),
    )  # fmt: skip


@st.composite
def outcomes(draw, study):
    """Draw outcomes of which many are the same, as they are where something is wrong."""
    few = draw(st.lists(RESULTS, min_size=1, max_size=3))
    unread = st.sampled_from([None, [], ["seed"], ["x", "seed"]])
    found = []
    for sequence, one in enumerate(study.simulations()):
        status = draw(st.sampled_from([Status.DONE] * 9 + [Status.FAILED]))
        outcome = Outcome(
            one.id, one.parameters, one.replica, draw(st.sampled_from([one.seed, 3])), status,
            draw(st.sampled_from(few)) if status.has_result else None,
            elapsed_time=2.0, unread=draw(unread), sequence=sequence,
        )  # fmt: skip
        found.append(outcome if draw(st.integers(0, 9)) else None)
    return found


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_columns_say_what_outcomes_say(tmp_path_factory, data):
    study = data.draw(studies())
    found = data.draw(outcomes(study))
    said = missing_dependence(study, found)
    assert alike(find_missing(Reader(study, Rows(None, filter(None, found)))), said)

    # some in the file, some in the journal, and some in both: the later ones count
    path = tmp_path_factory.mktemp("s") / "s.h5"
    there = [outcome for outcome in found if outcome]
    cut = data.draw(st.integers(0, len(there)))
    before = [*there[:cut], *(Outcome(o.id, o.parameters, sequence=-1) for o in there[cut:][:2])]
    table = filled_table(before)
    table.sort(study)
    write_hdf5(path, table, study.snapshot(), "hash")
    with open_hdf5(path) as published:
        mixed = find_missing(Reader(study, Rows(published, there[cut:])))
    assert alike(mixed, said)


def alike(*reports):
    """Say whether the same is said; names come in the order of the columns."""
    words = [[sorted(said.replace(",", " ").split()) for said in report] for report in reports]
    return sorted(words[0]) == sorted(words[1])
