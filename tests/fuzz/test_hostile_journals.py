"""Journals that a disk, a file system or a dying machine has damaged."""

import contextlib
import itertools

import msgpack
import numpy as np
import pytest
from fuzzing import DAMAGES, damage, examples
from hypothesis import given
from hypothesis import strategies as st

from dask_espresso.errors import InputError
from dask_espresso.inputs.study import load_study
from dask_espresso.outcome import Outcome, Status
from dask_espresso.record import pack, unpack
from dask_espresso.store.journal import Journal, journal_path, read_journal
from dask_espresso.store.store import Entry, open_store, read_store

pytestmark = pytest.mark.slow

# the marker of a record inside records, and what its beginning has in common with others
RECORDS = st.lists(
    st.binary(min_size=1, max_size=60)
    | st.binary(min_size=1, max_size=3).map(lambda data: data * 500)
    | st.sampled_from([b"\xc1REC", b"\xc1REC" * 20, b"\0" * 100, b"\xc1"]),
    max_size=8,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Give a new directory for every example."""
    numbers = itertools.count()
    return lambda: tmp_path_factory.mktemp(f"journal{next(numbers)}")


@examples(150)
@given(RECORDS, DAMAGES)
def test_a_damaged_journal_has_lost_records_but_no_wrong_ones(place, records, damages):
    path = place() / "s.journal"
    journal = Journal(path, b"description")
    journal.append([(record,) for record in records])
    journal.close()
    path.write_bytes(damage(path.read_bytes(), damages))
    try:
        found = list(read_journal(path))
    except InputError:  # its first line is another one
        return
    assert set(found) <= {b"description", *records}

    again = Journal(path, b"again")
    again.append([(b"more",)])
    again.close()
    assert list(read_journal(path)) == [*found, b"again", b"more"]
    assert sorted(path.parent.iterdir()) == [path]


@examples(100)
@given(RECORDS, st.floats(0, 1))
def test_a_journal_that_was_cut_has_all_records_before(place, records, cut):
    path = place() / "s.journal"
    journal = Journal(path, b"description")
    journal.append([(record,) for record in records])
    journal.close()
    path.write_bytes(damage(path.read_bytes(), [("cut", cut, 0)]))
    found = list(read_journal(path))
    assert found == [b"description", *records][: len(found)]


@examples(150)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_no_journal_or_hold_no_records(place, content, begins_right):
    path = place() / "s.journal"
    path.write_bytes(b"dask_espresso journal 1\n" * begins_right + content)
    try:
        assert list(read_journal(path)) == []
    except InputError:
        assert not begins_right


# ---- with outcomes in it -------------------------------------------------------------------------

RESULTS = [
    {"a": i, "rdf": np.arange(i), "b": [(1, 2j), {"c": 2**80}], "é": "\ud800"} for i in range(6)
]
OUTCOMES = [
    Outcome(f"{i:016x}", {"x": i}, result=result, log="l" * 50) for i, result in enumerate(RESULTS)
]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Give the bytes of a journal with outcomes, the study it is of, and how each outcome reads."""
    directory = tmp_path_factory.mktemp("written")
    study = directory / "study.yaml"
    study.write_text("name: s\nengine: python\nscript: echo\nparameters: {}\n")
    with open_store(directory / "s.h5", load_study(study)) as store:
        store.record([Entry(outcome.id, outcome.status, pack(outcome)) for outcome in OUTCOMES])
    right = {name: repr(o) for name, o in read_store(directory / "s.h5").outcomes.items()}
    assert len(right) == len(OUTCOMES)
    return journal_path(directory / "s.h5").read_bytes(), right


@examples(150)
@given(DAMAGES)
def test_a_store_with_a_damaged_journal_has_lost_outcomes_but_no_wrong_ones(
    place, written, damages
):
    content, right = written
    path = place() / "s.h5"
    journal_path(path).write_bytes(damage(content, damages))
    try:
        found = read_store(path).outcomes
    except InputError:  # its beginning is damaged
        return
    assert {name: repr(outcome) for name, outcome in found.items()}.items() <= right.items()


PACKED = [b"".join(pack(outcome)) for outcome in OUTCOMES]


@examples(300)
@given(st.binary(max_size=100) | st.builds(damage, st.sampled_from(PACKED), DAMAGES))
def test_any_record_is_an_outcome_or_an_error(record):
    try:
        outcome = unpack(record)
    except ValueError:
        return
    assert isinstance(outcome, Outcome)
    assert isinstance(outcome.status, Status)


def nested(code, depth):
    packed = msgpack.packb(1)
    for _ in range(depth):
        packed = msgpack.packb(msgpack.ExtType(code, packed))
    return packed


def array(dtype, shape, data=b""):
    return msgpack.ExtType(1, msgpack.packb([dtype, shape]) + data)


@pytest.mark.parametrize(
    "field",
    [
        array("O", [1], bytes(8)),
        array("V8,O", [1], bytes(16)),
        array("f8,", [1], bytes(8)),
        array("(2,", [1], bytes(8)),
        array("<f8", [10**12], bytes(8)),
        array("<f8", [-1], bytes(8)),
        array("<f8", [2**62, 4], b""),
        array("<f8", ["a"], bytes(8)),
        array("<f8", {}, bytes(8)),
        array(1, [1], bytes(8)),
        array("<U1000000000", [1], b"x"),
        array("<M8[s]", [1], bytes(8)),
        msgpack.ExtType(1, b""),
        msgpack.ExtType(2, msgpack.packb([1])),
        msgpack.ExtType(3, b"9" * 5000),
        msgpack.ExtType(3, b"x"),
        msgpack.ExtType(4, nested(4, 200)),
        msgpack.ExtType(9, b""),
    ],
    ids=lambda field: repr(field.data[:20]),
)
def test_records_that_no_driver_wrote(field):
    record = {**msgpack.unpackb(*pack(Outcome("1", {}))), "result": {"a": field}}
    with contextlib.suppress(ValueError):
        assert isinstance(unpack(msgpack.packb(record)).result["a"], np.ndarray | complex)


@pytest.mark.parametrize(
    "change", [{"status": 9}, {"status": None}, {"status": [0]}, {"more": 1}, {"id": ...}]
)
def test_outcomes_that_are_none(change):
    fields = {**msgpack.unpackb(*pack(Outcome("1", {}))), **change}
    fields = {name: value for name, value in fields.items() if value is not ...}
    with pytest.raises(ValueError, match=r"."):
        unpack(msgpack.packb(fields))
