"""Stores of many simulations, as those of a million are."""

import math

import h5netcdf
import numpy as np
import pytest
import xarray
from outcome_tables import filled_table

from dask_espresso.outcome import Outcome, Status
from dask_espresso.store.datasets import layout
from dask_espresso.store.hdf5 import write_hdf5
from dask_espresso.store.reading import read_store

STUDY = {"name": "test", "engine": "python", "seed": 1}


def echo(i, **changed):
    """Give what `echo` comes to."""
    fields = {
        "id": f"{i * 2654435761 % 2**32:016x}", "parameters": {"i": i}, "seed": 7919 * i % 2**30,
        "result": {"i": i, "replica": 0, "seed": 7919 * i % 2**30, "processed": True},
        "exit_code": 0, "log": "\n", "host": f"node{i % 20}", "started": 1.8e9 + i * math.pi,
        "elapsed_time": 0.003 + 1e-7 * math.sin(i), "cpu_time": round(0.003 + 1e-6 * (i % 99), 6),
        "peak_memory": 14_217_216 + 4096 * (i % 100), "n_ranks": 1, "start_method": "forked",
        "engine": "python", "engine_version": "Python 3.11.7", "script_hash": "82" * 32,
        "unread": [], "code_hash": "82" * 8, "sequence": i + 1,
    }  # fmt: skip
    return Outcome(**fields | changed)


def test_a_simulation_takes_few_bytes(tmp_path):
    path = tmp_path / "s.h5"
    outcomes = [echo(i) for i in range(6000)]
    write_hdf5(path, filled_table(outcomes), STUDY, "hash")
    assert path.stat().st_size <= 400 * len(outcomes)
    assert [*read_store(path).outcomes.values()] == outcomes


@pytest.mark.parametrize("text", ["plain", "größer"])
def test_xarray_opens_it_without_reading_all_texts(tmp_path, monkeypatch, text):
    read, get = set(), h5netcdf.Variable.__getitem__

    def noted(variable, key):
        found = get(variable, key)
        if np.size(found) > 1:
            read.add(variable.name)
        return found

    path = tmp_path / "s.h5"
    failed = {"status": Status.FAILED, "result": None, "error": text, "exit_code": 1}
    outcomes = [echo(i, **failed if i == 3 else {}) for i in range(50)]
    write_hdf5(path, filled_table(outcomes), STUDY, "hash")
    monkeypatch.setattr(h5netcdf.core.BaseVariable, "__getitem__", noted)
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        assert read - {"/simulation"} == (set() if text.isascii() else {"/error"})
        assert data.sel(simulation=outcomes[7].id).host.item() == "node7"
        assert (data.host == "node7").sum() == 3
        assert data.error.values[3] == text
        data.to_netcdf(tmp_path / "copy.nc", engine="h5netcdf")
    with xarray.open_dataset(tmp_path / "copy.nc", engine="h5netcdf") as copy:
        assert copy.host.values[7] == "node7"


@pytest.mark.parametrize(
    ("shape", "chunk"),
    [
        ((2048,), None),
        ((1_000_000,), (32768,)),
        ((10_000,), (10_000,)),
        ((100_000, 200), (655, 50)),
        ((1000, 10), (1000, 10)),
        ((5000, 3, 3000), (910, 3, 12)),
    ],
)
def test_chunks_suit_those_who_read_variables_and_those_who_read_simulations(shape, chunk):
    found = layout(shape, 8)
    assert found.get("chunks") == chunk
    assert math.prod(chunk or [1]) * np.dtype(float).itemsize <= 256 * 1024
