"""One simulation by itself, the very one that is asked for: here, by hand, and in the debugger."""

import contextlib
import json
import os
import pty
import subprocess
import sys

import pytest
from click.testing import CliRunner

from dask_espresso.cli import main
from dask_espresso.inputs.study import load_study
from dask_espresso.process.environment import SCRIPT as SCRIPT_SIDE
from dask_espresso.script.transport import decode_transport_data

STUDY = """
    name: s
    engine: python
    script: script.py
    parameters: {x: [1, 2.5, 3.0], label: ["a b", "it's"], rest: {value: {deep: [1, null, true]}}}
    replicas: 3
    seed: 5
"""
SCRIPT = """
    import dask_espresso, sys
    params = dask_espresso.get_data_from_stdin()
    types = [type(value).__name__ for value in params.values()]
    dask_espresso.send_result({**params, "types": types})
"""
BY_FILE = """
    import json, sys
    with open(sys.argv[1]) as file:
        params = json.load(file)
    print(json.dumps({**params, "label_of_line": sys.argv[2]}))
"""


def attempt(*arguments, status=0):
    ended = CliRunner().invoke(main, ["try", "study.yaml", *arguments])
    assert ended.exit_code == status, ended.output
    return ended.output


def test_it_is_the_one_that_is_asked_for(here):
    study = load_study("study.yaml")
    simulations = list(study.simulations())
    for arguments, place in (
        ([], 0),
        (["--id", simulations[10].id], 10),
        (["--id", simulations[10].id[:12], "--replica", "2"], 16),
        (["--where", "x > 2", "--where", 'label == "it\'s"'], 3),
        (["--where", "x > 2 and replica == 1"], 8),
        (["--replica", "1"], 6),
    ):
        said, asked = attempt(*arguments), simulations[place]
        assert f"simulation {asked.id}, " in said
        for name, value in {**asked.parameters, "seed": asked.seed}.items():
            assert f"  {name} = {value!r}\n" in said
    assert "replica 2 of 3" in attempt("--id", simulations[17].id)
    assert "there are 3, counted from 0" in attempt("--replica", "3", status=2)
    assert "the nearest is" in attempt("--id", simulations[4].id[:-1] + "x", status=2)


def test_one_that_only_a_store_knows(here, workers, study_file):
    place = ["--profile", str(workers.path), "--where", "x == 1"]
    assert CliRunner().invoke(main, ["run", "study.yaml", *place]).exit_code == 0
    first = next(load_study("study.yaml").simulations())
    study_file(STUDY.replace("[1, 2.5", "[2.5"))
    said = attempt("--id", first.id)
    assert f"simulation {first.id}, as recorded in s.h5; it is not in this study" in said
    assert f"  seed = {first.seed}\n" in said


def test_it_is_started_by_hand(here):
    *_, line = attempt("--where", "x > 2", "--replica", "1", "--write", "p.json").splitlines()
    asked = list(load_study("study.yaml").simulations())[8]
    wanted = {**asked.parameters, "replica": 1, "seed": asked.seed}
    assert json.loads((here / "p.json").read_text()) == wanted
    assert line.endswith(f"{here}/script.py < p.json")
    printed = subprocess.run(line, shell=True, check=True, capture_output=True, text=True).stdout
    result = decode_transport_data(printed)
    assert result.pop("types") == ["float", "str", "dict", "int", "int"]
    assert result == wanted
    assert "p.json: is there already" in attempt("--write", "p.json", status=2)
    assert "name a .json file" in attempt("--write", "p.txt", status=2)


def test_a_script_with_a_command_line_is_started_by_hand(here, script, study_file):
    script(BY_FILE)
    study_file(
        STUDY + "    parameters_file: in.json\n"
        '    arguments: ["{parameters_file}", "{label}"]\n'
        "    collect: {stdout: last}\n"
    )
    *_, line = attempt("--where", "label != 'a b'", "--write", "p.json").splitlines()
    printed = subprocess.run(line, shell=True, check=True, capture_output=True, text=True).stdout
    assert json.loads(printed)["label_of_line"] == json.loads(printed)["label"] == "it's"


def test_the_debugger_stops_where_it_ends(here, script):
    """With a terminal as standard input, which is pdb's, while the script has its parameters."""
    script(SCRIPT + "    breakpoint()\n    raise ValueError('no box')\n")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "dask_espresso", "try", "study.yaml", "--debugger"]
    with subprocess.Popen(
        [*command, "--where", "x == 3"], stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        os.write(ours, b"p 'x is', params['x'], sys.stdin.isatty()\nc\np 'now', types\nq\n")
        printed = b""
        with contextlib.suppress(OSError):  # the last one has closed it
            while data := os.read(ours, 1 << 16):
                printed += data
        os.close(ours)
    printed = printed.decode()
    assert "('x is', 3.0, True)" in printed
    assert "ValueError: no box" in printed
    assert "('now', ['float'" in printed
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("end", "status"),
    [("sys.exit('no box')", 1), ("sys.exit(0)", 0), ("x = = 2", 1), ("os.abort()", -6)],
)
def test_the_debugger_by_itself(script, end, status, tmp_path):
    path = script(f"""
        import os, sys, statistics
        assert hasattr(statistics, "NormalDist"), "this is another statistics"
        given = sys.stdin.read(), sys.argv, __name__
        {end}
        """)
    (tmp_path / "given").write_text("what it gets")
    ended = subprocess.run(
        [sys.executable, SCRIPT_SIDE / "debugger.py", tmp_path / "given", path, "--one", "two"],
        input="p given\n", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == status
    if end == "sys.exit('no box')":
        assert "SystemExit: no box" in ended.stderr
        assert f"('what it gets', ['{path}', '--one', 'two'], '__main__')" in ended.stdout
        assert "runpy" not in ended.stderr


def test_the_debugger_of_what_does_not_fail(here, script, study_file):
    script(SCRIPT.replace("params = ", "params = breakpoint and "))
    ended = subprocess.run(
        [sys.executable, "-m", "dask_espresso", "try", "study.yaml", "--debugger"],
        check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert "it ended without an exception" in ended.stdout
    study_file("{name: s, script: script.py, program: [cat], collect: {stdout: last},"
               " arguments: ['{x}'], parameters: {x: [1]}}")  # fmt: skip
    assert "only Python scripts have pdb" in attempt("--debugger", status=2)
