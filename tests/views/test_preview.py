"""What a run would do, and recorded simulations that would no longer be part of the study."""

import fcntl
import os
import re
import subprocess
import sys
import termios

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from dask_espresso.cli import main
from dask_espresso.inputs.study import load_study, store_name
from dask_espresso.outcome import Outcome, Status
from dask_espresso.record import pack
from dask_espresso.store.store import Entry, open_store, read_store
from dask_espresso.views.cost import expected_cost
from dask_espresso.views.preview import Preview

PARAMETERS = {"a": 1, "x": [1, 2, 3, 4]}
ON_A_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "dask_espresso", *sys.argv[1:]])
"""


@pytest.fixture
def study(tmp_path, monkeypatch, script):
    """Write the study, changed as asked for, and load it."""
    script("import dask_espresso\nprint(dask_espresso.encode_transport_data({}))", name="s.py")
    monkeypatch.chdir(tmp_path)

    def write(parameters=PARAMETERS, **fields):
        text = {"name": "s", "engine": "python", "script": "s.py", "replicas": 2, "retries": 0}
        (tmp_path / "study.yaml").write_text(
            yaml.safe_dump(text | {"parameters": parameters} | fields)
        )
        return load_study("study.yaml")

    return write


@pytest.fixture
def recorded(study, tmp_path):
    """Record all simulations of the study, of which the last has failed."""
    loaded = study()
    times = [1800.0, 5400.0, 3600.0, 3600.0, 3600.0, 3600.0, 3600.0, 1.0]
    with open_store(tmp_path / "s.h5", loaded) as store:
        for number, s in enumerate(loaded.simulations()):
            status = Status.FAILED if number == 7 else Status.DONE
            outcome = Outcome(
                s.id, s.parameters, s.replica, status=status, result={},
                script_hash=loaded.script_hash, elapsed_time=times[number],
            )  # fmt: skip
            store.record([Entry(s.id, status, pack(outcome))])
        store.publish()
    return tmp_path / "s.h5"


def invoke(*arguments, status=0):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert status is None or result.exit_code == status, result.output
    return result.output


def dry_run(*options):
    return invoke("run", "study.yaml", "--dry-run", *options)


CHANGES = [
    ({}, "0 new, 8 recorded already"),
    ({"parameters": {**PARAMETERS, "gamma": 1.0}},
     "8 new; 8 recorded no longer match because `gamma` is new"),
    ({"parameters": {"x": [1, 2, 3, 4]}}, "8 new; 8 recorded no longer match because `a` is gone"),
    ({"parameters": {**PARAMETERS, "a": 2}},
     "8 new; 8 recorded no longer match because `a` was 1 and is 2"),
    ({"parameters": {**PARAMETERS, "a": "1"}},
     '8 new; 8 recorded no longer match because `a` was 1 and is "1"'),
    ({"parameters": {**PARAMETERS, "a": 1.0}}, "0 new, 8 recorded already"),
    ({"parameters": {**PARAMETERS, "a": [1, 2]}}, "8 new, 8 recorded already"),
    ({"parameters": {**PARAMETERS, "x": [1, 2, 3, 5]}},
     "2 new, 6 recorded already; 2 recorded no longer match because `x` no longer takes 4"),
    ({"parameters": {**PARAMETERS, "x": 7}},
     "2 new; 8 recorded no longer match because `x` no longer takes 1, 2, 3 and 1 more"),
    ({"replicas": 1},
     "0 new, 4 recorded already; 4 recorded no longer match because `replicas` was 2 and is 1"),
    ({"replicas": 3}, "4 new, 8 recorded already"),
    ({"parameters": {"x": [2, 3], "b": 1, "a": 1}, "replicas": 1},
     "2 new; 8 recorded no longer match because `b` is new and `x` no longer takes 1, 4 "
     "and `replicas` was 2 and is 1"),
    ({"parameters": {"a": {"value": {"long": "x" * 99}}, "x": [1, 2, 3, 4]}},
     '8 new; 8 recorded no longer match because `a` was 1 and is {"long": "' + "x" * 28 + " …"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_a_dry_run_says_what_would_happen_and_does_nothing(study, recorded, change, said):
    study(**change)
    before = recorded.read_bytes()
    first, *more = dry_run().splitlines()
    assert first == f"s.h5: {said}"
    count = int(said.split(" new")[0])
    cost = f"about {count} core hours, an estimate: {count} simulations, at the 1 h 0 min that"
    assert bool(count) == any(line.startswith(cost) for line in more)
    assert ("is new" in said) == any("in the study has it count" in line for line in more)
    assert recorded.read_bytes() == before
    assert sorted(p.name for p in recorded.parent.iterdir()) == ["s.h5", "s.py", "study.yaml"]


def test_a_dry_run_says_what_it_may_cost(study, recorded):
    study(replicas=3)
    took = "at the 1 h 0 min that the 7 recorded as done took on average (30 min 0 s to 1 h 30 min)"
    assert dry_run() == (
        f"s.h5: 4 new, 8 recorded already\nabout 4 core hours, an estimate: 4 simulations, {took}\n"
    )
    (recorded.parent / "p.yaml").write_text("engines: {python: {ranks: 2}}\n")
    assert f"about 8 core hours, an estimate: 4 simulations on 2 cores, {took}" in invoke(
        "run", "study.yaml", "--dry-run", "--profile", "p.yaml", status=None
    )
    study(until={"y": {"relative": 0.01}, "replicas": {"minimum": 3, "maximum": 9}}, replicas=9)
    assert "about 4 core hours, at most 28, an estimate: 4 simulations, at" in dry_run()


def test_costs_are_not_known_without_times():
    assert expected_cost(np.array([]), 3, 1) == ""
    assert expected_cost(np.array([1.0]), 0, 1) == ""
    assert expected_cost(np.array([0.5]), 3, 1).startswith("less than 0.01 core hours, an estimate")
    assert expected_cost(np.array([36.0]), 123_456, 1).startswith("about 1,200 core hours, an est")


def test_one_that_is_dropped():
    said = str(Preview(new=0, again=0, kept=7, dropped=1, reasons=("`x` no longer takes 4",)))
    assert said == (
        "0 new, 7 recorded already; 1 recorded no longer matches because `x` no longer takes 4"
    )


def test_a_dry_run_without_a_store(study):
    study()
    assert dry_run("--store", "other.h5") == "other.h5: 8 new\n"


def test_a_dry_run_with_what_runs_again(study, recorded):
    said = dry_run("--retry-failed")
    assert said.startswith("s.h5: 0 new, 1 again, 7 recorded already\nabout 1 core hours, an est")
    (recorded.parent / "s.py").write_text("print()")
    assert "s.py: has changed" in invoke("run", "study.yaml", "--dry-run", status=2)
    assert dry_run("--changed-script", "keep") == "s.h5: 0 new, 8 recorded already\n"
    assert dry_run("--changed-script", "rerun").startswith("s.h5: 0 new, 8 again\nabout 8 core")


def test_values_combined_in_another_way(study, tmp_path):
    both = {"x": [1, 2], "y": [1, 2]}
    loaded = study(both, sweep="zip", replicas=1)
    with open_store(tmp_path / "s.h5", loaded) as store:
        for s in loaded.simulations():
            store.record([Entry(s.id, Status.DONE, pack(Outcome(s.id, s.parameters)))])
        store.publish()
    study({"x": [1, 2], "y": [2, 1]}, sweep="zip", replicas=1)
    combined = "2 new; 2 recorded no longer match because its values are combined in another way"
    assert dry_run() == f"s.h5: {combined}\n"


def test_a_run_without_a_terminal_says_so_and_goes_on(study, recorded, workers):
    study({**PARAMETERS, "x": [1]}, replicas=1)
    said = invoke("run", "study.yaml", "--profile", workers.path)
    assert "7 recorded no longer match because `x` no longer takes 2, 3, 4" in said
    assert "s.h5: 1 done of 1" in said
    assert len(read_store(recorded).outcomes) == 8
    assert "no longer" not in invoke("run", "study.yaml")


@pytest.mark.parametrize(
    ("options", "answer", "status"),
    [
        ([], "n", 2), ([], "", 2), ([], "y", 0), (["--yes"], None, 0),
        (["--changed-script", "rerun"], "n", 2),
    ],
)  # fmt: skip
def test_a_run_on_a_terminal_asks(study, recorded, workers, options, answer, status):
    study({**PARAMETERS, "x": [1]}, replicas=1)
    warned = b"7 recorded no longer match"
    if "rerun" in options:
        study()
        (recorded.parent / "s.py").write_text("print()")
        warned = b"7 results that are recorded run again, and are replaced"
    before = recorded.read_bytes()
    ours, theirs = os.openpty()
    run = ["run", "study.yaml", "--profile", str(workers.path), *options]
    command = [sys.executable, "-c", ON_A_TERMINAL, *run]
    with os.fdopen(ours, "r+b", buffering=0) as terminal:
        process = subprocess.Popen(
            command, stdin=theirs, stdout=subprocess.DEVNULL, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        said = b""
        while b"go on? [y/N]" not in said and answer is not None:
            said += terminal.read(1000)
        if answer is not None:
            terminal.write(f"{answer}\n".encode())
        try:
            while data := terminal.read(1000):
                said += data
        except OSError:  # closed by its other end
            pass
        assert process.wait(300) == status, said
    assert warned in said.replace(b"\r\n", b" ")
    assert (b"go on?" in said) == (answer is not None)
    if status:
        assert b"nothing was run, and nothing changed" in said
        assert recorded.read_bytes() == before
        assert not list(recorded.parent.glob("*.journal"))


def test_a_run_in_the_background_of_a_terminal_does_not_ask(study, recorded, workers):
    study({**PARAMETERS, "x": [1]}, replicas=1)
    run = ["run", "study.yaml", "--profile", str(workers.path)]
    ours, theirs = os.openpty()
    with os.fdopen(ours, "r+b", buffering=0), os.fdopen(theirs, "r+b", buffering=0) as terminal:
        leader = subprocess.Popen(
            ["sleep", "60"], stdin=terminal, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        try:  # this process is in no group of that terminal
            process = subprocess.run(
                [sys.executable, "-m", "dask_espresso", *run],
                stdin=terminal, stderr=terminal, stdout=subprocess.PIPE, text=True, timeout=300,
            )  # fmt: skip
        finally:
            leader.kill()
            leader.wait()
    assert process.returncode == 0
    assert "s.h5: 1 done of 1" in process.stdout


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "s.h5"),
        ({"a": "3"}, "s-a=3.h5"),
        ({"a": "3.0"}, "s-a=3.h5"),
        ({"x": "[0.1, 2]", "a": "hello"}, "s-a=hello-x=0.1,2.h5"),
        ({"a": "-1e-7"}, "s-a=-1e-07.h5"),
        ({"a": "null"}, "s-a=null.h5"),
    ],
)
def test_a_quick_look_has_a_store_of_its_own(study, settings, name):
    study()
    loaded = load_study("study.yaml", settings)
    assert store_name(loaded, settings) == name


def test_names_of_quick_looks_are_safe_and_different(study):
    study()
    texts = ["'1'", "'null'", "a/b", "a:b", "../x", "{value: [1]}", "{value: {k: 1}}", "'*'", "é",
             "'" + "x" * 500 + "'", "'" + "x" * 501 + "'", "true", "'true'"]  # fmt: skip
    names = [store_name(load_study("study.yaml", {"a": text}), {"a": text}) for text in texts]
    assert len(set(names)) == len(texts)
    assert all(re.fullmatch(r"s-[A-Za-z0-9_.,=+-]{1,100}\.h5", name) for name in names)


def test_a_quick_look_leaves_the_study_alone(study, recorded, workers):
    before = recorded.read_bytes()
    profile = ["--profile", workers.path]
    said = invoke("run", "study.yaml", *profile, "--set", "a=3", "--set", "x=[1]")
    assert "with --set, results go to s-a=3-x=1.h5" in said.replace("\n", " ")
    assert "s-a=3-x=1.h5: 2 done of 2" in said
    assert "s-a=3-x=1.h5: 0 new, 2 recorded already" in dry_run("--set", "x=[1]", "--set", "a=3")
    assert recorded.read_bytes() == before
    said = invoke("run", "study.yaml", "--set", "x=[1]", "--dry-run", "--store", "s.h5")
    assert said.startswith("s.h5: 0 new, 2 recorded already; 6 recorded no longer match")


def test_a_dry_run_says_what_a_run_would_refuse(study, recorded, tmp_path):
    (tmp_path / "p.yaml").write_text("engines: {python: {command: no-such-python}}\n")
    (tmp_path / "short.yaml").write_text(
        "cluster: slurm\noptions: {cores: 1, memory: 1 GB, walltime: '00:10:00'}\n"
    )
    output = invoke("run", "study.yaml", "--dry-run", "--profile", "p.yaml")
    assert output == "s.h5: 0 new, 8 recorded already\n"  # no engine is needed for these
    study(time_limit="1 h")
    output = invoke("run", "study.yaml", "--dry-run", "--profile", "short.yaml", status=2)
    assert "worker jobs end after 10 min" in output
    study(replicas=3)
    output = invoke("run", "study.yaml", "--dry-run", "--profile", "p.yaml", status=2)
    assert "s.h5: 4 new, 8 recorded already" in output
    assert "engine 'python', command 'no-such-python'" in output
    assert "4 new" in invoke("run", "study.yaml", "--dry-run")
