"""Stores that earlier versions wrote stay readable, and writable.

`stores/1.h5` and `stores/1.journal` are as format 1 had them: names that were taken got their role
in front in the order in which they came, and rows without a value held zeros.
"""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray
from test_store import same

from dask_espresso.inputs.study import load_study
from dask_espresso.outcome import Outcome, Status
from dask_espresso.record import pack
from dask_espresso.store.columns import ABSENT
from dask_espresso.store.store import Entry, open_store, read_store
from dask_espresso.store.table import OUTCOME_FIELDS, UNKNOWN
from dask_espresso.views.export import export_store

STORES = Path(__file__).parent / "stores"


def outcomes(study):
    """All that is in the stores: eight simulations, of which two did not end as done."""
    for i, simulation in enumerate(study.simulations()):
        result = {
            "status": "converged",
            "host": 1.5 * i,
            "x": i,
            "hist": np.array([4, 8, 4 * i]),
            "mask": np.array([True, i > 3]),
            "flag": i > 1,
            "label": "é" * (i % 3),
            "clusters": np.arange(i),
            "clusters_shape": i,
            "z": 1j * i,
            "zs": np.array([1j, i]),
            "more": [1, None, i],
            "a.b": i,
            "a": {"b": None if i == 5 else -i},
            "_hidden": i,
        }
        fields = {"status": Status.DONE, "exit_code": 0, "result": result, "peak_memory": 1 << 20}
        if i == 2:
            fields |= {"status": Status.FAILED, "result": None, "exit_code": 1, "error": "é"}
        if i == 4:
            fields |= {"status": Status.LOST, "result": None, "exit_code": None, "peak_memory": 0}
        yield Outcome(
            simulation.id, simulation.parameters, simulation.replica, simulation.seed,
            started=1e9 + i, host="" if i == 4 else "node1", script_hash=study.script_hash,
            sequence=i + 1, **fields,
        )  # fmt: skip


def write(path):
    """Write the store as the files there were written: six outcomes published, two not."""
    study = load_study(STORES / "study.yaml")
    entries = [Entry(o.id, o.status, pack(o)) for o in outcomes(study)]
    with open_store(path, study) as store:
        store.record(entries[:6])
        store.publish()
        store.record(entries[6:])


@pytest.fixture
def stores(tmp_path):
    for name in ("1.h5", "1.journal"):
        shutil.copy(STORES / name, tmp_path)
    return tmp_path / "1.h5"


def compare(path, study):
    there, right = read_store(path).outcomes, list(outcomes(study))
    assert list(there) == [outcome.id for outcome in right]
    for one, other in zip(there.values(), right, strict=True):
        assert same(one.result, other.result)
        assert same(one.parameters, other.parameters)
        for name in ("status", "replica", "exit_code", "error", "host", "started", "sequence"):
            assert getattr(one, name) == getattr(other, name)
        assert one.peak_memory == (other.peak_memory or None)


def test_what_format_1_holds_is_read_and_written_again(stores):
    study = load_study(STORES / "study.yaml")
    compare(stores, study)
    with open_store(stores, study, changed_script="keep") as store:
        assert len(store.statuses) == 8
        store.publish()
    assert not stores.with_suffix(".journal").exists()
    compare(stores, study)
    with xarray.open_dataset(stores, engine="h5netcdf") as data:
        missing = [i in (2, 4) for i in range(8)]
        assert data["hist"].isnull().all(axis=1).values.tolist() == missing
        assert data["result.host"].isnull().values.tolist() == missing
        for name in ("host", "peak_memory"):
            assert data[name].isnull().values.tolist() == [i == 4 for i in range(8)]
        assert data["status"].values.tolist() == [0, 0, 1, 0, 3, 0, 0, 0]
        assert data["result.status"].values.tolist()[0] == "converged"
        assert data["parameter.status"].values.tolist() == ["p"] * 8
        assert data["x"].values.tolist() == [1, 2, 3, 4] * 2


def test_what_format_1_does_not_know_is_exported_as_missing(stores, tmp_path):
    export_store(stores, tmp_path / "table.json")
    rows = json.loads((tmp_path / "table.json").read_text())
    for row, outcome in zip(rows, read_store(stores).outcomes.values(), strict=True):
        for name in set(OUTCOME_FIELDS) - {"log", "status"}:
            value = getattr(outcome, name)
            is_unknown = value != value or value == UNKNOWN.get(name, ABSENT)
            assert row[name] == (None if is_unknown else value), name


def test_format_1_is_as_it_was():
    """If this fails, the files are not of format 1 any more, and the other test says nothing."""
    with h5py.File(STORES / "1.h5") as file:
        assert file.attrs["dask_espresso_format"] == 1
        assert file["hist"][2].tolist() == [0, 0, 0]
        assert "outcome.status" in file
