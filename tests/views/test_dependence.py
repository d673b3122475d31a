"""Seeds and parameters that change nothing are named; those that do their work are not."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from dask_espresso.cli import main
from dask_espresso.inputs.study import Study
from dask_espresso.outcome import Outcome, Status
from dask_espresso.record import pack, unpack
from dask_espresso.store.reader import Reader
from dask_espresso.store.rows import Rows
from dask_espresso.values import storable
from dask_espresso.views.dependence import find_missing


def missing_dependence(study, outcomes):
    return find_missing(Reader(study, Rows(None, filter(None, outcomes))))


def warnings_of(parameters, result, *, replicas=4, sweep="product", **fields):
    """Say what is found in a study of these parameters, with what a function gives as results."""
    study = Study(name="s", script="s.py", parameters=parameters, replicas=replicas, sweep=sweep)
    outcomes = []
    for number, one in enumerate(study.simulations()):
        given = result({**one.parameters, "replica": one.replica, "seed": one.seed})
        given = given if given is None else storable(given)
        made = {"elapsed_time": 2.0 + number / 7, "unread": [], **fields}
        outcome = Outcome(one.id, one.parameters, one.replica, one.seed, result=given, **made)
        outcomes.append(None if given is None else outcome)
    return missing_dependence(study, outcomes)


def fixed(*arguments):
    return float(np.random.default_rng(list(arguments)).random())


def chance(p):
    return float(np.random.default_rng(p["seed"]).random())


WRONG = {
    "number": lambda p: {"y": fixed(p["x"])},
    "same everywhere": lambda _: {"y": fixed(1)},
    "beside a clock": lambda p: {"y": fixed(p["x"]), "elapsed": 1 + chance(p)},
    "beside a time": lambda p: {"y": fixed(p["x"]), "time": 1 + chance(p)},
    "beside texts": lambda p: {"y": fixed(p["x"]), "where": str(chance(p)), "box": 3.0 * p["x"]},
    "beside the seed": lambda p: {"y": fixed(p["x"]), "seed": p["seed"], "s": p["seed"]},
    "beside the replica": lambda p: {"y": fixed(p["x"]), "replica": p["replica"]},
    "with an error": lambda p: {"y": fixed(p["x"]), "y_sem": 0.1, "steps_done": chance(p)},
    "array": lambda p: {"y": np.array([fixed(p["x"], i) for i in range(9)])},
    "histogram": lambda p: {"y": np.arange(9) * p["x"]},
    "nested": lambda p: {"y": {"z": [fixed(p["x"])]}},
    "complex": lambda p: {"y": fixed(p["x"]) * 1j},
}


@pytest.mark.parametrize("result", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("x", [[1, 2, 3], [7]])
def test_replicas_that_are_the_same(result, x):
    said = warnings_of({"x": x}, result)[0]
    assert said.startswith(f"in {len(x)} of {len(x)} points the replicas gave the same y")
    assert said.endswith('although their seeds differ: does the script use params["seed"]?')


RIGHT = {
    "chance": lambda p: {"y": chance(p)},
    "with what depends on parameters only": lambda p: {"y": chance(p), "box": p["x"] ** 0.3},
    "frozen": lambda p: {"m": float(p["x"] > 1), "accepted": 0},
    "counts": lambda p: {"n": 3 + p["x"]},
    "no error": lambda p: {"y": 0.7 * p["x"], "y_sem": 0.0, "z": chance(p)},
    "unknown error": lambda p: {"y": 0.7 * p["x"], "y_sem": float("nan"), "z": chance(p)},
    "a count": lambda p: {"box": p["x"] ** 0.3, "n": int(1000 * chance(p))},
    "texts": lambda p: {"status": "converged"},
    "a copy": lambda p: {"x": p["x"], "density": 0.3, "y": chance(p)},
    "only copies": lambda p: {"x": p["x"], "density": 0.3},
    "a time of the simulation": lambda p: {"passage_time": 900 * chance(p), "b": 0.1 * p["x"]},
    "wall_pressure": lambda p: {"wall_pressure": chance(p), "box": 0.1 * p["x"]},
    "failed": lambda p: None,
}


@pytest.mark.parametrize("result", RIGHT.values(), ids=RIGHT)
def test_replicas_that_are_as_they_should_be(result):
    assert warnings_of({"x": [1, 2, 3], "density": 0.3}, result) == []


def test_only_some_points_are_the_same():
    (said,) = warnings_of({"x": [1, 2, 3]}, lambda p: {"y": fixed(1) if p["x"] == 2 else chance(p)})
    assert said.startswith("in 1 of 3 points the replicas gave the same y")


def test_what_is_never_read():
    parameters = {"x": [1, 2], "phi": 0.3}
    said = warnings_of(parameters, lambda p: {"y": chance(p)}, unread=["x", "phi", "seed"])
    assert said == [
        "x is never read by the script: it changes nothing",
        "phi is never read by the script: it changes nothing",
        "seed is never read by the script: replicas are the same, or cannot be run again as they "
        "were",
    ]
    said = warnings_of(parameters, lambda p: {"y": fixed(p["x"])}, unread=["seed"])
    assert said == [
        "seed is never read by the script: in 2 of 2 points the replicas gave the same y"
    ]
    alone = {"replicas": 1, "unread": ["seed"]}
    assert warnings_of(parameters, lambda p: {"y": fixed(p["x"])}, **alone) == []
    assert warnings_of(parameters, lambda p: {"y": chance(p)}, unread=None) == []


def test_what_one_simulation_reads_is_read():
    study = Study(name="s", script="s.py", parameters={"mode": ["a", "b"], "b": 1.5})
    one, other = (
        Outcome(s.id, s.parameters, result={"y": i + 0.5}, unread=["b"] if i else [])
        for i, s in enumerate(study.simulations())
    )
    assert missing_dependence(study, [one, other]) == []
    assert missing_dependence(study, [None, other]) == [
        "b is never read by the script: it changes nothing"
    ]
    other.status = Status.FAILED
    assert missing_dependence(study, [None, other]) == []


def test_what_a_failed_simulation_reads_is_read():
    study = Study(name="s", script="s.py", parameters={"x": [1, 2], "b": 1.5})
    first, second = study.simulations()
    done = Outcome(first.id, first.parameters, result={"y": 0.5}, unread=["b"])
    failed = Outcome(second.id, second.parameters, status=Status.FAILED, unread=[])
    assert missing_dependence(study, [done, failed]) == []


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ("product", ["a changes no result: does the script use it?"]),
        ("zip", []),
    ],
)
def test_a_swept_parameter_that_changes_nothing(sweep, said):
    parameters = {"a": [1, 2, 3], "b": [0.1, 0.2, 0.3], "c": {"value": [1]}}
    found = warnings_of(
        parameters, lambda p: {"y": 2.0 * p["b"], "a": p["a"]}, replicas=1, sweep=sweep
    )
    assert found == said
    assert (
        warnings_of(parameters, lambda p: {"y": chance(p), "a": p["a"]}, replicas=1, sweep=sweep)
        == []
    )


def test_swept_together_they_change_nothing():
    parameters = {"a": [1, 2], "b": [3, 4]}
    (said,) = warnings_of(parameters, lambda p: {"y": 0.5}, replicas=1, sweep="zip")
    assert said == "a and b change no result: does the script use them?"


def test_whole_numbers_tell_when_all_is_there():
    parameters = {"a": [5, 6, 7]}
    assert warnings_of(parameters, lambda p: {"y": 4.0}, replicas=1)
    there = {"y": 4.0}
    assert not warnings_of(parameters, lambda p: there if p["a"] < 7 else None, replicas=1)
    assert warnings_of(parameters, lambda p: {"y": 0.4} if p["a"] < 7 else None, replicas=1)


# ---- from scripts --------------------------------------------------------------------------------

SCRIPT = """
    import dask_espresso, random
    params = dask_espresso.get_data_from_stdin()
    random.seed(42)
    print("these are", params)
    result = {"y": params["x"] * random.random(), "host": params.get("host")}
    print(dask_espresso.encode_transport_data(result))
"""
STUDY = """
    name: s
    engine: python
    script: script.py
    parameters: {x: [1.5, 2.5], phi: 0.3}
    replicas: 3
"""


@pytest.fixture
def invoke():
    runner = CliRunner()

    def invoke(*arguments):
        result = runner.invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output
        return result

    return invoke


def test_run_status_show_and_plot_say_it(
    tmp_path, monkeypatch, script, study_file, invoke, workers
):
    monkeypatch.chdir(tmp_path)
    script(SCRIPT)
    study_file(STUDY)
    expected = [
        "phi is never read by the script: it changes nothing",
        "seed is never read by the script: in 2 of 2 points the replicas gave the same y",
    ]
    said = invoke("run", "study.yaml", "--profile", workers.path)
    assert all(f"warning: {one}" in said.stderr for one in expected)
    assert json.loads(invoke("status", "s.h5", "--json").output)["warnings"] == expected
    assert all(f"warning: {one}" in invoke("status", "s.h5").output for one in expected)
    for command in ("show", "plot"):
        said = invoke(command, "s.h5")
        assert f"warning: {expected[0]}; 1 more: dask-espresso status s.h5" in said.stderr
        assert "warning" not in said.stdout


def test_old_records_are_read():
    record = pack(Outcome("1", {}, result={"y": 1.5}))[0]
    old = record.replace(b"\xa6unread\xc0", b"")
    old = old[:2] + bytes([record[2] - 1]) + old[3:]  # of the map's size
    assert len(old) < len(record)
    assert (unpack(old).result, unpack(old).unread) == ({"y": 1.5}, None)
