import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
import xarray
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dask_espresso.errors import InputError
from dask_espresso.outcome import Outcome, Status, pack, storable
from dask_espresso.store import (
    Entry,
    claim_path,
    journal_path,
    open_store,
    read_store,
    write_store,
)
from dask_espresso.study import load_study
from dask_espresso.transport import decode_transport_data, encode_transport_data

STUDY = {"name": "test", "engine": "python", "seed": 1}


def same(a, b):
    """Equal, arrays and NaN included, with the same kinds of container and array."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return (
            isinstance(a, np.ndarray)
            and isinstance(b, np.ndarray)
            and a.dtype == b.dtype
            and a.shape == b.shape
            and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
        )
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, bool | None) or isinstance(b, bool | None):
        return a is b
    return a == b or (a != a and b != b)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers(allow_nan=False)
    | st.text(st.characters())
)
dtypes = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes(endianness="=")
    | hnp.unsigned_integer_dtypes(endianness="=")
    | hnp.floating_dtypes(sizes=(16, 32, 64), endianness="=")
    | hnp.complex_number_dtypes(sizes=(64, 128), endianness="=")
    | hnp.unicode_string_dtypes(endianness="=", min_len=1, max_len=4)
)
arrays = hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
values = st.recursive(
    scalars | arrays,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)
# few names, so that simulations share columns; some of them are the store's own
names = st.sampled_from(
    ["a", "b", "status", "simulation", "x", "a.b", "a/b", "", "_c", "é", "a_shape"]
)
results = st.lists(st.dictionaries(names.filter(bool), values, max_size=4), min_size=1, max_size=5)


def write(path, results):
    outcomes = [
        Outcome(id=f"{i:016x}", parameters={"x": i}, result=storable(result), error="é")
        for i, result in enumerate(results)
    ]
    write_store(path, outcomes, STUDY, "hash")


@settings(max_examples=150, deadline=None)
@given(results)
def test_results_come_back_equal_through_transport_and_store(tmp_path_factory, results):
    path = tmp_path_factory.getbasetemp() / "round_trip.h5"
    write(path, [decode_transport_data(encode_transport_data(r)) for r in results])
    back = [outcome.result for outcome in read_store(path).outcomes.values()]
    assert len(back) == len(results)
    for there, here in zip(back, results, strict=True):
        assert same(there, here), (there, here)
    with xarray.open_dataset(path, engine="h5netcdf") as dataset:
        dataset.load()
        assert dataset.sizes["simulation"] == len(results)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(min_size=1), values, max_size=4))
def test_results_come_back_equal_through_the_journal(result):
    from dask_espresso.outcome import unpack

    outcome = Outcome(id="1", parameters={"a": [1, {"b": 2.5}]}, result=result)
    back = unpack(pack(outcome))
    assert same(back.result, result)
    assert back.parameters == outcome.parameters


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": {1, 2}}, r"result\['a'\] is a set, which the store cannot hold"),
        ({"a": [0, {"b": object()}]}, r"result\['a'\]\[1\]\['b'\] is a object"),
        ({"a": b"bytes"}, "bytes"),
        ({"a": np.array([object()])}, "array of object"),
        ({"a": np.zeros(2, dtype=[("x", float)])}, "array of"),
        ({"a": np.longdouble(1)}, "longdouble"),
        ({"a": {(1, 2): 3}}, "keys are strings or numbers"),
    ],
)
def test_what_the_store_cannot_hold_is_named(value, message):
    with pytest.raises(TypeError, match=message):
        storable(value)


def test_self_containing_result():
    value = []
    value.append(value)
    with pytest.raises(TypeError, match="nested more than"):
        storable(value)


def test_numpy_scalars_become_plain():
    result = storable(
        {"a": np.float32(0.5), "b": np.int8(3), "c": np.bool_(True), "d": np.str_("x")}
    )
    assert [type(v) for v in result.values()] == [float, int, bool, str]


@pytest.fixture
def mixed(tmp_path):
    path = tmp_path / "mixed.h5"
    outcomes = [
        Outcome(
            id=f"{i:016x}",
            parameters={"volume_fraction": 0.1 * i, "n": 5},
            status=Status.FAILED if i == 2 else Status.DONE,
            result=None
            if i == 2
            else {
                "pressure": 1.5 * i,
                "n_samples": i,
                "solid": i > 1,
                "rdf": {"r": np.arange(4.0), "g": np.ones(4) * i},
                "clusters": np.arange(i),
                "label": "x" * i,
            },
            exit_code=1 if i == 2 else 0,
        )
        for i in range(4)
    ]
    write_store(path, outcomes, STUDY, "hash")
    return path


def test_xarray_reads_it(mixed):
    with xarray.open_dataset(mixed, engine="h5netcdf") as data:
        assert {"volume_fraction", "n", "replica", "simulation"} <= set(data.coords)
        assert {"pressure", "solid", "rdf.g", "status", "cpu_time"} <= set(data.data_vars)
        assert data["pressure"].dims == ("simulation",)
        np.testing.assert_allclose(data["pressure"], [0, 1.5, np.nan, 4.5])
        np.testing.assert_allclose(data["n_samples"], [0, 1, np.nan, 3])
        assert data["rdf.g"].shape == (4, 4)
        assert data["clusters"].shape == (4,)
        np.testing.assert_array_equal(data["clusters_shape"][:, 0], [0, 1, 0, 3])
        assert data["status"].values.tolist() == [0, 0, 1, 0]
        assert data["status"].attrs["flag_meanings"] == "done failed timed_out lost not_finite"
        assert np.issubdtype(data["started"].dtype, np.datetime64)


def test_results_that_are_not_finite_are_kept_and_told_apart(tmp_path, study):
    path = tmp_path / "s.h5"
    simulations = list(study.simulations())[:3]
    results = [
        {
            "y": np.nan,
            "rdf": np.array([1.0, np.inf]),
            "list": [np.nan],
            "inner": {"z": 1j * np.inf},
        },
        {"y": 2.0, "rdf": np.ones(2), "list": [1.0], "inner": {"z": 1j}},
        None,
    ]
    statuses = [Status.NOT_FINITE, Status.DONE, Status.FAILED]
    outcomes = [
        Outcome(id=simulation.id, parameters=simulation.parameters, status=status, result=result)
        for simulation, status, result in zip(simulations, statuses, results, strict=True)
    ]
    with open_store(path, study) as store:
        store.record([Entry(o.id, o.status, pack(o)) for o in outcomes])
        unpublished = list(read_store(path).outcomes.values())
        store.publish()
    with open_store(path, study) as store:
        assert list(store.statuses.values()) == statuses
    for found in (unpublished, list(read_store(path).outcomes.values())):
        assert [outcome.status for outcome in found] == statuses
        assert all(same(o.result, result) for o, result in zip(found, results, strict=True))
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        np.testing.assert_array_equal(data["y"], [np.nan, 2, np.nan])
        np.testing.assert_array_equal(data["rdf"][0], [1, np.inf])
        np.testing.assert_array_equal(data["y"][data["status"] == 0], [2])


def test_it_holds_plain_types_only(mixed):
    """Nothing that h5dump shows as opaque, no compound, no boolean enum, no reference."""
    kinds = set()
    with h5py.File(mixed) as file:
        file.visititems(
            lambda name, item: (
                kinds.add(item.id.get_type().get_class())
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    assert kinds <= {h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.STRING}


@pytest.fixture
def study(study_file, script):
    script("", name="s.py")
    return load_study(
        study_file("""
            name: test
            engine: python
            script: s.py
            parameters: {x: {start: 1, stop: 200, step: 1}}
        """)
    )


def entries(study, count, start=0):
    simulations = list(study.simulations())[start : start + count]
    outcomes = [
        Outcome(id=s.id, parameters=s.parameters, result={"y": s.seed}) for s in simulations
    ]
    return [Entry(outcome.id, outcome.status, pack(outcome)) for outcome in outcomes]


def test_recorded_outcomes_are_read_before_and_after_publishing(tmp_path, study):
    path = tmp_path / "s.h5"
    with open_store(path, study) as store:
        store.record(entries(study, 3))
        assert not path.exists()
        assert len(read_store(path).outcomes) == 3
        assert read_store(path).owner["pid"] == os.getpid()
        store.publish()
        store.record(entries(study, 3, start=3))
        assert len(read_store(path).outcomes) == 6
        store.publish()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s.h5", "s.py", "study.yaml"]
    contents = read_store(path)
    assert contents.owner == {}
    assert list(contents.outcomes) == [s.id for s in study.simulations()][:6]
    assert [o.sequence for o in contents.outcomes.values()] == [1, 2, 3, 4, 5, 6]


def test_a_later_outcome_replaces_the_earlier(tmp_path, study):
    path = tmp_path / "s.h5"
    simulation = next(study.simulations())
    for status in (Status.FAILED, Status.DONE):
        with open_store(path, study) as store:
            outcome = Outcome(id=simulation.id, parameters={}, status=status)
            store.record([Entry(simulation.id, status, pack(outcome))])
            store.publish()
    assert [o.status for o in read_store(path).outcomes.values()] == [Status.DONE]


def test_unpublished_journal_is_taken_up(tmp_path, study):
    path = tmp_path / "s.h5"
    with open_store(path, study) as store:
        store.record(entries(study, 5))
    assert journal_path(path).exists()
    with open_store(path, study) as store:
        assert len(store.statuses) == 5
        store.record(entries(study, 2, start=5))
        store.publish()
    assert len(read_store(path).outcomes) == 7
    assert not journal_path(path).exists()


def test_publishing_is_amortised(tmp_path, study):
    with open_store(tmp_path / "s.h5", study) as store:
        published = 0
        for entry in entries(study, 200):
            store.record([entry])
            if store.should_publish:
                store.publish()
                published += 1
    assert published == 2


HOLD = """
import sys, time
from dask_espresso.store import open_store
from dask_espresso.study import load_study
store = open_store(__import__("pathlib").Path(sys.argv[1]), load_study(sys.argv[2]))
print("held", flush=True)
time.sleep(600)
"""


def test_second_driver_is_refused_until_the_first_is_dead(tmp_path, study):
    path = tmp_path / "s.h5"
    command = [sys.executable, "-c", HOLD, str(path), str(tmp_path / "study.yaml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as first:
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match=rf"in use by the driver on .*, pid {first.pid}"):
            open_store(path, study)
        first.kill()
    assert claim_path(path).exists()
    open_store(path, study).close()
    assert not claim_path(path).exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89HDF\r\n\x1a\n" + b"\0" * 500])
def test_not_a_store(tmp_path, study, content):
    path = tmp_path / "s.h5"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"s\.h5: not an HDF5 file"):
        open_store(path, study)
    assert path.read_bytes() == content


def test_hdf5_file_of_somebody_else(tmp_path, study):
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match="no store of dask_espresso"):
        open_store(tmp_path / "s.h5", study)


def test_newer_format_read_only_and_other_study(tmp_path, study):
    path = tmp_path / "s.h5"
    with open_store(path, study) as store:
        store.record(entries(study, 1))
        store.publish()
    other = study.model_copy(update={"seed": 5})
    with pytest.raises(InputError, match="another study .seed 0 there and 5 here"):
        open_store(path, other)
    path.chmod(0o444)
    with pytest.raises(InputError, match="read-only"):
        open_store(path, study)
    path.chmod(0o644)
    with h5py.File(path, "r+") as file:
        file.attrs["dask_espresso_format"] = 99
    with pytest.raises(InputError, match="newer dask_espresso"):
        open_store(path, study)
    assert not claim_path(path).exists()


def test_reading_what_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no such store"):
        read_store(tmp_path / "s.h5")
