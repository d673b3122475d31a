"""Results of scripts that write files and print, forked and fresh."""

import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import wait_until
from simulators import run_process, warm_start

from dask_espresso.engines import Engine
from dask_espresso.inputs.collect import Source, sources_of
from dask_espresso.outcome import Status
from dask_espresso.process.call import Given
from dask_espresso.process.collector import Collector
from dask_espresso.process.report import ProcessReport
from dask_espresso.process.result_files import read_results
from dask_espresso.script.transport import TransportError

HEAD = "parameters: {x: 7}\narguments: ['{x}', '{seed}']\n"
WRITES = """
import json, sys
import numpy as np
x, seed = map(int, sys.argv[1:])
json.dump({"energy": -1.5, "n": x, "nested": {"a": [1, 2.5, None]}, "name": "lj"},
          open("result.json", "w"))
open("more.yaml", "w").write("pressure: 1.0e-05\\n'temperature': 1e0\\n")
np.savez("data.npz", h=np.arange(3.0), count=5, t=np.array(["a"]),
         f=np.asfortranarray(np.eye(2, 3)))
np.save("one.npy", np.arange(4))
np.savetxt(f"rdf_{seed}.dat", [[0.5, 0], [1.5, 1.25]], header="r g")
print("step 1: p = 0.5, T = 1")
print("step 2: p = 2.5, T = 1.5 ")
print("step 3", file=sys.stderr)
print("done")
print('{"last": true}')
"""
ALL = (
    HEAD
    + r"""
collect:
  a: result.json
  b: more.yaml
  c: data.npz
  one: one.npy
  gr: {file: "rdf_{seed}.dat", columns: [g, r]}
  l: {log: 'p = (?P<p>\S+), T = (?P<T>.*)'}
  e: {stdout: last}
"""
)


def test_everything_at_once(run):
    for outcome in run(WRITES, ALL):
        assert (outcome.error, outcome.status) == ("", Status.DONE)
        result = dict(outcome.result)
        expected = {
            "g": [0, 1.25], "r": [0.5, 1.5], "one": [0, 1, 2, 3], "h": [0, 1, 2],
            "f": np.eye(2, 3), "t": ["a"],
        }  # fmt: skip
        for name, values in expected.items():
            np.testing.assert_array_equal(result.pop(name), values)
        assert result == {
            "energy": -1.5, "nested": {"a": [1, 2.5, None]}, "name": "lj", "last": True,
            "pressure": 1e-5, "n": 7, "count": 5, "temperature": 1.0, "p": 2.5, "T": 1.5,
        }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "collect", "said"),
    [
        ("", "result.json", "collect: result.json was not written; its directory is empty"),
        ("open('results.json', 'w'); import os; os.mkdir('d')", "result.json",
         "result.json was not written; its directory has d/, results.json"),
        ("import os; os.mkfifo('result.json')", "result.json",
         "result.json: cannot be read (Not a regular file)"),
        ("open('a.json', 'w').write('{')", "a.json", "collect: a.json: Expecting property name"),
        ("open('a.json', 'w').write('{\"e\": 1, \"e\": 2}')", "a.json", "a.json: has 'e' twice"),
        ("open('a.json', 'w').write('3.5')", "a.json", "holds one value without a name; name it"),
        ("open('a.json', 'w').write('{\"e\": \"nan\"}')", "a.json", "'e' is the text 'nan'; write"),
        ("open('a.json', 'w').write('[' * 100000)", "a.json", "is nested too deep"),
        ("open('a.yaml', 'w').write('a: *b')", "a.yaml", "line:1: '*b' makes an anchor or"),
        ("open('a.npz', 'w').write('PK')", "a.npz", "is no whole .npz (File is not a zip file)"),
        ("import numpy; numpy.save('a.npy', [print])", "{a: a.npy}", "holds Python objects"),
        ("open('a.dat', 'w').write('r g\\n1 2\\n3\\n')", "a.dat",
         "a.dat: line 3 has 1 values, those above 2"),
        ("open('a.dat', 'w').write('r g n\\n1 2 3\\n')", "{a: {file: a.dat, columns: [r, gr]}}",
         "unknown column 'gr'"),
        ("open('a.dat', 'w').write('r\\n1\\n'); open('a.json', 'w').write('{\"r\": 1}')",
         "{a: a.json, b: a.dat}", "a.dat: has the result 'r', as has a.json"),
        ("print('p = 1')", "{log: 'P = (?P<p>.*)'}", "is in no line that was printed"),
        ("import sys; print('p = 1'); print('p = 2', file=sys.stderr)", "{log: 'p = (?P<p>.*)'}",
         "is on standard output and on standard error ('p = 1' and 'p = 2'), and nobody knows"),
        ("print('p = ***')", "{log: 'p = (?P<p>.*)'}", "'p' is '***' there, which is no number"),
        ("open('a.log', 'w').write('q')", "{file: a.log, pattern: 'p = (?P<p>.*)'}",
         "a.log: has no line with 'p = (?P<p>.*)'"),
        ("print({'e': 1})", "{stdout: last}", "the last line is neither JSON nor a number ("),
        ("import sys; print('1', file=sys.stderr)", "{a: {stdout: last}}", "nothing was printed"),
        ("print(1.5)", "{stdout: last}", "is a value without a name; name it, as in `col"),
        ("import dask_espresso; dask_espresso.send_result({'e': 1}); print(2)",
         "{a: {stdout: last}}", "it hands over a result itself, and the study says `collect`"),
    ],
)  # fmt: skip
def test_what_is_not_there(run, code, collect, said):
    for outcome in run(code, f"{HEAD}collect: {collect}"):
        assert outcome.status is Status.FAILED
        assert said in outcome.error
        assert "printed:" not in outcome.error  # so that equal reasons are counted as one


def test_a_number_that_is_none(run):
    for outcome in run("print('p = -nan')", HEAD + "collect: {log: 'p = (?P<p>.*)'}"):
        assert (outcome.status, outcome.error) == (Status.NOT_FINITE, "result['p'] is nan")


def test_a_process_that_fails_gives_no_result(run):
    code = "open('a.json', 'w').write('{}'); import sys; sys.exit(3)"
    for outcome in run(code, HEAD + "collect: a.json"):
        assert (outcome.status, outcome.result) == (Status.FAILED, None)
        assert outcome.error == "exit code 3"


def test_a_file_outside_the_directory_is_none(run):
    text = "parameters: {x: ../../y}\narguments: ['{x}']\ncollect: '{x}.json'"
    for outcome in run("", text):
        assert outcome.error == "it did not start: collect: '../../y.json' is outside its directory"


def test_one_that_asks_for_its_parameters_and_writes_files(run):
    code = """
import dask_espresso, json
params = dask_espresso.get_data_from_stdin()
json.dump({"y": 2 * params["x"]}, open("a.json", "w"))
"""
    for outcome in run(code, "parameters: {x: 7, z: 1}\ncollect: a.json"):
        assert outcome.result == {"y": 14}
        assert outcome.unread == ["z", "seed"]


# ---- the directory -------------------------------------------------------------------------------

HOLD = sources_of({"a": "a.json"})


def test_directories_are_there_while_they_are_looked_at_and_gone_afterwards(
    python, script, monkeypatch
):
    seen, finish = [], Collector.finish

    def look(self, report, directory):
        seen.append((Path(directory), sorted(path.name for path in Path(directory).iterdir())))
        finish(self, report, directory)

    monkeypatch.setattr(Collector, "finish", look)
    path = script("open('a.json', 'w').write('1'); import os; os.mkdir('d'); os.chmod('d', 0)")
    for _ in range(2):
        report = run_process(python, path, {}, given=lambda _: Given(sources=HOLD))
        assert report.output.payload() == {"a": 1}
        directory, names = seen.pop()
        assert names == ["a.json", "d"]
        assert not directory.parent.exists()


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_directory_goes_with_its_worker(start, script, tmp_path):
    """Also one that dies while it looks."""
    path = script("open('a.json', 'w').write('1')")
    program = f"""
import os, sys, signal
from dask_espresso.engines import Engine
from dask_espresso.process.call import Given
from dask_espresso.process.collector import Collector
from dask_espresso.process.run import Runner
from dask_espresso.inputs.collect import sources_of
def die(self, report, directory):
    print(directory, os.path.exists(directory + "/a.json"), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
Collector.finish = die
engine = Engine("python", command=(sys.executable,), start={start!r})
given = Given(sources=sources_of({{"a": "a.json"}}))
Runner().run(engine, {str(path)!r}, {{}}, given=lambda _: given)
"""
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    directory, is_there = found.stdout.split()
    assert (found.returncode, is_there) == (-9, "True")
    assert wait_until(lambda: not Path(directory).parent.exists())


def test_a_script_that_only_works_as_a_fresh_process(script):
    """Forked it ends well, too, but its file is not there: it is not forked any more."""
    engine = Engine("python", command=(sys.executable,), start="auto")
    path = script("import gc\nif not gc.get_freeze_count(): open('a.json', 'w').write('1')")
    report = run_process(engine, path, {}, given=lambda _: Given(sources=HOLD), version="1")
    assert report.output.payload() == {"a": 1}
    assert "forked it fails (collect: a.json was not written" in warm_start(engine).reason(
        str(path), "1"
    )


# ---- what is printed -----------------------------------------------------------------------------


def heard(sources, *pieces):
    collector = Collector(sources_of(sources))
    for piece in pieces:
        collector.hear(piece.removeprefix(b"!"), is_stdout=not piece.startswith(b"!"))
    report = ProcessReport(exit_code=0)
    collector.finish(report, "/")
    return report.output.payload()


@pytest.mark.parametrize(
    "pieces",
    [
        (b'a\n{"a": "x   y"}\n\n  \n',),
        (b'a\n{"a": "x', b"   ", b'y"}', b"\n", b"\n"),
        (b'{"a": "x   y"}',),
        (b'10 %\r20 %\r{"a": "x   y"}\r\n',),
        (b'{"a": ', b"!oops\n", b'"x   y"}'),
        (b'1\n2\n{"a": "x   y"}\n\n3'[:-1],),
    ],
)
def test_the_last_line(pieces):
    assert heard({"stdout": "last"}, *pieces) == {"a": "x   y"}


@pytest.mark.parametrize(
    "pieces",
    [
        (b"p = 1\np = 2\n",),
        (b"p = 1\np ", b"= 2"),
        (b"p = 1\np ", b"!p", b"= 2\n"),
        (b"!p = 1\n!p = 2\r\n", b"end\n"),
        (b"p = 1\np = 2\r\n", b"!p = 2\n", b"end\n"),
        (b"10 %\rp = 1\rp = 2\r\n",),
        (b"p = 1\r\np = 2\r\n\r\n",),
        (b"p = 1\n" + b"x" * (1 << 21) + b"p = 3\np = 2\n",),
        (b"p = 1\n", *[b"x" * (1 << 19)] * 5, b"p = 3\np = 2\n"),
    ],
)
def test_the_last_line_with_a_pattern(pieces):
    assert heard({"log": r"p = (?P<p>\S+)$"}, *pieces) == {"p": 2}


def test_a_file_is_searched_as_what_is_printed(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"%d %%\r" * 400_000 + b"x" * 3_000_000 + b"\rp = 1\n\np = 2")
    source = Source("", "file", "a.log", pattern="^p = (?P<p>.*)$")
    with path.open("rb") as file:
        assert read_results(source, file) == {"p": 2}


def test_a_line_without_end_does_not_stop_a_worker():
    """Where each place in it is looked at to its end."""
    before = time.process_time()
    with pytest.raises(TransportError, match="in no line"):
        heard({"log": "(?P<p>.*) is the pressure"}, *[b"x" * (1 << 20)] * 4, b"\n")
    assert time.process_time() - before < 2


def test_a_text_where_one_is_meant():
    log = {"log": "version (?P<v>.*), p = (?P<p>.*)", "texts": ["v"]}
    assert heard(log, b"version 4.3, p = 2") == {"v": "4.3", "p": 2}


# of one notation a table makes a number, of the other none; JSON has but its own
@pytest.mark.parametrize(
    "text",
    ["1.0D+02", "1.0d0", "1.0Q+02", "1.0-100", "-.5+120", "-.5D-1", "1d+3", "1,5", "-0,5e3",
     "1,234,567.5", "****", "*", "nan", "-Infinity", "nan(ind)", "1.#QNAN", " 1,5 "],
)  # fmt: skip
def test_texts_that_are_meant_as_numbers_are_refused(text):
    for value in (text, [1, text], {"a": {"b": text}}):
        line = json.dumps({"p": value, "q": "lj"}).encode()
        with pytest.raises(TransportError, match=r"'p' is the text .*; write a number, or null"):
            heard({"stdout": "last"}, line)
        assert heard({"stdout": "last", "texts": ["p"]}, line) == {"p": value, "q": "lj"}


@pytest.mark.parametrize(
    "text",
    ["", "1d5", "12d5e3", "4.2", "4.2.1", "1,2,3", "a,5", "2026-01-01", "1:2", "007", "NaCl", "Na",
     "nano", "**a**", "D+1", "1_000"],
)  # fmt: skip
def test_texts_that_are_meant_as_texts_stay_texts(text):
    assert heard({"stdout": "last"}, json.dumps({"p": text}).encode()) == {"p": text}


def test_a_fortran_exponent_is_a_number_where_numbers_stand():
    assert heard({"log": r"p = (?P<p>\S+)"}, b"p = 1.0D+02") == {"p": 100}
    assert heard({"e": {"stdout": "last"}}, b"-0.5d-1") == {"e": -0.05}


@pytest.mark.parametrize("text", ["1,5", "nan", "****"])
def test_a_group_that_is_a_text_may_look_like_a_number(text):
    log = {"log": "v = (?P<v>.*)", "texts": ["v"]}
    assert heard(log, f"v = {text}".encode()) == {"v": text}


def test_texts_that_are_not_there():
    with pytest.raises(TransportError, match="line of standard output: unknown result 'q'; k"):
        heard({"stdout": "last", "texts": ["q"]}, b'{"p": "1,5"}')


def test_output_without_end_costs_no_memory():
    collector = Collector(sources_of({"a": {"stdout": "last"}, "b": {"log": "(?P<p>y)"}}))
    before = psutil.Process().memory_info().rss
    for _ in range(300):
        collector.hear(b"x" * (1 << 20), is_stdout=True)
    assert psutil.Process().memory_info().rss - before < 160 << 20
    report = ProcessReport(exit_code=0)
    collector.finish(report, "/")
    assert "the last line has more than 64 MiB" in report.failure()


# ---- what was written ----------------------------------------------------------------------------


def archive(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file


def test_an_archive_says_how_large_it_is_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    path.write_bytes(archive(a=np.zeros(1 << 20)).getvalue())
    assert path.stat().st_size < 1 << 16
    monkeypatch.setattr("dask_espresso.process.result_files.MAX_SIZE", 1 << 20)
    with path.open("rb") as file, pytest.raises(ValueError, match="has 8 MiB, of 1 that may be"):
        read_results(Source("", "file", "a.npz"), file)


def test_an_array_that_is_not_there(tmp_path):
    """A head alone may not ask for memory."""
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        head = {"shape": (1 << 40,), "fortran_order": False, "descr": "<f8"}
        np.lib.format.write_array_header_1_0(file, head)
    with path.open("rb") as file, pytest.raises(ValueError, match="is not there to its end"):
        read_results(Source("a", "file", "a.npy"), file)


@pytest.mark.parametrize("name", ["a.json", "a.dat", "a.yaml"])
def test_a_text_that_is_too_large(tmp_path, name):
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(65 << 20)
    with (
        path.open("rb") as file,
        pytest.raises(ValueError, match="MiB; write such results as .npz"),
    ):
        read_results(Source("", "file", name), file)


FILES = {
    ".json": b'{"a": [1, 2.5, "x", null], "b": {"c": true}}',
    ".yaml": b"a: [1, 2.5, x, null]\nb: {c: true}\n",
    ".npz": archive(a=np.arange(9.0), b=np.array(["x"])).getvalue(),
    ".csv": b'a,b\n1,"2"\n3,4\n',
    ".dat": b"# a b\n1 2\n3 4\n",
}


@given(st.sampled_from(sorted(FILES)), st.data())
def test_a_damaged_file_is_a_failure_or_other_results(suffix, data):
    content = bytearray(FILES[suffix])
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
        content += b" " * (not content)
    collector = Collector(sources_of({"a": f"a{suffix}"}))
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, f"a{suffix}").write_bytes(content)
        report = ProcessReport(exit_code=0)
        collector.finish(report, directory)
    assert report.failure().startswith("collect: a.") or isinstance(report.output.payload(), dict)
