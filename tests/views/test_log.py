"""All that is known of one simulation, found by its id or the beginning of it."""

import dataclasses

import pytest
from click.testing import CliRunner

from dask_espresso.cli import main
from dask_espresso.inputs.study import load_study
from dask_espresso.outcome import Outcome, Status
from dask_espresso.record import pack
from dask_espresso.store.store import Entry, open_store


@pytest.fixture
def written(tmp_path, script, study_file, monkeypatch):
    """Record half of a study; the second half of that is in the journal alone."""
    monkeypatch.chdir(tmp_path)
    script("")
    path = study_file(
        f"{{name: s, engine: python, script: script.py, parameters: {{x: {[*range(1, 41)]}}}}}"
    )
    study = load_study(path)
    outcomes = [
        Outcome(
            s.id, s.parameters, s.replica, s.seed, result={"y": 1.0},
            log=f"step {s.parameters['x']}\n",
            host="n1", job_id="77", started=1e9, elapsed_time=90.0, cpu_time=80.0, exit_code=0,
            peak_memory=2**21, engine="python", engine_version="3", script_hash="ab" * 32,
        )
        for s in list(study.simulations())[:20]
    ]  # fmt: skip
    for number in (3, 13):
        outcomes[number] = dataclasses.replace(
            outcomes[number], status=Status.FAILED, result=None, exit_code=-6, peak_memory=None,
            error="ended by SIGABRT\nno box\nbye", log="hello\nno box\nbye\n\x1b[31mred",
        )  # fmt: skip
    with open_store(tmp_path / "s.h5", study) as store:
        entries = [Entry(o.id, o.status, pack(o)) for o in outcomes]
        store.record(entries[:10])
        store.publish()
        store.record(entries[10:])
        yield study, outcomes


def show(*arguments, status=0):
    ended = CliRunner().invoke(main, ["log", *arguments])
    assert ended.exit_code == status, ended.output
    return ended.output


@pytest.mark.parametrize("number", [3, 13])
def test_of_a_failure(written, number):
    _study, outcomes = written
    outcome = outcomes[number]
    said = show("s.h5", outcome.id[:6].upper())
    assert f"{outcome.id}, replica 0, seed {outcome.seed}" in said
    assert "failed, 1 attempt, SIGABRT" in said
    assert "ended by SIGABRT: bye" in said
    assert "n1, job 77" in said
    assert "for 1 min 30 s, CPU 80.00 s" in said
    assert f"\n  x = {outcome.parameters['x']}\n" in said
    assert said.endswith("---- log ----\nhello\nno box\nbye\n\\x1b[31mred\n")


@pytest.mark.parametrize("number", [2, 12])
def test_of_one_that_is_done(written, number):
    said = show("s.h5", written[1][number].id)
    assert "done, 1 attempt, exit code 0" in said
    assert "2 MiB" in said
    assert said.endswith(f"step {number + 1}\n")


def test_of_what_is_not_there(written):
    study, outcomes = written
    wrong = outcomes[5].id[:-1] + ("0" if outcomes[5].id[-1] != "0" else "1")
    assert f"the nearest is {outcomes[5].id}" in show("s.h5", wrong, status=2)
    assert "lists what is not done" in show("s.h5", wrong, status=2)
    assert "write more of it" in show("s.h5", outcomes[5].id[:1], status=2)
    later = list(study.simulations())[30].id
    assert "one of the study, and not recorded yet" in show("s.h5", later, status=2)


def test_of_one_that_is_not_in_the_study_now(written, study_file, tmp_path):
    _study, outcomes = written
    study_file(
        "{name: s, engine: python, script: script.py, parameters: {x: [1, 2]}}", "fewer.yaml"
    )
    (tmp_path / "s.h5").rename(tmp_path / "t.h5")
    with open_store(tmp_path / "t.h5", load_study("fewer.yaml")) as store:
        store.publish()
    assert "not part of the study" in show("t.h5", outcomes[5].id)
    assert "not part of the study" not in show("t.h5", outcomes[1].id)
