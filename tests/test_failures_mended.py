"""From a run in which something fails to one in which all is done, by what a user would type."""

import json

import pytest
from click.testing import CliRunner

from dask_espresso.cli import main
from dask_espresso.outcome import Status
from dask_espresso.store.reading import read_store

STUDY = """
    name: s
    engine: python
    script: script.py
    parameters: {phi: [0.1, 0.2, 0.3, 0.4], kind: [a, b]}
    replicas: 2
    retries: 0
"""
SCRIPT = """
    import dask_espresso, os, sys
    params = dask_espresso.get_data_from_stdin()
    print("phi is", params["phi"], "and the seed", params["seed"])
    if params["phi"] > {limit}:
        raise ValueError(f"a box of {{params['seed'] / 7}} is too small")
    if params["kind"] == "b" and params["phi"] < {kill}:
        os.abort()
    if params["phi"] == 0.2 and params["replica"] == {replica}:
        sys.exit("no potential")
    dask_espresso.send_result({{"y": params["phi"], "seed": params["seed"]}})
"""


@pytest.fixture
def here(tmp_path, monkeypatch, script, study_file):
    script(SCRIPT.format(limit=0.25, kill=0.15, replica=1))
    study_file(STUDY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def say(workers):
    def say(command, *arguments, status=0):
        profile = ["--profile", str(workers.path)] if command == "run" else []
        ended = CliRunner().invoke(main, [command, *arguments, *profile])
        assert ended.exit_code == status, ended.output
        return ended.output

    return say


def test_what_failed_is_found_seen_mended_and_run_again(here, say, script):
    assert "dask-espresso failures s.h5" in say("run", "study.yaml", status=1)
    assert "dask-espresso failures s.h5" in say("status", "s.h5")
    report = json.loads(say("failures", "s.h5", "--json"))
    groups = {group["cause"]: group for group in report["groups"]}
    box = groups["exit code 1: ValueError: a box of … is too small"]
    killed = groups["ended by SIGABRT"]
    potential = groups["exit code 1: no potential"]
    assert len(groups) == 3
    assert box["region"] == {"condition": "phi >= 0.3", "recorded": 8}
    assert killed["region"] == {"condition": "phi == 0.1 and kind == 'b'", "recorded": 2}
    assert potential["region"] == {"condition": "phi == 0.2 and replica == 1", "recorded": 2}
    one = potential["simulations"][0]["id"]
    log = say("log", "s.h5", one[:9])
    assert "exit code 1: no potential" in log
    assert "phi is 0.2 and the seed" in log

    attempt = say("try", "study.yaml", "--id", one[:9], status=1)
    seed = read_store("s.h5").outcomes[one].seed
    assert f"  seed = {seed}\n" in attempt
    assert attempt.endswith("exit code 1: no potential\n")

    before = read_store("s.h5").outcomes
    script(SCRIPT.format(limit=0.35, kill=0.15, replica=9))
    again = ["--changed-script", "keep"]
    output = say("run", "study.yaml", "--only", one, *again)
    assert "s.h5: 1 done of 1 asked for; this run recorded 1" in output
    assert "not asked for: 15, 4 of them done" in output
    output = say("run", "study.yaml", "--only", one, *again)
    assert "this run recorded 0" in output
    assert "1 of them were done already, and stay" in output
    output = say("run", "study.yaml", "--where", "phi > 0.25", "--dry-run", *again)
    assert "s.h5: 0 new, 8 again, 8 not asked for" in output
    output = say("run", "study.yaml", "--where", "phi > 0.25", *again, status=1)
    assert "s.h5: 4 done, 4 failed of 8 asked for; this run recorded 8" in output
    assert "again: the same command" in output

    script(SCRIPT.format(limit=9, kill=-9, replica=9))
    assert "again, " in say("run", "study.yaml", "--status", "failed", "--dry-run", *again)
    output = say("run", "study.yaml", "--status", "failed", *again)
    assert "s.h5: 7 done of 7 asked for; this run recorded 7" in output
    outcomes = read_store("s.h5").outcomes
    assert len(outcomes) == 16
    for name, outcome in outcomes.items():
        assert outcome.is_done
        assert outcome.result == {"y": outcome.parameters["phi"], "seed": outcome.seed}
        assert outcome.seed == before[name].seed
        # what was done is not run again
        assert (outcome.started == before[name].started) == before[name].is_done
    assert "nothing that was asked for" in say("failures", "s.h5")
    assert "nothing that was asked for" in say("run", "study.yaml", "--status", "failed", *again)


def test_of_a_new_study_a_part_is_run(here, say):
    output = say("run", "study.yaml", "--where", "phi == 0.2", "--where", "replica == 0")
    assert "s.h5: 2 done of 2 asked for; this run recorded 2" in output
    assert "not asked for: 14, 0 of them done" in output
    statuses = [outcome.status for outcome in read_store("s.h5").outcomes.values()]
    assert statuses == [Status.DONE, Status.DONE]
    assert "s.h5: 14 new, 2 recorded" in say("run", "study.yaml", "--where", "phi < 9", "--dry-run")


def test_what_cannot_be_meant_is_refused(here, say):
    assert "unknown parameter 'ph'" in say("run", "study.yaml", "--where", "ph > 1", status=2)
    assert "has the id 99999" in say("run", "study.yaml", "--only", "99999", status=2)
    both = ["--status", "failed", "--changed-script", "rerun"]
    assert "write --changed-script keep" in say("run", "study.yaml", *both, status=2)
    assert not (here / "s.h5").exists()
