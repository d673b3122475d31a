"""Rows of several lengths: other programs take the ends of shorter ones for missing."""

import math

import h5py
import numpy as np
import pytest
import xarray
from outcome_tables import filled_table
from test_store import STUDY, same

from dask_espresso.outcome import Outcome
from dask_espresso.store import padding
from dask_espresso.store.columns import read_column
from dask_espresso.store.hdf5 import write_hdf5
from dask_espresso.store.store import read_store

ENGINES = ("h5netcdf", "netcdf4")


def write(path, results, **study):
    outcomes = [Outcome(f"{i:016x}", {"x": i}, result=r) for i, r in enumerate(results)]
    write_hdf5(path, filled_table(outcomes), STUDY | {"parameters": {}, **study}, "hash")
    found = [outcome.result for outcome in read_store(path).outcomes.values()]
    assert same(found, [result or {} for result in results])
    return path


def series(i):
    return {"g": np.arange(1.0, 2 + i), "h": np.arange(5 - i, dtype=np.int32)}


@pytest.mark.parametrize("engine", ENGINES)
def test_two_series_make_a_frame_of_as_many_lines_as_the_longest_has(tmp_path, engine):
    path = write(tmp_path / "s.h5", [series(i) for i in range(4)])
    with xarray.open_dataset(path, engine=engine) as data:
        frame = data.to_dataframe()
        assert len(frame) == 4 * 5
        one = frame.loc["0" * 15 + "1"]
        np.testing.assert_array_equal(one["g"], [1, 2, *[math.nan] * 3])
        np.testing.assert_array_equal(one["h"], [0, 1, 2, 3, math.nan])
        assert data["g_length"].values.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("engine", ENGINES)
def test_nan_and_the_end_are_told_apart(tmp_path, engine):
    rows = [{"g": np.array([1, np.nan])}, {"g": np.array([])}, {"g": np.arange(3.0)}, {"g": None}]
    path = write(tmp_path / "s.h5", rows)
    with xarray.open_dataset(path, engine=engine) as data:
        np.testing.assert_array_equal(data["g_length"], [2, 0, 3, math.nan])


def test_a_curve_with_an_axis_as_ragged_as_it_is(tmp_path):
    results = [{"r": np.arange(i + 2.0), "g": np.ones(i + 2), "h": np.ones(3)} for i in range(4)]
    path = write(tmp_path / "s.h5", results, axes={"g": ["r"]})
    with xarray.open_dataset(path) as data:
        assert data["g"].dims == data["r"].dims == ("simulation", "sample")
        assert data.sizes["sample"] == 5


def test_arrays_of_one_length_have_one_dimension(tmp_path):
    results = [{"a": np.ones(3), "b": np.arange(3), "c": np.ones(2), "m": np.ones((3, 3))}] * 2
    with xarray.open_dataset(write(tmp_path / "s.h5", results)) as data:
        assert data["a"].dims == data["b"].dims == ("simulation", "dim_3")
        assert data["c"].dims == ("simulation", "dim_2")
        assert data["m"].dims == ("simulation", "m_dim_0", "m_dim_1")
        assert data["b"].dtype.kind == "i"


def test_what_would_take_too_much_room_is_not_padded(tmp_path, monkeypatch):
    monkeypatch.setattr(padding, "_FREE", 1000)
    long = [{"g": np.ones(500 if i == 3 else 2), "h": np.ones(i + 1)} for i in range(10)]
    with h5py.File(write(tmp_path / "s.h5", long)) as file:
        assert file["g"].attrs["kind"] == "ragged"
        assert file["h"].shape == (10, 10)
    apart = [{"g": np.ones(90 - i), "h": np.ones(i % 2 + 1)} for i in range(10)]
    with xarray.open_dataset(write(tmp_path / "s.h5", apart)) as data:
        assert data["g"].dims == ("simulation", "sample")
        assert data["h"].dims == ("simulation", "h_sample")  # which 90 would make 30 times as large
        assert data["h"].shape == (10, 2)


def test_a_file_that_ends_too_soon_is_refused(tmp_path):
    path = write(tmp_path / "s.h5", [series(i) for i in range(4)])
    with h5py.File(path, "a") as file:
        file["g"].resize(3, axis=1)
        with pytest.raises(ValueError, match="ends before its rows do"):
            read_column(file, "g")
