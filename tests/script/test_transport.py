import os
import pickle
import re
import subprocess
import sys
import types

import numpy as np
import pytest
from simulators import run_process

from dask_espresso.process.environment import SCRIPT
from dask_espresso.process.payload import PayloadScanner
from dask_espresso.script.transport import (
    TransportError,
    decode_transport_data,
    encode_transport_data,
)


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


# what numpy 1.26 and numpy 2.x write for np.arange(3.0)
@pytest.mark.parametrize("package", ["numpy.core", "numpy._core"])
def test_arrays_of_another_numpy(package):
    pickled = pickle.dumps(np.arange(3.0), protocol=2)
    pickled = re.sub(rb"numpy\._?core", package.encode(), pickled)
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
    scanner = PayloadScanner(lambda noise: None)
    scanner.feed(text.encode())
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


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('\n {"a": [1, 2.0, null, "\u00e9"]}\n', "[1, 2.0, None, 'é']"),
        ('{"a": 1,}', "standard input is no JSON: "),
        ("", "the text is empty"),
        ("[1]", "this is not a whole payload"),
    ],
)
def test_parameters_by_hand_are_json(given, said):
    code = "import dask_espresso; print(dask_espresso.get_data_from_stdin()['a'])"
    environment = {"PYTHONPATH": str(SCRIPT / "for_scripts"), "PYTHONIOENCODING": "utf-8"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, input=given, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert said in run.stdout + run.stderr
    assert (run.returncode == 0) == (said[0] == "[")


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
        ("os.write(fd, struct.pack('<8sQ', t.MAGIC, 1))", "not there to its end"),
        (
            "os.write(fd, struct.pack('<8sQQ', t.MAGIC, 1, 1 << 60))",
            "has more than 4095 MiB",
        ),
        ("os.write(fd, struct.pack('<8sQ', t.MAGIC, 1 << 60))", "it was not written by"),
    ],
)
def test_what_is_wrong_with_a_sent_result(python, script, code, said):
    path = script(f"""
        import dask_espresso as d, dask_espresso.result_pipe as t, os, struct
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
