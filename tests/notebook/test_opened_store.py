"""A store as an object: what the commands say of it, anew at each look, and a small picture."""

import math
import subprocess
import sys

import numpy as np
import pandas
import pytest
from outcome_tables import filled_table

import dask_espresso
from dask_espresso.errors import InputError
from dask_espresso.inputs.study import Study
from dask_espresso.outcome import Outcome, Status
from dask_espresso.record import pack
from dask_espresso.store.hdf5 import write_hdf5
from dask_espresso.store.store import Entry
from dask_espresso.store.store import open_store as hold_store
from dask_espresso.values import storable
from dask_espresso.views.export import export_store

HOSTILE = "<script>alert(1)</script>"


def outcome_of(one):
    """Give what a simulation came to: those at x = 2 failed, and have no result."""
    x = one.parameters["x"]
    if x == 2:
        return Outcome(
            one.id, one.parameters, one.replica, status=Status.FAILED, error=HOSTILE, exit_code=1
        )
    result = {
        "y": 2.0 * x + one.replica, "n": 2**60 + one.replica, "is_odd": x % 2 == 1,
        "g": np.arange(3) * x, "said": HOSTILE,
    }  # fmt: skip
    return Outcome(one.id, one.parameters, one.replica, result=storable(result))


@pytest.fixture
def store(tmp_path):
    study = Study(
        name="s", engine="python", script="s.py", parameters={"x": [1, 2, 3], "k": 7}, replicas=2
    )
    path = tmp_path / "s.h5"
    table = filled_table(outcome_of(one) for one in study.simulations())
    write_hdf5(path, table, study.snapshot(), "hash")
    return dask_espresso.open_store(path)


def test_it_says_what_the_functions_say(store):
    assert store.dataset().identical(dask_espresso.dataset(store.path))
    assert repr(store.pooled("y", 90)) == repr(dask_espresso.pooled(store.path, "y", 90))
    assert [*store.outcomes] == [*dask_espresso.read_store(store.path).outcomes]
    assert store.status()["failed"] == 2


def test_a_table_is_what_an_export_is(store, tmp_path):
    table = store.dataframe()
    export_store(store.path, tmp_path / "t.parquet")
    exported = pandas.read_parquet(tmp_path / "t.parquet", dtype_backend="numpy_nullable")
    assert list(table) == list(exported)
    assert len(table) == 6
    assert list(table["status"]) == ["done", "failed", "done"] * 2
    for name in ("simulation", "x", "k", "y", "n", "is_odd", "said", "replica", "exit_code"):
        found, right = (
            [None if pandas.isna(value) else value for value in one[name].tolist()]
            for one in (table, exported)
        )
        assert repr(found) == repr(right), name
    assert table["n"][3] == 2**60 + 1  # as a float it would be another number
    assert table["n"].isna().tolist() == [False, True, False] * 2
    assert table["x"].dtype == np.int64
    assert math.isnan(table["y"][1])
    assert table["g"][2].tolist() == [0, 3, 6]


def test_a_plot_is_a_figure_that_shows_itself(store, caplog):
    figure = store.plot(y="y", where="x < 3")
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x", "y")
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert "1 of 2 points have no 'y'" in caplog.text
    with pytest.raises(InputError, match=r"s\.h5: no result 'z' to plot"):
        store.plot(y="z")
    with pytest.raises(InputError, match=r"plot: unknown setting 'serie'; did you mean 'series'"):
        store.plot(serie="x")


def test_failures_are_groups_and_look_like_the_command(store):
    failures = store.failures
    assert len(failures) == 1
    assert failures[0]["count"] == 2
    assert {one["parameters"]["x"] for one in failures[0]["simulations"]} == {2}
    assert f"2 x failed: {HOSTILE}" in repr(failures)


def test_what_it_shows_is_small_and_inert(store):
    said = repr(store)
    assert "6: 4 done, 2 failed" in said
    assert "x (3)" in said
    assert "y, n, is_odd (true or false), g (array), said (text)" in said
    assert HOSTILE not in store._repr_html_()
    assert "4 done, 2 failed" in store._repr_html_()


def test_it_shows_little_of_much(tmp_path):
    study = Study(name="s", script="s.py", parameters={f"p{i}": [1, 2] for i in range(12)})
    one = next(study.simulations())
    result = {f"a_long_name_of_result_number_{i}": 0.5 for i in range(500)}
    path = tmp_path / "s.h5"
    table = filled_table([Outcome(one.id, one.parameters, result=storable(result))])
    write_hdf5(path, table, study.snapshot(), "hash")
    store = dask_espresso.open_store(path)
    assert len(repr(store)) < 2000
    assert len(store._repr_html_()) < 4000


def test_each_look_is_fresh_also_while_a_driver_writes(tmp_path):
    (tmp_path / "s.py").touch()
    (tmp_path / "study.yaml").write_text(
        "name: s\nengine: python\nscript: s.py\nparameters: {x: [1, 3]}\n"
    )
    study = dask_espresso.load_study(tmp_path / "study.yaml")
    with hold_store(tmp_path / "s.h5", study) as held:
        store = dask_espresso.open_store(held.path)
        assert store.outcomes == {}
        assert "2 pending" in repr(store)
        for one in study.simulations():
            outcome = outcome_of(one)
            held.record([Entry(one.id, outcome.status, pack(outcome))])
        assert len(store.dataframe()) == 2
        assert "2 done" in repr(store)
        assert "running      driver on" in repr(store)


def test_one_that_is_not_there(tmp_path, store):
    with pytest.raises(InputError, match=r"none\.h5: there is no such store"):
        dask_espresso.open_store(tmp_path / "none.h5")
    store.path.unlink()
    assert "there is no such store" in repr(store)


def test_the_package_is_imported_in_no_time():
    """Also by scripts: what is for notebooks is loaded when it is asked for."""
    code = (
        "import dask_espresso, sys; "
        "print({m.partition('.')[0] for m in sys.modules} & "
        "{'numpy', 'pandas', 'rich', 'pydantic', 'h5py', 'dask', 'matplotlib', 'IPython'})"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
