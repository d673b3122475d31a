"""Studies that run until their results are known well enough, as a user has them."""

import json
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from dask_espresso.cli import main
from dask_espresso.driver import run_study
from dask_espresso.inputs.study import load_study
from dask_espresso.outcome import Status
from dask_espresso.store.store import read_store
from dask_espresso.views.status import status_report

NOISE = """
    import os, random, time
    import dask_espresso
    p = dask_espresso.get_data_from_stdin()
    here = os.path.dirname(__file__)
    with open(os.path.join(here, "started"), "a") as file:
        file.write("x")
    if os.path.exists(os.path.join(here, "slow")):
        time.sleep(0.05)
    y = 1 + p["s"] * random.Random(p["seed"]).gauss(0, 1)
    if p["replica"] in p["broken"]:
        raise ValueError("broken")
    print(dask_espresso.encode_transport_data({"y": y, "y_sem": p["s"], "y_dof": 20.0}))
"""
STUDY = """
    name: n
    engine: python
    script: script.py
    parameters:
      s: [0.01, 0.02, 0.03, 0.05]
      broken: {value: []}
    until: {y: {relative: 1 %}, replicas: {maximum: 16}}
    retries: 0
"""


@pytest.fixture
def here(tmp_path, monkeypatch, script, study_file):
    script(NOISE)
    study_file(STUDY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def change(here, before, after):
    path = here / "study.yaml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def replicas(store="n.h5"):
    """Give the replicas that are recorded of each point."""
    found = {}
    for outcome in read_store(store).outcomes.values():
        found.setdefault(outcome.parameters["s"], []).append(outcome.replica)
    return {s: sorted(numbers) for s, numbers in sorted(found.items())}


def invoke(*arguments):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result.output


def test_points_get_what_they_need_and_a_higher_maximum_adds_to_it(here, workers):
    path = str(workers.path)
    assert "16 new, and more until targets are met, at most 64" in invoke(
        "run", "study.yaml", "--dry-run"
    )
    summary = run_study("study.yaml", workers)
    before = replicas()
    counts = [len(numbers) for numbers in before.values()]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (4, 16)
    assert all(numbers == list(range(len(numbers))) for numbers in before.values())
    assert (summary.exit_status, summary.total) == (0, sum(counts))
    (warning,) = (said for said in summary.warnings if said.startswith("until"))
    assert "s=0.05" in warning
    assert "16 replicas" in warning

    report = status_report(here / "n.h5")
    assert (report["total"], report["pending"]) == (sum(counts), 0)
    assert (report["until"]["met"], report["until"]["end without"]) == (3, 1)
    assert report["until"]["farthest"]["parameters"] == {"s": 0.05}
    assert json.loads(invoke("status", "--json", here / "n.h5")) == report
    assert "3 of 4 points have met their targets" in invoke("status", "n.h5")
    shown = invoke("show", "n.h5")
    assert "error/target" in shown
    assert "4/4" in shown
    assert "16/16" in shown
    assert invoke("export", "n.h5", "n.csv")
    assert len((here / "n.csv").read_text().splitlines()) == 1 + sum(counts)
    assert "n.h5: 0 new" in invoke("run", "study.yaml", "--dry-run")
    assert run_study("study.yaml", workers).started == 0

    change(here, "maximum: 16", "maximum: 64")
    assert "and more until" in invoke("run", "study.yaml", "--dry-run")
    invoke("run", "study.yaml", "--profile", path)
    after = replicas()
    assert {s: numbers for s, numbers in after.items() if s < 0.05} == {
        s: numbers for s, numbers in before.items() if s < 0.05
    }
    assert 16 < len(after[0.05]) < 40
    study = load_study("study.yaml")
    known = {s.id: s.seed for s in study.simulations()}
    assert all(known[o.id] == o.seed for o in read_store("n.h5").outcomes.values())
    assert status_report(here / "n.h5")["until"]["met"] == 4


def test_replicas_of_before_count_for_targets(here, workers):
    change(here, "until: {y: {relative: 1 %}, replicas: {maximum: 16}}", "replicas: 12")
    run_study("study.yaml", workers)
    change(here, "replicas: 12", "until: {y: {relative: 1 %}, replicas: {maximum: 16}}")
    summary = run_study("study.yaml", workers)
    counts = [len(numbers) for numbers in replicas().values()]
    assert counts[0] == 12
    assert summary.started == sum(counts) - 48
    assert summary.total == sum(counts)


def test_failures_are_used_up_and_can_be_taken_up_again(here, workers, script):
    change(here, "broken: {value: []}", "broken: {value: [1, 2]}")
    summary = run_study("study.yaml", workers)
    assert summary.exit_status == 1
    assert summary.recorded[Status.FAILED] == 8
    assert sum(summary.recorded.values()) == summary.total
    assert "2/4" in invoke("show", "n.h5")
    script(NOISE.replace('p["replica"] in p["broken"]', "False"))
    options = {"retry_failed": True, "changed_script": "keep"}
    again = run_study("study.yaml", workers, **options)
    assert again.exit_status == 0
    assert again.recorded == {Status.DONE: again.total}


def test_a_result_of_another_name(here, workers):
    change(here, "{y:", "{Y:")
    summary = run_study("study.yaml", workers)
    assert (summary.exit_status, summary.total) == (0, 16)
    assert any("did you mean 'y'" in said for said in summary.warnings)


def command(*arguments):
    return [sys.executable, "-m", "dask_espresso", "run", "study.yaml", *arguments]


@pytest.mark.parametrize("moments", [[20], pytest.param([3, 19, 27], marks=pytest.mark.slow)])
def test_killed_again_and_again_it_runs_the_same_simulations(here, workers, moments):
    run_study("study.yaml", workers, "straight.h5")
    (here / "started").unlink()
    (here / "slow").touch()
    for count in moments:
        with subprocess.Popen(
            command("--profile", str(workers.path)),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            path = here / "started"
            while process.poll() is None and not (path.exists() and path.stat().st_size >= count):
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
    straight = replicas("straight.h5")
    assert sum(map(len, replicas().values())) < sum(map(len, straight.values()))
    summary = run_study("study.yaml", workers)
    assert (summary.exit_status, replicas()) == (0, straight)
    assert summary.started > 0
    results = {o.id: o.result for o in read_store("straight.h5").outcomes.values()}
    assert {o.id: o.result for o in read_store("n.h5").outcomes.values()} == results
