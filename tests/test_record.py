"""How an outcome is written as a record; that it comes back equal is tested with the store."""

import tracemalloc

import numpy as np
import pytest

from dask_espresso.files import LARGE
from dask_espresso.outcome import Outcome
from dask_espresso.record import pack, unpack

BIG = np.arange(LARGE // 4, dtype=np.float64).reshape(2, -1)


@pytest.mark.parametrize(
    "result",
    [
        {"a": BIG},
        {"a": 1, "inner": {"rdf": BIG, "b": [None, BIG, "é\ud800"]}, "z": 2j},
        {"pair": (1, [BIG, (BIG,)], 2**80)},
        {"bool": np.ones(LARGE, bool), "text": np.full(LARGE, "é"), "c": BIG.astype(complex)},
        {3: BIG, "at the limit": np.zeros(LARGE, np.int8), "below": np.zeros(LARGE - 1, np.int8)},
        {"not in order": BIG.T, "every other": np.arange(LARGE)[::2]},
    ],
    ids=lambda result: ",".join(map(str, result)),
)
def test_large_arrays_are_packed_as_ever_but_not_copied(result, monkeypatch):
    outcome = Outcome("1", {"x": 1}, result=result)
    tracemalloc.start()
    try:
        record = pack(outcome)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    arrays = [part for part in record if isinstance(part, np.ndarray)]
    assert arrays
    assert all((a.dtype, a.ndim, a.flags.c_contiguous) == (np.uint8, 1, True) for a in arrays)
    if "a" in result or "pair" in result:
        assert all(np.shares_memory(part, BIG) for part in arrays)
        assert peak < BIG.nbytes / 2  # msgpack has a buffer
    monkeypatch.setattr("dask_espresso.record.LARGE", 1 << 40)
    assert (b"".join(record),) == pack(outcome)
    np.testing.assert_equal(unpack(memoryview(b"".join(record))).result, result)


def test_an_outcome_without_large_arrays_is_packed_in_one():
    (packed,) = pack(Outcome("1", {}, result={"a": np.zeros(3), "b": (1, 2)}))
    assert type(packed) is bytes


@pytest.mark.parametrize("wrap", [lambda a: a, lambda a: (1, a), lambda a: [a[:-2048], a[:-2048]]])
def test_an_outcome_too_large_for_the_journal_is_refused(wrap):
    with pytest.raises(ValueError, match="bytes, but the store holds at most 4294966272"):
        pack(Outcome("1", {}, result={"a": wrap(np.zeros(2**32, np.uint8))}))
