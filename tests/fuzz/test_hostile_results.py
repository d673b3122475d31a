"""Names and values that nobody expects, in everything that is made from a store."""

import csv
import io
import json
import tempfile
from pathlib import Path

import pyarrow.parquet
import pytest
from click.testing import CliRunner
from fuzzing import examples, in_time
from hypothesis import given
from hypothesis import strategies as st
from outcome_tables import filled_table
from pydantic import ValidationError

from dask_espresso.cli import main
from dask_espresso.inputs.study import Study
from dask_espresso.outcome import Outcome, Status
from dask_espresso.store.hdf5 import write_hdf5
from dask_espresso.values import not_finite, storable

pytestmark = pytest.mark.slow

NAMES = ["x", "x_sem", "status", "simulation", "a.b", "result.x", "_c", "-x", "é", "粒", "'", "^"]
NAMES += ["[/b]", "[bold]", ":smile:", "$", "$a$", "{", "\ud800", "\n", "\x1b[31m", "result"]
PICTURES = ("png", "svg")
TABLES = ("csv", "json", "parquet")

names = st.sampled_from(NAMES) | st.text(min_size=1, max_size=4)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1)
texts = st.sampled_from(NAMES) | st.text(max_size=4)
constants = numbers | st.none() | st.booleans() | texts
wrapped = st.lists(constants, max_size=2) | st.dictionaries(texts, constants, max_size=2)
items = constants | wrapped.map(lambda value: {"value": value})
parameters = st.dictionaries(
    names, items | st.lists(items, min_size=1) | st.lists(numbers, min_size=2), max_size=3
)
values = constants | st.floats() | st.integers(-(10**320), 10**320) | st.complex_numbers() | wrapped
results = st.dictionaries(names, values | st.floats(0, 1e-300), max_size=4)


def say(path, *arguments):
    """Run a command on a store; it ends well, or with one message that names the place."""
    ran = CliRunner().invoke(main, [arguments[0], str(path), *arguments[1:]])
    assert ran.exit_code in (0, 2), (arguments, ran.output, ran.exception)
    assert isinstance(ran.exception, SystemExit | None), (arguments, ran.exception)
    assert ran.exit_code == 0 or str(path.parent) in ran.output
    return ran.exit_code == 0


@examples(15)
@given(parameters, st.lists(results, min_size=1, max_size=4), st.integers(1, 3))
def test_any_store_is_shown_plotted_and_exported(parameters, results, replicas):
    try:
        study = Study(name="s", script="s.py", parameters=parameters, replicas=replicas)
    except ValidationError:
        return
    outcomes = []
    for i, one in enumerate(study.simulations()):
        outcome = Outcome(one.id, one.parameters, replica=one.replica)
        outcome.result = storable(results[i % len(results)])
        outcome.error = not_finite(outcome.result)
        outcome.status = Status.NOT_FINITE if outcome.error else Status.DONE
        outcomes.append(outcome)
    with tempfile.TemporaryDirectory() as directory, in_time(60):
        path = Path(directory, "s.h5")
        write_hdf5(path, filled_table(outcomes), study.snapshot(), "hash")
        expected = {"s.h5", *(f"t.{suffix}" for suffix in TABLES)}
        assert say(path, "show")
        assert say(path, "status")
        for suffix in PICTURES:
            if say(path, "plot", "-o", str(path.with_suffix(f".{suffix}"))):
                expected.add(f"s.{suffix}")
        for suffix in TABLES:
            assert say(path, "export", str(path.with_name(f"t.{suffix}")))
        assert {file.name for file in path.parent.iterdir()} == expected
        check_tables(path.parent, outcomes)


def check_tables(directory, outcomes):
    """Every value is in every table, under a name of its own."""
    text = (directory / "t.csv").read_bytes().decode()
    header, *lines = csv.reader(io.StringIO(text, newline=""))
    rows = json.loads((directory / "t.json").read_text(), parse_constant=pytest.fail)
    table = pyarrow.parquet.read_table(directory / "t.parquet")
    assert len(set(header)) == len(header)
    assert header == table.column_names
    assert len(rows) == len(lines) == len(table) == len(outcomes)
    for row, outcome in zip(rows, outcomes, strict=True):
        assert row["simulation"] == outcome.id
        assert len(row) > len(outcome.parameters) + len(outcome.result)
