"""Outcomes that are taken out of a store, and all others, which stay."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from dask_espresso import read_store
from dask_espresso.cli import main
from dask_espresso.driver import run_study
from dask_espresso.inputs.study import load_study
from dask_espresso.kept import announce_removal, remove_announced
from dask_espresso.outcome import Outcome, Status
from dask_espresso.record import pack
from dask_espresso.store.claim import Claim
from dask_espresso.store.journal import journal_path
from dask_espresso.store.store import Entry, claim_path, open_store

SCRIPT = """
import dask_espresso
p = dask_espresso.get_data_from_stdin()
print(dask_espresso.encode_transport_data({"y": p["x"]}))
"""
ON_A_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "dask_espresso", *sys.argv[1:]])
"""


@pytest.fixture
def place(tmp_path, monkeypatch, script):
    script(SCRIPT, name="s.py")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(parameters=None, **fields):
    text = {"name": "s", "engine": "python", "script": "s.py", "replicas": 2}
    text |= {"parameters": parameters or {"x": [1, 2, 3, 4]}}
    Path("study.yaml").write_text(yaml.safe_dump(text | fields))
    return load_study("study.yaml")


def record(study, path="s.h5", publish=5):
    """Record all simulations, the last as failed; in file and journal."""
    with open_store(Path(path), study) as store:
        for number, s in enumerate(study.simulations(), 1):
            is_last = number == study.count
            outcome = Outcome(
                s.id, s.parameters, s.replica, script_hash=study.script_hash, engine="python",
                status=Status.FAILED if is_last else Status.DONE,
                result=None if is_last else {"y": s.parameters.get("x")},
            )  # fmt: skip
            store.record([Entry(s.id, outcome.status, pack(outcome))])
            if number == publish:
                store.publish()
    return Path(path)


def invoke(*arguments, status=0):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == status, result.output
    return " ".join(result.output.split())


def left(path="s.h5"):
    return [(o.parameters.get("x"), o.replica) for o in read_store(path).outcomes.values()]


def test_files_go_with_their_simulations(place):
    record(write())
    ids = {(o.parameters["x"], o.replica): o.id for o in read_store("s.h5").outcomes.values()}
    for name in ids.values():
        (place / "s.files" / name).mkdir(parents=True)
    invoke("forget", "s.h5", "--where", "x > 1", "--dry-run")
    assert len(list((place / "s.files").iterdir())) == 8
    invoke("forget", "s.h5", "--where", "x > 1", "--yes")
    assert {p.name for p in (place / "s.files").iterdir()} == {ids[1, 0], ids[1, 1]}


@pytest.mark.parametrize("name", ["", ".", "..", "../precious", "{place}/precious"])
def test_an_id_that_is_a_path_removes_nothing_elsewhere(place, name):
    (place / "precious").mkdir()
    (place / "s.files").mkdir()
    announce_removal(place / "s.files", [name.format(place=place)])
    remove_announced(place / "s.files", ())
    (place / "s.files/.forgotten").write_text(name.format(place=place))
    remove_announced(place / "s.files", ())
    assert [p.name for p in place.iterdir() if p.is_dir()] in (
        ["precious", "s.files"], ["s.files", "precious"],
    )  # fmt: skip


def test_what_was_killed_while_it_removed_files_is_ended_by_whoever_comes_next(place, workers):
    study = write({"x": [1]})
    record(study)
    ids = [s.id for s in study.simulations()]
    for name in [*ids, "0123"]:
        (place / "s.files" / name).mkdir(parents=True)
    announce_removal(place / "s.files", [ids[0], "0123"])
    run_study(place / "study.yaml", workers, "s.h5")
    assert {p.name for p in (place / "s.files").iterdir()} == {*ids}


def test_what_is_forgotten_runs_again_and_nothing_else(place, workers):
    record(write())
    before = read_store("s.h5").outcomes
    said = invoke("forget", "s.h5", "--where", "x > 1 and replica == 1", "--yes")
    assert said == "s.h5: 3 of 8 outcomes forgotten (2 done, 1 failed), 5 stay"
    assert left() == [(1, 0), (2, 0), (3, 0), (4, 0), (1, 1)]
    after = read_store("s.h5")
    assert after.outcomes == {name: before[name] for name in after.outcomes}
    assert sorted(p.name for p in place.glob("s.*")) == ["s.h5", "s.py"]
    assert "3 new, 5 recorded already" in invoke("run", "study.yaml", "--dry-run")
    run_study(place / "study.yaml", workers, "s.h5")
    again = read_store("s.h5").outcomes
    assert again.keys() == before.keys()
    assert {name: again[name] for name in after.outcomes} == after.outcomes


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--status", "failed"], 1),
        (["--status", "failed", "--status", "done"], 8),
        (["--status", "failed", "--where", "x < 3"], 0),
        (["--where", "x < 3", "--where", "x > 1"], 2),
        (["--where", "x in [1, 4]"], 4),
    ],
)
def test_a_dry_run_counts_and_changes_nothing(place, options, count):
    record(write())
    before = {p.name: p.read_bytes() for p in place.iterdir()}
    claim = Claim(claim_path(place / "s.h5"))  # also while a driver is at work
    try:
        said = invoke("forget", "s.h5", "--dry-run", *options)
    finally:
        claim.release()
    expected = f"{count} of 8 outcomes would be forgotten" if count else "none of 8 outcomes"
    assert said.startswith(f"s.h5: {expected}")
    assert {p.name: p.read_bytes() for p in place.iterdir()} == before


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("y > 1", "unknown parameter 'y'"),
        ("x >", "is no formula"),
        ("x + 1", "where true or false is needed"),
        ("1 / (x - 2) > 0", "divides by zero at x = 2"),
        ("__import__('os')", "function"),
    ],
)
def test_a_condition_that_cannot_be_meant_forgets_nothing(place, condition, message):
    record(write())
    before = {p.name: p.read_bytes() for p in place.iterdir()}
    assert message in invoke("forget", "s.h5", "--where", condition, "--yes", status=2)
    assert {p.name: p.read_bytes() for p in place.iterdir()} == before


def test_what_does_not_have_a_parameter_does_not_meet_a_condition(place):
    record(write())
    record(write({"x": [1, 2], "gamma": {"value": {"a": 1}}}))
    record(write({"x": [1, 2], "gamma": 0.5}))
    assert "2 of 14" not in invoke("forget", "s.h5", "--where", "gamma == 0.5", "--dry-run")
    invoke("forget", "s.h5", "--where", "not gamma == 0.5", "--yes")
    kept = [o.parameters.get("gamma") for o in read_store("s.h5").outcomes.values()]
    assert kept.count(None) == 8
    assert kept.count(0.5) == 4
    assert len(kept) == 12
    invoke("forget", "s.h5", "--where", "x > 0", "--yes")  # all of it
    assert left() == []
    assert "4 new" in invoke("run", "study.yaml", "--dry-run")
    record(load_study("study.yaml"))
    assert len(left()) == 4


def test_a_store_that_has_no_file_yet(place):
    record(write(), publish=None)
    assert not Path("s.h5").exists()
    invoke("forget", "s.h5", "--where", "x == 1", "--yes")
    assert len(left()) == 6
    assert not journal_path(Path("s.h5")).exists()


def test_a_driver_s_store_is_left_alone(place):
    record(write())
    before = Path("s.h5").read_bytes()
    claim = Claim(claim_path(place / "s.h5"))
    try:
        assert "in use by" in invoke("forget", "s.h5", "--status", "done", "--yes", status=2)
    finally:
        claim.release()
    assert Path("s.h5").read_bytes() == before
    assert "no such store" in invoke("forget", "n.h5", "--status", "done", "--yes", status=2)
    assert sorted(p.name for p in place.glob("n*")) == []
    assert "--where or --status" in invoke("forget", "s.h5", status=2)


def test_without_a_terminal_it_wants_to_be_told(place):
    record(write())
    assert "add --yes" in invoke("forget", "s.h5", "--where", "x == 1", status=2)
    assert len(left()) == 8
    assert not claim_path(Path("s.h5")).exists()


@pytest.mark.parametrize(("answer", "stay"), [("n", 8), ("y", 6)])
def test_on_a_terminal_it_asks(place, answer, stay):
    record(write())
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", ON_A_TERMINAL, "forget", "s.h5", "--where", "x == 1"]
    with subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, start_new_session=True
    ) as process:
        os.write(ours, f"{answer}\n".encode())
        assert process.wait(60) == (0 if answer == "y" else 2)
    os.close(theirs)
    os.close(ours)
    assert len(left()) == stay


KILLED = """
import json, os, shutil, signal, sys
from pathlib import Path
from dask_espresso import read_store
from dask_espresso.cli import main
import dask_espresso.store.store, dask_espresso.store.selection

CALLS = ("write", "ftruncate", "link", "replace", "unlink", "rmdir")  # change the disk

def run(n):
    seen = 0
    def counted(call):
        def counting(*arguments, **options):
            nonlocal seen
            seen += 1
            if seen == n:
                if call is WRITE:  # half of it
                    call(arguments[0], memoryview(arguments[1]).cast("B")[:len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)
        return counting
    WRITE = os.write
    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))
    main(["forget", "s.h5", "--where", "x > 2", "--yes"], standalone_mode=False)

for n in range(1, 1000):
    for path in Path().glob("[.s]*.[hjt]*"):
        path.unlink()
    shutil.rmtree("s.files", ignore_errors=True)
    shutil.copytree("before/s.files", "s.files")
    for path in Path("before").glob("s.[hj]*"):
        shutil.copy(path, path.name)
    if not (pid := os.fork()):
        try:
            run(n)
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    killed = os.WIFSIGNALED(status)
    first = {name: repr(o) for name, o in read_store("s.h5").outcomes.items()}
    first_files = sorted(map(str, Path("s.files").glob("*/*")))
    main(["forget", "s.h5", "--where", "x > 2", "--yes"], standalone_mode=False)
    second = {name: repr(o) for name, o in read_store("s.h5").outcomes.items()}
    there = sorted(p.name for p in Path().iterdir() if ".tmp" in p.name or ".claim" in p.name)
    files = [first_files, sorted(map(str, Path("s.files").rglob("*")))]
    print(json.dumps([n, killed, first, second, there, files]), file=sys.stderr)
    if not killed:
        break
"""


@pytest.mark.slow
def test_killed_at_any_moment_it_has_forgotten_all_or_nothing(place):
    record(write(replicas=1), publish=2)
    before = {name: repr(o) for name, o in read_store("s.h5").outcomes.items()}
    kept = {o.id: repr(o) for o in read_store("s.h5").outcomes.values() if o.parameters["x"] <= 2}
    (place / "before").mkdir()
    for name in before:
        for file in ("a.vtf", "b.vtf"):
            Path("s.files", name).mkdir(parents=True, exist_ok=True)
            Path("s.files", name, file).touch()
    for path in (Path("s.h5"), journal_path(Path("s.h5")), Path("s.files")):
        path.rename(place / "before" / path.name)
    done = subprocess.run(
        [sys.executable, "-c", KILLED], capture_output=True, text=True, timeout=300, check=True
    )
    trials = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("[")]
    assert [killed for _, killed, *_ in trials] == [True] * (len(trials) - 1) + [False]
    assert len(trials) > 10  # moments
    assert [n for n, _, first, *_ in trials if first not in (before, kept)] == []
    assert trials[0][2] == before
    assert trials[-1][2] == kept
    assert [n for n, _, _, second, *_ in trials if second != kept] == []
    assert trials[-1][4] == []
    # of what is recorded no file is lost, and of what is not none stays
    for n, _, first, _, _, (files, files_then) in trials:
        assert {f"s.files/{name}/{file}" for name in first for file in ("a.vtf", "b.vtf")} <= {
            *files
        }, n
        names = [f"s.files/{name}" for name in kept]
        assert files_then == sorted(
            [*names, *(f"{name}/{file}" for name in names for file in ("a.vtf", "b.vtf"))]
        ), n
