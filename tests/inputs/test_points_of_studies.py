"""Points in every shape: which ones a study has, in which order, and what is wrong with others."""

import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dask_espresso.errors import InputError
from dask_espresso.identity import canonical_json, simulation_id
from dask_espresso.inputs.samples import _uniform, checked_sample, columns_of
from dask_espresso.inputs.stored_study import stored_study
from dask_espresso.inputs.study import Study, load_study

HEAD = "name: test\nscript: echo\n"


@pytest.fixture
def load(tmp_path):
    def load(text, overrides=None):
        path = tmp_path / "study.yaml"
        path.write_text(HEAD + text)
        return load_study(path, overrides)

    return load


def make(**fields):
    return Study(**{"name": "test", "script": "echo", "parameters": {}, **fields})


def points(study):
    return [simulation.parameters for simulation in study.simulations()]


def check_same(study):
    """All ways to ask a study for its simulations come to the same."""
    found = list(study.simulations())
    assert [s.id for s in found] == list(study.ids())
    assert len({s.id for s in found}) == len(found) == study.count
    assert found == [study.simulation(place) for place in range(len(found))]
    assert [s.id for s in found] == [simulation_id(s.parameters, s.replica) for s in found]
    stored = stored_study(json.loads(json.dumps(study.snapshot())))
    assert list(stored.simulations()) == found
    for name in study.names:
        values, codes = study.coded(name, np.arange(study.count))
        assert [values[code] for code in codes] == [s.parameters[name] for s in found]
        texts = {canonical_json(value) for value in values}
        assert (len(texts) > 1) <= (name in study.swept)
    return found


# ---- conditions and formulas ---------------------------------------------------------------------


def test_where_keeps_the_order_and_the_ids():
    all_ = make(parameters={"a": [1, 2, 3], "b": [1, 2, 3]}, replicas=2)
    study = make(parameters=all_.parameters, replicas=2, where="a * b > 2", exclude=["a == b"])
    found = [(p["a"], p["b"]) for p in points(study)[: study.n_points]]
    assert found == [(1, 3), (2, 3), (3, 1), (3, 2)]
    assert [s.id for s in check_same(study)] == [
        s.id for s in all_.simulations() if (s.parameters["a"], s.parameters["b"]) in found
    ]


def test_conditions_are_looked_at_one_after_the_other():
    study = make(parameters={"a": [0, 1, 2]}, where=["a != 0", "2 / a > 1"])
    assert points(study) == [{"a": 1}]


def test_derived_values_are_parameters_like_others():
    study = make(
        parameters={"N": [100, 200], "rho": [0.1, 0.8], "kind": "ring"},
        derived={"box": "(N / rho) ** (1/3)", "half": "box / 2", "n2": "2 * N", "is": "N > 100"},
        where="half < 6",
    )
    assert points(study) == [
        {"N": 100, "rho": 0.1, "kind": "ring", "box": 10.0, "half": 5.0, "n2": 200, "is": False},
        {"N": 100, "rho": 0.8, "kind": "ring", "box": 5.0, "half": 2.5, "n2": 200, "is": False},
        {"N": 200, "rho": 0.8, "kind": "ring", "box": 6.29960524947, "half": 3.14980262473,
         "n2": 400, "is": True},
    ]  # fmt: skip
    assert study.swept == ["N", "rho", "box", "half", "n2", "is"]
    assert [type(p["n2"]) for p in points(study)] == [int] * 3
    check_same(study)


def test_a_derived_value_of_constants_is_constant():
    study = make(parameters={"N": 8, "x": [1, 2]}, derived={"box": "N ** (1/3)", "n": 3})
    assert study.swept == ["x"]
    assert points(study)[0] == {"N": 8, "x": 1, "box": 2.0, "n": 3}
    check_same(study)


# ---- blocks --------------------------------------------------------------------------------------


def test_blocks_are_united_and_overlaps_count_once():
    study = make(
        parameters={"a": [1, 2], "c": 5},
        blocks=[
            {"b": {"start": 0, "stop": 1, "num": 3}},
            {"b": [0.5, 2], "a": {"start": 1, "stop": 3, "step": 1}},
            {"a": [3.0, 4], "b": [2.0, 7], "sweep": "zip", "c": 5.0},
        ],
    )
    found = [(p["a"], p["b"]) for p in points(study)]
    assert found == [
        *((1, 0.0), (1, 0.5), (1, 1.0), (2, 0.0), (2, 0.5), (2, 1.0)),
        *((1, 2), (2, 2), (3, 0.5), (3, 2)),
        (4, 7),
    ]
    assert [block.n_shared for block in study.space.blocks] == [0, 2, 1]
    assert study.swept == ["a", "b"]
    check_same(study)


def test_blocks_have_conditions_of_their_own():
    study = make(
        parameters={"a": [1, 2, 3]},
        blocks=[{"b": [1, 2], "where": "a > b"}, {"b": [1, 2, 3], "exclude": "a == 3"}],
        where="a + b < 5",
    )
    assert [(p["a"], p["b"]) for p in points(study)] == [
        *((2, 1), (3, 1)),
        *((1, 1), (1, 2), (1, 3), (2, 2)),
    ]
    check_same(study)


def test_a_point_that_conditions_leave_out_of_one_block_stays_in_another():
    rows = [{"x": 1, "y": 1}, {"x": 2, "y": 1}, {"x": 1, "y": 2}]
    study = make(blocks=[{"points": rows, "where": "y < 2"}, {"points": rows[1:]}])
    assert points(study) == rows
    assert [block.n_shared for block in study.space.blocks] == [0, 1]
    check_same(study)


def test_a_constant_that_differs_between_blocks_is_swept():
    study = make(blocks=[{"a": 1, "b": 0}, {"a": 2, "b": 0}], derived={"c": "2 * a"})
    assert study.swept == ["a", "c"]
    assert points(study) == [{"a": 1, "b": 0, "c": 2}, {"a": 2, "b": 0, "c": 4}]


def test_adding_a_block_changes_no_id_and_no_seed():
    blocks = [
        {"x": {"start": 0, "stop": 1, "num": 5}},
        {"x": {"start": 0.4, "stop": 0.6, "num": 5}},
    ]
    one = make(parameters={"y": [1, 2]}, blocks=blocks[:1], replicas=2)
    both = make(parameters={"y": [1, 2]}, blocks=blocks, replicas=2)
    plain = make(parameters={"y": [1, 2], **blocks[0]}, replicas=2)
    before = {s.id: s.seed for s in one.simulations()}
    assert before == {s.id: s.seed for s in plain.simulations()}
    after = {s.id: s.seed for s in both.simulations()}
    assert before.items() <= after.items()
    assert len(after) == len(before) + 4 * 2 * 2


VALUES = st.sampled_from([0, 1, 2, 0.5, 1.0, "a", True, None, 2.5])
LISTS = st.lists(VALUES, min_size=1, max_size=4, unique_by=canonical_json)
ROWS = st.lists(st.fixed_dictionaries({"x": VALUES, "y": VALUES}), min_size=1, max_size=5)
BLOCKS = st.one_of(
    st.fixed_dictionaries({"x": LISTS, "y": LISTS}),
    st.fixed_dictionaries({"x": LISTS, "y": VALUES}),
    st.fixed_dictionaries({"points": ROWS}),
    ROWS.map(
        lambda rows: {"sweep": "zip", "z": 1, **{n: [row[n] for row in rows] for n in ("x", "y")}}
    ),
    st.fixed_dictionaries(
        {"sample": st.fixed_dictionaries({
            "num": st.integers(1, 9), "method": st.sampled_from(["lhs", "random", "sobol"]),
            "parameters": st.fixed_dictionaries({
                "x": st.just({"low": 0, "high": 2, "integer": True}),
                "y": st.fixed_dictionaries({"choices": LISTS})})})}
    ),
)  # fmt: skip
CONDITIONS = st.sampled_from([None, "x == y", "x in [0, 1, 'a'] or y == 2.5", "z == 1 or x == 1"])


@settings(max_examples=100)
@given(st.lists(BLOCKS, min_size=1, max_size=4), CONDITIONS, st.sampled_from([1, [1, 2]]))
def test_blocks_of_any_kind_are_those_of_a_plain_union(blocks, where, z):
    parts = [make(parameters={"z": z}, blocks=[block]) for block in blocks]
    wanted = list({simulation_id(p, 0): p for part in parts for p in points(part)}.values())
    if where:
        equal = lambda a, b: canonical_json(a) == canonical_json(b)  # noqa: E731
        tests = {
            "x == y": lambda p: equal(p["x"], p["y"]),
            "x in [0, 1, 'a'] or y == 2.5": lambda p: (
                any(equal(p["x"], v) for v in (0, 1, "a")) or equal(p["y"], 2.5)
            ),
            "z == 1 or x == 1": lambda p: p["z"] == 1 or equal(p["x"], 1),
        }
        wanted = [p for p in wanted if tests[where](p)]
    if not wanted:
        with pytest.raises(ValueError, match="leaves none"):
            make(parameters={"z": z}, blocks=blocks, where=where)
        return
    study = make(parameters={"z": z}, blocks=blocks, where=where)
    assert list(map(canonical_json, points(study))) == list(map(canonical_json, wanted))
    check_same(study)


def test_points_that_differ_by_one_group_alone():
    study = make(
        parameters={"a": [1, 2], "b": [1, 2, 3]},
        blocks=[{}, {"points": [{"a": 5, "b": 6}, {"a": 7, "b": 8}]}],
        where="a + b != 3",
    )
    assert study.space.groups == [["a"], ["b"], ["a", "b"]]
    for names in study.space.groups:
        keys = study.space.without(names, np.arange(len(study))).tolist()
        for (one, p), (other, q) in itertools.combinations(
            zip(keys, points(study), strict=True), 2
        ):
            same_block = (p["a"] < 5) == (q["a"] < 5)
            is_axis = (len(names) == 2) == (p["a"] >= 5)
            alike = all(p[name] == q[name] for name in p if name not in names)
            assert (one == other) == (same_block and is_axis and alike)


# ---- lists of points -----------------------------------------------------------------------------


def test_points_one_by_one_with_every_value_of_the_others():
    study = make(
        parameters={"T": [1, 2], "a": 0},
        points=[{"a": 1, "b": "x"}, {"a": 2, "b": {"value": [3]}}, {"a": 1.0, "b": "x"}],
    )
    assert points(study) == [
        {"T": T, "a": a, "b": b} for T in (1, 2) for a, b in ((1, "x"), (2, [3]))
    ]
    check_same(study)


def test_repeated_values_of_a_zip_are_fine_and_repeated_points_count_once():
    study = make(parameters={"a": [1, 1, 2, 1], "b": [1, 2, 2, 1.0]}, sweep="zip")
    assert points(study) == [{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 2}]
    check_same(study)


def test_a_csv_file_is_read_as_yaml_would_be(load, tmp_path):
    (tmp_path / "runs.csv").write_bytes(
        b"\xef\xbb\xbfphi, n ,kind,flag\r\n0.1,1,ring,true\r\n\r\n"
        b"1e-3,2,'no',null\n0.30,0x10,\"a,b\",x y\n"
    )
    study = load("parameters: {T: 1}\npoints: runs.csv\n")
    assert points(study) == [
        {"T": 1, "phi": 0.1, "n": 1, "kind": "ring", "flag": True},
        {"T": 1, "phi": 0.001, "n": 2, "kind": "'no'", "flag": None},
        {"T": 1, "phi": 0.3, "n": 16, "kind": "a,b", "flag": "x y"},
    ]
    (tmp_path / "runs.csv").unlink()  # the store has what is in it
    check_same(study)


def test_a_parquet_file(load, tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"x": [0.5, 1.5], "n": [1, 2], "kind": ["a", "b"], "on": [True, False]}
    )
    frame.to_parquet(tmp_path / "runs.parquet")
    study = load("blocks: [{points: runs.parquet}]\n")
    assert points(study) == frame.to_dict("records")
    assert [type(value) for value in points(study)[0].values()] == [float, int, str, bool]


@pytest.mark.parametrize("gap", [None, float("nan")])
def test_a_parquet_file_with_gaps(load, tmp_path, gap):
    frame = pytest.importorskip("pandas").DataFrame({"x": [0.5, gap, gap], "n": [1, 2, 3]})
    frame.to_parquet(tmp_path / "runs.parquet")
    with pytest.raises(InputError, match=r"row 2: `x` is missing \((nan|None)\) \(and 1 more"):
        load("points: runs.parquet\n")


def test_the_index_of_a_data_frame_is_no_parameter(load, tmp_path, caplog):
    frame = pytest.importorskip("pandas").DataFrame({"x": [0.5, 1.5, 2.5, 3.5]})
    frame.loc[[0, 1, 3]].to_parquet(tmp_path / "runs.parquet")
    assert points(load("points: runs.parquet\n")) == [{"x": 0.5}, {"x": 1.5}, {"x": 3.5}]
    assert "runs.parquet: __index_level_0__ is the index of a pandas data frame" in caplog.text


def test_cells_that_are_misread_are_counted(load, tmp_path, caplog):
    (tmp_path / "runs.csv").write_text('x,kind\n"0,5",NA\n1.5,none\n"0,7",Na\n')
    study = load("points: runs.csv\n")
    assert points(study)[0] == {"x": "0,5", "kind": "NA"}
    assert "runs.csv:2: x: is read as the text '0,5'; write 0.5 for" in caplog.text
    assert "(and 1 more in this column)" in caplog.text


FILES = [
    ("phi,n\n0.1\n", ":2: `n` is missing; write a value for it"),
    ("phi,n\n0.1,1\n0.2,\n", ":3: `n` is missing"),
    ("phi,n\n0.1,NaN\n0.2,1\n0.3,\n", ":2: `n` is missing ('NaN') (and 1 more in this column); "),
    *[
        (f"phi,n\n0.1,a\n0.2,{sign}\n", f":3: `n` is missing ({sign!r}); write a value for it, or")
        for sign in ("nan", "NULL", "#N/A", "#DIV/0!", "N/A", "<NA>")
    ],
    ("phi,n\n0.1,1\n0.2,NA\n0.2,none\n", ":3: `n` is missing ('NA') (and 1 more"),
    ("phi,n\n0.1,1,2\n", ":2: has 3 cells, more than the 2 names above; put texts with commas"),
    ("phi;n\n0,1;1\n", ":1: has semicolons between columns; write commas"),
    ("0.1,0.2\n", ":1: the heading '0.1' is no name; write names of parameters"),
    ("phi,phi\n1,2\n", ":1: the heading 'phi' is there twice"),
    ("phi,\n1,2\n", ":1: the heading '' is empty"),
    ("", ": is empty; write names of parameters"),
    ("phi\n", ": has no points below its heading"),
    ('phi\n"0.1\n', ":2: is no line of a table"),
    ("phi\n\xff", ":2: is not UTF-8"),
    (f"phi\n{'9' * 500}\n", ":2: `phi` has too many digits"),
    (f"phi\n{'9' * 20}\n", "study.yaml:3: points.phi[0]: has more than 64 bits"),
    ("phi\n1e999\n", "study.yaml:3: points.phi[0]: is inf; write a finite number"),
    ("seed\n1\n", "study.yaml:3: points.seed: is what every script gets"),
]


@pytest.mark.parametrize(("content", "says"), FILES)
def test_wrong_files_of_points(load, tmp_path, content, says):
    (tmp_path / "runs.csv").write_bytes(content.encode("latin1"))
    with pytest.raises(InputError) as caught:
        load("points: runs.csv\n")
    file = "" if says.startswith("study") else "runs.csv"
    assert f"{tmp_path}/{file}{says}" in str(caught.value)


def test_files_of_points_that_are_not_there(load, tmp_path):
    with pytest.raises(InputError, match=r"study\.yaml:3: points: 'runs\.csv' cannot be read .*No"):
        load("points: runs.csv\n")
    with pytest.raises(
        InputError, match=r"study\.yaml:3: blocks\[0\]\.points: is the text 'x\.txt'"
    ):
        load("blocks: [{points: x.txt}]\n")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"bad\.parquet: cannot be read as parquet"):
        load("points: bad.parquet\n")


# ---- samples -------------------------------------------------------------------------------------

SPACE = {
    "x": {"low": 0.1, "high": 10, "scale": "log"},
    "y": {"low": -1, "high": 1.5},
    "n": {"low": 1, "high": 4, "integer": True},
    "m": {"low": 1, "high": 100, "integer": True, "scale": "log"},
    "kind": {"choices": ["a", {"value": [1]}]},
}


def sample(**fields):
    return checked_sample({"num": 64, "parameters": SPACE, **fields})


@pytest.mark.parametrize("method", ["sobol", "random", "lhs"])
def test_samples_are_where_they_are_to_be(method):
    study = make(sample=sample(method=method, num=1000, seed=3))
    found = {name: [p[name] for p in points(study)] for name in SPACE}
    assert all(0.1 <= x <= 10 and float(f"{x:.12g}") == x for x in found["x"])
    assert all(-1 <= y <= 1.5 for y in found["y"])
    assert {*found["n"]} == {1, 2, 3, 4}
    assert min(found["m"]) == 1
    assert 85 < max(found["m"]) <= 100
    assert {type(m) for m in found["m"]} == {int}
    for name, middle in {"x": 1, "y": 0.25, "m": 10.05, "n": 2.5}.items():
        below = sum(value < middle for value in found[name]) / 1000
        assert abs(below - 0.5) < 0.06
    assert abs(sum(kind == "a" for kind in found["kind"]) / 1000 - 0.5) < 0.05
    correlation = np.corrcoef(found["y"], np.log(found["x"]))[0, 1]
    assert abs(correlation) < 0.12


# these may never change: stores are resumed by them
GOLDEN = {
    "sobol": {"x": 0.204918653428, "y": -0.442128479714, "n": 4, "kind": "b"},
    "random": {"x": 3.92441965699, "y": 0.717153847773, "n": 3, "kind": "a"},
    "lhs": {"x": 1.44250419431, "y": -0.647106623968, "n": 3, "kind": "a"},
}


@pytest.mark.parametrize("method", GOLDEN)
def test_samples_are_the_same_everywhere(method):
    space = {name: SPACE[name] for name in ("x", "n", "kind", "y")}
    space["kind"] = {"choices": ["a", "b"]}
    columns = columns_of(sample(method=method, seed=1, parameters=space))
    assert {name: column[0] for name, column in columns.items()} == GOLDEN[method]


@pytest.mark.parametrize(("method", "is_kept"), [("sobol", True), ("random", True), ("lhs", False)])
def test_growth_keeps_the_points_that_are_there(method, is_kept):
    small = make(sample=sample(method=method))
    large = make(sample=sample(method=method, num=2500))
    assert (points(large)[:64] == points(small)) is is_kept
    check_same(small)


def test_sobol_points_are_those_of_scipy_with_bits_turned():
    columns = columns_of(sample(num=4096, parameters={n: {"low": 0, "high": 1} for n in "xyz"}))
    from scipy.stats import qmc  # which takes long to import

    plain = qmc.Sobol(3, scramble=False).random(4096)
    for number, column in enumerate(columns.values()):
        found = (np.array(column[:]) * 2**30).astype(int) ^ (plain[:, number] * 2**30).astype(int)
        assert {*found.tolist()} == {found[0]}


def test_random_numbers_go_on_where_a_piece_ends():
    assert np.array_equal(_uniform(7, 0, 4096)[1024:3072], _uniform(7, 1024, 2048))


def test_layers_of_a_latin_hypercube_have_a_point_each():
    columns = columns_of(sample(method="lhs", parameters={"y": {"low": 0, "high": 1}}))
    assert sorted(int(64 * y) for y in columns["y"]) == list(range(64))


def test_sobol_points_are_spread_evenly():
    columns = columns_of(sample(parameters={n: {"low": 0, "high": 1} for n in "xy"}))
    cells = {(int(8 * x), int(8 * y)) for x, y in zip(columns["x"], columns["y"], strict=True)}
    assert len(cells) == 64


def test_another_seed_gives_other_points_and_the_study_s_seed_does_not():
    one, other, again = (
        points(make(sample=sample(seed=seed), seed=s)) for seed, s in ((0, 0), (1, 0), (0, 1))
    )
    assert one == again
    assert not any(p in one for p in other)


# ---- what is wrong -------------------------------------------------------------------------------

P = "parameters: {a: [1, 2], b: [1, 2]}\n"
WRONG = [
    ("where: c < 3", 4, "where", "unknown parameter 'c'", "known parameters: a, b"),
    ("where: a > 5", 4, "where", "leaves none of the 4 points", "change `a > 5`, or the values"),
    ("where: 3", 4, "where", "is the number 3 but must be a condition", "write one such as x < 3"),
    ("where: [a < 3, 'b <']", 4, "where[1]", "which is no formula", "write numbers"),
    ("where: a", 4, "where", "gives the number 1 where true or false is needed at a = 1", "corr"),
    ("where: 1 / (a - 2) < 5", 4, "where", "divides by zero at a = 2", "leave such points out"),
    ("exclude: a < 9", 4, "exclude", "leaves none of the 4 points", "change `a < 9`, or"),
    ("derived: 3", 4, "derived", "is the number 3 but must be a mapping", "write NAME: FORMULA"),
    ("derived: {c: max(a, b)}", 4, "derived.'b)'", "is nothing", "in quotes where commas"),
    ("derived: {c: d}", 4, "derived.c", "unknown parameter 'd'", "put it in quotes if it is"),
    ("derived: {c: d, d: a}", 4, "derived.c", "unknown parameter 'd'", "known parameters: a, b"),
    ("derived: {a: 3 * b}", 4, "derived.a", "is a parameter already", "give one of the two"),
    ("derived: {c: sqrt(1.5 - a)}", 4, "derived.c", "no real value at a = 2", "leave such points"),
    ("derived: {seed: a}", 4, "derived.seed", "every script gets", "set `seed` beside"),
    ("blocks: {a: 1}", 4, "blocks", "is a mapping but must be a list", "write - {x"),
    ("blocks: []", 4, "blocks", "is empty but must be a list", "write - {x"),
    ("blocks: [3]", 4, "blocks[0]", "is the number 3 but must be a mapping", "write {x"),
    ("blocks:\n  - {c: 1}\n  - {d: 1}", 6, "blocks[1]", "has no `c`", "under `parameters` for all"),
    ("blocks:\n  - {}\n  - {d: 1}", 6, "blocks[1]", "has `d`, which the first block", "there, too"),
    ("blocks:\n  - {c: 1}\n  - c: []", 6, "blocks[1].c", "is an empty list", "list the values"),
    ("blocks:\n  - {a: [1, 1]}", 5, "blocks[0].a", "has the value 1 twice", "list it once"),
    ("blocks:\n  - where: c > 1", 5, "blocks[0].where", "unknown parameter 'c'", "known"),
    ("blocks:\n  - where: a > 7", 5, "blocks[0]", "leaves none of the 4 points", "`a > 7`, or the"),
    ("where: [a > 1, a < 1]", 4, "where", "leaves none", "change one of `a > 1`, `a < 1`, or"),
    ("blocks:\n  - derived: {z: a * 2}", 5, "blocks[0].derived", "holds for the whole study",
     "write it beside `blocks`"),
    ("blocks:\n  - replicas: 4", 5, "blocks[0].replicas", "holds for the whole", "beside `blocks`"),
    ("blocks:\n  - sweep: both", 5, "blocks[0].sweep", "is the text 'both'", "write one"),
    ("blocks: [{c: 1}]\nsample: {num: 2, parameters: {d: {low: 0, high: 1}}}",
     *(5, "sample", "is beside `blocks`", "make it a block of its own")),
    ("blocks:\n" + "  - {}\n" * 101, 4, "blocks", "has 101 blocks", "write `points`"),
    ("points: 3", 4, "points", "is the number 3 but must be a list of points", "write - {x"),
    ("points: []", 4, "points", "is empty but must be a list of points", "write - {x"),
    ("points: [3]", 4, "points[0]", "is the number 3 but must be a point", "write {x"),
    ("points:\n  - {c: 1, d: 2}\n  - {c: 2}", 6, "points[1]", "has no `d`", "add it"),
    ("points:\n  - {c: 1}\n  - {c: 2, d: 2}", 6, "points[1].d", "not in the first", "add it"),
    ("points:\n  - {c: [1]}", 5, "points[0].c", "is a list inside a list", "{value: …}"),
    ("points:\n  - {c: .nan}", 5, "points[0].c", "is nan", "write a finite"),
    ("sample: 3", 4, "sample", "is the number 3 but must be a mapping", "write {method"),
    ("sample: {num: 3}", 4, "sample", "needs `parameters`", "write under it NAME"),
    ("sample: {parameters: {c: {low: 0, high: 1}}}", 4, "sample", "needs `num`", "num: 64"),
    ("sample: {nun: 3}", 4, "sample.nun", "unknown key 'nun'", "did you mean 'num'"),
    ("sample: {method: sobl}", 4, "sample.method", "'sobl' but must be lhs, random, sobol", "wri"),
    ("sample: {num: 0, parameters: {}}", 4, "sample.num", "whole number from 1", "write one"),
    ("sample: {num: 2, parameters: {c: 3}}", 4, "sample.parameters.c", "is the number 3", "write"),
    ("sample: {num: 2, parameters: {c: {low: 0}}}", 4, "sample.parameters.c", "no `high`", "wri"),
    ("sample: {num: 2, parameters: {c: {low: 2, high: 1}}}",
     *(4, "sample.parameters.c.high", "is 1, not above `low`", "raise it")),
    ("sample: {num: 2, parameters: {c: {low: 0, high: 1, scale: log}}}",
     *(4, "sample.parameters.c.low", "must be above 0 with `scale: log`", "raise it")),
    ("sample: {num: 2, parameters: {c: {low: 0, high: 1.5, integer: true}}}",
     *(4, "sample.parameters.c.integer", "needs whole numbers", "write them")),
    ("sample: {num: 2, parameters: {c: {low: 0, hihg: 1}}}",
     *(4, "sample.parameters.c.hihg", "unknown key", "did you mean 'high'")),
    ("sample: {num: 2, parameters: {c: {choices: []}}}",
     *(4, "sample.parameters.c.choices", "must be a list of values", "write {choices")),
    ("sample: {num: 2, parameters: {c: {choices: [[1]]}}}",
     *(4, "sample.parameters.c.choices[0]", "is a list inside a list", "{value: …}")),
    ("sample: {num: 20000000, parameters: {c: {low: 0, high: 1}}}",
     *(3, "parameters", "makes 80,000,000 simulations", "use fewer")),
    ("blocks:\n  - sample: {num: 20000000, parameters: {c: {low: 0, high: 1}}}",
     *(5, "blocks[0]", "makes 80,000,000 points", "use fewer")),
    ("where: a < 9\nreplicas: 9000000", 3, "parameters", "makes 36,000,000 simulations", "fewer"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "key", "wrong", "remedy"), WRONG)
def test_wrong_points(load, tmp_path, text, line, key, wrong, remedy):
    with pytest.raises(InputError) as caught:
        load(P + text)
    message = next(m for m in str(caught.value).split("\n") if f": {key}: " in m)
    assert message.startswith(f"{tmp_path / 'study.yaml'}:{line}: {key}: ")
    assert wrong in message
    assert remedy in message


def test_arguments_of_a_script_name_points_of_any_shape(load):
    text = "blocks: [{phi: [0.1, 0.2], k: 1}]\nderived: {box: 2 * phi, b: 2 * box}\narguments: "
    assert load(text + '["{box}", "{k}"]').arguments == ["{box}", "{k}"]
    assert load(text + '["{b}", "{k}"]').arguments == ["{b}", "{k}"]
    with pytest.raises(InputError, match=r"yaml:5: arguments: the parameter `phi` never reaches"):
        load(text + '["{k}"]')
    with pytest.raises(InputError, match=r"yaml:5: arguments\[0\]: .*did you mean"):
        load(text + '["{bax}"]')


@pytest.mark.parametrize(
    ("text", "is_noted"),
    [
        ("parameters: {a: [1, 2], n: 3}\npoints: [{a: 5}]\n", True),
        ("parameters: {a: 5, n: 3}\npoints: [{a: 5}, {a: 5.0}]\n", False),
        ("parameters: {a: 4}\npoints: [{a: 5}]\n", True),
        ("parameters: {a: 5}\nsample: {num: 2, parameters: {a: {low: 5, high: 6}}}\n", True),
    ],
)
def test_points_that_replace_parameters_are_noted(load, caplog, text, is_noted):
    load(text)
    assert ("gives `a`, and what `parameters` says of it does not count" in caplog.text) == is_noted


def test_what_may_not_be_meant_is_noted(load, caplog):
    study = load(
        "parameters: {a: [1, 2]}\nblocks:\n  - {b: {start: 0, stop: 1, step: 0.4}}\n"
        "  - {b: 0.4, a: 1}\n  - {points: [{b: 1_0}]}\n"
    )
    assert study.n_points == 8
    notes = [record.getMessage().partition("study.yaml:")[2] for record in caplog.records]
    assert [note.partition(";")[0] for note in notes] == [
        "7: blocks[2].points[0].b: is read as the text '1_0'",
        "5: blocks[0].b: ends at 0.8, since steps of 0.4 do not meet the stop 1",
        "6: blocks[1]: adds no point: conditions leave out 0, and 1 are in a block before",
    ]


def test_set_replaces_what_stands_under_parameters_alone(load):
    text = (
        "parameters: {a: [1, 2], b: 1}\nderived: {e: 2 * a}\n"
        "blocks:\n  - {b: 2, c: 1, d: 0}\n  - {points: [{c: 3, d: 4}]}\n"
    )
    assert points(load(text, {"a": "5"}))[0] == {"a": 5, "b": 2, "c": 1, "d": 0, "e": 10}
    for name, where in {"b": "blocks[0].b", "d": "blocks[0].d", "e": "derived.e"}.items():
        with pytest.raises(InputError, match="--set replaces what stands under") as caught:
            load(text, {name: "3"})
        assert f"--set {name}=3: `{name}` is given by `{where}`" in str(caught.value)


# ---- snapshots, and size -------------------------------------------------------------------------


def test_snapshots_of_studies_without_the_new_keys_are_as_they_were():
    assert make(parameters={"a": [1, 2]}).snapshot() == {
        "name": "test", "engine": "espresso", "script": "echo", "parameters": {"a": [1, 2]},
        "sweep": "product", "replicas": 1, "seed": 0, "time_limit": None, "retries": 1,
        "reference": None,
    }  # fmt: skip


MILLION = """
import resource
from dask_espresso.inputs.stored_study import StoredStudy
def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
ranges = {"a": {"start": 1, "stop": 5000, "step": 1}, "b": {"start": 1, "stop": 2000, "step": 1}}
before = memory()
plain = StoredStudy("s", "s", dict(ranges))
assert plain.count == 10_000_000
assert plain.simulation(9_999_999).parameters == {"a": 5000, "b": 2000}
none = memory() - before
some = StoredStudy("s", "s", dict(ranges), where=["a % 2 == 0"], derived={"c": "a * 2"},
    blocks=[{}, {"a": {"start": 4000, "stop": 6000, "step": 1}}])
assert some.count == 5_000_000 + 1_000_000
print(none, memory() - before)
"""


@pytest.mark.slow
def test_ten_million_points_cost_no_memory():
    done = subprocess.run(
        [sys.executable, "-c", MILLION], check=True, capture_output=True, text=True
    )
    without, with_conditions = map(int, done.stdout.split())
    assert without < 10  # MiB
    assert with_conditions < 120  # ten bytes a point, while it is found out
