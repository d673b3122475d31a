"""Whatever scripts call their results, each has a column of its own, and moves no other."""

import csv
import itertools
import json

import h5py
import numpy as np
import pyarrow.parquet
import pytest
import xarray
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from outcome_tables import filled_table
from test_store import STUDY, same

from dask_espresso.cli import main
from dask_espresso.outcome import FIELDS, Outcome, Status
from dask_espresso.store.hdf5 import write_hdf5
from dask_espresso.store.names import column_names
from dask_espresso.store.store import read_store
from dask_espresso.store.table import OUTCOME_FIELDS
from dask_espresso.views.export import export_store

ENGINES = ("h5netcdf", "netcdf4")
NAMES = [
    "simulation", *FIELDS, "parameter", "outcome", "pressure", "pressure_sem", "more", "x",
    "result.x", "parameter.x", "result.status", "result.result.status", "outcome.status",
    "_states", "_x", "_FillValue", "x.y", "x/y", "x y", "x%20y", ".", "..", " ", "/", "%", "%%2E",
    "X", "Pressure", "é", "e\u0301", "粒子", "\n", "\0", "a,b", '"', "\\", "-1", "1", "None",
    "complex_part", "list_shape", "list_element", "list_axis", "list_dim_0", "dim_3", "sample",
    "n" * 200, "é" * 500, "n" * 100_000,
]  # fmt: skip


def outcome(i, parameters, result):
    return Outcome(
        f"{i:016x}", parameters, seed=100 + i, replica=i, result=result, host=f"node{i}",
        attempts=i + 1, exit_code=0, error="e", log="l", job_id="7", started=1e9, elapsed_time=1.5,
        cpu_time=1.25, peak_memory=1 << 20, engine="python", engine_version="3", script_hash="h",
        code_hash="c", n_ranks=1, memory_asked=1 << 30, start_method="forked",
        sequence=i, status=Status.DONE if result else Status.FAILED,
    )  # fmt: skip


def write(path, *rows):
    outcomes = [outcome(i, *row) for i, row in enumerate(rows)]
    write_hdf5(path, filled_table(outcomes), STUDY | {"parameters": {}}, "hash")
    for there, right in zip(read_store(path).outcomes.values(), outcomes, strict=True):
        assert same(vars(there), vars(right))
    return outcomes


def check_own(data, outcomes):
    """Find all of the store's own columns under their names, as README says."""
    assert data["simulation"].values.tolist() == [o.id for o in outcomes]
    for name in OUTCOME_FIELDS:
        assert (data[name].attrs["role"], json.loads(data[name].attrs["path"])) == (
            "outcome",
            [name],
        )
    for name in set(OUTCOME_FIELDS) - {"unread", "kept_files", "result_axes", "analyses"}:
        there = data[name].values
        if name == "started":
            there = (there - np.datetime64(0, "s")) / np.timedelta64(1, "s")
        assert there.tolist() == [getattr(o, name) for o in outcomes], name


@pytest.mark.parametrize("engine", ENGINES)
def test_every_name_beside_all_others(tmp_path, engine):
    values = {name: i + 0.5 for i, name in enumerate(NAMES)}
    arrays = {"list": np.arange(3), "z": 1j, "x": {"y": -1, "y.z": -2}, "x.y": {"z": -3}}
    parameters = {name: -10 - i for i, name in enumerate(NAMES)}
    outcomes = write(
        tmp_path / "s.h5",
        (parameters, values),
        (parameters, None),
        (parameters, values | arrays),
        (parameters, {"list": np.arange(2)}),
    )
    with xarray.open_dataset(tmp_path / "s.h5", engine=engine) as data:
        check_own(data, outcomes)
        found = [v.values.tolist() for v in data.variables.values() if v.attrs.get("path")]
        for name, value in values.items():
            column = [value, np.nan, value if name not in arrays else np.nan, np.nan]
            long = len(name) > 200
            assert sum(
                np.array_equal(column, there, equal_nan=True)
                for there in found
                if all(isinstance(v, float) for v in there)
            ) == (not long), name
        for name, value in parameters.items():
            assert found.count([value] * 4) == (len(name) <= 200), name
        assert data["pressure"].values[0] == parameters["pressure"]
        assert data["result.pressure"].values[0] == values["pressure"]


def test_every_name_has_a_column_of_each_export(tmp_path):
    values = {name: i + 0.5 for i, name in enumerate(NAMES[:-2])}
    outcomes = write(tmp_path / "s.h5", ({"x": 1}, values), ({"status": "p"}, values))
    for suffix in ("csv", "json", "parquet"):
        export_store(tmp_path / "s.h5", tmp_path / f"t.{suffix}")
    with (tmp_path / "t.csv").open(newline="") as stream:  # Python 3.10 reads no NUL
        header, *lines = csv.reader(line.replace("\0", "\ue000") for line in stream)
    header = [name.replace("\ue000", "\0") for name in header]
    assert len(set(header)) == len(header) == len(values) + 2 + len(OUTCOME_FIELDS)
    row = dict(zip(header, lines[0], strict=True))
    (objects, _) = json.loads((tmp_path / "t.json").read_text())
    table = pyarrow.parquet.read_table(tmp_path / "t.parquet").to_pydict()
    for name, value in values.items():
        own = name in (*FIELDS, "simulation", "x") or name.startswith(("_", "result.", "outcome."))
        name = f"result.{name}" if own or name == "parameter.x" else name
        assert (float(row[name]), objects[name], table[name][0]) == (value,) * 3
    for there in (row, objects, {name: column[0] for name, column in table.items()}):
        assert (there["status"], there["host"], there["simulation"]) == ("done", "node0", "0" * 16)
    assert table["parameter.status"] == [None, "p"]
    assert table["x"] == [1, None]
    assert table["seed"] == [o.seed for o in outcomes]


def test_readme_holds_whatever_the_names(tmp_path):
    for i, name in enumerate(["status", "replica", "volume_fraction", "simulation"]):
        path = tmp_path / f"{i}.h5"
        rows = [({"volume_fraction": v}, {name: "converged", "pressure": v}) for v in (1, 2)]
        write(path, *rows, ({"volume_fraction": 2}, None))
        with xarray.open_dataset(path, engine="h5netcdf") as data:
            means = data.pressure[data.status == 0].groupby("volume_fraction").mean()
            assert means.values.tolist() == [1, 2]
            assert data[f"result.{name}"].values[:2].tolist() == ["converged"] * 2


@pytest.mark.parametrize("engine", ENGINES)
def test_what_a_column_needs_beside_it_gives_way(tmp_path, engine):
    auxiliary = ["dim_3", "m_dim_0", "sample", "row_length"]
    auxiliary += ["list_shape", "list_element", "list_axis", "complex_part"]
    with_arrays = {"hist": np.arange(3), "m": np.ones((3, 2)), "z": 1j}
    lists = [{"list": np.ones((i + 1, 2)), "row": np.arange(i)} for i in range(2)]
    rows = [with_arrays | ragged for ragged in lists]
    rows += [dict.fromkeys(auxiliary, i) for i in range(2)]
    for order in (rows, rows[::-1]):
        write(tmp_path / "s.h5", *[({}, row) for row in order])
        with xarray.open_dataset(tmp_path / "s.h5", engine=engine) as data:
            for name in auxiliary:
                there = [row.get(name, np.nan) for row in order]
                np.testing.assert_array_equal(data[name], there)
            assert data["hist"].shape == (4, 3)


paths = st.lists(st.sampled_from(["x", "status", "x.y", "y", "result", "_", "%", ""]), min_size=1)
paths = st.lists(paths.map(tuple), unique=True, max_size=8)


@settings(max_examples=100, deadline=None)
@given(paths, paths, st.randoms())
def test_names_are_different_and_in_no_order(parameters, results, random):
    given_ = {"outcome": [(name,) for name in OUTCOME_FIELDS], "parameter": parameters}
    names = column_names(given_ | {"result": [*results, ()]})
    assert len(set(names.values())) == len(names) == 1 + sum(map(len, [*given_.values(), results]))
    assert {names["outcome", path] for path in given_["outcome"]} == set(OUTCOME_FIELDS)
    random.shuffle(parameters)
    random.shuffle(results)
    assert column_names(given_ | {"result": [(), *results]}) == names


def test_names_do_not_depend_on_rows():
    """Only what has the very same name, written in another way, does."""
    every = [(name,) for name in NAMES]
    names = column_names({"result": every})
    for path, other in itertools.product(every, every):
        assert column_names({"result": {path, other}})["result", path] == names["result", path]


def test_nested_results_keep_the_name_that_readme_gives_them(tmp_path):
    rows = [{"a.b": 1}, {"a": {"b": 2}}]
    for order in (rows, rows[::-1]):
        write(tmp_path / "s.h5", *[({}, row) for row in order])
        with h5py.File(tmp_path / "s.h5") as file:
            assert 2 in file["a.b"][:]
            assert 1 in file["result.a.b"][:]


def test_show_and_plot_take_the_names_that_scripts_use(tmp_path, study_file, script, workers):
    script("""
        import dask_espresso
        p = dask_espresso.get_data_from_stdin()
        print(dask_espresso.encode_transport_data(
            {"status": 2 * p["x"], "x": 1.5 * p["x"], "host": 3.0, "kept": p["kept"]}))
    """)
    study = study_file("""
        name: s
        engine: python
        script: script.py
        parameters: {x: [1, 2], kept: 5}
    """)
    store = str(tmp_path / "s.h5")

    def run(*arguments):
        done = CliRunner().invoke(main, [*map(str, arguments)])
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    run("run", study, "--profile", workers.path, "--store", store)
    header, *lines = run("show", store).splitlines()
    assert header.split() == ["x", "done", "status", "result.x", "host"]
    assert [line.split() for line in lines] == [
        ["1", "1/1", "2", "1.5", "3"],
        ["2", "1/1", "4", "3", "3"],
    ]
    for name in ("status", "x", "host"):
        run("plot", store, "-y", name, "-o", tmp_path / f"{name}.svg")


def test_what_says_how_good_a_result_is_says_so_in_the_file(tmp_path):
    result = {
        "p": 2.0, "p_sem": 0.1, "p_dof": 9.0, "p_n_eff": 50.0, "p_reason": "why", "p_other": 1.0,
        "lonely_sem": 1.0, "_sem": 1.0, "h": np.zeros(2), "h_sem": np.ones(2),
        "energy": {"total": 1.0, "total_sem": None},
    }  # fmt: skip
    path = tmp_path / "s.h5"
    write_hdf5(path, filled_table([outcome(1, {"p": 1}, result)]), STUDY, "hash")
    with h5py.File(path) as file:
        said = {
            name: column.attrs["long_name"]
            for name, column in file.items()
            if "long_name" in column.attrs and column.attrs.get("role") == "result"
        }
    assert said == {
        "p_sem": "standard error (one sigma) of result.p",
        "p_dof": "degrees of freedom of the standard error of result.p",
        "p_n_eff": "effective number of independent samples of result.p",
        "p_reason": "what is to be said of the standard error of result.p",
        "h_sem": "standard error (one sigma) of h",
        "energy.total_sem": "standard error (one sigma) of energy.total",
    }
    (back,) = read_store(path).outcomes.values()
    assert same(back.result, result)
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        assert data.p_sem.long_name == said["p_sem"]
