"""A study made in Python is the one that a file makes, whatever types its values have."""

import datetime
import enum
import json
import logging
from pathlib import Path

import numpy as np
import pandas
import pytest

import dask_espresso
from dask_espresso.driver import run_study
from dask_espresso.errors import InputError
from dask_espresso.store.store import read_store

SCRIPT = """
    import dask_espresso
    params = dask_espresso.get_data_from_stdin()
    print(dask_espresso.encode_transport_data({"y": 2.0 * params["x"]}))
"""


class Kind(enum.IntEnum):
    TWO = 2


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, script):
    script(SCRIPT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(**keys):
    return dask_espresso.Study(**{"name": "s", "script": "script.py", "engine": "python", **keys})


def of_file(**keys):
    keys = {"name": "s", "script": "script.py", "engine": "python", **keys}
    text = json.dumps(keys, ensure_ascii=False).replace("\u2028", "\\u2028")
    Path("study.yaml").write_text(text)
    return dask_espresso.load_study("study.yaml")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (np.float64(0.1), 0.1),
        (np.float32(0.5), 0.5),
        (np.float32(0.1), 0.10000000149011612),  # this is what it is
        (np.int64(3), 3),
        (np.uint8(3), 3),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array(2.5), 2.5),
        (Kind.TWO, 2),
        (Path("data") / "a.txt", "data/a.txt"),
        ("1e5", "1e5"),
        ("0x10", "0x10"),
        ("no", "no"),
        ("a: [b]\n\u2028\U0001f600 #", "a: [b]\n\u2028\U0001f600 #"),
        (None, None),
        (np.arange(3), [0, 1, 2]),
        (np.arange(0.1, 0.4, 0.1), [0.1, 0.2, 0.30000000000000004, 0.4]),
        (np.linspace(0, 1, 7), np.linspace(0, 1, 7).tolist()),
        (np.geomspace(1e-9, 1e22, 4), np.geomspace(1e-9, 1e22, 4).tolist()),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([1, "b", None], object), [1, "b", None]),
        (range(3), [0, 1, 2]),
        (range(0, 1001, 2), {"start": 0, "stop": 1000, "step": 2}),
        (range(300, 0, -1), list(range(300, 0, -1))),
        ((1, 2.5), [1, 2.5]),
        (pandas.Series([0.25, 0.5], index=[7, 9]), [0.25, 0.5]),
        (pandas.Index([4, 5]), [4, 5]),
        ({"start": np.float64(0.1), "stop": 0.5, "num": np.int32(5)},
         {"start": 0.1, "stop": 0.5, "num": 5}),
        ({"value": (1, np.float64(2))}, {"value": [1, 2]}),
    ],
    ids=repr,
)  # fmt: skip
def test_ids_are_those_of_a_file_with_the_same_values(here, value, written):
    study = made(parameters={"x": value, "k": 1}, replicas=np.int64(2))
    expected = [*of_file(parameters={"x": written, "k": 1}, replicas=2).ids()]
    assert [*study.ids()] == expected
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    saved = dask_espresso.load_study(study.save(elsewhere / "saved.yaml"))
    assert [*saved.ids()] == expected
    assert saved.script_path.samefile(here / "script.py")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"name": None}, "Study: name: is missing; write Study(name='my_study', …)"),
        ({"script": None}, "Study: script: is missing; write Study(script='simulation.py', …)"),
        ({"script": "no.py"}, "write a path relative to the current directory"),
        ({"script": print}, "Study: script: is a builtin_function_or_method; give"),
        ({"replica": 3}, "Study: replica: unknown key 'replica'; did you mean 'replicas'?"),
        ({"replicas": 1.5}, "Study: replicas: is the number 1.5 but must be a whole number"),
        ({"parameters": {"x": {1, 2}}}, "Study: parameters.x: is a set; give numbers"),
        ({"parameters": {"x": (i for i in "ab")}}, "Study: parameters.x: is a generator; give"),
        ({"parameters": {"x": np.eye(2)}}, "Study: parameters.x[0]: is a list inside a list"),
        ({"parameters": {"x": [1, float("nan")]}}, "Study: parameters.x: is nan"),
        ({"parameters": {"x": pandas.Series([1, None])}}, "Study: parameters.x: is nan"),
        ({"parameters": {"x": pandas.Series([1, None], dtype="Int64")}}, "x[1]: is a NAType"),
        ({"parameters": {"x": 1j}}, "Study: parameters.x: is a complex; give"),
        ({"parameters": {"x": np.array([1j])}}, "parameters.x: is an array of complex128; give"),
        ({"parameters": {"x": np.longdouble("0.1")}}, " of numpy; give"),
        ({"parameters": {"x": np.ma.masked_array([1, 2], [0, 1])}}, "x: is a MaskedArray, and"),
        ({"parameters": {"x": b"a"}}, "Study: parameters.x: is a bytes; give"),
        ({"parameters": {"x": datetime.timedelta(1)}}, "parameters.x: is a timedelta; give"),
        ({"parameters": {"x": range(10**9)}}, "is a range of 1,000,000,000 values; use fewer"),
        ({"points": Path("p.csv")}, "points: './p.csv' cannot be read"),
    ],
)
def test_what_cannot_be_used_is_named_without_a_file(keys, said):
    with pytest.raises(InputError) as caught:
        made(**{"parameters": {"x": 1}, **keys})
    assert said in str(caught.value)
    assert "study file" not in str(caught.value)


def test_a_list_in_itself_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(InputError, match=r"parameters\.x: is nested more than 50 times"):
        made(parameters={"x": endless})


def test_points_may_be_a_table_or_a_file(here):
    table = pandas.DataFrame({"x": [0.5, 1.5], "kind": ["a", "b"]})
    table.to_csv("p.csv", index=False)
    points = [{"x": 0.5, "kind": "a"}, {"x": 1.5, "kind": "b"}]
    expected = [*of_file(points=points).ids()]
    assert [*made(points=table).ids()] == expected
    of_csv = made(points=Path("p.csv"))
    assert [*of_csv.ids()] == expected
    (here / "elsewhere").mkdir()
    saved = of_csv.save(here / "elsewhere/saved.yaml")
    assert [*dask_espresso.load_study(saved).ids()] == expected


@pytest.mark.parametrize(
    "keys",
    [
        {"parameters": {"k": [1.0, 2]}, "derived": {"z": "2 * x"}, "exclude": "x == 1",
         "blocks": [{"x": np.arange(3), "y": 1}, {"x": [9], "y": (2, 3), "where": "y > 2"}]},
        {"sample": {"method": "sobol", "num": np.int64(8), "parameters": {
            "t": {"low": 0.1, "high": np.float64(10), "scale": "log"}, "n": {"choices": ("a", 1)}}},
         "until": {"y": {"relative": "0.5 %"}, "replicas": {"minimum": 4, "maximum": 8}},
         "axes": {"g": ["r"]}},
        {"parameters": {"a name: #": ["null", "~", "1_000", ".5", "+1", "1e3", "{a}", "- b"]}},
        {"parameters": {"x": 1}, "arguments": ["--x", "{x}"], "collect": {"y": {"stdout": "last"}},
         "environment": {"A": "{x}: #"}, "keep": ["*.vtf"], "parameters_file": "p.json"},
    ],
)  # fmt: skip
def test_every_key_is_in_the_file_that_is_saved(here, keys):
    study = made(**keys)
    saved = dask_espresso.load_study(study.save("saved.yaml"))
    assert [*saved.ids()] == [*study.ids()]
    one, other = saved.snapshot(), study.checked.snapshot()
    assert {**one, "script": ""} == {**other, "script": ""}


def test_points_are_a_table():
    study = made(parameters={"x": np.linspace(0, 1, 3), "k": {"value": [1]}, "n": (1, 2)})
    table = study.points()
    assert table.to_dict("list")["x"] == [0, 0, 0.5, 0.5, 1, 1]
    assert table["n"].dtype == np.int64
    assert table["k"][0] == [1]
    assert study.points(4).index.tolist() == [4, 5]
    assert study.points(-1)["n"].tolist() == [2]
    assert len(study.points()) == study.n_points == 6
    large = made(parameters={"x": range(2_000_000)})
    with pytest.raises(InputError, match=r"s: a table of 2,000,000 points takes gigabytes"):
        large.points()
    assert large.points(1_999_999)["x"].tolist() == [1_999_999]


def test_a_time_limit_may_be_a_timedelta():
    study = made(parameters={"x": 1}, time_limit=datetime.timedelta(minutes=1.5))
    assert study.checked.time_limit == 90


def test_what_may_not_be_meant_is_said(caplog):
    made(parameters={"x": [0.3, 0.1 + 0.2]})
    assert "Study: parameters.x: " in caplog.text


def test_what_it_shows_is_small_and_inert():
    study = made(parameters={f"a_long_name_of_parameter_{i}": "<b>" * 50 for i in range(50)})
    assert len(repr(study)) < 1000
    assert "<b>" not in study._repr_html_()


def test_it_runs_into_the_store_of_the_file(workers, caplog):
    caplog.set_level(logging.WARNING)
    of_file(parameters={"x": [1, 2]})
    assert run_study("study.yaml", workers).started == 2
    assert run_study(made(parameters={"x": np.arange(1, 4)}), workers).started == 1
    assert {o.result["y"] for o in read_store("s.h5").outcomes.values()} == {2.0, 4.0, 6.0}
