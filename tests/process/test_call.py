"""Scripts that have a command line, forked and fresh."""

import json
import re
from pathlib import Path

import pytest

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
