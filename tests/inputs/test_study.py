import hashlib
import json
import math
import os
import re

import numpy as np
import pydantic
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dask_espresso import load_study
from dask_espresso.errors import InputError
from dask_espresso.identity import LARGEST_SEED, canonical_json, simulation_seed
from dask_espresso.inputs import simulations
from dask_espresso.inputs.parameters import swept_values
from dask_espresso.inputs.script_file import shipped_simulations
from dask_espresso.inputs.shipped import SIMULATIONS, folder, study_names
from dask_espresso.inputs.study import Study

HEAD = "name: test\nscript: echo\n"


@pytest.fixture
def load(tmp_path):
    def load(text, overrides=None):
        path = tmp_path / "study.yaml"
        path.write_text(text)
        return load_study(path, overrides)

    return load


def make(**fields):
    return Study(**{"name": "test", "script": "echo", "parameters": {}, **fields})


def values(value):
    return [s.parameters["x"] for s in make(parameters={"x": value}).simulations()]


# ---- durations -----------------------------------------------------------------------------------


# ---- parameters ----------------------------------------------------------------------------------


def test_range_has_no_float_drift():
    found = values({"start": 0.10, "stop": 0.51, "step": 0.01})
    assert found == [float(f"0.{i}") for i in range(10, 52)]
    assert len(found) == 42


@pytest.mark.parametrize(
    ("given_range", "expected"),
    [
        ({"start": 1, "stop": 10, "step": 3}, [1, 4, 7, 10]),
        ({"start": 1, "stop": 9, "step": 3}, [1, 4, 7]),
        ({"start": 1, "stop": 2, "step": 0.5}, [1.0, 1.5, 2.0]),
        ({"start": 3, "stop": 1, "step": -1}, [3, 2, 1]),
        ({"start": 0.3, "stop": 0.1, "step": -0.1}, [0.3, 0.2, 0.1]),
        ({"start": -0.1, "stop": 0.1, "step": 0.1}, [-0.1, 0.0, 0.1]),
        ({"start": 5, "stop": 5, "step": 1}, [5]),
        ({"start": 0, "stop": 10, "num": 3}, [0, 5, 10]),
        ({"start": 0, "stop": 1, "num": 4}, [0.0, 1 / 3, 2 / 3, 1.0]),
        ({"start": 0.1, "stop": 0.5, "num": 5}, [0.1, 0.2, 0.3, 0.4, 0.5]),
        ({"start": 2.0, "stop": 2.0, "num": 1}, [2.0]),
        ({"start": 1, "stop": 3.0, "step": 1}, [1.0, 2.0, 3.0]),
        ({"start": 1e-9, "stop": 3e-9, "step": 1e-9}, [1e-9, 2e-9, 3e-9]),
        ({"start": 2**60, "stop": 2**60 + 2, "step": 1}, [2**60, 2**60 + 1, 2**60 + 2]),
    ],
)
def test_ranges(given_range, expected):
    found = values(given_range)
    assert found == expected
    assert [type(v) for v in found] == [type(v) for v in expected]


@given(
    st.integers(-1000, 1000), st.integers(0, 50), st.integers(1, 200), st.sampled_from([1, 10, 1e3])
)
def test_range_gives_the_floats_that_one_would_write(start, count, step, scale):
    wanted = [(start + i * step) / scale for i in range(count + 1)]
    given_range = {"start": wanted[0], "stop": wanted[-1], "step": step / scale}
    assert values(given_range) == wanted


@pytest.mark.parametrize(
    ("given_range", "expected"),
    [
        ({"start": 0.1, "stop": 10, "num": 3}, [0.1, 1.0, 10.0]),
        ({"start": 1, "stop": 1000, "num": 4}, [1, 10, 100, 1000]),
        ({"start": 4, "stop": 9, "num": 3}, [4, 6, 9]),
        ({"start": 1, "stop": 10, "num": 3}, [1.0, 3.16227766017, 10.0]),
        ({"start": 1, "stop": 4, "num": 2}, [1, 4]),
        ({"start": 10, "stop": 0.001, "num": 5}, [10.0, 1.0, 0.1, 0.01, 0.001]),
        ({"start": 0.3, "stop": 0.7, "num": 3}, [0.3, 0.458257569496, 0.7]),
        ({"start": 2.0, "stop": 2.0, "num": 1}, [2.0]),
        ({"start": 1e-300, "stop": 1e300, "num": 3}, [1e-300, 1.0, 1e300]),
        ({"start": 0.123456789012345, "stop": 1, "num": 2}, [0.123456789012345, 1.0]),
    ],
)
def test_log_ranges(given_range, expected):
    found = values({**given_range, "scale": "log"})
    assert found == expected
    assert [type(v) for v in found] == [type(v) for v in expected]


@given(st.floats(1e-9, 1e9), st.floats(1.001, 1e9), st.integers(3, 40))
def test_log_range_is_that_of_numpy_within_twelve_digits(start, ratio, count):
    stop = start * ratio
    found = swept_values({"start": start, "stop": stop, "num": count, "scale": "log"})
    assert (found[0], found[-1], len(found)) == (start, stop, count)
    assert np.allclose(found, np.geomspace(start, stop, count), rtol=1e-11, atol=0)
    assert all(float(f"{value:.12g}") == value for value in found[1:-1])


def test_a_range_may_say_that_it_is_linear():
    assert values({"start": 0, "stop": 1, "num": 3, "scale": "linear"}) == [0.0, 0.5, 1.0]


def test_constants_and_lists():
    study = make(
        parameters={
            "scalar": 1.5,
            "none": None,
            "wrapped": {"value": [1, {"a": 2}]},
            "swept": ["a", {"value": [1, 2]}, True, 1],
        }
    )
    assert study.swept == ["swept"]
    assert [s.parameters for s in study.simulations()] == [
        {"scalar": 1.5, "none": None, "wrapped": [1, {"a": 2}], "swept": swept}
        for swept in ("a", [1, 2], True, 1)
    ]


def test_product_has_the_last_parameter_fastest_and_replicas_outside():
    study = make(parameters={"b": [1, 2], "c": 0, "a": [3, 4]}, replicas=2)
    found = [(s.replica, *s.parameters.values()) for s in study.simulations()]
    points = [(1, 0, 3), (1, 0, 4), (2, 0, 3), (2, 0, 4)]
    assert found == [(replica, *point) for replica in (0, 1) for point in points]
    assert study.swept == ["b", "a"]
    assert len(study) == study.count == 8


def test_zip():
    study = make(
        parameters={"a": [1, 2, 3], "b": {"start": 0.1, "stop": 0.3, "num": 3}},
        sweep="zip",
        replicas=2,
    )
    points = [(s.parameters["a"], s.parameters["b"]) for s in study.simulations()]
    assert points == [(1, 0.1), (2, 0.2), (3, 0.3)] * 2
    assert len(study) == 6


@pytest.mark.parametrize("sweep", ["product", "zip"])
def test_nothing_swept_is_one_simulation(sweep):
    assert len(list(make(sweep=sweep).simulations())) == 1
    assert len(list(make(sweep=sweep, parameters={"a": 1}, replicas=3).simulations())) == 3


def test_is_lazy(monkeypatch):
    made = []
    monkeypatch.setattr(simulations, "id_of", lambda text: made.append(text) or f"{len(made):016x}")
    study = make(parameters={k: {"start": 1, "stop": 100, "step": 1} for k in "abc"}, replicas=10)
    assert study.count == 10_000_000
    assert next(study.simulations()).parameters == {"a": 1, "b": 1, "c": 1}
    assert 0 < len(made) < 100_000


# ---- ids and seeds -------------------------------------------------------------------------------


def test_golden_ids_and_seeds():
    # these may never change: stores are resumed by them
    study = make(
        parameters={"n": 100, "phi": {"start": 0.10, "stop": 0.51, "step": 0.01}, "φ": "ü"},
        replicas=2,
        seed=42,
    )
    simulations = list(study.simulations())
    first, last = simulations[0], simulations[-1]
    assert (first.id, first.seed) == ("d49fbc2f1fba22ba", 1157006)
    assert (last.id, last.seed) == ("1c34a7df1b64109b", 123843658)
    text = '{"parameters":{"n":100,"phi":0.51,"\\u03c6":"\\u00fc"},"replica":1}'
    assert last.id == hashlib.sha256(text.encode()).hexdigest()[:16]


@pytest.mark.parametrize("sweep", ["product", "zip"])
@pytest.mark.parametrize("swept", [{}, {"b": [1, 2.5, '"'], "a": [None, True, "φ"]}])
def test_ids_are_those_of_the_simulations(sweep, swept):
    study = make(
        parameters={"c": {"value": [1, {"z": 2, "y": 3}]}, **swept}, sweep=sweep, replicas=2
    )
    texts = [
        json.dumps(
            {"parameters": s.parameters, "replica": s.replica},
            sort_keys=True,
            separators=(",", ":"),
        )
        for s in study.simulations()
    ]
    hashes = [hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts]
    assert hashes == list(study.ids()) == [s.id for s in study.simulations()]


def test_order_of_parameters_changes_no_id():
    one = make(parameters={"a": 1, "b": [1, 2]})
    other = make(parameters={"b": [2, 1], "a": {"value": 1}})
    assert {s.id for s in one.simulations()} == {s.id for s in other.simulations()}


EQUAL = [
    (1, 1.0),
    (0, 0.0, -0.0),
    (1000, 1e3),
    (-3, -3.0),
    (2**53, 2.0**53),
    (10**18, 1e18),
    ([1, "a", [0.0]], [1.0, "a", [0]]),
    ({"a": 1, "b": {"c": [2]}}, {"b": {"c": [2.0]}, "a": 1.0}),
]
UNEQUAL = [1, True, "1", "1.0", 0, False, "", None, 0.1, 2**53 + 1, 2.0**53, [1], ["1"], {"1": 1}]


@pytest.mark.parametrize("equal", EQUAL)
def test_equal_values_are_the_same_simulation(equal):
    studies = [make(parameters={"a": {"value": v}, "x": [5, 6]}, replicas=2) for v in equal]
    found = [[(s.id, s.seed) for s in study.simulations()] for study in studies]
    assert found == [found[0]] * len(equal)
    assert [list(study.ids()) for study in studies] == [[id_ for id_, _ in found[0]]] * len(equal)
    with pytest.raises(pydantic.ValidationError, match="twice"):
        make(parameters={"x": [{"value": v} for v in equal]})


@pytest.mark.parametrize("sweep", ["product", "zip"])
def test_equal_values_of_sweeps_are_the_same_simulations(sweep):
    written = [
        [1, 2, 3],
        [1.0, 2.0, 3.0],
        {"start": 1, "stop": 3, "step": 1},
        {"start": 1, "stop": 3.0, "step": 1},
        {"start": 1.0, "stop": 3, "num": 3},
    ]
    other = {"y": {"start": 0.5, "stop": 2.5, "num": 3}}
    ids = [set(make(parameters={"x": x, **other}, sweep=sweep).ids()) for x in written]
    assert ids == [ids[0]] * len(written)
    finer = make(parameters={"x": {"start": 1, "stop": 3, "step": 0.5}})
    assert set(make(parameters={"x": [1, 2, 3]}).ids()) < set(finer.ids())


def test_values_that_differ_are_different_simulations():
    ids = [next(make(parameters={"a": {"value": value}}).ids()) for value in UNEQUAL]
    assert len(set(ids)) == len(UNEQUAL)
    assert all(re.fullmatch("[0-9a-f]{16}", id_) for id_ in ids)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**63 - 1))
def test_numbers_are_the_same_simulation_where_python_says_that_they_are_equal(one, other):
    for value in (other, float(other)):
        same = canonical_json(one) == canonical_json(value)
        assert same == (one == value)
    assert (canonical_json(other) == canonical_json(float(other))) == (other == float(other))


@given(st.one_of(st.floats(), st.integers(), st.booleans(), st.text()))
@example(1e308)
@example(-0.0)
def test_ids_are_made_of_json(value):
    same = int(value) if isinstance(value, float) and value.is_integer() else value
    if isinstance(value, float) and not math.isfinite(value):
        with pytest.raises(ValueError, match="not JSON compliant"):
            canonical_json(value)
    else:
        assert canonical_json(value) == json.dumps(same)


def test_ids_are_worked_out_once(monkeypatch):
    study = make(parameters={"x": {"start": 0, "stop": 40_000, "step": 1}})
    wanted = [simulation.id for simulation in study.simulations()]
    monkeypatch.setattr(simulations, "id_of", None)
    assert list(study.ids()) == wanted
    places = [0, 40_000, 17]
    assert study.places_of([wanted[at] for at in places]).tolist() == places
    of_others = ["0" * 16, f"{wanted[3]}-as-of-others", wanted[3][:-1], "", "µ" * 16]
    assert study.places_of([*of_others, wanted[3]]).tolist() == [-1] * 5 + [3]


def test_replicas_have_different_seeds_and_points_have_equal_ones_by_chance():
    parameters = {"x": {"start": 1, "stop": 300, "step": 1}}
    seeds = [s.seed for s in make(parameters=parameters, replicas=100).simulations()]
    assert 0 < min(seeds) < 3e5
    assert LARGEST_SEED - 3e5 < max(seeds) <= LARGEST_SEED
    for point in range(300):
        assert len(set(seeds[point::300])) == 100
    # of 30,000 out of 900,000,000: 0.5 equal pairs, give or take 0.7
    assert len(seeds) - len(set(seeds)) < 4


def test_seeds_are_dealt_evenly():
    seeds = [simulation_seed(0, {}, replica) for replica in range(20_000)]
    assert len(set(seeds)) == len(seeds)
    counts = np.histogram(seeds, 20, (1, LARGEST_SEED))[0]
    assert np.abs(counts - 1000).max() < 150  # nearly five standard deviations
    following = np.corrcoef(seeds[1:], seeds[:-1])[0, 1]
    assert abs(following) < 5 / math.sqrt(len(seeds))


@pytest.mark.parametrize("seed", [1, LARGEST_SEED])
def test_seeds_fit_the_generators_of_scripts(seed):
    assert np.random.RandomState(seed).random_sample() < 1  # as np.random.seed(seed)
    assert np.random.default_rng(seed).random() < 1
    assert np.int32(seed) > 0  # as ESPResSo and LAMMPS have them


def test_seed_of_the_study_changes_all_seeds_and_no_id():
    one, other = (list(make(parameters={"a": [1, 2]}, seed=s).simulations()) for s in (1, 2))
    assert [s.id for s in one] == [s.id for s in other]
    assert not {s.seed for s in one} & {s.seed for s in other}


NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
SWEEPS = st.lists(NUMBERS, min_size=1, max_size=6, unique=True)


@given(
    st.dictionaries(st.text("abcφ ", min_size=1, max_size=3), SWEEPS, min_size=1, max_size=3),
    st.integers(0, 2**63 - 1),
    st.integers(1, 3),
    st.data(),
)
def test_ids_are_unique_and_adding_keeps_the_others(parameters, seed, replicas, data):
    study = make(parameters=parameters, seed=seed, replicas=replicas)
    before = {s.id: (s.parameters, s.replica, s.seed) for s in study.simulations()}
    assert len(before) == len(study)
    assert all(1 <= seed <= LARGEST_SEED for _, _, seed in before.values())

    name = data.draw(st.sampled_from(sorted(parameters)))
    more = data.draw(NUMBERS.filter(lambda number: number not in parameters[name]))
    place = data.draw(st.integers(0, len(parameters[name])))
    longer = [*parameters[name][:place], more, *parameters[name][place:]]
    grown = make(parameters={**parameters, name: longer}, seed=seed, replicas=replicas + 1)
    after = {s.id: (s.parameters, s.replica, s.seed) for s in grown.simulations()}
    assert {id_: after[id_] for id_ in before} == before


# ---- what is wrong -------------------------------------------------------------------------------

WRONG = [
    # text behind HEAD, line, key, what is wrong, what to do
    ("", 1, "parameters", "is missing", "add a line `parameters: …`"),
    ("paramters: {}", 3, "paramters", "unknown key", "did you mean 'parameters'? Known keys: "),
    ("parameters: 3", 3, "parameters", "is the number 3 but must be a mapping", "write"),
    ("parameters: {}\nreplicas: '4'", 4, "replicas", "is the text '4'", "without quotes"),
    ("parameters: {}\nreplicas: 4.0", 4, "replicas", "is the number 4.0", "without quotes"),
    ("parameters: {}\nreplicas: true", 4, "replicas", "is true", "write one such as 4"),
    ("parameters: {}\nreplicas: 0", 4, "replicas", "must be at least 1", "write"),
    ("parameters: {}\nretries: -1", 4, "retries", "must be at least 0", "write"),
    ("parameters: {}\nseed: -1", 4, "seed", "must be at least 0", "write"),
    (
        "parameters: {}\nseed: 9223372036854775808",
        4,
        "seed",
        "must be at most 9223372036854775807",
        "",
    ),
    ("parameters: {}\nseed: 1.5", 4, "seed", "is the number 1.5 but must be a whole", "write"),
    ("parameters: {}\nsweep: both", 4, "sweep", "must be 'product' or 'zip'", "write one of"),
    ("parameters: {}\nengine: 3", 4, "engine", "is the number 3 but must be text", "quotes"),
    ("parameters: {}\ntime_limit: 10 fortnights", 4, "time_limit", "no length of time", "10 min"),
    ("parameters: {}\ntime_limit: -5", 4, "time_limit", "no length of time", "write one such"),
    ("parameters:\n  a: []", 4, "parameters.a", "is an empty list", "list the values"),
    ("parameters:\n  a: [1, 2, 1.0]", 4, "parameters.a", "has the value 1.0 twice", "list it once"),
    ("parameters:\n  a: [x, x]", 4, "parameters.a", "has the value 'x' twice", "list it once"),
    ("parameters:\n  a: [0.0, -0.0]", 4, "parameters.a", "twice", "list it once"),
    ("parameters:\n  a: .nan", 4, "parameters.a", "is nan", "write a finite number"),
    ("parameters:\n  a: [1, .inf]", 4, "parameters.a", "is inf", "write a finite number"),
    ("parameters:\n  a: 1e999", 4, "parameters.a", "is inf", "write a finite number"),
    ("parameters:\n  a: {value: {b: [.nan]}}", 4, "parameters.a", "is nan", "finite"),
    ("parameters:\n  a: 9223372036854775808", 4, "parameters.a", "more than 64 bits", "float"),
    ('parameters:\n  a: "x\\0"', 4, "parameters.a", "holds a null character", "remove it"),
    ("parameters:\n  a: {value: 1, b: 2}", 4, "parameters.a", "keys beside `value`", "remove"),
    ("parameters:\n  a: {x: 2}", 4, "parameters.a.x", "unknown key 'x'", "{value: …}"),
    ("parameters:\n  a: {start: 1, stop: 2, stpe: 1}", 4, "parameters.a.stpe", "unknown", "'step'"),
    ("parameters:\n  a: {}", 4, "parameters.a", "is no range", "write {start"),
    ("parameters:\n  a: {start: 1, stop: 2}", 4, "parameters.a", "is no range", "write {start"),
    ("parameters:\n  a: {stop: 2, step: 1}", 4, "parameters.a", "is no range", "write {start"),
    (
        "parameters:\n  a: {start: 1, stop: 2, step: 1, num: 2}",
        *(4, "parameters.a", "start, stop, step, num, which is no range", "write {start"),
    ),
    (
        "parameters:\n  a:\n    start: 1\n    stop: x\n    step: 1",
        *(6, "parameters.a.stop", "is the text 'x' but must be a number", "write one"),
    ),
    (
        "parameters:\n  a: {start: 1, stop: .inf, step: 1}",
        4,
        "parameters.a.stop",
        "is inf",
        "finite",
    ),
    ("parameters:\n  a: {start: 1, stop: 2, step: 0}", 4, "parameters.a.step", "is 0", "write"),
    ("parameters:\n  a: {start: 1, stop: 2, step: -1}", 4, "parameters.a.step", "empty", "sign"),
    (
        "parameters:\n  a: {start: 0, stop: 2, num: 3, scale: log}",
        *(4, "parameters.a.start", "is 0 but must be above 0 with `scale: log`", "write such"),
    ),
    (
        "parameters:\n  a: {start: 1, stop: -2, num: 3, scale: log}",
        *(4, "parameters.a.stop", "is -2 but must be above 0", "write such"),
    ),
    (
        "parameters:\n  a: {start: 1, stop: 2, step: 1, scale: log}",
        *(4, "parameters.a.step", "no meaning with `scale: log`", "write `num`"),
    ),
    (
        "parameters:\n  a: {start: 1, stop: 2, num: 3, scale: ln}",
        *(4, "parameters.a.scale", "is the text 'ln' but must be log or linear", "write one"),
    ),
    (
        "parameters:\n  a: {start: 1, stop: 1.000000000001, num: 9, scale: log}",
        *(4, "parameters.a", "steps too small", "make them larger"),
    ),
    ("parameters:\n  a: {start: 1, stop: 2, num: 1}", 4, "parameters.a.num", "not fit", "change"),
    ("parameters:\n  a: {start: 1, stop: 1, num: 3}", 4, "parameters.a.num", "not fit", "change"),
    ("parameters:\n  a: {start: 1, stop: 2, num: 0}", 4, "parameters.a.num", "whole number", "wri"),
    ("parameters:\n  a: {start: 1, stop: 2, num: 2.0}", 4, "parameters.a.num", "whole", "write"),
    (
        "parameters:\n  a: {start: 1.0, stop: 1.00000000000001, step: 1.0e-17}",
        *(4, "parameters.a", "steps too small", "make them larger"),
    ),
    (
        "parameters:\n  a: {start: 0, stop: 1.0e+300, step: 1.0e-300}",
        *(4, "parameters.a", "range of more than 10^18 values", "use fewer"),
    ),
    ("parameters:\n  a: [[1, 2]]", 4, "parameters.a[0]", "is a list inside a list", "{value: …}"),
    ("parameters:\n  a: [{start: 1}]", 4, "parameters.a[0]", "is a mapping inside", "{value: …}"),
    ("parameters:\n  seed: 1", 4, "parameters.seed", "every script gets", "set `seed` beside"),
    ("parameters:\n  replica: 1", 4, "parameters.replica", "every script", "set `replicas` beside"),
    ("parameters:\n  a/b: 1", 4, "parameters.'a/b'", "'/' or a control character", "rename it"),
    ('parameters:\n  "a\\tb": 1', 4, "parameters.'a\\tb'", "control character", "rename it"),
    ("parameters:\n  '': 1", 3, "parameters", "without a name", "write `name: value`"),
    (
        "parameters: {a: [1, 2], b: [1, 2, 3]}\nsweep: zip",
        *(4, "sweep", "a has 2, b has 3 values", "make them equally long"),
    ),
    (
        "parameters:\n  a: {start: 1, stop: 5000, step: 1}\n  b: {start: 1, stop: 5000, step: 1}",
        *(3, "parameters", "makes 25,000,000 simulations", "use fewer"),
    ),
    ("parameters: {}\nreplicas: 10000001", 3, "parameters", "10,000,001 simulations", "use fewer"),
]


@pytest.mark.parametrize(("text", "line", "key", "wrong", "remedy"), WRONG)
def test_wrong_studies(load, tmp_path, text, line, key, wrong, remedy):
    with pytest.raises(InputError) as caught:
        load(HEAD + text)
    message = next(m for m in str(caught.value).split("\n") if f": {key}: " in m)
    assert message.startswith(f"{tmp_path / 'study.yaml'}:{line}: {key}: ")
    assert wrong in message
    assert remedy in message
    assert "; " in message


@pytest.mark.parametrize("name", ["a/b", "", ".hidden", "-x", "a b", "ü", "x" * 101, "a\n"])
def test_wrong_names(name):
    with pytest.raises(pydantic.ValidationError, match="it names the store's file"):
        make(name=name)


@pytest.mark.parametrize("name", ["lj_pressure", "a-b.c", "0", "_x"])
def test_names(name):
    assert make(name=name).name == name


def test_what_python_can_say_and_yaml_cannot():
    for value in (1j, {"value": {1: 2}}, b"x", (1, 2)):
        with pytest.raises(pydantic.ValidationError):
            make(parameters={"a": value})


# ---- loading -------------------------------------------------------------------------------------


def test_load(load, tmp_path):
    script = tmp_path / "scripts" / "mine.py"
    script.parent.mkdir()
    script.write_text("print()")
    text = "name: x\nscript: scripts/mine.py\nparameters: # none\ntime_limit: 00:10:00\n"
    study = load(text)
    assert study.path == tmp_path / "study.yaml"
    assert study.script_path == script
    assert study.script_hash == hashlib.sha256(b"print()").hexdigest()
    assert study.source == text
    assert study.time_limit == 600.0
    assert study.parameters == {}


def test_defaults(load):
    study = load(HEAD + "parameters: {}")
    assert (study.engine, study.sweep, study.replicas, study.seed) == ("espresso", "product", 1, 0)
    assert (study.time_limit, study.retries) == (None, 1)
    assert study.script_path == SIMULATIONS / "echo.py"


def test_is_frozen():
    with pytest.raises(pydantic.ValidationError):
        make().replicas = 2


def test_scripts_are_found_beside_the_study(load, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("")
    monkeypatch.chdir("/")
    assert load("name: x\nscript: mine.py\nparameters: {}").script_path == tmp_path / "mine.py"


@pytest.mark.parametrize("script", ["ech", "nope.py", "probe", ".", '"a\\0b"', "pipe", "a" * 300])
def test_missing_scripts(load, tmp_path, script):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError) as caught:
        load(f"name: x\nscript: {script}\nparameters: {{}}")
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'study.yaml'}:2: script: ")
    assert f"looked for '{tmp_path}" in message
    assert f"shipped simulations: {', '.join(shipped_simulations())}" in message


def test_scripts_that_are_no_files(load):
    for script, reason in {"/dev/zero": "Not a regular", "~nobody-here/x.py": "home"}.items():
        with pytest.raises(InputError, match=rf"script: .* cannot be read .*{reason}"):
            load(f"name: x\nscript: {script}\nparameters: {{}}")


def test_shipped_simulations():
    studies = ("chain_size", "diffusion", "lj_pressure")
    assert set(shipped_simulations()) == {"echo", *studies, *(f"{name}_lammps" for name in studies)}


def test_missing_study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("nope.yaml", "slurm", tmp_path):
        with pytest.raises(InputError, match=f"{tmp_path}.*: chain_size, .*, lj_pressure_lammps"):
            load_study(path)


def test_overrides(load):
    text = HEAD + "parameters:\n  n: 100\n  phi: [0.1]\n"
    study = load(text, {"n": "1e3", "phi": "{start: 0.1, stop: 0.3, step: 0.1}"})
    assert [tuple(s.parameters.values()) for s in study.simulations()] == [
        (1e3, 0.1),
        (1e3, 0.2),
        (1e3, 0.3),
    ]
    assert study.source == text


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (
            {"nn": "3"},
            "--set nn=3: unknown parameter 'nn'; did you mean 'n'? Known parameters: n, p",
        ),
        ({"n": ""}, "--set n=: has no value; write --set n=VALUE"),
        ({"n": "[1"}, "--set n=[1: is not YAML"),
        ({"n": "[]"}, "--set n=[]: parameters.n: is an empty list; list the values"),
        ({"phi": "{start: 1}"}, "--set phi={start: 1}: parameters.phi: is a mapping with start"),
        ({"n": ".nan"}, "--set n=.nan: parameters.n: is nan; write a finite number"),
    ],
)
def test_wrong_overrides(load, overrides, says):
    with pytest.raises(InputError) as caught:
        load(HEAD + "parameters:\n  n: 100\n  phi: [0.1]\n", overrides)
    assert str(caught.value).startswith(says)


def test_override_without_parameters(load):
    with pytest.raises(InputError, match=r"unknown parameter 'n'; known parameters: none"):
        load(HEAD, {"n": "3"})


def test_snapshot_expands_without_files(load, tmp_path):
    script = tmp_path / "mine.py"
    script.write_text("")
    study = load(
        "name: x\nscript: mine.py\nparameters: {a: {start: 0.1, stop: 0.5, step: 0.1}, b: "
        "{value: [1]}}\nreplicas: 2\nseed: 7\ntime_limit: 10 min"
    )
    script.unlink()
    snapshot = json.loads(json.dumps(study.snapshot()))
    assert str(tmp_path) not in json.dumps(snapshot)
    again = Study.from_snapshot(snapshot)
    assert list(again.simulations()) == list(study.simulations())
    assert again.snapshot() == study.snapshot() == snapshot
    assert (again.swept, again.time_limit) == (["a"], 600.0)
    with pytest.raises(InputError, match=r"study 'x' has no files; load it with load_study"):
        _ = again.script_path


def test_wrong_snapshot():
    with pytest.raises(InputError, match="another version of dask_espresso"):
        Study.from_snapshot({"name": "x"})


# ---- shipped studies -----------------------------------------------------------------------------


def test_shipped_study():
    study = load_study("lj_pressure")
    assert study.path == folder("configs") / "lj_pressure.yaml"
    assert study.count == 42 * 4
    assert next(study.simulations()).parameters == {
        "n_particles": 100,
        "n_steps": 5000,
        "volume_fraction": 0.1,
    }
    assert (study.time_limit, study.retries, study.seed) == (600.0, 1, 42)


def test_shipped_lammps_study():
    study = load_study("lj_pressure_lammps")
    assert (study.engine, study.count, study.swept) == ("lammps", 11 * 4, ["volume_fraction"])
    assert list(study.simulations())[-1].parameters["volume_fraction"] == 0.5


@pytest.mark.parametrize("name", study_names())
def test_shipped_studies_are_named_after_their_file(name):
    assert load_study(name).name == name


def test_a_reference_is_known_and_fits(study_file):
    text = STUDY_WITH_REFERENCE
    one, other = load_study(study_file(text)), load_study(study_file(text.replace("wca", "null")))
    assert (one.reference, other.reference) == ("wca", None)
    assert list(one.ids()) == list(other.ids())
    with pytest.raises(InputError, match=r"study\.yaml:5: reference: is the text 'wac'; write wca"):
        load_study(study_file(text.replace("wca", "wac")))
    with pytest.raises(InputError, match=r"study\.yaml:5: reference: .*volume_fraction.*remove"):
        load_study(study_file(text.replace("volume_fraction", "phi")))
    before = {name: value for name, value in one.snapshot().items() if name != "reference"}
    assert Study.from_snapshot(before).reference is None


STUDY_WITH_REFERENCE = """
    name: s
    script: lj_pressure
    parameters: {volume_fraction: [0.1, 0.2], n_steps: 10}
    reference: wca
"""
