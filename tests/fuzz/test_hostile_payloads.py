"""What a simulation prints: a result, an error that says why there is none, and never more."""

import base64
import collections
import datetime
import decimal
import functools
import importlib
import operator
import os
import pathlib
import pickle
import runpy
import shutil
import subprocess
import sys

import numpy as np
import pytest
from fuzzing import DAMAGES, Reader, damage, examples
from hypothesis import given
from hypothesis import strategies as st

from dask_espresso.process.payload import PayloadScanner
from dask_espresso.script.transport import (
    TransportError,
    encode_transport_data,
)

pytestmark = pytest.mark.slow

# without arrays: numpy 2.4 itself crashes on some damaged types of arrays
RESULT = {
    "pressure": 2.5,
    "r": [0.1, 2, -3] * 9,
    "label": "é" * 9,
    "nested": [{"a": (1, None)}, 1j],
}
PAYLOAD = encode_transport_data(RESULT).encode()


def scan(output, cuts=()):
    """Feed it in pieces; give the scanner, and what it took for noise."""
    noise = bytearray()
    scanner = PayloadScanner(noise.extend)
    ends = [*sorted(int(cut * len(output)) for cut in cuts), len(output)]
    for start, end in zip([0, *ends], ends, strict=False):
        scanner.feed(output[start:end])
    scanner.close()
    return scanner, bytes(noise)


def read(output):
    """Take what a simulation printed, in a process of its own; give what comes of it."""
    scanner, _ = scan(output, (0.1, 0.11, 0.5))
    try:
        result = scanner.payload()
    except TransportError as error:
        return f"error: {error}"
    return f"result: {result!r:.100}"


@pytest.fixture(scope="module")
def reader():
    with Reader("test_hostile_payloads:read") as reader:
        yield reader


# ---- damage --------------------------------------------------------------------------------------


@examples(150)
@given(st.binary(max_size=500), st.lists(st.floats(0, 1), max_size=4))
def test_any_output_is_noise_or_a_result(output, cuts):
    scanner, noise = scan(output, cuts)
    if not scanner.payloads:
        assert noise == output


@examples(150)
@given(DAMAGES)
def test_damaged_results(reader, damages):
    said = reader(damage(PAYLOAD, damages))
    assert said.startswith(("error: no payload", "error: broken", "error: two", "result: "))


@examples(150)
@given(DAMAGES, st.sampled_from([2, 3, 4, 5]))
def test_damaged_pickles_in_whole_frames(reader, damages, protocol):
    pickled = damage(pickle.dumps(RESULT, protocol), damages)
    said = reader(base64.b64encode(pickled) + b"\n")
    assert said.startswith(("error: no payload", "error: broken", "error: two", "result: "))


# separated by something that is not base64, as all that is printed on lines of its own
noises = st.text(max_size=300).map(lambda text: f"\n{text}\n".encode()) | st.binary(
    max_size=300
).map(lambda data: b"\n" + data + b"\n")


@examples(150)
@given(noises, noises, st.integers(0, 3000), st.lists(st.floats(0, 1), max_size=5))
def test_a_result_among_noise_is_found(before, after, size, cuts):
    result = {"a": "x" * size}
    payload = encode_transport_data(result).encode()
    scanner, noise = scan(before + payload + after, cuts)
    assert scanner.payload() == result
    assert noise == before + after


@pytest.mark.parametrize("size", [10, 200, 1000, 100_000])
@pytest.mark.parametrize("glue", [b"", b"A", b"gAWV", b"gAWVgAWVgAWV", b"gAR" * 5])
def test_a_result_behind_what_looks_like_one_is_found(size, glue):
    payload = encode_transport_data({"a": list(range(size))}).encode()
    for cuts in ((), [i / 50 for i in range(50)]):
        scanner, noise = scan(glue + payload, cuts)
        assert scanner.payload() == {"a": list(range(size))}
        assert noise == glue


def test_a_large_result_in_disorder_is_called_broken():
    payload = encode_transport_data({"a": list(range(100_000))}).encode()
    scanner, _ = scan(payload[:100] + payload[90_000:], [i / 50 for i in range(50)])
    with pytest.raises(TransportError, match="broken payload"):
        scanner.payload()


# ---- code ----------------------------------------------------------------------------------------


def calling(function, *arguments):
    class Forged:
        def __reduce__(self):
            return function, arguments

    return Forged()


def forgeries(path):
    """Give pickles that would make a directory when they are read."""
    code = f"__import__('os').mkdir({path!r})"
    objects = [
        calling(os.mkdir, path),
        calling(os.system, f"mkdir {path}"),
        calling(subprocess.call, ["mkdir", path]),
        calling(eval, code),
        calling(exec, code),
        calling(compile, code, "", "exec"),
        calling(importlib.import_module, "antigravity"),
        calling(functools.partial, os.mkdir, path),
        calling(operator.methodcaller, "mkdir", path),
        calling(pathlib.Path.mkdir, pathlib.Path(path)),
        calling(shutil.copytree, __file__, path),
        calling(runpy.run_path, __file__),
        calling(np.load, path, None, True),
        calling(np.fromfile, path),
        calling(np.memmap, path),
        calling(map, eval, [code]),
        calling(type, "X", (), {}),
        calling(open, path, "w"),
    ]
    for protocol in (2, 3, 4, 5):
        yield from (pickle.dumps({"a": made}, protocol) for made in objects)
    for module, name in (("os", "mkdir"), ("numpy", "dtype.__class__"), ("builtins", "eval")):
        argument = pickle.dumps(path, 2)[2:-1]
        yield b"\x80\x04c" + f"{module}\n{name}\n".encode() + argument + b"\x85R."
        yield b"\x80\x04" + pickle.dumps(module, 2)[2:-1] + pickle.dumps(name, 2)[2:-1] + b"\x93."
        yield b"\x80\x02(" + argument + f"i{module}\n{name}\n".encode() + b"."
    # names that come in by the back doors of the protocol
    yield b"\x80\x02\x82\x01."
    yield b"\x80\x02U\x01xQ."
    yield b"\x80\x05\x97."


def test_no_result_can_run_code(tmp_path):
    forged = tmp_path / "forged"
    for i, pickled in enumerate(forgeries(str(forged))):
        before = set(sys.modules)
        scanner, _ = scan(base64.b64encode(pickled) + b"\n")
        with pytest.raises(TransportError, match=r"(broken|no) payload"):
            scanner.payload()
        assert not forged.exists(), (i, pickled)
        assert set(sys.modules) == before


@pytest.mark.parametrize(
    "order",
    [
        b"r\x86\x32\x0a\x58",
        b"r\xff\xff\xff\xff",
        b"r\x00\x00\x10\x00",
        b"p1477079430\n",
        b"p9999999\n",
    ],
)
def test_few_bytes_do_not_take_much_memory(reader, order):
    """Python makes room for as many objects as one is numbered with."""
    rest = pickle.dumps(RESULT, 2)
    said = reader(base64.b64encode(rest[:3] + order + rest[3:]) + b"\n")
    assert said.startswith("error: broken payload")
    assert "it remembers an object as number" in said


def test_what_is_no_plain_data_is_named():
    scanner, _ = scan(encode_transport_data({"a": calling(print, "x" * 10_000)}).encode())
    with pytest.raises(TransportError, match=r"builtins\.print, which is no plain data; give numb"):
        scanner.payload()


@pytest.mark.parametrize("protocol", [4, 5])  # scripts of the original sample write 4
@pytest.mark.parametrize(
    "value",
    [
        [None, True, 1, 2**100, 1.5, 1j, "é", b"x", bytearray(b"x")],
        [
            (1,),
            {2},
            frozenset([3]),
            {4: 5},
            collections.OrderedDict(a=1),
            collections.Counter("aab"),
        ],
        collections.defaultdict(list, a=[1]),
        collections.deque([1]),
        [datetime.date(2026, 1, 2), datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc)],
        [datetime.time(1, 2), datetime.timedelta(1), decimal.Decimal("0.1")],
        [np.float32(1.5), np.int8(3), np.bool_(True), np.complex64(1j), np.str_("x")],
    ],
    ids=lambda value: f"{value}"[:40],
)
def test_plain_data_comes_through(value, protocol):
    scanner, _ = scan(base64.b64encode(pickle.dumps({"a": value}, protocol)) + b"\n")
    assert scanner.payload() == {"a": value}


DTYPES = ["f4", "<f8", ">f8", "i1", "u8", "?", "c16", "U3", "S2", "M8[s]", "O"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_come_through(dtype, protocol):
    shapes = np.zeros((2, 3), dtype), np.zeros((2, 3), dtype).T, np.zeros((), dtype)
    scanner, _ = scan(base64.b64encode(pickle.dumps(shapes, protocol)) + b"\n")
    for there, here in zip(scanner.payload(), shapes, strict=True):
        assert there.dtype.kind == here.dtype.kind
        np.testing.assert_array_equal(there, here)


# ---- large ---------------------------------------------------------------------------------------


def test_a_result_larger_than_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr(PayloadScanner, "MAX_ENCODED_SIZE", 1 << 20)
    payload = encode_transport_data({"a": "x" * (4 << 20)}).encode()
    small = encode_transport_data({"b": 1}).encode()
    pieces = [i / 100 for i in range(100)]
    with pytest.raises(
        TransportError, match="it has more than 1 MiB: write such results to a file"
    ):
        scan(payload, pieces)[0].payload()
    # what comes after it is found all the same
    assert scan(payload + b"\n" + small, pieces)[0].payload() == {"b": 1}
