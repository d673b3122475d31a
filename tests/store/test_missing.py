"""What a simulation has not given reads as missing, in whatever program, whatever its type."""

import json

import h5py
import numpy as np
import pandas
import pyarrow.csv
import pyarrow.parquet
import pytest
import xarray
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from outcome_tables import filled_table
from test_store import STUDY, same

from dask_espresso.outcome import Outcome, Status
from dask_espresso.store.hdf5 import write_hdf5
from dask_espresso.store.json_values import from_json
from dask_espresso.store.store import read_store
from dask_espresso.views.export import export_store

ENGINES = ("h5netcdf", "netcdf4")
INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
FLOATS, COMPLEX = ["float16", "float32", "float64"], ["complex64", "complex128"]
whole = st.integers(-1000, 1000)
texts = st.sampled_from(["", "missing", "missing 2", "nan", 'é,"\n'])


def arrays(dtype, shape=2):
    elements = whole.map(np.dtype(dtype).type) if dtype in FLOATS + COMPLEX else None
    return hnp.arrays(dtype, shape, elements=elements)


COLUMNS = {
    "integer": st.integers(-(2**63), 2**63 - 1),
    "large": st.integers(),
    "boolean": st.booleans(),
    "number": st.floats(-1000, 1000),
    "complex": st.complex_numbers(max_magnitude=1000),
    "text": texts,
    "list": st.lists(st.booleans(), max_size=2),
    "mixed": st.booleans() | whole | texts,
    **{dtype: arrays(dtype) for dtype in ["bool", *INTEGERS, *FLOATS, *COMPLEX]},
    "matrix": arrays("uint8", (2, 2)),
    "row": arrays("int64", st.tuples(st.integers(0, 2))),
    "row_float": arrays("float32", st.tuples(st.integers(0, 2))),
    "row_complex": arrays("complex64", st.tuples(st.integers(0, 2))),
    "row_bool": arrays("bool", st.tuples(st.integers(0, 2))),
    "ragged": arrays("int64", st.tuples(st.integers(0, 2), st.just(2))),
    "ragged_complex": arrays("complex64", st.tuples(st.integers(0, 2), st.just(2))),
}
results = st.none() | st.fixed_dictionaries(
    {}, optional={name: st.none() | value for name, value in COLUMNS.items()}
)


def write(path, rows):
    outcomes = [
        Outcome(
            f"{i:016x}", {"x": x}, result=result, host="" if result is None else "node",
            status=Status.FAILED if result is None else Status.DONE,
        )
        for i, (x, result) in enumerate(rows)
    ]  # fmt: skip
    write_hdf5(path, filled_table(outcomes), STUDY | {"parameters": {}}, "hash")
    return outcomes


def rows_of(data, name):
    """Read what is in a row of each simulation, or None, as a user of xarray would."""
    found, is_complex = data[name].values, data[name].dims[-1] == "complex_part"
    if is_complex:
        found = found[..., 0] + 1j * found[..., 1]
    if f"{name}_length" in data:
        lengths = data[f"{name}_length"].values
        rows = zip(found, lengths, strict=True)
        rows = [None if np.isnan(n) else (row[: int(n)], row[int(n) :]) for row, n in rows]
        assert all(pandas.isnull(row[1]).all() for row in rows if row)  # behind the end
        assert all(pandas.isnull(f).all() for f, row in zip(found, rows, strict=True) if not row)
        return [row and row[0] for row in rows]
    if f"{name}_shape" in data:
        shapes = data[f"{name}_shape"].values
        sizes = np.nan_to_num(shapes).prod(axis=1).astype(int)
        parts = np.split(found, np.cumsum(sizes)[:-1])
        return [
            None if np.isnan(shape).all() else part.reshape(shape.astype(int))
            for part, shape in zip(parts, shapes, strict=True)
        ]
    missing = pandas.isnull(found).reshape(len(found), -1)
    assert (missing.all(axis=1) == missing.any(axis=1)).all()
    return [None if gap else row for gap, row in zip(missing[:, 0], found, strict=True)]


def means_of(data, names):
    """Average all columns over the simulations of each point that have one."""
    kinds = ("str", "json", "ragged", "padded")
    numbers = [name for name in names if data[name].attrs["kind"] not in kinds]
    return data[["x", *numbers]].groupby("x").mean()


def check(data, means, name, there, points):
    """Compare a column, and its means, with what was written."""
    found = rows_of(data, name)
    assert [row is None for row in found] == [value is None for value in there], name
    kind = data[name].attrs["kind"]
    for row, value in zip(found, there, strict=True):
        if kind == "json" and value is not None:
            assert same(from_json(row), value)
        elif value is not None:
            assert np.array_equal(row, np.asarray(value).astype(np.asarray(row).dtype))
    if kind in ("str", "json", "ragged", "padded"):
        return
    if not any(value is None for value in there):
        is_scalar = not isinstance(there[0], np.ndarray) and kind != "complex"
        assert not is_scalar or data[name].dtype == type(there[0])
    for x in means["x"].values:
        done = [v for v, point in zip(there, points, strict=True) if v is not None and point == x]
        mean = means[name].sel(x=x).values
        if data[name].dims[-1] == "complex_part":
            mean = mean[..., 0] + 1j * mean[..., 1]
        by_hand = np.mean(np.array(done) * 1.0, axis=0) if done else np.nan
        np.testing.assert_allclose(mean, by_hand, rtol=1e-3 if name == "float16" else 1e-5)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([1, 2]), results), min_size=1, max_size=5))
@example([(1, {"text": "nan"})])
def test_missing_is_missing_everywhere(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "missing.h5"
    outcomes = write(path, rows)
    for there, outcome in zip(read_store(path).outcomes.values(), outcomes, strict=True):
        assert same(there.result, outcome.result)
    columns = {
        name: [(result or {}).get(name) for _, result in rows]
        for name in COLUMNS
        if any(name in (result or {}) for _, result in rows)
    }
    for engine in ENGINES:
        with xarray.open_dataset(path, engine=engine) as data:
            data.load()
        assert set(columns) == set(COLUMNS) & set(data.variables)
        means = means_of(data, columns)
        for name, there in columns.items():
            check(data, means, name, there, [x for x, _ in rows])
        one = [n for n in columns if data[n].dims == ("simulation",)]
        frame = data[["host", *one]].to_dataframe()
        assert frame["host"].isna().tolist() == [result is None for _, result in rows]
        for name in one:
            assert frame[name].isna().tolist() == [value is None for value in columns[name]]
    check_exports(path, columns)


def check_exports(path, columns):
    for suffix in ("csv", "parquet", "json"):
        export_store(path, path.with_suffix(f".{suffix}"))
    texts = [n for n, there in columns.items() if all(isinstance(value, str) for value in there)]
    options = pyarrow.csv.ConvertOptions(
        null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False,
        column_types=dict.fromkeys(texts, pyarrow.string()),  # else a text 'nan' is a number
    )  # fmt: skip
    lines = pyarrow.csv.ParseOptions(newlines_in_values=True)
    tables = {
        "csv": pyarrow.csv.read_csv(path.with_suffix(".csv"), None, lines, options),
        "parquet": pyarrow.parquet.read_table(path.with_suffix(".parquet")),
    }
    rows = json.loads(path.with_suffix(".json").read_text())
    for name, there in columns.items():
        gaps = [value is None for value in there]
        for table in tables.values():
            assert table[name].is_null().to_pylist() == gaps, name
        assert [row.get(name) is None for row in rows] == gaps
        if name in texts:
            assert tables["csv"][name].to_pylist() == there
    parquet = tables["parquet"]
    for name in set(columns) & {"integer", "boolean", "number", "text", "bool", "uint64"}:
        found = parquet[name].to_pylist()
        assert found == [v.tolist() if isinstance(v, np.ndarray) else v for v in columns[name]]


@pytest.mark.parametrize("engine", ENGINES)
def test_means_of_what_is_done(tmp_path, engine):
    """As README has it: one replica of two failed."""
    done = {
        "hist": np.array([4, 8, 4]), "n": 3, "solid": True, "mask": np.array([True, False]),
        "z": 2 - 3j, "zs": np.array([1 + 2j]), "single": np.array([5], np.float16),
    }  # fmt: skip
    write(tmp_path / "s.h5", [(1, done), (1, None), (2, done)])
    with xarray.open_dataset(tmp_path / "s.h5", engine=engine) as data:
        for selected in (data, data.where(data.status == 0)):
            means = selected[list(done)].groupby("x").mean()
            for x in (1, 2):
                point = means.sel(x=x)
                assert point["hist"].values.tolist() == [4, 8, 4]
                assert (point["n"], point["solid"], point["single"][0]) == (3, 1, 5)
                assert point["mask"].values.tolist() == [1, 0]
                assert point["z"].values.tolist() == [2, -3]
                assert point["zs"].values.tolist() == [[1, 2]]


@pytest.mark.parametrize("engine", ENGINES)
def test_booleans_are_booleans(tmp_path, engine):
    rows = [
        {"mask": np.array([i == 1, True]), "flag": i > 1, "ragged": np.zeros((i, 1), bool)}
        for i in range(3)
    ]
    path = tmp_path / "s.h5"
    write(path, [(1, row) for row in rows])
    with xarray.open_dataset(path, engine=engine) as data:
        assert {data[name].dtype for name in rows[0]} == {np.dtype(bool)}
        assert data["x"][data["flag"]].size == 1
        assert np.array([5, 6])[data["mask"][0].values].tolist() == [6]
        data[list(rows[0])].to_netcdf(tmp_path / "again.nc", engine=engine)
    with xarray.open_dataset(tmp_path / "again.nc", engine=engine) as data:
        assert data["flag"].values.tolist() == [False, False, True]
    with h5py.File(path) as file:  # for h5dump, and netCDF, which has no booleans
        assert {file[name].dtype for name in rows[0]} == {np.dtype(np.int8)}
        assert file["flag"].attrs["flag_meanings"] == "false true"


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16"])
def test_arrays_that_have_all_numbers_of_their_type(tmp_path, dtype):
    limits = np.iinfo(dtype)
    every = np.arange(limits.min, limits.max + 1).astype(dtype)
    write(tmp_path / "s.h5", [(1, {"a": every}), (1, None), (1, {"a": every[::-1]})])
    for engine in ENGINES:
        with xarray.open_dataset(tmp_path / "s.h5", engine=engine) as data:
            assert np.isnan(data["a"][1]).all()
            np.testing.assert_array_equal(data["a"][0], every)
            np.testing.assert_array_equal(data["a"][2], every[::-1])
    found = [outcome.result for outcome in read_store(tmp_path / "s.h5").outcomes.values()]
    assert same(found, [{"a": every}, None, {"a": every[::-1]}])


def test_whole_numbers_that_floats_would_change(tmp_path, caplog):
    """With gaps, whole numbers are floats in xarray: those beyond 2**53 must not become others."""
    number = 2**53 + 1
    for dtype in ("int64", "uint64"):
        limits = np.iinfo(dtype)
        first = np.array([limits.min, limits.max, limits.max - 1, 5], dtype)
        two = np.array([[number, 1], [2, 3]], dtype)
        rows = [{"a": first, "n": -(2**63), "m": number, "two": two}, None, {"m": 3, "two": two}]
        outcomes = write(tmp_path / "s.h5", [(1, row) for row in rows])
        for engine in ENGINES:
            with xarray.open_dataset(tmp_path / "s.h5", engine=engine) as data:
                assert data["a"].values.tolist() == first.tolist()
                np.testing.assert_array_equal(data["a_shape"][:, 0], [4, np.nan, np.nan])
                assert data["two"].values.tolist() == [number, 1, 2, 3] * 2
                assert data["n"].values[0] == str(-(2**63))
                assert data["m"].values[::2].tolist() == [str(number), "3"]
                assert data["m"].isnull().values.tolist() == [False, True, False]
        found = read_store(tmp_path / "s.h5").outcomes.values()
        assert same([o.result for o in found], [o.result for o in outcomes])
    for suffix, read in (("csv", pandas.read_csv), ("parquet", pandas.read_parquet)):
        caplog.clear()
        export_store(tmp_path / "s.h5", tmp_path / f"t.{suffix}")
        assert [message.partition(": has gaps")[0] for message in caplog.messages] == ["n", "m"]
        table = read(tmp_path / f"t.{suffix}", dtype_backend="numpy_nullable")
        assert table["m"].dropna().tolist() == [number, 3]


@pytest.mark.parametrize("engine", ENGINES)
def test_whole_numbers_that_floats_hold_are_numbers(tmp_path, engine):
    rows = [{"n": 2**53, "a": np.array([-(2**53), 1])}, None]
    write(tmp_path / "s.h5", [(1, row) for row in rows])
    with xarray.open_dataset(tmp_path / "s.h5", engine=engine) as data:
        np.testing.assert_array_equal(data["n"], [2**53, np.nan])
        np.testing.assert_array_equal(data["a"], [[-(2**53), 1], [np.nan] * 2])


@pytest.mark.parametrize("engine", ENGINES)
def test_an_empty_array_is_not_missing(tmp_path, engine):
    rows = [{"a": np.arange(2)}, {"a": np.arange(0)}, {"a": None}, {}, None]
    write(tmp_path / "s.h5", [(1, row) for row in rows])
    with xarray.open_dataset(tmp_path / "s.h5", engine=engine) as data:
        np.testing.assert_array_equal(data["a_length"], [2, 0, np.nan, np.nan, np.nan])
    assert same([o.result for o in read_store(tmp_path / "s.h5").outcomes.values()], rows)


@pytest.mark.parametrize("engine", ENGINES)
def test_how_it_went_where_nobody_knows(tmp_path, engine):
    """Of a lost simulation, and of points with other parameters than the rest."""
    outcomes = [
        Outcome("0" * 16, {"x": 1, "kind": "a"}, host="node1", exit_code=0, cpu_time=2.0,
                peak_memory=1 << 20, started=1e9, result={"y": 1}, seed=2**63 - 1),
        Outcome("1" * 16, {"n": 5}, status=Status.LOST, seed=2**62, attempts=5),
    ]  # fmt: skip
    path = tmp_path / "s.h5"
    write_hdf5(path, filled_table(outcomes), STUDY | {"parameters": {}}, "hash")
    with xarray.open_dataset(path, engine=engine) as data:
        for name in ("host", "exit_code", "cpu_time", "peak_memory", "started", "x", "kind", "y"):
            assert data[name].isnull().values.tolist() == [False, True], name
        for name in ("job_id", "engine", "elapsed_time"):
            assert data[name].isnull().all(), name
        assert data["n"].isnull().values.tolist() == [True, False]
        assert data["error"].values.tolist() == ["", ""]
        assert data["seed"].values.tolist() == [2**63 - 1, 2**62]
        assert data["attempts"].values.tolist() == [1, 5]
    assert repr(list(read_store(path).outcomes.values())) == repr(outcomes)
    for suffix, read in (("csv", pandas.read_csv), ("parquet", pandas.read_parquet)):
        export_store(path, tmp_path / f"t.{suffix}")
        table = read(tmp_path / f"t.{suffix}")
        assert table["peak_memory"].isna().tolist() == [False, True]
        assert table["host"].isna().tolist() == [False, True]
        assert table["seed"].tolist() == [2**63 - 1, 2**62]
