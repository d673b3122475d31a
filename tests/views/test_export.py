"""Tables for other programs: every value under a name of its own, whatever they are."""

import csv
import io
import json
import os
import sys

import numpy as np
import pandas
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from outcome_tables import filled_table

from dask_espresso.cli import main
from dask_espresso.errors import InputError
from dask_espresso.outcome import Outcome, Status
from dask_espresso.store.hdf5 import write_hdf5
from dask_espresso.values import storable
from dask_espresso.views.export import export_store

STUDY = {"name": "s", "engine": "python", "script": "s.py", "seed": 1}
SURROGATE = "\ud800"
SUFFIXES = ("csv", "json", "parquet")


@pytest.fixture
def exported(tmp_path):
    """Export outcomes with these parameters and results, and give the columns of each format."""

    def exported(*rows, **fields):
        path = tmp_path / "s.h5"
        outcomes = [
            Outcome(f"{i:016x}", parameters, result=storable(result), **fields)
            for i, (parameters, result) in enumerate(rows)
        ]
        write_hdf5(path, filled_table(outcomes), STUDY | {"parameters": {}}, "hash")
        for suffix in SUFFIXES:
            assert export_store(path, tmp_path / f"t.{suffix}") == len(rows)
        text = (tmp_path / "t.csv").read_bytes().decode()
        header, *lines = csv.reader(io.StringIO(text, newline=""))
        assert len(set(header)) == len(header)
        assert {len(line) for line in lines} == {len(header)}
        objects = json.loads((tmp_path / "t.json").read_text(), parse_constant=pytest.fail)
        table = pyarrow.parquet.read_table(tmp_path / "t.parquet").to_pydict()
        assert list(table) == header
        assert set().union(*objects) == set(header)
        pandas.read_csv(tmp_path / "t.csv")
        pandas.read_parquet(tmp_path / "t.parquet")
        return {
            "csv": dict(zip(header, map(list, zip(*lines, strict=True)), strict=True)),
            "json": {name: [row.get(name, "absent") for row in objects] for name in header},
            "parquet": table,
        }

    return exported


def test_columns_do_not_mix_what_has_one_name(exported):
    tables = exported(
        ({"x": 1, "status": "p"}, {"error": 0.5, "simulation": 3}),
        ({"x": 2}, {"x": 2.5, "result.x": 3.5, "status": 7, "elapsed_time": 1.5}),
    )
    table = tables["json"]
    assert table["simulation"] == ["0" * 16, "0" * 15 + "1"]
    assert table["x"] == [1, 2]
    assert table["status"] == ["done", "done"]
    assert table["error"] == ["", ""]
    assert table["parameter.status"] == ["p", "absent"]
    assert table["result.error"] == [0.5, "absent"]
    assert table["result.simulation"] == [3, "absent"]
    assert sorted(str(table[name][1]) for name in ("result.x", "result.result.x")) == ["2.5", "3.5"]
    assert table["result.status"] == ["absent", 7]
    assert table["result.elapsed_time"] == ["absent", 1.5]
    assert tables["csv"]["status"] == ["done", "done"]
    assert tables["parquet"]["result.status"] == [None, 7]


def test_three_values_of_one_name(exported):
    table = exported(({"x": 1, "result.x": 2}, {"x": 3}))["json"]
    assert [table[name] for name in ("x", "result.x", "parameter.result.x")] == [[1], [3], [2]]


def test_paths_and_names_with_dots(exported):
    table = exported(({}, {"a": {"b": 1}, "a.b": 2}), ({}, {"a": 3}))["json"]
    assert sorted(map(str, [*table["a.b"], *table["result.a.b"]])) == ["1", "2", "absent", "absent"]
    assert table["a"] == ["absent", 3]


def test_surrogates_are_escaped(exported):
    row = ({"p": SURROGATE}, {SURROGATE: f"é{SURROGATE}", "l": [SURROGATE, {SURROGATE: 1}]})
    for table in exported(row, error=f"{SURROGATE}é").values():
        assert table["p"] == [r"\ud800"]
        assert table[r"\ud800"] == [r"é\ud800"]
        assert table["error"] == [r"\ud800é"]


@pytest.mark.parametrize(
    "value", [{}, {"b": {}}, [{}], [[{"k": {}}]], [{"a": 1}, {"b": [2]}], {1: 2, "1": 3}]
)
def test_dicts_are_text_of_json(exported, value):
    tables = exported(({}, {"a": value}), ({}, {"a": {str(i): i for i in range(200)}}))
    name = "a.b" if "a.b" in tables["json"] else "a"
    text = tables["parquet"][name][0]
    assert tables["csv"][name][0] == text
    assert json.loads(text) == tables["json"][name][0]


def test_keys_that_are_one_in_json_keep_their_values(exported):
    assert exported(({}, {"a": {1: 2, "1": 3}}))["json"]["a"] == [[[1, 2], ["1", 3]]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2.5, None], [1.0, 2.5, None]),
        ([1, "1", None], ["1", '"1"', None]),
        ([True, 1], ["true", "1"]),
        ([10**400, 1], [str(10**400), "1"]),
        ([2**60 + 1, 0.5], [str(2**60 + 1), "0.5"]),
        ([2**63, None, 1], [2**63, None, 1]),
        ([2**63, 1.5], [str(2**63), "1.5"]),
        ([2**63, -1], [str(2**63), "-1"]),
        ([np.array([1, 2**64 - 1], "uint64"), [], None], [[1, 2**64 - 1], [], None]),
        ([np.arange(2), np.array([0.5])], [[0.0, 1.0], [0.5]]),
        ([[float("inf"), "a"], 1], ['[null, "a"]', "1"]),
        ([1j, 2.0], ["[0.0, 1.0]", "2.0"]),
        ([[], [[]]], [[], [[]]]),
    ],
)
def test_columns_of_several_kinds(exported, values, expected):
    table = exported(*(({}, {"a": value}) for value in values))["parquet"]
    assert table["a"] == expected


def test_text_that_looks_like_the_format(exported):
    text = 'a,"b"\r\n;\t\n'
    for table in exported(({"p": text}, {text: text})).values():
        assert table["p"] == table[text] == [text]


def test_failures_have_rows_too(exported):
    table = exported(({"x": 1}, {"y": 2}), status=Status.TIMED_OUT)["json"]
    assert table["status"] == ["timed out"]
    assert "log" not in table


# ---- files ---------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "s.h5"
    write_hdf5(path, filled_table([Outcome("1", {"x": 1}, result={"y": 2})]), STUDY, "hash")
    return path


def refused(*arguments):
    result = CliRunner().invoke(main, ["export", *map(str, arguments)])
    assert result.exit_code == 2, (result.output, result.exception)
    return result.output.replace("\n", "")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_export_that_fails_leaves_the_last_one(store, tmp_path, monkeypatch, suffix):
    file = tmp_path / f"t.{suffix}"
    export_store(store, file)
    before = file.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(InputError, match="No space left"):
        export_store(store, file)
    assert file.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.h5", f"t.{suffix}"]


def test_an_export_goes_nowhere_else(store, tmp_path):
    assert ".csv, .json, .parquet" in refused(store, "")
    assert ".csv, .json, .parquet" in refused(store, tmp_path)
    assert "No such file" in refused(store, tmp_path / "no" / "t.csv")
    assert "too long" in refused(store, tmp_path / f"{'t' * 300}.csv")
    (tmp_path / "d.csv").mkdir()
    assert "is no file" in refused(store, tmp_path / "d.csv")
    (tmp_path / "null.csv").symlink_to(os.devnull)
    assert "is no file" in refused(store, tmp_path / "null.csv")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    assert "loop" in refused(store, tmp_path / "loop.csv").lower()
    (tmp_path / "kept.csv").touch(0o444)
    assert "read-only" in refused(store, tmp_path / "kept.csv")
    copy = tmp_path / "copy.csv"
    copy.write_bytes(store.read_bytes())
    assert "the store itself" in refused(copy, copy)
    assert copy.read_bytes() == store.read_bytes()


def test_an_export_follows_a_link(store, tmp_path):
    (tmp_path / "link.csv").symlink_to(tmp_path / "t.csv")
    export_store(store, tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "t.csv").read_text().startswith("simulation,")


def test_parquet_without_pyarrow_says_so(store, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "needs pyarrow" in refused(store, tmp_path / "t.parquet")
    assert not (tmp_path / "t.parquet").exists()


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
def test_a_store_without_outcomes_has_no_rows(tmp_path, suffix):
    path = tmp_path / "s.h5"
    write_hdf5(path, filled_table([]), STUDY | {"parameters": {}}, "hash")
    assert export_store(path, tmp_path / f"rows{suffix}") == 0
