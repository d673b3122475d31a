import os
import pickle
import subprocess
import sys
import types

import numpy as np
import pytest
from simulators import run_process

from dask_espresso.process.environment import SCRIPT
from dask_espresso.script.transport import (
    PayloadScanner,
    TransportError,
    decode_transport_data,
    encode_transport_data,
)

PAYLOAD = encode_transport_data({"pressure": 2.5, "rdf": np.arange(100.0)}).encode()


def scan(output, size=1 << 20):
    noise = bytearray()
    scanner = PayloadScanner(noise.extend)
    for start in range(0, len(output), size):
        scanner.feed(output[start : start + size])
    scanner.close()
    return scanner, bytes(noise)


def test_round_trip():
    data = {"a": 1, "b": np.random.default_rng(1).random((3, 3)), "c": [None, "ü", {"x": 1j}]}
    decoded = decode_transport_data(encode_transport_data(data))
    np.testing.assert_array_equal(decoded.pop("b"), data.pop("b"))
    assert decoded == data


def test_encoded_is_one_line_that_the_original_sample_reads():
    import base64

    text = encode_transport_data({"a": list(range(1000))})
    assert text.isascii()
    assert "\n" not in text
    assert pickle.loads(base64.b64decode(text)) == {"a": list(range(1000))}


@pytest.mark.parametrize("text", ["", "  \n", "hello", "gASVabc", "gASV" + "A" * 50, "é"])
def test_decoding_what_is_no_payload(text):
    with pytest.raises(TransportError):
        decode_transport_data(text)


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b""),
        (b"", b"\n"),
        (b"warning: something\n", b"\nbye\n"),
        (b"no newline", b"no newline either"),
        (b"KingARthur", b"gARbage"),
        (b"\xff\xfe\x00", b"\x00\n"),
        (b"gASVbroken but no payload\n", b"\n"),
    ],
)
def test_noise_around_the_payload_is_kept_apart(before, after, size):
    scanner, noise = scan(before + PAYLOAD + after, size)
    assert scanner.payload()["pressure"] == 2.5
    assert noise == before + after


@pytest.mark.parametrize("value", [{}, None, 0, [], {"a": 1}, "x", {"a": b"1" * 70000}])
def test_small_and_large_payloads_with_text_glued_to_them(value):
    payload = encode_transport_data(value).encode()
    scanner, noise = scan(b"tuning P3M " + payload + b"done")
    assert scanner.payload() == value
    assert noise == b"tuning P3M done"


@pytest.mark.parametrize("between", [b"", b"\n", b" and "])
def test_two_payloads(between):
    scanner, _ = scan(PAYLOAD + between + PAYLOAD)
    with pytest.raises(TransportError, match="two payloads"):
        scanner.payload()


def test_no_payload():
    scanner, noise = scan(b"pressure: 2.5\n")
    assert noise == b"pressure: 2.5\n"
    with pytest.raises(TransportError, match="no payload"):
        scanner.payload()


@pytest.mark.parametrize("cut", [5, 40, 200])
def test_broken_payload_shows_its_text(cut):
    scanner, _ = scan(b"hello\n" + PAYLOAD[:-cut] + b"\n")
    with pytest.raises(TransportError, match="broken payload.*gAWV"):
        scanner.payload()


def test_payload_in_its_own_noise_costs_no_memory():
    noise = []
    scanner = PayloadScanner(lambda data: noise.append(len(data)))
    chunk = b"gARbage " * 2**13
    for _ in range(8):
        scanner.feed(chunk)
    scanner.close()
    assert sum(noise) == 8 * len(chunk)
    assert len(scanner._pending) == 0


# what numpy 1.26 and numpy 2.x write for np.arange(3.0)
@pytest.mark.parametrize("package", ["numpy.core", "numpy._core"])
def test_arrays_of_another_numpy(package):
    pickled = pickle.dumps(np.arange(3.0), protocol=2).replace(b"numpy._core", package.encode())
    assert package.encode() in pickled
    import base64

    decoded = decode_transport_data(base64.b64encode(pickled).decode())
    np.testing.assert_array_equal(decoded, np.arange(3.0))


def test_import_inside_a_script_costs_the_standard_library_only(python, script):
    path = script("""
        import sys, time
        before = set(sys.modules)
        started = time.perf_counter()
        import dask_espresso
        elapsed = time.perf_counter() - started
        new = {name.split(".")[0] for name in set(sys.modules) - before} - {"dask_espresso"}
        foreign = sorted(new - set(sys.stdlib_module_names))
        print(dask_espresso.encode_transport_data(
            {"foreign": foreign, "elapsed": elapsed, "file": dask_espresso.__file__}))
    """)
    found = run_process(python, path, {}).output.payload()
    assert found["foreign"] == []
    assert found["file"].startswith(str(SCRIPT / "for_scripts"))


def test_script_side_sees_nothing_that_is_installed_beside_the_package(script):
    """An interpreter without numpy does not find the driver environment's."""
    path = script("""
        import dask_espresso, importlib.util
        found = importlib.util.find_spec("numpy") is not None
        print(dask_espresso.encode_transport_data({"numpy": found}))
    """)
    bare = [sys.executable, "-S"]  # no site-packages
    environment = {"PYTHONPATH": str(SCRIPT / "for_scripts")}
    done = subprocess.run([*bare, path], env=environment, capture_output=True, check=True)
    assert decode_transport_data(done.stdout) == {"numpy": False}


def test_arrays_of_espresso_come_through_without_espresso(monkeypatch):
    module = types.ModuleType("espressomd.utils")
    module.array_locked = type("array_locked", (np.ndarray,), {"__module__": module.__name__})
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "espressomd", types.ModuleType("espressomd"))
        patched.setitem(sys.modules, "espressomd.utils", module)
        locked = np.arange(3.0).view(module.array_locked)
        locked.flags.writeable = False
        text = encode_transport_data({"pos": locked})
    scanner, _ = scan(text.encode())
    for value in (scanner.payload()["pos"], decode_transport_data(text)["pos"]):
        assert type(value) is np.ndarray
        assert value.tolist() == [0, 1, 2]


@pytest.mark.parametrize("result", [1, {}, {"a": np.arange(6).reshape(2, 3), "b": [np.zeros(0)]}])
def test_result_by_a_pipe_of_its_own(python, script, result):
    path = script("""
        import dask_espresso as d
        print("before")
        d.send_result(d.get_data_from_stdin()["result"])
        print("after")
    """)
    report = run_process(python, path, {"result": result})
    assert report.failure() == ""
    np.testing.assert_equal(report.output.payload(), result)
    assert report.log == "before\nafter\n"


def test_result_without_a_worker_is_printed(script):
    path = script("import dask_espresso; dask_espresso.send_result({'a': 1})")
    environment = {**os.environ, "PYTHONPATH": str(SCRIPT / "for_scripts")}
    for pipe in ("", "77:1:2", "1:0:0", "x"):  # none, closed, another one, nonsense
        environment["DASK_ESPRESSO_RESULT"] = pipe
        run = subprocess.run(
            [sys.executable, path], env=environment, capture_output=True, text=True, check=True
        )
        assert decode_transport_data(run.stdout) == {"a": 1}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("d.send_result(1); d.send_result(2)", "two payloads"),
        ("d.send_result(1); print(d.encode_transport_data(2))", "two payloads"),
        ("d.send_result(range(3))", "builtins.range, which is no plain data"),
        ("os.write(fd, b'x' * 100)", "it was not written by send_result"),
        ("os.write(fd, bytes(16))", "it was not written by send_result"),
        ("os.write(fd, struct.pack('<8sQ', t._RESULT_MAGIC, 1))", "not there to its end"),
        (
            "os.write(fd, struct.pack('<8sQQ', t._RESULT_MAGIC, 1, 1 << 60))",
            "has more than 4095 MiB",
        ),
        ("os.write(fd, struct.pack('<8sQ', t._RESULT_MAGIC, 1 << 60))", "it was not written by"),
    ],
)
def test_what_is_wrong_with_a_sent_result(python, script, code, said):
    path = script(f"""
        import dask_espresso as d, dask_espresso.transport as t, os, struct
        fd = int(os.environ["DASK_ESPRESSO_RESULT"].split(":")[0])
        {code}
    """)
    assert said in run_process(python, path, {}).failure()


def test_what_cannot_be_handed_over_is_named():
    class Odd:
        def __reduce__(self):
            raise AssertionError

    with pytest.raises(TransportError, match=r"the data\['a'\]\[1\] is a .*Odd, which cannot be"):
        encode_transport_data({"b": 1, "a": [1, Odd()]})
