"""Scripts that have a command line, forked and fresh."""

import json
import re
from pathlib import Path

import pytest
import yaml

from dask_espresso.inputs.plain_yaml import Reader
from dask_espresso.outcome import Status

TOLD = """
import argparse, dask_espresso, os, sys
parser = argparse.ArgumentParser()
parser.add_argument("--pH", type=float)
parser.add_argument("--out")
parser.add_argument("rest", nargs="*")
known = parser.parse_args()
print(dask_espresso.encode_transport_data({
    "argv": sys.argv[1:], "script": sys.argv[0], "name": __name__, "prog": parser.prog,
    "pH": known.pH, "is_here": os.path.samefile(known.out, os.getcwd()),
    "is_empty": os.listdir() == [], "stdin": sys.stdin.read(), "tty": sys.stdin.isatty(),
    "environment": sorted(set(os.environ) - {"DASK_ESPRESSO_RESULT"}),
}))
sys.exit(0)
"""


def test_a_script_with_a_command_line(run):
    forked, fresh = run(
        TOLD,
        """
parameters: {pH: 7.5, name: "a b", on: true, list: {value: [1, 2.5]}, small: -1.0e-05}
arguments: [--pH, "{pH}", --out, "{directory}", "{name}", "{on}", "{list}", "x={small}", "{seed}"]
""",
    )
    assert forked.status is Status.DONE, forked.error
    results = [dict(forked.result), dict(fresh.result)]
    for result in results:
        argv = result.pop("argv")
        assert not Path(argv[3]).exists()  # the directory is gone
        assert argv[:3] == ["--pH", "7.5", "--out"]
        assert argv[4:] == ["a b", "true", "[1, 2.5]", "x=-1e-05", str(forked.seed)]
        assert (result["is_here"], result["is_empty"]) == (True, True)
        assert (result["stdin"], result["tty"], result["name"]) == ("", False, "__main__")
    assert results[0] == results[1]
    assert forked.unread is None


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("import argparse; argparse.ArgumentParser().parse_args()", Status.FAILED,
         "exit code 2\n.*error: unrecognized arguments: 7"),
        ("import sys; sys.exit('no')", Status.FAILED, "exit code 1\nno"),
        ("import sys; sys.exit(0)", Status.FAILED, "no payload"),
        ("import dask_espresso; dask_espresso.get_data_from_stdin()", Status.FAILED,
         "there is no payload: the text is empty"),
    ],
)  # fmt: skip
def test_one_that_fails(run, code, status, said):
    for outcome in run(code, "parameters: {x: 7}\narguments: ['{x}']"):
        assert outcome.status is status
        assert re.search(said, outcome.error, re.DOTALL), outcome.error


def test_more_than_a_command_line_takes(run):
    text = json.dumps("ä" * 8193)
    for outcome in run("", f"parameters: {{x: {text}}}\narguments: ['{{x}}']"):
        assert "it did not start: its arguments have 16386 bytes" in outcome.error
    count = 16384 // 7
    code = "import dask_espresso, sys; dask_espresso.send_result({'x': sys.argv[1]})"
    text = '"' + r"\x01ä\U0001f600" * count + '"'
    for outcome in run(code, f"parameters: {{x: {text}}}\narguments: ['{{x}}']"):
        assert outcome.result == {"x": "\x01ä\U0001f600" * count}


READS = """
import dask_espresso, json, os, sys
path, *words = sys.argv[1:]
text = open(path).read()
dask_espresso.send_result({
    "text": text, "is_here": os.path.dirname(path) == os.getcwd(), "files": os.listdir(),
    "stdin": sys.stdin.read(), "name": os.path.basename(path), "words": words,
})
"""
PARAMETERS = (
    r'parameters: {x: 1.0e-05, t: "1e3", n: null, l: {value: [1, {"a b": no}]}, u: "ä\t\""}'
)


@pytest.mark.parametrize("suffix", ["json", "yaml", "yml"])
def test_parameters_in_a_file(run, suffix):
    text = f"parameters_file: p.{suffix}\narguments: ['{{parameters_file}}', '{{seed}}']"
    for outcome in run(READS, f"{PARAMETERS}\n{text}"):
        assert outcome.error == ""
        result = outcome.result
        expected = {**outcome.parameters, "replica": 0, "seed": outcome.seed}
        written = result.pop("text")
        assert Reader("p").read(written) == expected  # YAML 1.2, of which JSON is a part
        if suffix == "json":
            assert json.loads(written) == expected
        else:
            assert yaml.safe_load(written) == expected  # YAML 1.1
        assert result == {
            "is_here": True, "files": [f"p.{suffix}"], "stdin": "", "name": f"p.{suffix}",
            "words": [str(outcome.seed)],
        }  # fmt: skip


@pytest.mark.slow
def test_a_large_file_of_parameters(run):
    """Which no command line and no message of a warm process would hold."""
    values = list(range(50_000))
    text = f"parameters: {{x: {{value: {values}}}}}\nparameters_file: p.json"
    code = "import dask_espresso, json; x = json.load(open('p.json'))['x']"
    for outcome in run(f"{code}\ndask_espresso.send_result({{'n': sum(x)}})", text):
        assert outcome.result == {"n": sum(values)}


def test_parameters_as_variables(run):
    code = """
import dask_espresso, os
dask_espresso.send_result({"ph": os.environ["PH"], "seed": os.environ["A_SEED"]})
"""
    text = "parameters: {pH: 7.5}\nenvironment: {PH: 'pH={pH}', A_SEED: '{seed}'}"
    for outcome in run(code, text):
        assert outcome.result == {"ph": "pH=7.5", "seed": str(outcome.seed)}
