"""A study that a store holds is the one that was stored, and is checked as that was."""

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dask_espresso.errors import InputError
from dask_espresso.inputs.parameters import swept_values
from dask_espresso.inputs.stored_study import StoredStudy, stored_study
from dask_espresso.inputs.study import Study

PARAMETERS = [
    {},
    {"c": 1.5, "d": {"value": [1, {"a": None}]}},
    {"x": [1, 2.5, "a"], "y": {"start": 0.1, "stop": 0.3, "step": 0.1}, "c": True},
    {"y": {"start": 1, "stop": 7, "num": 3}, "x": [0, {"value": [1]}, None]},
]
STORED = [
    {"name": "s", "script": "s.py", "parameters": parameters, "sweep": sweep, "replicas": replicas}
    for parameters in PARAMETERS
    for sweep in ("product", "zip")
    for replicas in (1, 3)
]
DAMAGED = [
    {},
    {"name": 5},
    {"replicas": 0},
    {"replicas": "2"},
    {"replicas": True},
    {"sweep": "random"},
    {"seed": -1},
    {"reference": "ideal"},
    {"unknown": 1},
    {"parameters": [1]},
    {"parameters": {"x": []}},
    {"parameters": {"x": {"start": 1}}},
    {"parameters": {"x": list(range(4000)), "y": list(range(4000))}},
    {"parameters": {"x": [1, 2], "y": [1, 2, 3]}, "sweep": "zip"},
]


@pytest.mark.parametrize("snapshot", STORED)
def test_it_comes_to_the_same_simulations(snapshot):
    study = Study.from_snapshot(snapshot)
    for stored in (stored_study(snapshot), stored_study(study.snapshot())):
        assert isinstance(stored, StoredStudy)
        assert list(stored.simulations()) == list(study.simulations())
        assert list(stored.ids()) == list(study.ids())
        for name in ("name", "count", "swept", "parameters", "sweep", "replicas", "reference"):
            assert getattr(stored, name) == getattr(study, name)
        places = np.arange(study.count)
        for name in study.parameters:
            values, codes = study.coded(name, places)
            for one, code in zip(study.simulations(), codes, strict=True):
                assert values[code] == one.parameters[name]


@pytest.mark.parametrize("damage", DAMAGED)
def test_what_is_no_study_is_refused_as_before(damage):
    whole = {"name": "s", "script": "s.py", "parameters": {}}
    snapshot = {**whole, **damage} if damage else {"name": "s"}
    said = []
    for read in (Study.from_snapshot, stored_study):
        with pytest.raises(InputError) as caught:
            read(snapshot)
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_what_earlier_versions_wrote_is_brought_up_to_date():
    before = {"name": "s", "script": "s.py", "parameters": None, "time_limit": "10 min"}
    assert stored_study(before).count == 1


NUMBERS = st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6).map(lambda x: round(x, 3))


@settings(max_examples=200)
@given(NUMBERS, NUMBERS.filter(bool), st.integers(1, 50))
def test_the_values_of_a_range_are_those_nearest_to_exact_ones(start, step, count):
    stop = float(Fraction(str(start)) + (count - 1) * Fraction(str(step)))
    values = swept_values({"start": start, "stop": stop, "step": step})
    exact = [Fraction(str(start)) + i * Fraction(str(step)) for i in range(len(values))]
    assert list(values) == list(map(float, exact))


def test_a_look_at_a_store_needs_no_machinery_of_checks():
    """What takes longest to import is not needed there."""
    code = "import sys, dask_espresso.cli, dask_espresso.views.status; print(*sys.modules)"
    names = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    heavy = {"pydantic", "yaml", "dask", "distributed", "matplotlib", "pandas"}
    assert not heavy & set(names.stdout.split())
