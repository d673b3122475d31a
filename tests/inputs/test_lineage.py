"""Parameters that are new, or have a new name: nothing runs again, and nothing is lost sight of."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray
import yaml
from click.testing import CliRunner

import dask_espresso
from dask_espresso.cli import main
from dask_espresso.driver import run_study
from dask_espresso.errors import InputError
from dask_espresso.inputs.script_file import ScriptFile
from dask_espresso.inputs.stored_study import stored_study
from dask_espresso.inputs.study import Origin, Study, load_study
from dask_espresso.outcome import Outcome
from dask_espresso.record import pack
from dask_espresso.store.store import Entry, open_store
from dask_espresso.views.standing import store_warnings

OLD = {"kappa": [1, 2, 3], "phi": 0.5}
SAMPLE = {"method": "sobol", "num": 5, "seed": 3, "parameters": {"kappa": {"low": 0, "high": 1}}}


def make(**fields):
    return Study(**{"name": "s", "engine": "python", "script": "s.py", "parameters": {}, **fields})


def recorded_as(study):
    """Say what every way to ask for simulations says of their ids and seeds."""
    found = list(study.simulations())
    assert [s.id for s in found] == list(study.ids())
    assert found == [study.simulation(place) for place in range(len(found))]
    assert found == list(stored_study(json.loads(json.dumps(study.snapshot()))).simulations())
    return [(s.id, s.seed) for s in found]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"parameters": OLD}, {"parameters": {**OLD, "gamma": 1}, "defaults": {"gamma": 1.0}}),
        ({"parameters": OLD},
         {"parameters": {"k": [1, 2, 3], "phi": 0.5}, "rename": {"kappa": "k"}}),
        ({"parameters": OLD},
         {"parameters": {"k": [1, 2, 3], "phi": 0.5, "w": {"value": [1, 2]}},
          "defaults": {"w": {"value": [1, 2]}, "k": 9}, "rename": {"kappa": "k"}}),
        ({"parameters": {"phi": 0.5}, "derived": {"L": "2 * phi"}},
         {"parameters": {"p": 0.5}, "derived": {"box": "2 * p"},
          "rename": {"phi": "p", "L": "box"}}),
        ({"parameters": {"a": 1}, "sample": SAMPLE},
         {"parameters": {"a": 1}, "rename": {"kappa": "z"},
          "sample": {**SAMPLE, "parameters": {"z": {"low": 0, "high": 1}}}}),
        ({"blocks": [{"x": [1, 2]}, {"points": [{"x": 5}]}], "where": "x > 1"},
         {"blocks": [{"y": [1, 2]}, {"points": [{"y": 5}]}], "where": "y > 1 and g == 0",
          "rename": {"x": "y"}, "parameters": {"g": 0}, "defaults": {"g": 0}}),
    ],
)  # fmt: skip
def test_ids_and_seeds_are_those_of_before(before, now):
    assert recorded_as(make(replicas=2, **before)) == recorded_as(make(replicas=2, **now))


def test_other_values_are_other_simulations():
    old = recorded_as(make(parameters=OLD))
    new = recorded_as(make(parameters={"gamma": [1.0, 2.0], **OLD}, defaults={"gamma": 1}))
    assert new[:3] == old
    assert len({*new}) == 6
    # without `defaults` they are those of a parameter like any other
    assert new[3:] == recorded_as(make(parameters={"gamma": [1.0, 2.0], **OLD}))[3:]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("defaults: {gama: 1.0}", ":6: defaults.gama: unknown parameter 'gama'; did you mean"),
        ("defaults: {gamma: [1, 2]}", ":6: defaults.gamma: is a list but must be the one value"),
        ("defaults: [1]", ":6: defaults: is a list but must be a mapping; write NAME: VALUE"),
        ("defaults: {seed: 1}", ":6: defaults.seed: is what every script gets"),
        ("rename: {a: k, b: k}", ":6: rename.b: is `k`, as `a` is; two cannot become one"),
        ("rename: {a: b, b: k}", ":6: rename.a: is `b`, which is renamed, too; write `a: k`"),
        ("rename: {k: gamma}", ":6: rename.k: is the name of a parameter of this study"),
        ("rename: {k: kappa}", "write `kappa: k`, or remove this"),
        ("rename: {k: k}", ":6: rename.k: is the name of a parameter of this study"),
        ("rename: {kappa: kk}", ":6: rename.kappa: unknown parameter 'kk'; did you mean 'k'?"),
        ("rename: {kappa: 3}", ":6: rename.kappa: is the number 3 but must be the new name"),
        ("rename: kappa", ":6: rename: is the text 'kappa' but must be a mapping"),
        ("rename: {kappa: k}\ndefaults: {kappa: 1}", ":7: defaults.kappa: is called `k` now"),
    ],
)
def test_what_cannot_be(tmp_path, text, said):
    path = tmp_path / "study.yaml"
    path.write_text(
        f"name: s\nengine: python\nscript: s.py\nparameters:\n  {{k: 1, gamma: 2}}\n{text}\n"
    )
    (tmp_path / "s.py").write_text("")
    with pytest.raises(InputError) as error:
        load_study(path)
    assert said in str(error.value)
    assert str(error.value).startswith(f"{path}:")


# ---- one study, as it grows ----------------------------------------------------------------------

SCRIPT = """
import dask_espresso
p = dask_espresso.get_data_from_stdin()
y = p.get("kappa", p.get("k"))
print(dask_espresso.encode_transport_data({"y": y + 100 * p["replica"], "g": p.get("gamma")}))
"""
NEW = {
    "parameters": {"k": [1, 2, 3], "gamma": [1.0, 2.0], "phi": 0.5},
    "rename": {"kappa": "k"}, "defaults": {"gamma": 1.0},
}  # fmt: skip


def write(**fields):
    text = {"name": "s", "engine": "python", "script": "s.py", "replicas": 2, **fields}
    Path("study.yaml").write_text(yaml.safe_dump(text, sort_keys=False))


def invoke(*arguments, status=0):
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == status, result.output
    return " ".join(result.output.split())


@pytest.fixture
def grown(tmp_path, monkeypatch, script, workers):
    """Run a study, then with a parameter more and another one under a new name."""
    script(SCRIPT, name="s.py")
    monkeypatch.chdir(tmp_path)
    write(parameters=OLD)
    run_study("study.yaml", workers)
    shutil.copy("s.h5", "old.h5")
    write(parameters=NEW["parameters"])
    said = invoke("run", "study.yaml", "--dry-run")
    assert (
        "12 new; 6 recorded no longer match because `k` is new and `gamma` is new and `kappa` is "
        "gone if `k` is `kappa` under a new name, `rename: {kappa: k}` in the study has what is "
        "recorded count if what is recorded had one value of `gamma`, `defaults: {gamma: VALUE}`"
    ) in said
    write(**NEW, exclude="k == 3 and gamma == 2")
    assert "4 new, 6 recorded already" in invoke("run", "study.yaml", "--dry-run")
    assert run_study("study.yaml", workers).started == 4
    return tmp_path


def test_a_new_parameter_that_is_never_read_is_named(tmp_path):
    def add(study, unread):
        study._origin = Origin(tmp_path / "s.yaml", "", ScriptFile(tmp_path / "s.py", "0" * 64))
        with open_store(tmp_path / "s.h5", study) as store:
            for s in study.simulations():
                if s.id not in store.statuses:
                    outcome = Outcome(s.id, s.parameters, result={"y": 1.0}, unread=unread)
                    store.record([Entry(s.id, outcome.status, pack(outcome))])
            store.publish()
        return " ".join(store_warnings(tmp_path / "s.h5"))

    assert "kappa is never read by the script" in add(make(parameters=OLD), ["kappa"])
    said = add(make(**NEW), ["k", "gamma"])
    assert "k is never read by the script" in said
    assert "gamma is never read by the script" in said
    more = make(**{**NEW, "parameters": {**NEW["parameters"], "gamma": [1.0, 2.0, 3.0]}})
    assert "never read" not in add(more, [])


@pytest.mark.slow
def test_all_views_have_the_old_ones_under_the_new_names(grown, workers):
    assert invoke("show", "s.h5").startswith("k gamma done y g 1 1 2/2 51(50) - 1 2 2/2 51(50) 2")
    data = dask_espresso.dataset("s.h5")
    assert data.y.sel(k=3, gamma=1.0).values.tolist() == [3, 103]
    assert {row.parameters["k"] for row in dask_espresso.pooled("s.h5", "y")} == {1, 2, 3}
    assert "0 new" in invoke("points", "study.yaml", "--store", "s.h5")
    invoke("export", "s.h5", "s.csv")
    with open("s.csv") as file:  # noqa: PTH123
        rows = list(csv.DictReader(file))
    assert "kappa" not in rows[0]
    assert sorted(row["gamma"] for row in rows) == 6 * ["1.0"] + 4 * ["2.0"]
    with xarray.open_dataset("s.h5") as plain:  # other programs miss nothing of a point, either
        assert not np.isnan(plain.gamma).any()
        assert sorted(plain.k.values.tolist()) == [1, 1, 1, 1, 2, 2, 2, 2, 3, 3]
    assert "0 new, 10 recorded" in invoke("run", "study.yaml", "--dry-run")

    # what is not in the study now has the new names as well, and comes back under these
    write(**{**NEW, "parameters": {**NEW["parameters"], "k": [3]}}, exclude="k == 3 and gamma == 2")
    said = invoke("run", "study.yaml")
    assert "`k` no longer takes 1, 2" in said
    assert "2 done of 2; this run recorded 0" in said
    assert "not in the study now: k gamma done y g 1 1 2/2" in invoke("show", "s.h5", "--all")
    assert "6 of 10 outcomes would" in invoke(
        "forget", "s.h5", "--where", "gamma == 1 and k > 0", "--dry-run"
    )
    # back to the study of before: its names, and nothing runs
    write(parameters=OLD)
    assert "6 done of 6; this run recorded 0" in invoke("run", "study.yaml")
    said = invoke("show", "s.h5", "--all")
    assert said.startswith("kappa done y 1 2/2 51(50)")
    assert "not in the study now, without kappa: k gamma done y g 1 2 2/2" in said
    assert [o.parameters for o in dask_espresso.read_store("s.h5").outcomes.values()][:2] == [
        {"kappa": 1, "phi": 0.5}, {"kappa": 2, "phi": 0.5}]  # fmt: skip


def test_the_file_has_the_new_names_from_the_first_outcome_on(tmp_path):
    def add(study, simulations):
        for s in simulations:
            outcome = Outcome(s.id, s.parameters, s.replica, result={"y": 1.0})
            store.record([Entry(s.id, outcome.status, pack(outcome))])

    old, new = make(parameters=OLD), make(**NEW)
    for study in (old, new):
        study._origin = Origin(tmp_path / "s.yaml", "", ScriptFile(tmp_path / "s.py", "0" * 64))
    with open_store(tmp_path / "s.h5", old) as store:
        add(old, list(old.simulations())[:2])
        store.publish()
    with open_store(tmp_path / "s.h5", new) as store:
        add(new, list(new.simulations())[-1:])
        with xarray.open_dataset(tmp_path / "s.h5") as plain:
            assert sorted(plain.k.values.tolist()) == [1, 2, 3]
            assert plain.gamma.values.tolist() == [1, 1, 2]
            assert "kappa" not in plain


@pytest.mark.slow
def test_stores_from_before_and_after_are_merged(grown):
    for stores in (("old.h5", "s.h5"), ("s.h5", "old.h5")):
        said = invoke("merge", *stores, "-o", f"{stores[0]}.merged.h5")
        assert "10 simulations, 6 of them in several" in said
        said = invoke("run", "study.yaml", "--store", f"{stores[0]}.merged.h5")
        assert "10 done of 10; this run recorded 0" in said
        with xarray.open_dataset(f"{stores[0]}.merged.h5") as plain:
            assert not np.isnan(plain.gamma).any()
            assert "kappa" not in plain
    assert "6 done" in invoke("points", "study.yaml", "--store", "old.h5")
