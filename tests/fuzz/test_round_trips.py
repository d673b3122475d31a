"""Parameters and results that nobody expects come back equal, all the way that they go."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from fuzzing import examples
from hypothesis import assume, given
from hypothesis import strategies as st
from simulators import simulate

from dask_espresso.engines import Engine
from dask_espresso.errors import InputError
from dask_espresso.files import file_hash
from dask_espresso.inputs.shipped import SIMULATIONS
from dask_espresso.inputs.study import load_study
from dask_espresso.outcome import Outcome, Status
from dask_espresso.process.order import Order, Workload
from dask_espresso.process.payload import PayloadScanner
from dask_espresso.process.simulator import _named
from dask_espresso.record import pack, unpack
from dask_espresso.script.transport import (
    decode_transport_data,
    encode_transport_data,
)
from dask_espresso.store.store import Entry, open_store, read_store
from dask_espresso.values import not_finite, storable

pytestmark = pytest.mark.slow


def same(one, other):
    """Equal and of one kind, where NaN equals NaN."""
    if isinstance(one, np.ndarray):
        kinds = one.dtype == other.dtype and one.shape == other.shape
        return kinds and np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other or (one != one and other != other)


# ---- names and values ----------------------------------------------------------------------------

# the store's own, netCDF's and Python's; what shells, HDF5 and file systems take for something else
NAMES = ["status", "simulation", "sequence", "replica", "seed", "error", "log", "host", "attempts"]
NAMES += [
    "pressure",
    "pressure_sem",
    "pressure_shape",
    "pressure_element",
    "x",
    "x_dim_0",
    "x_axis",
]
NAMES += [
    "_states",
    "_x",
    "_FillValue",
    "complex_part",
    "outcome.status",
    "parameter.x",
    "x.y",
    "x y",
]
NAMES += [
    ".",
    "..",
    "...",
    "/",
    "a/b",
    "../x",
    "*",
    "$HOME",
    "$(id)",
    "`id`",
    ";",
    "|",
    "-x",
    "'",
    '"',
]
NAMES += [
    "\\",
    "%2F",
    "#",
    "~",
    "\n",
    "\t",
    "\0",
    "é",
    "e\u0301",
    "粒子",
    "ρ",
    "\U0001f9ea",
    "\u202e",
    "",
]
NAMES += [
    "self",
    "id",
    "parameters",
    "result",
    "value",
    "start",
    "name",
    "$float",
    "None",
    "1",
    "true",
]

names = st.sampled_from(NAMES) | st.text(max_size=8)
texts = st.sampled_from(
    ["$(touch x)", "; rm x", "a\nb", "x" * 900, "\U0001f600", "NaN", "1e5", "~"]
)
texts |= st.text(st.characters(exclude_categories=["C"]), max_size=10)
constants = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
arrays = st.sampled_from(
    [
        np.arange(3),
        np.ones((2, 2)),
        np.array([math.nan]),
        np.zeros((0, 3)),
        np.array("é"),
        np.eye(2) > 0,
    ]
)
values = (
    constants | arrays | st.floats() | st.integers() | st.complex_numbers() | st.text(max_size=4)
)
results = st.dictionaries(names | st.text(max_size=3), values, max_size=4)


def is_allowed(name):
    """Say whether the study takes a parameter of this name, as README and the errors have it."""
    return name not in ("", "replica", "seed") and "/" not in name and name.isprintable()


def is_written_by_hand(text):
    """JSON is YAML, up to characters that are no text in YAML."""
    return not any(
        c in "\x7f\ufeff" or "\x80" <= c <= "\x9f" or "\ud800" <= c <= "\udfff" for c in text
    )


def study_text(name, parameters):
    wrapped = {key: {"value": value} for key, value in parameters.items()}
    head = {"name": name, "engine": "python", "script": "echo", "parameters": wrapped}
    return json.dumps(head, ensure_ascii=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Give a directory of its own, in a directory in which nothing else may appear."""
    numbers = itertools.count()

    def new():
        directory = tmp_path_factory.getbasetemp() / "round_trips" / str(next(numbers)) / "inside"
        directory.mkdir(parents=True)
        return directory

    return new


def through_a_pipe(data):
    """Send a result as a simulation does, and take it as a worker does."""
    scanner = PayloadScanner(lambda noise: pytest.fail(f"taken for noise: {noise}"))
    scanner.feed(encode_transport_data(data).encode())
    scanner.close()
    return scanner.payload()


@examples(40)
@given(
    st.lists(
        st.tuples(st.dictionaries(names, constants, max_size=3), results), min_size=1, max_size=4
    )
)
def test_parameters_and_results_come_back_equal(place, simulations):
    parameters, _ = simulations[0]
    assume(all(map(is_allowed, parameters)))
    text = study_text("s", parameters)
    assume(is_written_by_hand(text))
    directory = place()
    (directory / "study.yaml").write_text(text)
    study = load_study(directory / "study.yaml")
    (simulation,) = study.simulations()
    assert same(simulation.parameters, parameters)

    outcomes = []
    for i, (_, result) in enumerate(simulations):
        order = Order(f"{i:016x}", simulation.parameters, 0, simulation.seed, 1)
        sent = decode_transport_data(encode_transport_data(order.script_parameters))
        assert same(sent, {**parameters, "replica": 0, "seed": simulation.seed})
        outcome = Outcome(order.id, order.parameters, seed=order.seed)
        try:
            outcome.result = storable(_named(through_a_pipe(result)))
            assert same(outcome.result, result)
            if not_finite(outcome.result):
                outcome.status = Status.NOT_FINITE
        except TypeError as error:  # as a result without a name
            outcome.status, outcome.error = Status.FAILED, str(error)
            assert "" in result
        outcomes.append(unpack(b"".join(pack(outcome))))

    path = directory / "s.h5"
    with open_store(path, study) as store:
        store.record([Entry(o.id, o.status, pack(o)) for o in outcomes])
        unpublished = read_store(path).outcomes
        store.publish()
    for found in (unpublished, read_store(path).outcomes):
        assert list(found) == [outcome.id for outcome in outcomes]
        for outcome in outcomes:
            there = found[outcome.id]
            assert same(there.parameters, outcome.parameters)
            assert there.error == outcome.error
            assert there.status is outcome.status
            assert same(there.result, outcome.result)
    assert sorted(p.name for p in directory.iterdir()) == ["s.h5", "study.yaml"]
    assert list(directory.parent.iterdir()) == [directory]


@pytest.mark.parametrize("name", [name for name in NAMES if not is_allowed(name)])
def test_names_that_no_parameter_can_have(place, name):
    directory = place()
    (directory / "study.yaml").write_text(study_text("s", {name: 1}))
    with pytest.raises(InputError, match="parameters"):
        load_study(directory / "study.yaml")


@examples(100)
@given(
    names | st.sampled_from(["../s", "s/../../s", "s.h5", "/tmp/s", "s\n", "s" * 101, "-s", ".s"])
)
def test_a_study_cannot_put_its_store_elsewhere(place, name):
    assume(is_written_by_hand(name))
    directory = place()
    (directory / "study.yaml").write_text(study_text(name, {}))
    try:
        study = load_study(directory / "study.yaml")
    except InputError:
        return
    assert (directory / f"{study.name}.h5").parent == directory
    assert Path(f"{study.name}.h5").parts == (f"{study.name}.h5",)


# ---- for real ------------------------------------------------------------------------------------

STRANGE = {
    "shell": "$(touch forged); `touch forged` && touch forged | tee forged\n& touch forged",
    "--version": "-c 'import os'",
    "$HOME; touch forged": "'\"\\'",
    "lines": "one\ntwo\r\nthree\n",
    "\U0001f9ea": "\U0001f600 粒子 e\u0301 \u202e",
    "numbers": [5e-324, 1.7976931348623157e308, -0.0, 2**63 - 1, -(2**63), 0.1 + 0.2],
    "nested": {"status": 1, "simulation": [None, True, {"..": []}]},
    "status": "lost",
    "simulation": "0",
    "pressure_sem": 0.5,
    "large": "x" * 200_000,
}


def test_strange_parameters_reach_a_real_simulation(place):
    directory = place()
    (directory / "study.yaml").write_text(study_text("s", STRANGE))
    study = load_study(directory / "study.yaml")
    (simulation,) = study.simulations()
    script = SIMULATIONS / "echo.py"
    workload = Workload(Engine("python"), str(script), file_hash(script), 60)
    outcome = simulate(workload, Order.of(simulation))
    assert outcome.is_done, outcome.error
    path = directory / "s.h5"
    with open_store(path, study) as store:
        store.record([Entry(outcome.id, outcome.status, pack(outcome))])
        store.publish()
    (there,) = read_store(path).outcomes.values()
    assert same(there.parameters, STRANGE)
    assert {key: there.result[key] for key in STRANGE} == STRANGE
    assert not list(directory.rglob("forged*"))
    assert not Path("forged").exists()


RESULTS = {
    "special": [math.nan, math.inf, -math.inf, -0.0, 5e-324],
    "nan": math.nan,
    "large": 10**600,
    "complex": complex(math.nan, -math.inf),
    "status": "lost",
    "simulation": np.arange(3),
    "pressure": 1.0,
    "pressure_sem": np.float64(0.1),
    "..": "..",
    "/": np.array([math.nan, 1]),
    "a/b": {"/": {"..": 1}},
    "\U0001f4a5": "\U0001f4a5\0\n",
    "half": "\ud800",
    "_x": None,
    "$float": {"$float": "nan"},
    " ": True,
}


def test_strange_results_of_a_real_simulation_come_back_equal(place, script):
    path = script(f"""
        import dask_espresso
        results = dask_espresso.decode_transport_data({encode_transport_data(RESULTS)!r})
        print(dask_espresso.encode_transport_data(results))
    """)
    workload = Workload(Engine("python"), str(path), file_hash(path), 60)
    outcome = simulate(workload, Order("1", {}, 0, 1, 1))
    assert outcome.status is Status.NOT_FINITE, outcome.error
    assert outcome.error == "result['special'][0] is nan"
    directory = place()
    (directory / "study.yaml").write_text(study_text("s", {}))
    with open_store(directory / "s.h5", load_study(directory / "study.yaml")) as store:
        store.record([Entry(outcome.id, outcome.status, pack(outcome))])
        store.publish()
    (there,) = read_store(directory / "s.h5").outcomes.values()
    for name, value in RESULTS.items():
        plain = value.item() if isinstance(value, np.generic) else value
        assert same(there.result[name], plain), name
