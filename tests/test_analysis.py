"""Analyses: results that are added to simulations that are done."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import dask_espresso
from dask_espresso import read_store
from dask_espresso.analyses import analyses_of
from dask_espresso.analysis import analyze_store
from dask_espresso.cli import main
from dask_espresso.driver import run_study
from dask_espresso.errors import InputError
from dask_espresso.inputs.profile import load_profile
from dask_espresso.inputs.study import load_study
from dask_espresso.kept import KeptFile, as_text
from dask_espresso.outcome import Outcome, Status
from dask_espresso.record import pack
from dask_espresso.store.claim import Claim
from dask_espresso.store.store import Entry, claim_path, open_store

STUDY = """
name: s
engine: python
script: sim.py
parameters: {x: [1, 2, 3, 4]}
replicas: 2
"""
SIM = """
import dask_espresso
p = dask_espresso.get_data_from_stdin()
dask_espresso.send_result({"y": 0})
"""
MEAN = """
import dask_espresso
data = dask_espresso.get_data_from_stdin()
mean = sum(data["results"]["series"]) / len(data["results"]["series"])
print(dask_espresso.encode_transport_data({"mean": mean + data["parameters"]["x"]}))
"""
BEGIN = "import dask_espresso\ndata = dask_espresso.get_data_from_stdin()\n"


@pytest.fixture
def place(tmp_path, monkeypatch, script, study_file):
    script(SIM, "sim.py")
    study_file(STUDY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def record(path="s.h5", publish=True, keep=None, **fields):
    """Record all simulations: x of them as y and in a series, that of x = 4 as failed."""
    study = load_study("study.yaml")
    with open_store(Path(path), study, changed_script="keep") as store:
        for s in study.simulations():
            x, is_failed = s.parameters["x"], s.parameters["x"] == 4
            outcome = Outcome(
                s.id, s.parameters, s.replica, s.seed, script_hash=study.script_hash,
                engine="python", status=Status.FAILED if is_failed else Status.DONE,
                result=None if is_failed else {"y": x, "series": np.arange(3) + s.replica},
                kept_files=keep(s.id, x) if keep else "",
            )  # fmt: skip
            for name, value in fields.items():
                setattr(outcome, name, value)
            store.record([Entry(s.id, outcome.status, pack(outcome))])
        if publish:
            store.publish()


def invoke(*arguments, status=0):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == status, result.output
    return " ".join(result.output.split())


def added(name="mean", path="s.h5"):
    """Give a result of all simulations that have it."""
    return {
        (o.parameters["x"], o.replica): o.result[name]
        for o in read_store(path).outcomes.values()
        if name in (o.result or {})
    }


ALL = {(x, replica): 1.0 + replica + x for replica in (0, 1) for x in (1, 2, 3)}


def test_results_are_added_once(place, workers, script):
    script(MEAN, "mean.py")
    record()
    before = read_store("s.h5").outcomes
    analysed = analyze_store("s.h5", "mean.py", workers)
    assert (analysed.wanted, analysed.before, analysed.done, analysed.failed) == (6, 0, 6, {})
    assert added() == ALL
    for name, outcome in read_store("s.h5").outcomes.items():
        there, was = vars(outcome).copy(), vars(before[name]).copy()
        for key in ("sequence", "analyses", "result"):
            was.pop(key), there.pop(key)
        assert there == was  # times, host, error and the like are the simulation's
        if before[name].result:
            assert outcome.result["series"].tolist() == before[name].result["series"].tolist()
    assert sorted(p.name for p in place.glob("s.*")) == ["s.h5"]
    said = invoke("show", "s.h5")
    assert "x done y mean 1 2/2 1 2.50(50)" in said
    assert [point.mean for point in dask_espresso.pooled("s.h5", "mean")][:3] == [2.5, 3.5, 4.5]
    assert invoke("analyze", "s.h5", "mean.py").startswith(
        "s.h5: 0 of 6 simulations analysed by mean.py, 6 were already"
    )


def test_simulations_that_come_later_are_analysed_alone(place, workers, script):
    script(MEAN, "mean.py")
    record(publish=False)
    assert analyze_store("s.h5", "mean.py", workers, where=["x < 2"]).done == 2
    targets = "until: {mean: {absolute: 0.1}, replicas: {minimum: 2, maximum: 9}}"
    Path("study.yaml").write_text(STUDY.replace("replicas: 2", targets))
    with pytest.raises(InputError, match=r"until: 'mean' comes of mean\.py, by `analyze`: new"):
        run_study("study.yaml", workers, "s.h5", changed_script="keep")
    Path("study.yaml").write_text(STUDY.replace("[1, 2, 3, 4]", "[1, 2, 3, 4, 5]"))
    summary = run_study("study.yaml", workers, "s.h5", changed_script="keep")
    assert summary.started == 2  # what is recorded stays so, with what was added
    assert added() == {key: mean for key, mean in ALL.items() if key[0] < 2}
    analysed = analyze_store("s.h5", "mean.py", workers)
    assert (analysed.wanted, analysed.before, analysed.done) == (8, 2, 4)
    assert added() == ALL
    ((said, ids),) = analysed.failed.items()
    assert said == "exit code 1: KeyError: 'series'"
    assert len(ids) == 2
    assert analysed.exit_status == 1


def test_another_version_is_refused_kept_apart_or_takes_its_place(place, workers, script):
    script(MEAN, "mean.py")
    record()
    analyze_store("s.h5", "mean.py", workers, where=["x < 3"])
    script("OFFSET = 100\n", "offset.py")
    script("import offset\n" + MEAN.replace("mean +", "offset.OFFSET + mean +"), "mean.py")
    with pytest.raises(InputError, match=r"when 4 simulations in .* --changed-script keep \(an"):
        analyze_store("s.h5", "mean.py", workers)
    kept = analyze_store("s.h5", "mean.py", workers, changed_script="keep")
    assert (kept.before, kept.done, kept.kept) == (4, 2, 4)
    assert added() == {key: mean + 100 * (key[0] == 3) for key, mean in ALL.items()}
    assert "results of 2 versions of mean.py: 4 of " in invoke("status", "s.h5")
    assert "x mean.py done y mean" in invoke("show", "s.h5")
    again = analyze_store("s.h5", "mean.py", workers, changed_script="rerun")
    assert (again.before, again.done, again.kept) == (2, 4, 0)
    assert added() == {key: mean + 100 for key, mean in ALL.items()}
    assert "versions" not in invoke("show", "s.h5")
    # a module is part of the version, too; and a version may give other names
    script("OFFSET = 200\n", "offset.py")
    script("import offset\n" + MEAN.replace('"mean"', '"average"'), "mean.py")
    with pytest.raises(InputError, match="when 6 simulations"):
        analyze_store("s.h5", "mean.py", workers)
    analyze_store("s.h5", "mean.py", workers, changed_script="rerun")
    assert added("average") == ALL
    assert added("mean") == {}


FAILURES = {
    (1, 0): ("raise ValueError('no series')", "exit code 1: ValueError: no series"),
    (1, 1): ("send_result(5)", "result is a int: the store takes a dict of results"),
    (2, 0): ("pass", "no payload on standard output"),
    (2, 1): ("send_result({'mean': float('nan')})", "result['mean'] is nan; leave out a result"),
}


def test_what_fails_changes_nothing_but_is_told(place, workers, script):
    lines = [
        BEGIN,
        "from dask_espresso import send_result",
        "key = data['parameters']['x'], data['replica']",
    ]
    lines += [f"if key == {key}:\n    {code}" for key, (code, _) in FAILURES.items()]
    lines += ["if key[0] > 2:\n    send_result({'mean': 1})"]
    script("\n".join(lines), "mean.py")
    record()
    said = invoke("analyze", "s.h5", "mean.py", "--time-limit", "1 h", status=1)
    assert "s.h5: 2 of 6 simulations analysed by mean.py" in said
    outcomes = {(o.parameters["x"], o.replica): o for o in read_store("s.h5").outcomes.values()}
    for key, (_, reason) in FAILURES.items():
        assert f"1 could not be analysed ({outcomes[key].id}): {reason}" in said
        assert outcomes[key].is_done
        assert outcomes[key].analyses == ""
        assert outcomes[key].result.keys() == {"y", "series"}
    assert added() == {(3, 0): 1, (3, 1): 1}


@pytest.mark.parametrize("name", ["y", "mean"])
def test_a_result_of_somebody_else_is_never_replaced(place, workers, script, name):
    script(MEAN, "mean.py")
    record()
    analyze_store("s.h5", "mean.py", workers)
    before = read_store("s.h5").outcomes
    script(f"{BEGIN}dask_espresso.send_result({{'a': 1, {name!r}: -1}})", "other.py")
    whose = {"y": "of the simulation itself", "mean": "of mean.py"}[name]
    with pytest.raises(InputError, match=f"other.py: '{name}' is a result {whose}; give it anoth"):
        analyze_store("s.h5", "other.py", workers)
    assert {key: repr(o) for key, o in read_store("s.h5").outcomes.items()} == {
        key: repr(o) for key, o in before.items()
    }


def test_it_gets_what_the_simulation_has_given_itself(place, workers, script):
    record()
    for name in ("one.py", "two.py"):
        script(f"{BEGIN}dask_espresso.send_result({{{name[:3]!r}: sorted(data) + "
               "sorted(data['results']) + [data['id'], data['directory']]})", name)  # fmt: skip
        analyze_store("s.h5", name, workers)
    for name in ("one", "two"):
        for outcome in read_store("s.h5").outcomes.values():
            if outcome.is_done:
                keys = ["directory", "id", "parameters", "replica", "results", "seed"]
                assert outcome.result[name] == [*keys, "series", "y", outcome.id, None]
                assert analyses_of(outcome.analyses).keys() == {"one.py", "two.py"}


def test_a_curve_along_an_axis_of_the_simulation_and_one_of_its_own(place, workers, script):
    record(result={"r": np.array([1.0, 2.0]), "y": 1}, status=Status.DONE)
    script(
        f"""{BEGIN}
r = data["results"]["r"]
dask_espresso.send_result({{"g": dask_espresso.curve(r, r=r),
                            "s": dask_espresso.curve([r[0]], q=[3.0])}})
""",
        "g.py",
    )
    for _ in range(2):
        analyze_store("s.h5", "g.py", workers, changed_script="rerun")
        data = dask_espresso.dataset("s.h5")
        assert (data.g.dims[-1], data.s.dims[-1]) == ("r", "q")
        assert data.q.values.tolist() == [3]
        (text,) = {o.analyses for o in read_store("s.h5").outcomes.values()}
        assert analyses_of(text)["g.py"].results == ["g", "s", "q"]
        script((place / "g.py").read_text() + "# changed", "g.py")


@pytest.mark.parametrize("text", ["[]", "{", '{"a": 1}', '{"a": {"version": "1"}}', "1"])
def test_a_store_that_says_what_no_analysis_added(place, text):
    record(analyses=text)
    assert "analyses holds what no analysis added" in invoke("show", "s.h5", status=2)


def test_files_that_were_kept(place, workers, script):
    def keep(name, x):
        directory = Path("s.files", name)
        directory.mkdir(parents=True)
        (directory / "a.vtf").write_bytes(b"x" * x)
        digest = __import__("hashlib").sha256(b"x" * x).hexdigest()
        return as_text([KeptFile("a.vtf", x, digest)])

    record(keep=keep)
    script(f"{BEGIN}import pathlib\nfile = pathlib.Path(data['directory'], 'a.vtf')\n"
           "dask_espresso.send_result({'n': file.stat().st_size})", "size.py")  # fmt: skip
    script(MEAN, "mean.py")
    ids = {(o.parameters["x"], o.replica): o.id for o in read_store("s.h5").outcomes.values()}
    Path("s.files", ids[1, 0], "a.vtf").unlink()
    Path("s.files", ids[2, 0], "a.vtf").write_bytes(b"yy")
    analysed = analyze_store("s.h5", "size.py", workers)
    assert added("n") == {(1, 1): 1, (2, 1): 2, (3, 0): 3, (3, 1): 3}
    changed, gone = sorted(analysed.failed, key=lambda reason: "is gone" in reason)
    assert gone.endswith(
        "a.vtf: is gone: it was removed or moved after the simulation; put it back"
    )
    assert changed.endswith("of another attempt")
    assert analyze_store("s.h5", "mean.py", workers).done == 6  # which asks for no files


def test_what_cannot_be_analysed_is_refused_before_anything_is_written(place, workers, script):
    record()
    script(MEAN, "mean.py")
    before = {p.name: p.read_bytes() for p in place.iterdir()}
    claim = Claim(claim_path(place / "s.h5"))
    try:
        assert "in use by" in invoke("analyze", "s.h5", "mean.py", status=2)
    finally:
        claim.release()
    for said, arguments in {
        "none.py: cannot be read (No such file or directory); name the script": ["s.h5", "none.py"],
        "no such store": ["t.h5", "mean.py"],
        "unknown engine 'pyton'; did you mean 'python'?": ["s.h5", "mean.py", "--engine", "pyton"],
        "no simulation that is done meets --where": ["s.h5", "mean.py", "--where", "x > 3"],
        "unknown parameter 'z'": ["s.h5", "mean.py", "--where", "z > 3"],
        "--time-limit": ["s.h5", "mean.py", "--time-limit", "soon"],
    }.items():
        assert said in invoke("analyze", *arguments, status=2)
    assert {p.name: p.read_bytes() for p in place.iterdir()} == before
    record("failed.h5", status=Status.FAILED, result=None)
    assert "of 8 simulations none is done" in invoke("analyze", "failed.h5", "mean.py", status=2)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_killed_in_the_middle_it_goes_on(place, script, how):
    script(
        f"""{BEGIN}
import pathlib, time
place = pathlib.Path({str(place)!r})
(place / f"ran-{{data['id']}}").touch(exist_ok=False)
time.sleep(60 if len(list(place.glob("ran-*"))) > 3 else 0)
dask_espresso.send_result({{"mean": 1}})
""",
        "mean.py",
    )
    record()
    (place / "one.yaml").write_text("cluster: local\noptions: {n_workers: 1}\n")
    command = [sys.executable, "-m", "dask_espresso", "analyze", "s.h5", "mean.py"]
    with subprocess.Popen([*command, "--profile", "one.yaml"], start_new_session=True) as process:
        end = time.monotonic() + 120
        while len(added()) < 3 and time.monotonic() < end:
            time.sleep(0.1)
        os.kill(process.pid, how)
        assert process.wait(60) == (75 if how is signal.SIGTERM else -how)
    n_done = len(added())
    assert n_done == 3
    for path in place.glob("ran-*"):
        path.unlink()
    script((place / "mean.py").read_text().replace("60", "0 "), "mean.py")
    analysed = analyze_store("s.h5", "mean.py", load_profile("one.yaml"), changed_script="keep")
    assert (analysed.before, analysed.done) == (n_done, 6 - n_done)
    assert len(list(place.glob("ran-*"))) == 6 - n_done
    assert len(added()) == 6


def test_merge_takes_along_what_was_added(place, workers, script):
    script(MEAN, "mean.py")
    script(f"{BEGIN}dask_espresso.send_result({{'one': 1}})", "one.py")
    record("a.h5")
    record("b.h5")
    for path in ("a.h5", "b.h5"):
        analyze_store(path, "one.py", workers, where=["x == 1"])
    analyze_store("b.h5", "mean.py", workers)
    for order in (("a.h5", "b.h5"), ("b.h5", "a.h5")):
        assert "have other results" not in invoke("merge", *order, "-o", "c.h5")
        assert added(path="c.h5") == ALL
        assert len(added("one", "c.h5")) == 2
        assert analyze_store("c.h5", "mean.py", workers).before == 6
        Path("c.h5").unlink()
    script(MEAN + "# changed", "mean.py")
    analyze_store("a.h5", "mean.py", workers, where=["x == 1"])
    said = invoke("merge", "a.h5", "b.h5", "-o", "c.h5")
    assert "b.h5: of 2 simulations, results that `analyze` has added in one store are not" in said
    assert "results of 2 versions of mean.py: 4 of " in invoke("status", "c.h5")


def test_results_of_one_name_come_of_one_script(place, workers, script):
    script(f"{BEGIN}dask_espresso.send_result({{'z': data['results']['y']}})", "first.py")
    script(f"{BEGIN}dask_espresso.send_result({{'z': 100 * data['results']['y']}})", "second.py")
    record()
    analyze_store("s.h5", "first.py", workers, where=["replica == 0"])
    with pytest.raises(InputError, match="'z' is a result of first.py elsewhere in the store"):
        analyze_store("s.h5", "second.py", workers, where=["replica == 1"])
    assert added("z") == {(x, 0): x for x in (1, 2, 3)}
    for path, name, replica in (("a.h5", "first.py", 0), ("b.h5", "second.py", 1)):
        record(path)
        analyze_store(path, name, workers, where=[f"replica == {replica}"])
    said = invoke("merge", "a.h5", "b.h5", "-o", "c.h5", status=2)
    assert "'z' is a result of second.py there, and of first.py in a.h5" in said


def test_merge_takes_no_results_of_other_files(place, workers, script):
    script(f"{BEGIN}dask_espresso.send_result({{'z': 1}})", "one.py")
    for path, size in (("a.h5", 10), ("b.h5", 20)):
        files = as_text([KeptFile("f", size, "0" * 64)])
        record(path, kept_files=files, started=float(size))
    analyze_store("a.h5", "one.py", workers)
    said = invoke("merge", "a.h5", "b.h5", "-o", "c.h5")
    assert "of 6 simulations, results that `analyze` has added in one store are not" in said
    assert added("z", "c.h5") == {}


def test_variables_of_the_profile_are_part_of_the_version(place, script):
    script(f"{BEGIN}import os\ndask_espresso.send_result({{'z': os.environ['FACTOR']}})", "one.py")
    record()
    profiles = []
    for factor in (2, 3):
        Path("p.yaml").write_text(
            f"cluster: local\nengines: {{python: {{environment: {{FACTOR: {factor}}}}}}}\n"
        )
        profiles.append(load_profile("p.yaml"))
    analyze_store("s.h5", "one.py", profiles[0], where=["x == 1"])
    with pytest.raises(InputError, match="or a variable that the profile sets"):
        analyze_store("s.h5", "one.py", profiles[1])
