"""What pooled() gives is what show shows, of arrays element by element, and nothing silently."""

import math

import numpy as np
import pytest
from outcome_tables import filled_table

import dask_espresso
from dask_espresso.errors import InputError
from dask_espresso.inputs.study import Study
from dask_espresso.outcome import Outcome, Status
from dask_espresso.statistics import pool_replicas
from dask_espresso.store.hdf5 import write_hdf5
from dask_espresso.values import storable

T_OF_NINE = 2.262157  # Student's t for 95 % and nine degrees of freedom


@pytest.fixture
def store(tmp_path):
    def make(result, parameters=None, replicas=2):
        study = Study(
            name="s", script="s.py", parameters=parameters or {"x": [1, 2]}, replicas=replicas
        )
        outcomes = []
        for one in study.simulations():
            given = result(one)
            status = Status.DONE if given is not None else Status.FAILED
            outcomes.append(
                Outcome(
                    one.id, one.parameters, one.replica, status=status,
                    result=given and storable(given),
                )
            )  # fmt: skip
        path = tmp_path / "s.h5"
        write_hdf5(path, filled_table(outcomes), study.snapshot(), "hash")
        return path

    return make


def test_a_row_a_point(store):
    def result(one):
        x = one.parameters["x"]
        return {"e": x + 0.01 * one.replica, "e_sem": 0.1, "e_dof": 4}

    first, second = dask_espresso.pooled(store(result), "e")
    sem = math.sqrt((8 * 0.1**2 / 2 + 0.005**2) / 9)  # by degrees of freedom
    assert first == ({"x": 1}, pytest.approx(1.005), pytest.approx(sem), 9, 2,
                     pytest.approx(T_OF_NINE * sem), False, {})  # fmt: skip
    assert (second.parameters, second.mean) == ({"x": 2}, pytest.approx(2.005))
    assert type(first.mean) is float
    (first, _) = dask_espresso.pooled(store(result), "e", confidence=68.27)
    assert first.half_width == pytest.approx(sem, rel=0.08)


def test_what_is_not_known_or_not_there_is_nan(store):
    def result(one):
        return None if one.parameters["x"] == 1 or one.replica else {"e": 2.0, "e_sem": None}

    first, second = dask_espresso.pooled(store(result), "e")
    assert first.n_replicas == 0
    assert second.mean == 2.0
    assert second.n_replicas == 1
    values = (first.mean, first.sem, second.sem, second.dof, second.half_width)
    assert all(map(math.isnan, values))


def test_without_swept_parameters_there_is_one_row(store):
    (row,) = dask_espresso.pooled(store(lambda one: {"e": one.replica}, {"x": 1}, 4), "e")
    assert (row.parameters, row.mean, row.n_replicas, row.dof) == ({}, 1.5, 4, 3)


@pytest.mark.parametrize("kind", [np.array, list])
def test_arrays_are_pooled_element_by_element(store, kind):
    chance = np.random.default_rng(1).normal(size=(3, 3, 4))
    sems = np.array([[0.5, 0.01, math.nan, 2.0]] * 3)

    def result(one):
        values = chance[one.parameters["x"], one.replica]
        return {"h": kind(values.tolist()), "h_sem": sems[one.replica], "h_dof": 8.0}

    rows = dask_espresso.pooled(store(result, {"x": [0, 1, 2]}, 3), "h")
    for x, row in enumerate(rows):
        assert row.parameters == {"x": x}
        assert row.n_replicas == 3
        for element in range(4):
            right = pool_replicas(chance[x, :, element], sems[:, element], [8.0] * 3)
            assert row.mean[element] == pytest.approx(right.mean)
            assert row.sem[element] == pytest.approx(right.sem)
            assert row.dof[element] == right.dof
            assert row.differ[element] == bool(right.reason)
    assert rows[0].half_width.shape == (4,)


def test_matrices_of_another_shape_at_each_point(store):
    def result(one):
        shape = (2, 2) if one.parameters["x"] == 1 else (3, 1)
        return {"h": np.full(shape, one.replica)} if one.replica < 3 else {"other": 1}

    first, second = dask_espresso.pooled(store(result, replicas=4), "h")
    assert first.mean.tolist() == [[1, 1], [1, 1]]
    assert second.sem == pytest.approx(np.full((3, 1), math.sqrt(1 / 3)))
    assert (first.n_replicas, second.n_replicas) == (3, 3)
    assert (second.dof == 2).all()


def test_effective_samples_of_another_shape_are_not_known(store):
    """What has such a name and is something else does no harm to what could be read before."""
    for n_effs in (np.zeros(3), "many", [1, [2, 3]]):
        of = {"h": np.zeros(2), "h_sem": np.ones(2), "h_n_eff": n_effs}
        row = dask_espresso.pooled(store(lambda one, of=of: of), "h")[0]
        assert (row.sem > 0).all()


def test_what_cannot_be_pooled_is_refused(store):
    def of(value):
        return store(lambda one: {"h": value if one.replica else np.zeros(2)})

    for value in (np.zeros(3), 1.5):
        with pytest.raises(InputError, match=r"result 'h' at x = 1 has several shapes, \(2,\), \("):
            dask_espresso.pooled(of(value), "h")
    for value in ("text", [1, [2, 3]], True, 1j, [{}]):
        with pytest.raises(InputError, match="result 'h' at x = 1 is no number, nor an array of"):
            dask_espresso.pooled(of(value), "h")
    wrong = store(lambda _: {"h": np.zeros(2), "h_sem": np.zeros(3)})
    with pytest.raises(InputError, match="has another shape than its _sem"):
        dask_espresso.pooled(wrong, "h")
    with pytest.raises(InputError, match="no result 'g'; there are h"):
        dask_espresso.pooled(wrong, "g")
    with pytest.raises(InputError, match="confidence 0.95: .*; write 95 for 95 %"):
        dask_espresso.pooled(wrong, "h", confidence=0.95)
    with pytest.raises(InputError, match="no such store"):
        dask_espresso.pooled("none.h5", "h")
