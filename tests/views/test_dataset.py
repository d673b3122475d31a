"""A store as xarray has it: curves have axes, swept parameters and replicas are dimensions."""

import functools
import logging
import math

import numpy as np
import pytest
import xarray
from click.testing import CliRunner
from outcome_tables import filled_table

import dask_espresso
from dask_espresso.cli import main
from dask_espresso.errors import InputError
from dask_espresso.inputs.study import Study
from dask_espresso.outcome import Outcome, Status
from dask_espresso.store.hdf5 import write_hdf5
from dask_espresso.store.reading import look, read_store
from dask_espresso.values import storable
from dask_espresso.views.drawing import Picture, drawing_of
from dask_espresso.views.picture import plot_stores

R = np.array([0.5, 1.0, 1.5])


@pytest.fixture
def store(tmp_path):
    """Make a store of a study; a result of None is that of a simulation that failed."""

    def make(result, replicas=2, code=lambda one: "", said=lambda one: "", **keys):
        study = Study(name="s", script="s.py", replicas=replicas, **{"parameters": {}, **keys})
        outcomes = []
        for one in study.simulations():
            given = result(one)
            status = Status.DONE if given is not None else Status.FAILED
            outcomes.append(
                Outcome(
                    one.id, one.parameters, one.replica, status=status, code_hash=code(one),
                    result=given and storable(given), result_axes=said(one),
                )
            )  # fmt: skip
        path = tmp_path / "s.h5"
        write_hdf5(path, filled_table(outcomes), study.snapshot(), "hash")
        for outcome, recorded in zip(outcomes, read_store(path).outcomes.values(), strict=True):
            assert_equal(recorded.result, outcome.result)
        return path

    return make


def assert_equal(found, expected):
    """Whatever its axes, a result comes back as it was."""
    assert (found is None) is (expected is None)
    for name, value in (expected or {}).items():
        if isinstance(value, np.ndarray):
            assert found[name].dtype == value.dtype
            assert np.array_equal(found[name], value)
        else:
            assert found[name] == value
    assert len(found or {}) == len(expected or {})


def curve(one, r=R):
    x = one.parameters["x"]
    return {"r": r, "g": x * r + one.replica, "e": float(x), "n": x, "said": "text"}


X = {"parameters": {"x": [1, 2], "y": [0.1, 0.3, 0.2]}, "axes": {"g": ["r"]}}


def test_swept_parameters_replicas_and_axes_are_dimensions(store):
    data = dask_espresso.dataset(store(curve, **X))
    assert data.g.dims == ("x", "y", "replica", "r")
    assert data.e.dims == ("x", "y", "replica")
    assert data.n.dtype.kind == "i"
    assert list(data.y.values) == [0.1, 0.3, 0.2]  # in the study's order
    assert data.attrs["left_out"] == ["said"]
    mean = data.g.sel(x=2, y=0.3).mean("replica")
    assert np.array_equal(mean.values, 2 * R + 0.5)
    assert np.array_equal(mean.r.values, R)


def test_an_axis_that_is_the_same_everywhere_stands_in_the_file_once(store):
    with xarray.open_dataset(store(curve, **X), engine="h5netcdf") as data:
        assert data.g.dims == ("simulation", "r")
        assert np.array_equal(data.r.values, R)
        assert len(data.to_dataframe()) == 12 * 3


def test_what_is_missing_is_nan(store):
    def result(one):
        if one.parameters == {"x": 1, "y": 0.3} and one.replica == 1:
            return None
        return curve(one)

    data = dask_espresso.dataset(store(result, **X))
    assert np.isnan(data.g.sel(x=1, y=0.3, replica=1)).all()
    assert math.isnan(data.n.sel(x=1, y=0.3, replica=1))
    assert data.g.isnull().sum() == 3
    assert np.array_equal(data.r.values, R)


def test_an_axis_that_differs_is_a_variable_of_its_own(store, caplog):
    data = dask_espresso.dataset(store(lambda one: curve(one, R * one.parameters["x"]), **X))
    assert "g stands along another r in some simulations: a mean over these is" in caplog.text
    assert data.g.dims == ("x", "y", "replica", "r_index")
    assert np.array_equal(data.r.sel(x=2, y=0.1, replica=0).values, 2 * R)


def test_rows_without_an_axis_do_not_get_that_of_others(store):
    """Where one simulation gives a curve with its axis, and another one bare numbers."""

    def result(one):
        given = curve(one)
        return given if one.parameters["x"] == 1 else {"g": given["g"]}

    path = store(
        result, parameters={"x": [1, 2]},
        said=lambda one: '{"g": ["r"]}' if one.parameters["x"] == 1 else "",
    )  # fmt: skip
    assert dask_espresso.dataset(path).g.dims == ("x", "replica", "g_dim_0")
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        assert "r" not in data.g.dims


@pytest.mark.parametrize("large", [2**53, 2**53 + 1, 2**60, -(2**60)])
def test_whole_numbers_are_never_others(store, large):
    def result(one):
        x = one.parameters["x"]
        ragged = np.full(x, large + x)
        return None if x == 2 and one.replica else {"n": large + x, "ragged": ragged}

    data = dask_espresso.dataset(store(result, parameters={"x": [1, 2]}))
    for x in (1, 2):
        assert int(data.n.sel(x=x, replica=0)) == large + x
    assert data.n.sel(x=2, replica=1).item() is None
    assert data.attrs["left_out"] == ["ragged"]


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, -(2**63)])
def test_the_first_whole_number_that_no_float_holds_stays(store, number):
    """As a float it is one less, which looks as if a float held it."""
    path = store(lambda one: {"n": number} if one.replica else None, parameters={"x": [1, 2]})
    data = dask_espresso.dataset(path)
    assert [int(data.n.sel(x=x, replica=1)) for x in (1, 2)] == [number, number]


def test_curves_that_end_sooner_are_filled_with_nan(store):
    def result(one):
        r = R[: 1 + one.parameters["x"]]
        return curve(one, r) | {"m": list(r)}

    data = dask_espresso.dataset(store(result, **X))
    assert data.g.dims == ("x", "y", "replica", "r")
    assert np.array_equal(data.r.values, R)
    assert np.array_equal(data.g.sel(x=1, y=0.1, replica=0), [0.5, 1.0, math.nan], equal_nan=True)
    assert data.m.dims == ("x", "y", "replica", "m_dim_0")


def test_an_axis_of_another_length_is_none(store):
    data = dask_espresso.dataset(store(lambda one: curve(one) | {"g": np.ones(7)}, **X))
    assert data.g.dims == ("x", "y", "replica", "g_dim_0")
    with xarray.open_dataset(store(lambda one: curve(one) | {"g": np.ones(7)}, **X)) as data:
        assert data.g.dims == ("simulation", "g_dim_0")


def test_maps_have_two_axes(store):
    def result(one):
        return {"a": R, "b": np.arange(2), "m": np.outer(R, [1, 2])}

    path = store(result, parameters={"x": [1, 2]}, axes={"m": ["a", "b"]})
    data = dask_espresso.dataset(path)
    assert data.m.dims == ("x", "replica", "a", "b")
    with xarray.open_dataset(path) as data:
        assert data.m.dims == ("simulation", "a", "b")


def test_points_that_fill_no_grid_stand_one_behind_the_other(store):
    keys = {"sweep": "zip", "parameters": {"x": [1, 2, 3], "y": [0.1, 0.3, 0.2]}}
    data = dask_espresso.dataset(store(curve, axes={"g": ["r"]}, **keys))
    assert data.g.dims == ("point", "replica", "r")
    assert list(data.y.values) == [0.1, 0.3, 0.2]


def test_a_grid_may_have_holes_and_what_is_computed_has_its_dimensions(store):
    data = dask_espresso.dataset(store(curve, where="x * y < 0.5", derived={"z": "x / y"}, **X))
    assert data.g.dims == ("x", "y", "replica", "r")
    assert data.z.dims == ("x", "y")
    assert float(data.z.sel(x=1, y=0.1)) == 10
    assert np.isnan(data.g.sel(x=2, y=0.3)).all()
    assert math.isnan(data.z.sel(x=2, y=0.3))


def test_texts_and_truths_may_be_swept(store):
    keys = {"parameters": {"x": [1, 2], "kind": ["a", "b"], "on": [True, False]}}
    data = dask_espresso.dataset(store(curve, **keys))
    assert float(data.e.sel(x=2, kind="b", on=True, replica=0)) == 2


def test_results_that_are_called_like_dimensions_keep_out_of_their_way(store):
    def result(one):
        return {"x": one.parameters["x"], "point": 1.0, "replica": 2.0, "y": R, "h": 2 * R}

    data = dask_espresso.dataset(store(result, **X | {"axes": {"h": ["y"]}}))
    assert {"result.x", "point", "result.replica", "result.y"} <= set(data)
    assert list(data.y.values) == [0.1, 0.3, 0.2]


def test_several_versions_of_the_code_are_said(store, caplog):
    path = store(curve, code=lambda one: "one" if one.replica else "other", **X)
    with caplog.at_level(logging.WARNING):
        data = dask_espresso.dataset(path)
    assert "2 versions of the code" in caplog.text
    assert data["outcome.version"].sel(x=1, y=0.1).values.tolist() == ["other", "one"]


def test_without_swept_parameters_there_is_one_point(store):
    data = dask_espresso.dataset(store(lambda one: {"e": 1.0}))
    assert data.e.dims == ("point", "replica")
    assert data.e.shape == (1, 2)


def test_nothing_done_is_nothing_there(store):
    data = dask_espresso.dataset(store(lambda one: None, **X))
    assert not data.data_vars


def test_pooled_curves(store):
    first = dask_espresso.pooled(store(curve, **X), "g")[0]
    assert np.array_equal(first.mean, R + 0.5)
    assert first.sem == pytest.approx([0.5] * 3)
    assert np.array_equal(first.axes["r"], R)


def test_curves_of_different_axes_are_not_pooled(store):
    path = store(lambda one: curve(one, R * (1 + one.replica)), **X)
    with pytest.raises(InputError, match=r"'g' at x = 1, y = 0\.1 stands along 'r', which is"):
        dask_espresso.pooled(path, "g")
    path = store(lambda one: curve(one, R[: 2 + one.replica]), **X)
    with pytest.raises(InputError, match=r"has several shapes, \(2,\), \(3,\)"):
        dask_espresso.pooled(path, "g")
    path = store(lambda one: {"g": R} | ({"r": R} if one.replica else {}), **X)
    with pytest.raises(InputError, match=r"stands along 'r', which is not the same"):
        dask_espresso.pooled(path, "g")


def test_axes_that_differ_between_points_or_in_the_last_digit_are_fine(store):
    def result(one):
        r = R[: 1 + one.parameters["x"]]
        return curve(one, r * (1 + 1e-15 * one.replica)) if one.replica < 2 else None

    rows = dask_espresso.pooled(store(result, 3, **X), "g")
    assert [len(row.axes["r"]) for row in rows] == [2] * 3 + [3] * 3
    assert {row.n_replicas for row in rows} == {2}
    assert rows[0].mean == pytest.approx(R[:2] + 0.5)


def test_an_axis_that_does_not_fit_is_none(store):
    row = dask_espresso.pooled(store(lambda one: curve(one) | {"g": np.ones(7)}, **X), "g")[0]
    assert row.axes == {}
    assert row.mean.shape == (7,)


def test_curves_are_plotted_along_their_axis(store, tmp_path):
    path, picture = store(curve, **X), tmp_path / "g.png"
    drawing = look(path, functools.partial(drawing_of, path, Picture(y="g")))
    assert (drawing.x, drawing.y) == ("r", "g")
    assert [one.label for one in drawing.curves[:2]] == ["x = 1, y = 0.1", "x = 1, y = 0.3"]
    assert drawing.curves[0].x == R.tolist()
    assert drawing.curves[0].y == (R + 0.5).tolist()
    assert drawing.curves[0].y_err == pytest.approx([0.5] * 3)
    assert plot_stores([path], picture, Picture("r", "g", confidence=95)) == []
    shown = CliRunner().invoke(main, ["show", str(path)]).output
    assert f"`dask-espresso plot {path} -y g` draws it" in shown
    alone = store(lambda one: {name: curve(one)[name] for name in "rg"}, **X)
    assert look(alone, functools.partial(drawing_of, alone, Picture())).y == "g"
    assert picture.stat().st_size > 5000
    with pytest.raises(InputError, match="no axis 'x' to plot; there are r"):
        plot_stores([path], tmp_path / "h.png", Picture("x", "g"))
