import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from outcome_tables import filled_table

from dask_espresso.cluster.roster import Roster, read_roster
from dask_espresso.errors import InputError, ResumableError
from dask_espresso.files import aside_of, file_number
from dask_espresso.inputs.study import load_study
from dask_espresso.outcome import Outcome, Status
from dask_espresso.record import pack
from dask_espresso.script.transport import decode_transport_data, encode_transport_data
from dask_espresso.store import journal as journal_module
from dask_espresso.store.hdf5 import write_hdf5
from dask_espresso.store.journal import Journal, journal_path, read_journal
from dask_espresso.store.reading import read_rows
from dask_espresso.store.store import Entry, claim_path, open_store, read_store
from dask_espresso.values import named, storable

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
    write_hdf5(path, filled_table(outcomes), STUDY, "hash")


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
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
    from dask_espresso.record import unpack

    outcome = Outcome(id="1", parameters={"a": [1, {"b": 2.5}]}, result=result)
    back = unpack(b"".join(pack(outcome)))
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
        ({"a": np.longdouble(1)}, "longdouble|float128"),
        ({"a": {(1, b"2"): 3}}, "keys are strings, numbers or tuples of these"),
        ({"a": {("b", 2): 3, "b.2": 4}}, r"has the keys \('b', 2\) and 'b.2': both are 'b.2'"),
        ({"a": {np.int64(1): 3, 1.5: 2, frozenset(): 4}}, "has the key frozenset"),
        ({"a": {2**20000: 3}}, r"result\['a'\] has a key of 20001 bits"),
    ],
)
def test_what_the_store_cannot_hold_is_named(value, message):
    with pytest.raises(TypeError, match=message):
        storable(value)


# as a real ESPResSo has them, its arrays too
ENERGY = {
    "total": -3.9,
    "coulomb": 0.0,
    ("coulomb", 0): 0.0,
    ("coulomb", 1): 0.5,
    "non_bonded": -4.2,
    ("non_bonded", 0, 0): -4.2,
    ("bonded", np.int64(0)): np.float64(1.5),
}


def test_keys_of_espresso_become_names():
    plain = {
        "total": -3.9,
        "coulomb": 0.0,
        "coulomb.0": 0.0,
        "coulomb.1": 0.5,
        "non_bonded": -4.2,
        "non_bonded.0.0": -4.2,
        "bonded.0": 1.5,
    }
    assert storable({"energy": ENERGY})["energy"] == plain
    assert named(ENERGY) == plain
    assert storable({np.int64(3): 1, np.str_("a"): 2}) == {3: 1, "a": 2}
    assert named({1: 2.5}) == {"1": 2.5}


@pytest.mark.parametrize("key", [None, "", (), b"a"])
def test_results_have_names(key):
    with pytest.raises(TypeError, match="result has the key"):
        named({"a": 1, key: 2})
    with pytest.raises(TypeError, match="another one that is '1'"):
        named({1: 1, "1": 2})


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


@pytest.mark.parametrize("axes", [29, 30, 31, 32])
@pytest.mark.parametrize("dtype", [float, complex])
def test_arrays_of_many_axes(tmp_path, axes, dtype):
    results = [{"a": np.ones((1,) * axes, dtype)}] * 2
    write(tmp_path / "s.h5", results)
    assert [same(o.result, results[0]) for o in read_store(tmp_path / "s.h5").outcomes.values()]


@pytest.mark.slow
def test_more_results_than_columns(tmp_path):
    many = {f"k{i}": np.arange(i % 3) if i % 2 else i for i in range(1500)}
    own = [{f"own {i}.{j}": {"deep": j} for j in range(50)} for i in range(20)]
    results = [{"everywhere": i, **result} for i, result in enumerate([many, {}, *own])]
    write(tmp_path / "s.h5", results)
    back = [outcome.result for outcome in read_store(tmp_path / "s.h5").outcomes.values()]
    assert all(map(same, back, results))
    with h5py.File(tmp_path / "s.h5") as file:
        assert file["everywhere"][:].tolist() == list(range(22))
        assert len(file) < 1500


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
    write_hdf5(path, filled_table(outcomes), STUDY, "hash")
    return path


def test_xarray_reads_it(mixed):
    with xarray.open_dataset(mixed, engine="h5netcdf") as data:
        assert {"volume_fraction", "n", "replica", "simulation"} <= set(data.coords)
        assert {"pressure", "solid", "rdf.g", "status", "cpu_time"} <= set(data.data_vars)
        assert data["pressure"].dims == ("simulation",)
        np.testing.assert_allclose(data["pressure"], [0, 1.5, np.nan, 4.5])
        np.testing.assert_allclose(data["n_samples"], [0, 1, np.nan, 3])
        assert data["rdf.g"].shape == (4, 4)
        assert data["clusters"].dims == ("simulation", "sample")
        np.testing.assert_array_equal(data["clusters_length"], [0, 1, np.nan, 3])
        np.testing.assert_array_equal(data["clusters"][3], [0, 1, 2])
        np.testing.assert_array_equal(data["clusters"][1], [0, np.nan, np.nan])
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
    numbers = {None}
    with open_store(tmp_path / "s.h5", study) as store:
        for entry in entries(study, 200):
            store.record([entry])
            store.publish_beside()
            numbers.add(file_number(tmp_path / "s.h5"))
    assert len(numbers) == 3  # twice, and none before


def test_publishing_bit_by_bit_comes_to_the_same(tmp_path, study):
    """Columns change their kind, come up late, have gaps, or go with the outcomes they are of."""
    simulations = list(study.simulations())[:12]
    results = [
        {
            "k": i,
            "kind": 1 if i < 4 else 1.5,
            "late": i,
            "s": str(i % 2),
            "a": np.arange(i % 3),
            "n": i,
        }
        for i in range(12)
    ]
    for i in range(0, 12, 3):
        results[i]["n"] = None
        del results[i]["k"]
    for i in range(6):
        del results[i]["late"]
    results[7] = None
    outcomes = [
        Outcome(
            id=s.id, parameters=s.parameters, seed=s.seed, result=result,
            status=Status.DONE if result else Status.FAILED, error="" if result else "é",
        )
        for s, result in zip(simulations, results, strict=True)
    ]  # fmt: skip
    replaced = Outcome(id=simulations[2].id, parameters={"y": 5}, result={"gone": 1, "kind": "x"})

    def put(path, *batches):
        with open_store(path, study) as store:
            for batch in batches:
                store.record([Entry(o.id, o.status, pack(o)) for o in batch])
                store.publish()

    order = [11, 3, 2, 0, 7, 4, 1, 6, 5, 10, 9, 8]
    shuffled = [outcomes[i] for i in order]
    put(tmp_path / "one.h5", [replaced, *shuffled])
    put(tmp_path / "other.h5", [replaced], shuffled[:5], shuffled[5:6], shuffled[6:])
    contents = [read_store(tmp_path / name).outcomes for name in ("one.h5", "other.h5")]
    assert list(contents[0]) == list(contents[1]) == [s.id for s in simulations]
    for one, other, right in zip(*(c.values() for c in contents), outcomes, strict=True):
        right.sequence = one.sequence
        assert repr(one) == repr(other)
        assert same(one.result, right.result)
        assert same(one.parameters, right.parameters)
    with h5py.File(tmp_path / "one.h5") as one, h5py.File(tmp_path / "other.h5") as other:
        names, others = [], []
        one.visit(names.append)
        other.visit(others.append)
        assert sorted(names) == sorted(others)
        assert not any("gone" in name or name == "y" for name in names)
        for name in names:
            assert dict(one[name].attrs).keys() == dict(other[name].attrs).keys()
            if isinstance(one[name], h5py.Dataset):
                assert one[name].dtype == other[name].dtype
                np.testing.assert_array_equal(one[name][()], other[name][()])


@pytest.mark.slow
def test_more_results_than_columns_in_several_publications(tmp_path, study, monkeypatch):
    monkeypatch.setattr("dask_espresso.store.table._MAX_COLUMNS", 100)
    simulations = list(study.simulations())[:9]
    results = [
        {"everywhere": i, **{f"own {i}.{j}": {"deep": j} for j in range(40)}} for i in range(9)
    ]
    with open_store(tmp_path / "s.h5", study) as store:
        for start in range(0, 9, 3):
            outcomes = [
                Outcome(id=s.id, parameters=s.parameters, result=result)
                for s, result in zip(simulations[start:], results[start : start + 3], strict=False)
            ]
            store.record([Entry(o.id, o.status, pack(o)) for o in outcomes])
            store.publish()
    back = [outcome.result for outcome in read_store(tmp_path / "s.h5").outcomes.values()]
    assert all(map(same, back, results))
    with h5py.File(tmp_path / "s.h5") as file:
        assert file["everywhere"][:].tolist() == list(range(9))
        assert len(file) < 150


def test_opening_reads_no_results(tmp_path, study, monkeypatch):
    path = tmp_path / "s.h5"
    with open_store(path, study) as store:
        store.record(entries(study, 3))
        store.publish()
    monkeypatch.setattr("dask_espresso.store.hdf5.Outcome", None)
    with open_store(path, study) as store:
        assert list(store.statuses.values()) == [Status.DONE] * 3
        assert list(store.statuses) == list(study.ids())[:3]


OLD_STORE = Path(__file__).parents[1] / "golden" / "old_store"  # in it, 1.0 had another id than 1


@pytest.fixture(params=["as it was", "in other words"])
def old(tmp_path, request):
    """Give the path of a store of an older version, with a journal, and a study that goes on."""
    for file in OLD_STORE.iterdir():
        shutil.copy(file, tmp_path)
    path = tmp_path / "study.yaml"
    if request.param != "as it was":
        text = path.read_text()
        for one, other in [("1.0,", "1,"), ("2.0,", "2,"), ("1.0\n", "1\n"), (", 2]", ", 2.0]")]:
            assert one in text
            text = text.replace(one, other)
        path.write_text(text)
    return tmp_path / "old.h5", load_study(path)


def test_old_stores_go_on(old):
    path, study = old
    assert list(read_store(path).outcomes) == list(study.ids())
    outcomes = read_store(path).outcomes
    with open_store(path, study) as store:
        assert list(store.statuses) == list(study.ids())
        store.publish()
    assert not journal_path(path).exists()
    assert read_store(path).outcomes == outcomes
    with h5py.File(path) as file:
        assert [text.decode() for text in file["simulation"]] == list(study.ids())
        assert file.attrs["ids"] == 2
    assert [o.seed for o in outcomes.values()] != [s.seed for s in study.simulations()]


def test_a_store_is_read_once_when_it_is_opened(tmp_path, study, monkeypatch):
    path = tmp_path / "s.h5"
    read = []

    def count(*arguments, **options):
        read.append(arguments)
        return read_rows(*arguments, **options)

    monkeypatch.setattr("dask_espresso.store.admission.read_rows", count)
    with open_store(path, study) as store:
        store.record(entries(study, 1))
        store.publish()
    assert not read  # there was nothing
    before = sorted(tmp_path.iterdir())
    with open_store(path, study):
        assert len(read) == 1
    with pytest.raises(InputError, match="another study"):
        open_store(path, study.model_copy(update={"seed": 5}))
    assert len(read) == 2
    assert sorted(tmp_path.iterdir()) == before


def test_old_stores_keep_what_they_hold_twice(tmp_path, study, monkeypatch):
    path = tmp_path / "s.h5"
    names = list(study.ids())
    ids = [names[0], "0" * 16, "1" * 16, "2" * 16]
    values = [1, 1.0, 2.0, 2.0]  # of which one was meant each time
    with monkeypatch.context() as patch:
        patch.setattr("dask_espresso.store.hdf5.IDS", 1)
        outcomes = [
            Outcome(id=i, parameters={"x": x}, result={"y": n})
            for n, (i, x) in enumerate(zip(ids, values, strict=True))
        ]
        write_hdf5(path, filled_table(outcomes), study.snapshot(), study.script_hash)
    for _ in range(2):
        found = {name: o.result["y"] for name, o in read_store(path).outcomes.items()}
        assert found == {names[0]: 0, "0" * 16: 1, names[1]: 2, "2" * 16: 3}
        with open_store(path, study) as store:
            store.publish()


HOLD = """
import sys, time
from dask_espresso.store.store import open_store
from dask_espresso.inputs.study import load_study
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


# ---- what goes wrong -----------------------------------------------------------------------------


def taken_over(path):
    """Have a driver on another host take the store over."""
    claim_path(path).unlink()
    claim_path(path).write_text(json.dumps({"host": "elsewhere", "pid": 1}))


def test_driver_that_lost_its_claim_leaves_the_store_alone(tmp_path, study):
    path = tmp_path / "s.h5"
    store = open_store(path, study)
    store.record(entries(study, 3))
    taken_over(path)
    other = Journal(journal_path(path), next(read_journal(journal_path(path))))
    for act in (lambda: store.record(entries(study, 3, start=3)), store.publish):
        with pytest.raises(ResumableError, match="another driver has taken the store over"):
            act()
    store.close()
    other.close()
    assert not path.exists()
    assert claim_path(path).exists()
    claim_path(path).unlink()
    assert len(read_store(path).outcomes) == 3


@pytest.mark.parametrize("name", ["s.h5", "s.journal"])
def test_driver_that_stands_still_before_a_rename_cannot_make_it(
    tmp_path, study, monkeypatch, name
):
    """What it has built aside is gone when it wakes up, and the store another one's."""
    path = tmp_path / "s.h5"
    replace = Path.replace
    first = open_store(path, study)
    first.record(entries(study, 3))
    if name == "s.journal":
        journal_path(path).unlink()

    def sleepy(self, target):
        if self.name.startswith(f".{name}."):
            monkeypatch.setattr(Path, "replace", replace)
            os.close(first._claim._lease.fd)  # as if on another host, where the lock is not seen
            second = open_store(path, study)
            second.record(entries(study, 2, start=3))
            second.publish()
            second.close()
            first._claim._lease.fd = os.open(tmp_path / "study.yaml", os.O_RDONLY)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", sleepy)
    with pytest.raises(ResumableError, match="taken the store over"):
        first.publish()
    first.close()
    assert len(read_store(path).outcomes) == (5 if name == "s.h5" else 2)


def test_journal_removed_under_the_driver(tmp_path, study):
    path = tmp_path / "s.h5"
    with open_store(path, study) as store:
        store.record(entries(study, 3))
        store.publish()
        store.record(entries(study, 3, start=3))
        journal_path(path).unlink()
        store.publish()
    assert len(read_store(path).outcomes) == 6


@pytest.mark.parametrize("is_published", [True, False])
def test_store_removed_under_the_driver(tmp_path, study, is_published):
    path = tmp_path / "s.h5"
    with open_store(path, study) as store:
        store.record(entries(study, 3))
        store.publish()
        path.rename(tmp_path / "moved.h5")
        if not is_published:
            store.record(entries(study, 3, start=3))
        with pytest.raises(ResumableError, match="was moved, deleted or replaced during the run"):
            store.publish()
    (tmp_path / "moved.h5").rename(path)
    with open_store(path, study) as store:
        store.publish()
    assert len(read_store(path).outcomes) == (3 if is_published else 6)


def test_store_removed_when_the_journal_is_about_to_forget(tmp_path, study, monkeypatch):
    path = tmp_path / "s.h5"
    replace = journal_module.replace_file

    def late(*arguments, **options):
        path.unlink(missing_ok=True)
        return replace(*arguments, **options)

    with open_store(path, study) as store:
        store.record(entries(study, 3))
        monkeypatch.setattr(journal_module, "replace_file", late)
        with pytest.raises(ResumableError, match="was moved, deleted or replaced during the run"):
            store.publish()
    assert len(read_store(path).outcomes) == 3


def test_journal_damaged_under_the_driver(tmp_path, study):
    path = tmp_path / "s.h5"
    with open_store(path, study) as store:
        store.record(entries(study, 3))
        data = bytearray(journal_path(path).read_bytes())
        data[-10] ^= 1
        with journal_path(path).open("rb+") as file:
            file.write(data)
        with pytest.raises(ResumableError, match="1 outcomes that were recorded cannot be read"):
            store.publish()
    with open_store(path, study) as store:
        assert len(store.statuses) == 2


@pytest.mark.parametrize("at", [0, 22, 40])  # first line, its version, description
def test_damage_at_the_beginning_costs_no_outcome(tmp_path, study, at):
    path = tmp_path / "s.h5"
    with open_store(path, study) as store:
        store.record(entries(study, 3))
    data = bytearray(journal_path(path).read_bytes())
    data[at] ^= 1
    journal_path(path).write_bytes(data)
    assert len(read_store(path).outcomes) == 3
    with open_store(path, study) as store:
        assert len(store.statuses) == 3


def test_lost_block_at_the_beginning_costs_no_outcome(tmp_path, study):
    path = tmp_path / "s.h5"
    with open_store(path, study) as store:
        store.record(entries(study, 3))
    data = journal_path(path).read_bytes()
    first = data.index(list(read_journal(journal_path(path)))[2]) - 12
    journal_path(path).write_bytes(bytes(first) + data[first:])
    with pytest.raises(InputError, match="`dask-espresso run` with that study mends it"):
        read_store(path)
    with open_store(path, study) as store:
        assert len(store.statuses) == 3
    assert len(read_store(path).outcomes) == 3


def test_stores_whose_names_begin_alike(tmp_path, study):
    asides = [
        aside_of(tmp_path / name)
        for name in ("s.2.h5", "s.h5.h5", "s.h5.abcd.h5", "s.2.journal", "a.h5.claim")
    ]
    for aside in asides:  # being published
        aside.touch()
    aside_of(tmp_path / "s.h5").touch()
    open_store(tmp_path / "s.h5", study).close()
    assert sorted(tmp_path.glob(".*")) == sorted(asides)


def test_changed_study_is_published_also_after_a_kill(tmp_path, study):
    path = tmp_path / "s.h5"
    with open_store(path, study) as store:
        store.record(entries(study, 20))
        store.publish()
    shorter = study.model_copy(update={"replicas": 2})
    killed = open_store(path, shorter)
    killed._claim.release()
    with open_store(path, shorter) as store:
        store.publish()
    assert h5py.File(path).attrs["study"] == json.dumps(shorter.snapshot())


@pytest.mark.parametrize("call", ["write", "fsync", "replace", "open"])
def test_no_room_to_begin_with(tmp_path, study, monkeypatch, call):
    open_file = os.open

    def full(*arguments):
        if call == "open" and not arguments[1] & os.O_CREAT:
            return open_file(*arguments)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(Path if call == "replace" else os, call, full)
        with pytest.raises(ResumableError, match="No space left on device"):
            open_store(tmp_path / "s.h5", study)
    open_store(tmp_path / "s.h5", study).close()


def test_journal_that_vanishes_while_it_is_looked_at(tmp_path, study, monkeypatch):
    """Its driver has just ended."""
    path = tmp_path / "s.h5"

    def access(place, _):
        if Path(place).suffix == ".journal":
            Path(place).unlink()
        return True

    Journal(journal_path(path), b"D").close()
    monkeypatch.setattr(os, "access", access)
    open_store(path, study).close()


FULL = """
import resource, sys
from pathlib import Path
from dask_espresso.store.hdf5 import write_hdf5
from dask_espresso.store.journal import Journal, read_journal
from dask_espresso.outcome import Outcome
from dask_espresso.store.table import Table
outcomes = [Outcome(f"{i:016x}", {"x": i}, result={"y": [i]}, log="x" * 90) for i in range(40)]
table = Table()
for outcome in outcomes:
    table.add(outcome)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
try:
    write_hdf5(Path(sys.argv[1]), table, {"name": "s"}, "hash")
except OSError:
    sys.exit(75)
"""


@pytest.mark.parametrize("size", [1000, 7_000, 21_000, 30_000])
def test_full_disk_while_publishing(tmp_path, size):
    """The HDF5 library itself would crash."""
    done = subprocess.run(
        # nor may bytecode be cut, which then nothing could import any more
        [sys.executable, "-B", "-c", FULL, str(tmp_path / "s.h5"), str(size)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (75, "")
    assert list(tmp_path.iterdir()) == []


def test_link_to_a_store_elsewhere(tmp_path, study):
    (tmp_path / "scratch").mkdir()
    link, target = tmp_path / "s.h5", tmp_path / "scratch" / "s.h5"
    link.symlink_to(target)
    with open_store(link, study) as store:
        store.record(entries(study, 3))
        store.publish()
    assert link.is_symlink()
    assert len(read_store(target).outcomes) == 3


def test_link_and_file_are_one_store(tmp_path, study):
    (tmp_path / "scratch").mkdir()
    link, target = tmp_path / "s.h5", tmp_path / "scratch" / "t.h5"
    link.symlink_to(target)
    with open_store(link, study) as store:
        store.record(entries(study, 3))
        for path in (link, target):
            with pytest.raises(InputError, match="in use by the driver"):
                open_store(path, study)
            assert len(read_store(path).outcomes) == 3
            assert read_store(path).owner["pid"] == os.getpid()
    assert sorted(path.name for path in tmp_path.glob("s.*")) == ["s.h5", "s.py"]
    with open_store(target, study) as store:
        assert len(store.statuses) == 3


def test_places_where_no_store_can_be(tmp_path, study):
    (tmp_path / "loop.h5").symlink_to("loop.h5")
    (tmp_path / "away.h5").symlink_to("nowhere/s.h5")
    os.mkfifo(tmp_path / "pipe.h5")
    wrong = {
        "loop.h5": "links|loop",
        "away.h5": "its directory does not exist",
        "pipe.h5": "not a regular file",
        f"{'a' * 240}.h5": "name is too long: at most 235 bytes",
        f"{'a' * 300}.h5": "too long",
    }
    for name, message in wrong.items():
        with pytest.raises(InputError, match=message):
            open_store(tmp_path / name, study)
        with pytest.raises(InputError):
            read_store(tmp_path / name)
    for name in ("", ".", "/", tmp_path):
        with pytest.raises(InputError, match="a directory"):
            read_store(name)
    assert not list(tmp_path.glob("*.claim"))
    with open_store(tmp_path / f"{'a' * 232}.h5", study) as store:
        store.record(entries(study, 3))
        store.publish()


@pytest.mark.parametrize("name", ["s.journal", "s.h5.claim", "s.h5.jobs"])
def test_pipe_in_the_place_of_a_file_beside_it(tmp_path, study, name):
    with open_store(tmp_path / "s.h5", study) as store:
        store.record(entries(study, 3))
        store.publish()
    os.mkfifo(tmp_path / name)
    if name == "s.journal":
        with pytest.raises(InputError, match="Not a regular file"):
            read_store(tmp_path / "s.h5")
    else:
        assert len(read_store(tmp_path / "s.h5").outcomes) == 3
        assert read_roster(tmp_path / "s.h5") == Roster()


def test_file_of_another_study_put_over_the_store(tmp_path, study):
    path, other = tmp_path / "s.h5", tmp_path / "other.h5"
    with open_store(other, study.model_copy(update={"name": "other"})) as store:
        store.record(entries(study, 1))
        store.publish()
    with open_store(path, study) as store:
        store.record(entries(study, 3))
        other.rename(path)
        with pytest.raises(ResumableError, match="put it back"):
            store.publish()
    with pytest.raises(InputError) as caught:
        open_store(path, study)
    assert f"{path}: holds another study than the journal beside it" in str(caught.value)
    assert "name 'other' in the file and 'test' in the journal" in str(caught.value)


def test_fault_of_our_own_while_publishing(tmp_path, study, monkeypatch):
    def explode(*_, **__):
        raise RuntimeError("Unspecified error")

    with open_store(tmp_path / "s.h5", study) as store:
        store.record(entries(study, 3))
        with monkeypatch.context() as context:
            context.setattr("dask_espresso.store.publishing.write_content", explode)
            with pytest.raises(ResumableError, match="RuntimeError: Unspecified .* report it"):
                store.publish()
    assert len(read_store(tmp_path / "s.h5").outcomes) == 3


def fails(number):
    """Give a call that fails."""

    def call(*_, **__):
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "No space left on device; make room"),
        (errno.EDQUOT, "Disk quota exceeded; make room"),
        (errno.EIO, "Input/output error; wait until its file system is well again"),
        (errno.ESTALE, "Stale file handle; wait until"),
        (errno.ETIMEDOUT, "Connection timed out; wait until"),
        (errno.ENOLINK, "Link has been severed; wait until"),
        (errno.EROFS, "Read-only file system; make it writable"),
    ],
)
def test_a_file_system_that_fails_is_called_what_it_is(tmp_path, study, monkeypatch, number, said):
    with open_store(tmp_path / "s.h5", study) as store:
        store.record(entries(study, 3))
        with monkeypatch.context() as context:
            context.setattr(os, "fsync", fails(number))
            for fail in (store.publish, lambda: store.record(entries(study, 2, 3))):
                with pytest.raises(ResumableError, match=said):
                    fail()
            context.setattr("dask_espresso.store.claim.open_file", fails(number))
            with pytest.raises(ResumableError, match=rf"s\.h5\.claim: {said}"):
                store.record(entries(study, 2, 3))
    assert len(read_store(tmp_path / "s.h5").outcomes) == 3


def test_closing_that_fails_costs_nothing(tmp_path, study, monkeypatch):
    """As on a file server that is away at the end: what was recorded was fsynced before."""
    close = os.close

    def closes_and_fails(fd):
        close(fd)
        fails(errno.EIO)()

    monkeypatch.setattr(os, "close", closes_and_fails)
    with open_store(tmp_path / "s.h5", study) as store:
        store.record(entries(study, 3))
        store.publish()
    monkeypatch.undo()
    assert {path.name for path in tmp_path.iterdir()} & {"s.h5", "s.h5.claim"} == {"s.h5"}
    assert len(read_store(tmp_path / "s.h5").outcomes) == 3


def test_permissions_are_kept(tmp_path, study):
    path = tmp_path / "s.h5"
    for mode in (None, 0o640):
        with open_store(path, study) as store:
            store.record(entries(study, 3))
            store.publish()
        if mode:
            assert path.stat().st_mode & 0o777 == mode
        path.chmod(0o640)
