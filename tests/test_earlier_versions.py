"""Stores, journals, studies and profiles that earlier versions wrote, or read, are as good as ever.

Each directory of `earlier/` was made by running the version of its time: four simulations of
`study.yaml`, of which one failed, are in `old.h5`. Then the study got a second replica, and a
driver that was killed left three more in `old.journal`: the first is done, the second has failed,
the record of the third ends too soon. Which is what:

- ``first``: format 1, before the HDF5 file had a checksum
- ``sealed``: format 1 with one, and a column for names that are too long for one of their own
- ``unindexed``: format 2, with versions of the code, before there was an index
"""

import json
import logging
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from dask_espresso.cli import main
from dask_espresso.inputs.profile import load_profile
from dask_espresso.inputs.study import load_study
from dask_espresso.outcome import Status
from dask_espresso.store.store import read_store

EARLIER = Path(__file__).parent / "earlier"
VERSIONS = ("first", "sealed", "unindexed")
LONG = "long_name_" * 21


@pytest.fixture(params=VERSIONS)
def old(tmp_path, monkeypatch, request):
    """Go to a copy of what a version left."""
    for path in (EARLIER / request.param).iterdir():
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "old.h5"


def invoke(*arguments, status=0):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == status, (result.output, result.exception)
    return result.output


def result_of(outcome):
    """Give what the script gives."""
    x, temperature = outcome.parameters["x"], outcome.parameters["temperature"]
    return {
        "energy": x + temperature / 3, "energy_sem": 0.25, "count": int(x), "label": f"é{int(x)}",
        "good": x > 2, "nothing": None, "profile": [[x, 1.5], [2.5, x]],
        "parts": {"bonded": 2.0 * x, "list": [1, None, "a"]}, "a.b": 0.5 + outcome.replica,
        LONG: 7.5,
    }  # fmt: skip


def check(path, counts):
    """Expect the right outcomes, one after the other as in the study, and these numbers of them."""
    study, outcomes = load_study("study.yaml"), read_store(path).outcomes
    simulations = [one for one in study.simulations() if one.id in outcomes]
    for one in simulations:
        outcome = outcomes[one.id]
        assert (outcome.parameters, outcome.replica) == (one.parameters, one.replica)
        if outcome.is_done:
            result = {name: v for name, v in outcome.result.items() if name != "rdf"}
            assert result == result_of(outcome)
        else:
            assert outcome.status is Status.FAILED
            assert "bond broken" in outcome.error
    report = json.loads(invoke("status", path, "--json"))
    assert [report[name] for name in ("done", "failed", "pending")] == counts
    return simulations


def test_what_was_written_is_shown(old):
    check(old, [4, 2, 2])
    assert "RuntimeError: bond broken" in invoke("status", old)
    header, *lines = (line.split() for line in invoke("show", old).splitlines()[:5])
    assert header == ["x", "temperature", "done", "energy", "count", "parts.bonded", "a.b", LONG]
    assert lines == [
        ["1", "0.1", "2/2", "1.03(17)", "1", "2", "1.00(50)", "7.5"],
        ["1", "0.2", "1/2", "1.07(25)", "1", "2", "0.5", "7.5"],
        ["2.5", "0.1", "1/2", "2.53(25)", "2", "5", "0.5", "7.5"],
        ["2.5", "0.2", "0/2", "-", "-", "-", "-", "-"],
    ]
    invoke("plot", old, "-o", "old.svg")


def test_what_was_written_is_exported(old):
    invoke("export", old, "old.json")
    rows = json.loads(Path("old.json").read_text())
    assert [row["status"] for row in rows] == ["done"] * 3 + ["failed", "done", "failed"]
    assert [row.get("label") for row in rows] == ["é1", "é1", "é2", None, "é1", None]
    assert [row.get("parts.list") for row in rows][:4] == [[1, None, "a"]] * 3 + [None]
    assert [row["exit_code"] for row in rows] == [0, 0, 0, 1, 0, 1]
    assert LONG in json.dumps(rows[0])


def test_what_was_begun_goes_on(old, workers):
    before = read_store(old).outcomes
    said = invoke("run", "study.yaml", "--profile", workers.path, status=1)
    assert "5 done, 3 failed of 8; this run recorded 2" in said
    assert len(check(old, [5, 3, 0])) == 8
    after = read_store(old).outcomes
    assert {name: after[name].sequence for name in before} == {
        name: outcome.sequence for name, outcome in before.items()
    }
    assert not old.with_suffix(".journal").exists()


def test_what_was_configured_is_as_it_was(old, caplog):
    with caplog.at_level(logging.WARNING):
        study, profile = load_study("study.yaml"), load_profile("profile.yaml")
    assert (study.count, study.retries) == (8, 0)
    assert profile.cluster == "local"
    for name in ("slurm", "htcondor"):
        if (path := Path(f"{name}.yaml")).exists():
            profile = load_profile(path)
            assert (profile.cluster, profile.jobs) == (name, 4)
            assert profile.engine("espresso").preload == ("numpy", "espressomd")
    if (path := Path("lj_pressure.yaml")).exists():
        assert load_study(path).count == 168
    assert not caplog.records
