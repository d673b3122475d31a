"""What is shown and exported by columns is what outcomes one by one come to."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outcome_tables import filled_table
from plain_table import exported, table_of
from test_dependence_columns import LEAVES, studies

from dask_espresso.inputs.study import Study
from dask_espresso.outcome import Outcome, Status
from dask_espresso.store.columns import ABSENT
from dask_espresso.store.hdf5 import open_hdf5, write_hdf5
from dask_espresso.store.reader import Reader
from dask_espresso.store.rows import Rows
from dask_espresso.views.export import _json, export_table
from dask_espresso.views.numbers import Numbers
from dask_espresso.views.plain_values import plain_values
from dask_espresso.views.points import Points
from dask_espresso.views.show import _columns, result_names
from dask_espresso.views.versions import Versions

NAMES = ("y", "y_sem", "a", "x", "b", "status", "a.b", "z_sem")
VALUES = st.one_of(
    LEAVES,
    st.sampled_from([10**400, -(10**20), 2**63, -1, -1.5, (1, 2), {1: 2}, np.arange(3), 0.25]),
    st.dictionaries(st.sampled_from("abc"), LEAVES, max_size=3),
)
RESULTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5)
UNREAD = st.sampled_from([None, [], ["x"]])
STATUSES = [Status.DONE] * 7 + [Status.NOT_FINITE, Status.FAILED, Status.LOST]


@st.composite
def outcomes_of(draw, study):
    """Draw an outcome of most simulations, of several versions of code and engine."""
    results = draw(st.lists(RESULTS, min_size=1, max_size=4))
    codes = draw(st.sampled_from([["c" * 16], ["c" * 16, "d" * 16, ""]]))
    engines = draw(st.sampled_from([["1"], ["1", "2", ""]]))
    found = []
    for one in study.simulations():
        status = draw(st.sampled_from(STATUSES))
        outcome = Outcome(
            one.id, one.parameters, one.replica, one.seed, status,
            draw(st.sampled_from(results)) if status.has_result else None,
            exit_code=draw(st.sampled_from([0, None])), host=draw(st.sampled_from(["", "é,"])),
            peak_memory=draw(st.sampled_from([5, None])), unread=draw(UNREAD),
            elapsed_time=draw(st.sampled_from([2.0, np.nan])), engine="e",
            code_hash=draw(st.sampled_from(codes)), engine_version=draw(st.sampled_from(engines)),
        )  # fmt: skip
        if draw(st.integers(0, 9)):
            found.append(outcome)
    in_order = draw(st.permutations(range(len(found))))
    for outcome, sequence in zip(found, in_order, strict=True):
        outcome.sequence = sequence
    return sorted(found, key=lambda outcome: outcome.sequence)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_columns_are_those_of_outcomes(tmp_path_factory, data):
    study = data.draw(studies())
    there = data.draw(outcomes_of(study))
    path = tmp_path_factory.mktemp("s") / "s.h5"
    # some in the file, some in the journal, and some in both: the later ones count
    cut = data.draw(st.integers(0, len(there)))
    twice = data.draw(st.integers(0, 2))
    before = [
        *there[:cut],
        *(Outcome(o.id, o.parameters, sequence=-1) for o in there[cut:][:twice]),
    ]
    table = filled_table(before)
    if data.draw(st.booleans()):
        table.sort(study)
    write_hdf5(path, table, study.snapshot(), "hash")
    now = study
    if data.draw(st.booleans()):  # it has become another one
        now = Study.from_snapshot(study.snapshot() | {"replicas": 2, "sweep": "product"})
    with open_hdf5(path) as published:
        rows = Rows(published, there[cut:])
        outcomes = published.outcomes()
        for outcome in there[cut:]:
            outcomes[outcome.id] = outcome
        compare_tables(now, Reader(now, rows), outcomes)
        compare_exports(rows, list(outcomes.values()))


def compare_tables(study, reader, outcomes):
    columns, others = table_of(study, outcomes)
    points, numbers = Points(reader, Versions(reader, {})), Numbers(reader)
    names = result_names(reader, numbers)
    pooled = {name: points.pooled(numbers, name) for name in names}
    assert _columns(reader, points, numbers, pooled) == columns
    assert numbers.others(points.rows) == others
    assert reader.n_others == len(outcomes) - len(outcomes.keys() & set(study.ids()))


def compare_exports(rows, outcomes):
    table, right = export_table(rows, None), exported(outcomes)
    assert list(table) == list(right)
    for name, column in table.items():
        assert repr(plain_values(column)) == repr(right[name])
    text = b"".join(_json(table))
    objects = [
        {name: v for name, v in zip(right, row, strict=True) if v is not ABSENT}
        for row in zip(*right.values(), strict=True)
    ]
    assert len(json.loads(text)) == len(objects)
    assert [list(one) for one in json.loads(text)] == [list(one) for one in objects]


def test_names_come_as_the_first_outcome_of_the_study_has_them():
    study = Study(name="s", script="s.py", parameters={"x": [1, 2]})
    first, second = (Outcome(one.id, one.parameters) for one in study.simulations())
    first.result, second.result = {"q": 0.5, "p": 1.5}, {"p": 2.5, "q": 3.5, "r": 4.5}
    rows = Rows(None, [second, first])  # in this order they were recorded
    reader = Reader(study, rows)
    assert result_names(reader, Numbers(reader)) == ["q", "p", "r"]
    assert list(export_table(rows, None))[2:5] == ["p", "q", "r"]
