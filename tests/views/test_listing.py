"""The points of a study as `dask-espresso points` shows them, and what becomes of them."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from dask_espresso.cli import main
from dask_espresso.driver import run_study
from dask_espresso.inputs.cells import read_cell, write_cell
from dask_espresso.inputs.study import Study, load_study
from dask_espresso.outcome import Outcome, Status
from dask_espresso.plan import TargetPlan
from dask_espresso.record import pack
from dask_espresso.store.reader import Reader
from dask_espresso.store.rows import Rows
from dask_espresso.store.store import Entry, open_store, read_store
from dask_espresso.targets import Standing
from dask_espresso.views.dependence import find_missing
from dask_espresso.views.listing import write_points
from dask_espresso.views.standing import parameters_of

# the one of the reference page
PAGE = (Path(__file__).parents[2] / "docs/reference/study.md").read_text(encoding="utf-8")
(STUDY,) = re.findall(r"```yaml\n(name: transition\n.*?)```", PAGE, re.DOTALL)
(PRINTED,) = re.findall(r"```text\n(transition: .*?)```", PAGE, re.DOTALL)
STUDY = STUDY.replace("simulation.py", "s.py")
SHOWN = """\
transition: 93 points, 2 replicas each: 186 simulations
  block 1: 22 points of 25: 3 left out by conditions
  block 2: 8 points of 9: 1 in a block before
  block 3: 63 points of 64: 1 left out by conditions
in all points: N = 1000
point     kappa       phi      box
    0       0.1       0.1  21.5443
    1       0.1       0.2  17.0998
    2       0.1       0.3   14.938
    3       0.1       0.4  13.5721
    4       0.1       0.5  12.5992
    …         …         …        …
   88   1.30408  0.295771  15.0089
   89   2.31901  0.445771  13.0907
   90  0.231901  0.245771  15.9645
   91  0.733336  0.345771  14.2475
   92   7.33336  0.145771   19.001
"""
SCRIPT = """
import pathlib
import dask_espresso
p = dask_espresso.get_data_from_stdin()
with pathlib.Path({log!r}).open("a") as log:
    log.write(f"{{p['kappa']}} {{p['phi']}} {{p['box']}} {{p['replica']}}\\n")
print(dask_espresso.encode_transport_data({{"pressure": p["box"] * p["kappa"] + p["seed"] * 1e-9}}))
"""


def invoke(*arguments, status=0):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == status, result.output
    return result.output


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.py").write_text(SCRIPT.format(log=str(tmp_path / "log")))
    (tmp_path / "study.yaml").write_text(STUDY)
    return tmp_path


def test_points_are_shown_before_there_is_a_store(place):
    assert invoke("points", "study.yaml") == SHOWN
    assert {*PRINTED.splitlines()} < {*SHOWN.splitlines()}
    assert sorted(path.name for path in place.iterdir()) == ["s.py", "study.yaml"]


def test_a_study_of_several_shapes_runs_and_grows_and_nothing_runs_twice(place, workers):
    text = STUDY.replace("replicas: 2", "replicas: 1")
    (place / "study.yaml").write_text(text)
    study = load_study("study.yaml")
    assert run_study(study, workers, place / "transition.h5").exit_status == 0
    ran = (place / "log").read_text().splitlines()
    assert len(ran) == len({*ran}) == 93
    assert sum(line.startswith("1.0 0.3 14.9380158219 ") for line in ran) == 1
    said = invoke("points", "study.yaml")
    assert said.endswith("transition.h5: 93 done, 0 new\n")
    assert re.search(r"92 +7.33336 +0.145771 +19.001 +1/1\n", said)

    larger = text.replace("where:", "  - {kappa: [1, 2], phi: [0.3, 0.31, 0.35, 0.36]}\nwhere:")
    (place / "study.yaml").write_text(larger.replace("num: 64", "num: 128"))
    said = invoke("points", "study.yaml")
    assert "  block 4: 4 points of 8: 4 in a block before\n" in said
    new = 4 + 63
    assert said.endswith(f"transition.h5: 93 done, {new} new\n")
    assert invoke("run", "study.yaml", "--dry-run").splitlines(keepends=True)[0] == (
        f"transition.h5: {new} new, 93 recorded already\n"
    )
    study = load_study("study.yaml")
    assert run_study(study, workers, place / "transition.h5").exit_status == 0
    ran = (place / "log").read_text().splitlines()
    assert len(ran) == len({*ran}) == 93 + new

    outcomes = read_store(place / "transition.h5").outcomes
    assert list(outcomes) == list(study.ids())
    assert all(o.parameters == s.parameters for o, s in zip(
        outcomes.values(), study.simulations(), strict=True))  # fmt: skip
    shown = invoke("show", "transition.h5").splitlines()
    assert re.match(r"kappa +phi +box +done +pressure", shown[0].strip())
    assert len([line for line in shown if "1/1" in line]) == study.n_points
    assert "changes no result" not in invoke("status", "transition.h5")


def test_the_store_s_columns_and_the_table_have_what_is_computed(place):
    xarray = pytest.importorskip("xarray")
    study = load_study("study.yaml")
    record(study, place / "transition.h5")
    with xarray.open_dataset(place / "transition.h5", engine="h5netcdf") as data:
        assert data.box.values.tolist() == [s.parameters["box"] for s in study.simulations()]
        assert {"kappa", "phi", "N", "box"} <= set(data.coords)
    assert invoke("points", "study.yaml", "--csv", "all.csv").endswith("wrote all.csv: 93 points\n")
    text = STUDY.partition("blocks:")[0].replace("derived:", "#") + "points: all.csv\n"
    (place / "study.yaml").write_text(text.replace("  N: 1000\n", "") + "replicas: 2\n")
    again = load_study("study.yaml")  # what was written is read back as the same points
    assert list(again.ids()) == list(study.ids())


def record(study, path, status=lambda number: Status.DONE):
    with open_store(path, study) as store:
        for number, s in enumerate(study.simulations()):
            if (become := status(number)) is not None:
                outcome = Outcome(s.id, s.parameters, s.replica, status=become, result={},
                                  script_hash=study.script_hash)  # fmt: skip
                store.record([Entry(s.id, become, pack(outcome))])
        store.publish()


def write(place, text):
    (place / "study.yaml").write_text(f"name: s\nscript: s.py\nengine: python\n{text}\n")
    return load_study("study.yaml")


def test_points_say_what_is_done_new_and_no_longer_wanted(place):
    become = {0: Status.DONE, 1: Status.FAILED, 2: Status.DONE, 3: Status.DONE}
    record(write(place, "parameters: {x: [1, 2, 3, 4]}\nreplicas: 2"), place / "s.h5", become.get)
    write(place, "parameters: {x: [1, 2, 3, 5]}\nreplicas: 2")
    assert invoke("points", "study.yaml").splitlines()[1:] == [
        "point  x  done",
        "    0  1   1/2",
        "    1  2   0/2",
        "    2  3   1/2",
        "    3  5   0/2",
        "s.h5: 2 done, 1 failed, 5 new, 1 recorded are not in the study, or no longer",
    ]
    assert "of another study (name 's' there and 'transition' here)" in invoke(
        "points", transition(place), "--store", "s.h5", status=2
    )
    assert "no such store" in invoke("points", "study.yaml", "--store", "x.h5", status=2)
    assert "s.h5" not in invoke("points", "study.yaml", "--set", "x=[1, 7]")


def transition(place):
    (place / "transition.yaml").write_text(STUDY)
    return "transition.yaml"


def test_a_study_of_one_point(place):
    write(place, "parameters: {a: 1}")
    assert invoke("points", "study.yaml") == (
        "s: 1 point, 1 replica each: 1 simulation\nin all points: a = 1\npoint\n    0\n"
    )
    write(place, "parameters: {}\nuntil: {x: {relative: 1 %}}")
    assert invoke("points", "study.yaml").startswith(
        "s: 1 point, 64 replicas each at most: 64 simulations at most\n"
    )


KINDS = [
    "a", "1", "1.0", "0x10", "true", "null", "~", "NA", "nan", "-", "", " a", "a ", "'a'", '"a"',
    '"1"', '""', "[1, 2]", "{a: 1}", '{"value": 1}', "a,b;c", "two\nlines", "\r", "é", "#1", "0,5",
    "9" * 500, "\ud800", '"', "{", "1e5", "=1+1",
    1, 2.0, -0.1, 1e-300, 1e22, 2**62, True, False, None, [1, "1", [None]], {"k": [1.0, "é"]},
    {"value": 3}, [], {},
]  # fmt: skip


def as_it_comes_back(values, name="x"):
    """Write values into a table, and read it back."""
    columns = {name: [{"value": value} for value in values]}
    study = Study(name="s", script="s.py", parameters={}, points=columns)
    Path("all.csv").unlink(missing_ok=True)
    write_points(study, Path("all.csv"), Path("s.h5"))
    Path("back.yaml").write_text("name: s\nengine: python\nscript: s.py\npoints: all.csv\n")
    again = load_study("back.yaml")
    assert list(again.ids()) == list(study.ids())
    return [s.parameters[name] for s in again.simulations()]


def test_a_table_has_values_of_all_kinds_as_they_are(place):
    assert [*map(repr, as_it_comes_back(KINDS))] == [*map(repr, KINDS)]
    for name in ("1", "true", "a b", " x", '"y"', "null"):
        assert as_it_comes_back([1, 2], name) == [1, 2]


@given(st.text(st.characters(exclude_characters="\0")))
def test_every_text_is_read_back_from_a_cell(text):
    assert read_cell(write_cell(text)) == text
    assert write_cell(text).isprintable()


def test_a_table_is_not_written_where_it_is_not_wanted(place):
    write(place, "parameters: {a: 1}")
    assert "name a file that ends in .csv" in invoke(
        "points", "study.yaml", "--csv", "s.h5", status=2
    )


CHANGES = [
    ("parameters: {x: [1, 2, 3]}\nwhere: x < 3", "2 recorded already; 1 recorded no longer matches "
     "because `where` was not there and is `x < 3`"),
    ("parameters: {x: [1, 2, 3]}\nexclude: [x == 1, x == 2]",
     "1 recorded already; 2 recorded no longer match because `exclude` was not there and is "
     "`x == 1`, `x == 2`"),
    ("parameters: {x: [1, 2, 3]}\nderived: {y: 2 * x}",
     "3 new; 3 recorded no longer match because `y` is new"),
    ("blocks: [{x: [1, 2]}, {x: [2, 4]}]\nparameters:",
     "1 new, 2 recorded already; 1 recorded no longer matches because `x` no longer takes 3"),
    ("points: [{x: 3}, {x: 1}]\nparameters:",
     "2 recorded already; 1 recorded no longer matches because `x` no longer takes 2"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), CHANGES)
def test_a_dry_run_says_why(place, text, said):
    record(write(place, "parameters: {x: [1, 2, 3]}"), place / "s.h5")
    write(place, text)
    found = invoke("run", "study.yaml", "--dry-run")
    assert found.replace("0 new, ", "") == f"s.h5: {said}\n"


SAMPLE = "parameters:\nsample: {num: 8, method: %s, parameters: {x: {low: 0, high: 1}}}"


@pytest.mark.parametrize(
    ("method", "change", "said"),
    [
        ("sobol", ("num: 8", "num: 16"), "8 new, 8 recorded already"),
        ("sobol", ("num: 8", "num: 4"), "0 new, 4 recorded already; 4 recorded no longer match "
         "because `sample.num` was 8 and is 4"),
        ("lhs", ("num: 8", "num: 16"), "16 new; 8 recorded no longer match because `sample.num` "
         "was 8 and is 16, which moves all points of `lhs`"),
        ("random", ("num: 8", "num: 8, seed: 1"), "8 new; 8 recorded no longer match because "
         "`sample.seed` was 0 and is 1"),
    ],
)  # fmt: skip
def test_a_dry_run_says_what_has_become_of_a_sample(place, method, change, said):
    record(write(place, SAMPLE % method), place / "s.h5")
    write(place, (SAMPLE % method).replace(*change))
    assert invoke("run", "study.yaml", "--dry-run") == f"s.h5: {said}\n"


def test_a_changed_formula_is_said(place):
    record(write(place, "parameters: {x: [1, 2]}\nderived: {y: 2 * x}"), place / "s.h5")
    write(place, "parameters: {x: [1, 2]}\nderived: {y: 3 * x}")
    assert invoke("run", "study.yaml", "--dry-run").endswith("because `y` was 2 * x and is 3 * x\n")


def test_a_file_of_points_that_has_changed_is_a_changed_study(place):
    (place / "runs.csv").write_text("x,y\n1,2\n3,4\n")
    record(write(place, "parameters:\npoints: runs.csv"), place / "s.h5")
    (place / "runs.csv").write_text("x,y\n1,2\n3,5\n5,6\n")
    assert invoke("run", "study.yaml", "--dry-run") == (
        "s.h5: 2 new, 1 recorded already; 1 recorded no longer matches because `y` no longer "
        "takes 4\n"
    )


# ---- what others make of such points -------------------------------------------------------------


def outcomes_of(study, unread=(), result=lambda p: 0.1 * p["x"]):
    return [
        Outcome(s.id, s.parameters, s.replica, s.seed, result={"y": result(s.parameters) + 0.01},
                elapsed_time=2.0, unread=list(unread))
        for s in study.simulations()
    ]  # fmt: skip


def missing(study, outcomes):
    return find_missing(Reader(study, Rows(None, outcomes)))


def test_a_parameter_that_a_read_value_is_computed_of_does_its_work():
    study = Study(name="s", script="s", parameters={"x": [1, 2], "z": 1}, derived={"b": "2 * x"})
    never = {
        unread: [t.partition(" ")[0] for t in missing(study, outcomes_of(study, unread.split()))]
        for unread in ("x", "x z", "x b z")
    }
    assert never == {"x": [], "x z": ["z"], "x b z": ["x", "z", "b"]}


def test_what_changes_nothing_is_found_in_each_block():
    blocks = [{"x": [1, 2], "w": [1, 2]}, {"points": [{"x": 5, "w": 6}, {"x": 7, "w": 8}]}]
    study = Study(name="s", script="s", parameters={}, blocks=blocks)
    said = missing(study, outcomes_of(study, result=lambda p: 0.1 * p["x"]))
    assert said == ["w changes no result: does the script use it?"]
    said = missing(study, outcomes_of(study, result=lambda p: 0.1 * p["x"] * (p["x"] < 5)))
    assert said[1:] == ["x and w change no result: does the script use them?"]
    assert missing(study, outcomes_of(study, result=lambda p: p["x"] * 0.1 + p["w"])) == []


def test_what_is_computed_makes_no_curves_of_its_own():
    study = Study(
        name="s", script="s", derived={"box": "2 * phi", "v": "N * box"},
        parameters={"N": [1, 2], "phi": [0.1, 0.2], "T": [1, 2]},
    )  # fmt: skip
    beside = {name: study.space.beside(name) for name in study.swept}
    assert beside == {
        "N": ["phi", "T"], "phi": ["N", "T"], "T": ["N", "phi"], "box": ["N", "T"],
        "v": ["N", "phi", "T"],
    }  # fmt: skip


def test_targets_are_met_by_points_of_any_shape():
    study = Study(
        name="s", script="s", parameters={}, where="x < 6", derived={"b": "2 * x"},
        blocks=[{"x": [1, 2]}, {"points": [{"x": 2}, {"x": 5}, {"x": 7}]}],
        until={"y": {"absolute": 0.1}},
    )  # fmt: skip
    standing = Standing(study.targets, study.n_points)
    orders = TargetPlan(study, standing).take(99)
    assert [order.parameters for order in orders[:3]] == [
        {"x": 1, "b": 2}, {"x": 2, "b": 4}, {"x": 5, "b": 10},
    ]  # fmt: skip
    assert {order.id for order in orders} == {
        s.id for s in study.simulations() if s.replica < study.targets.minimum
    }
    assert parameters_of(study, 2) == {"x": 5, "b": 10}
