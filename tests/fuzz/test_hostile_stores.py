"""HDF5 files that a disk, a file system or another program has damaged."""

import json
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from fuzzing import DAMAGES, Reader, damage, examples
from hypothesis import given
from hypothesis import strategies as st

from dask_espresso.errors import InputError
from dask_espresso.outcome import Outcome, Status
from dask_espresso.store.hdf5 import write_hdf5
from dask_espresso.store.store import read_store

pytestmark = pytest.mark.slow

ERROR = "an error"


def read(content):
    """Read a store, in a process of its own; give all that it holds, or that it is damaged."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "s.h5")
        path.write_bytes(content)
        try:
            return repr(read_store(path))
        except InputError as error:
            return ERROR if str(path) in str(error) else f"an error without its place: {error}"


@pytest.fixture(scope="module")
def reader():
    with Reader("test_hostile_stores:read") as reader:
        yield reader


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Give a function that gives the bytes of a store, with all kinds of columns, and damage."""
    from outcome_tables import filled_table  # which the reader's own process has not

    outcomes = [
        Outcome(
            f"{i:016x}",
            parameters={"x": 0.1 * i, "label": "é" * i},
            status=Status.FAILED if i == 2 else Status.DONE,
            result=None
            if i == 2
            else {
                "p": 1.5 * i,
                "k": i,
                "b": i > 1,
                "c": 1j * i,
                "rdf": {"g": np.ones(4) * i},
                "ragged": np.ones((i, 2)),
                "row": np.arange(i),
                "list": [1, None, i],
            },
            log="l" * 100 * i,
        )
        for i in range(5)
    ]
    path = tmp_path_factory.mktemp("store") / "s.h5"
    write_hdf5(path, filled_table(outcomes), {"name": "s", "engine": "python", "seed": 1}, "hash")
    content = path.read_bytes()
    return lambda damages=(): damage(content, damages)  # not the bytes: hypothesis would show them


def test_without_damage_it_is_read(reader, store):
    assert reader(store()).startswith("StoreContents(study={'name': 's',")


@examples(40)
@given(st.floats(0, 1, exclude_max=True))
def test_a_store_that_was_cut_is_an_error(reader, store, place):
    assert reader(store([("cut", place, 0)])) == ERROR


@examples(40)
@given(DAMAGES)
def test_a_damaged_store_is_an_error_or_unharmed(reader, store, damages):
    assert reader(store(damages)) in (ERROR, reader(store()))


# zeros are what a file system leaves of blocks that it has lost
@pytest.mark.parametrize("block", [*range(4), -1])
def test_lost_blocks_are_an_error(reader, store, block):
    blocks = len(store()) / 4096
    assert reader(store([("zero", block % blocks / blocks, 4096)])) == ERROR


# ---- made by other programs ----------------------------------------------------------------------

ATTRIBUTES = {"dask_espresso_format": 1, "study": "{}", "script_hash": "h", "source": "x"}


@pytest.fixture
def made(tmp_path):
    """Make an HDF5 file that says it is a store, and read it."""

    def make(attributes=(), build=lambda file: None):
        path = tmp_path / "s.h5"
        with h5py.File(path, "w") as file:
            file.attrs.update(ATTRIBUTES | dict(attributes))
            file.create_dataset("simulation", data=["0"], dtype=h5py.string_dtype())
            build(file)
        return read_store(path)

    return make


def column(data, **attributes):
    def build(file):
        dataset = file.create_dataset("x", data=data)
        dataset.attrs.update({"role": "result", "path": json.dumps(["x"]), **attributes})

    return build


@pytest.mark.parametrize(
    ("attributes", "build"),
    [
        ({"dask_espresso_format": "one"}, None),
        ({"study": "{"}, None),
        ({"study": "[" * 100_000}, None),
        ({"study": 5}, None),
        ({}, None),  # no status
        ({}, column([1.0])),
        ({}, column([1.0], kind="str")),
        ({}, column([1.0], kind="unknown")),
        ({}, column([1.0], kind="array", dtype="O")),
        ({}, column([1.0], kind="array", dtype="f8,f8")),
        ({}, column([1.0], kind="ragged", dtype="f8", shapes="nowhere")),
        ({}, column([1.0], kind="ragged", dtype="f8", shapes="simulation")),
        ({}, column([[1.0]], kind="padded", dtype="f8", lengths="nowhere")),
        ({}, column([[1.0]], kind="padded", dtype="f8", lengths="simulation")),
        ({}, column([1.0], kind="padded", dtype="f8", lengths="x")),
        ({}, column([1.0, 2.0], kind="float")),
        ({}, column(["["], kind="json")),
        ({}, column(["[" * 100_000], kind="json")),
        ({}, column(['{"$array": ["O", [1], ["x"]]}'], kind="json")),
        ({}, column([1.0], kind="float", path="{")),
        ({}, column([1.0], kind="float", path="[]")),
        ({}, column([1.0], kind="float", path="[[1]]")),
        ({}, lambda file: file.create_group("_states/x")),
        ({}, lambda file: file.__delitem__("simulation")),
    ],
)  # fmt: skip
def test_stores_that_no_driver_wrote(made, attributes, build):
    with pytest.raises(InputError):
        made(attributes, build or (lambda file: None))


def test_a_store_that_another_program_has_added_to_is_read(tmp_path, store):
    path = tmp_path / "s.h5"
    path.write_bytes(store())
    for i in range(3):
        with h5py.File(path, "r+") as file:
            file.attrs[f"note{i}"] = "checked by hand"
            file[f"mine{i}"] = np.arange(10)
        assert len(read_store(path).outcomes) == 5
