"""Stores of one study, merged into one."""

import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from dask_espresso import read_store
from dask_espresso.cli import main
from dask_espresso.driver import run_study
from dask_espresso.inputs.study import load_study
from dask_espresso.kept import KeptFile, as_text
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


@pytest.fixture
def place(tmp_path, monkeypatch, script):
    script(SCRIPT, name="s.py")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(file="study.yaml", x=(1, 2, 3, 4), **fields):
    text = {"name": "s", "engine": "python", "script": "s.py", "parameters": {"x": list(x)}}
    Path(file).write_text(yaml.safe_dump(text | fields))
    return load_study(file)


def record(path, study, result=lambda s: {"y": s.parameters["x"]}, publish=True, **fields):
    """Record all simulations of a study."""
    with open_store(path, study, changed_script="keep") as store:
        for s in study.simulations():
            values = {"result": result(s), "seed": s.seed, "started": 100.0} | fields
            outcome = Outcome(s.id, s.parameters, s.replica, script_hash=study.script_hash,
                              engine="python", **values)  # fmt: skip
            store.record([Entry(s.id, outcome.status, pack(outcome))])
        if publish:
            store.publish()
    return path


def invoke(*arguments, status=0):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == status, result.output
    return " ".join(result.output.split())


def results(path):
    return {o.parameters["x"]: o.result for o in read_store(path).outcomes.values()}


def test_run_goes_on_with_either_study(place, workers):
    record(place / "a.h5", write("a.yaml", x=(1, 2)))
    record(place / "b.h5", write("b.yaml", x=(2, 3)), publish=False)  # in its journal alone
    before = [p.read_bytes() for p in sorted(place.glob("[ab].*"))]
    said = invoke("merge", "a.h5", "b.h5", "-o", "c.h5")
    assert said.startswith("wrote c.h5: 3 simulations, 1 of them in several")
    assert "1 of them are not in the study as it was run into a.h5" in said
    assert [p.read_bytes() for p in sorted(place.glob("[ab].*"))] == before
    assert sorted(p.name for p in place.glob("c*")) == ["c.h5"]
    assert results("c.h5") == {1: {"y": 1}, 2: {"y": 2}, 3: {"y": 3}}
    assert read_store("c.h5").study == load_study("a.yaml").snapshot()
    for study in ("a.yaml", "b.yaml"):
        said = invoke("run", study, "--store", "c.h5", "--dry-run")
        assert "0 new, 2 recorded already" in said
    assert "not in the study now: x done y 3 1/1 3" in invoke("show", "c.h5", "--all")
    write("b.yaml", x=(1, 2, 3, 4))
    run_study(place / "b.yaml", workers, "c.h5")
    assert results("c.h5") == {x: {"y": x} for x in (1, 2, 3, 4)}
    sequences = [o.sequence for o in read_store("c.h5").outcomes.values()]
    assert len({*sequences}) == 4


def test_three_stores_and_all_kinds_of_results(place):
    study = write(x=[1, 2])
    kinds = [{"a": 1.5}, {"a": np.arange(3)}, {"b": {"c": [1, "é", None]}}]
    for name, kind in zip("abc", kinds, strict=True):
        record(place / f"{name}.h5", write(x=[name, name * 2]), lambda _, kind=kind: kind)
    assert "6 simulations" in invoke("merge", "a.h5", "b.h5", "c.h5", "-o", "all.h5")
    found = results("all.h5")
    assert found["aa"] == kinds[0]
    assert found["c"] == kinds[2]
    assert found["b"]["a"].tolist() == [0, 1, 2]
    assert study.name == read_store("all.h5").study["name"]


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_what_is_done_is_kept_and_then_what_was_started_last(place, order):
    study = write(x=[1, 2])
    record(place / "a.h5", write(x=[1]), lambda _: None, started=300.0, status=Status.FAILED)
    record(place / "a.h5", write(x=[2]), lambda _: {"y": "later"}, started=200.0)
    record(place / "b.h5", study, lambda _: {"y": "earlier"}, started=100.0)
    said = invoke("merge", *(f"{name}.h5" for name in order), "-o", "c.h5")
    assert results("c.h5") == {1: {"y": "earlier"}, 2: {"y": "later"}}
    assert f"{order[1]}.h5: 1 simulations have other results" in said


def keep(path, files, name=None):
    """Lay files beside a store, for the simulation that is in it alone, and give their record."""
    (name,) = [name] if name else read_store(path).outcomes
    place = path.with_suffix(".files") / name
    for file, content in files.items():
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        (place / file).write_text(content)
    hashes = {file: hashlib.sha256(content.encode()).hexdigest() for file, content in files.items()}
    return as_text(KeptFile(file, len(files[file]), hashes[file]) for file in files)


def record_with_files(path, files, x=1, **fields):
    record(path, write(x=(x,)))
    record(path, write(x=(x,)), kept_files=keep(path, files), **fields)


def content(place):
    return {str(p.relative_to(place)): p.read_text() for p in place.rglob("*") if p.is_file()}


@pytest.mark.parametrize("links", [True, False])
def test_files_come_along(place, links, monkeypatch):
    record_with_files(place / "a.h5", {"a.vtf": "a", "out/b": "bb"}, started=100.0)
    record_with_files(place / "b.h5", {"a.vtf": "other"}, started=200.0)
    record_with_files(place / "c.h5", {"c": ""}, x=2)
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    said = invoke("merge", "a.h5", "b.h5", "c.h5", "-o", "all.h5")
    assert "files of 2 of them are in all.files" in said
    assert "not in all.files" not in said
    ids = {o.parameters["x"]: o.id for o in read_store("all.h5").outcomes.values()}
    assert content(place / "all.files") == {f"{ids[1]}/a.vtf": "other", f"{ids[2]}/c": ""}
    file = Path("files", ids[1], "a.vtf")
    are_same = Path(f"b.{file}").samefile(f"all.{file}")
    assert are_same is links
    assert invoke("files", "all.h5", ids[1]).split() == [f"all.{file}"]
    assert "is there already" in invoke("merge", "a.h5", "b.h5", "-o", "c.h5", status=2)


def no_links(*_arguments, **_options):
    raise OSError(errno.EXDEV, "Invalid cross-device link")


def test_files_that_are_not_as_recorded_are_left_out_and_told(place):
    record_with_files(place / "a.h5", {"a.vtf": "a", "b": "b", "c": "c"})
    (name,) = read_store("a.h5").outcomes
    Path("a.files", name, "a.vtf").unlink()
    Path("a.files", name, "b").write_text("!")
    record(place / "b.h5", write(x=(2,)))
    said = invoke("merge", "a.h5", "b.h5", "-o", "c.h5")
    assert f"files that are not in c.files: a.files/{name}/a.vtf is gone: it was" in said
    assert f"a.files/{name}/b is not what was recorded" in said
    assert content(place / "c.files") == {f"{name}/c": "c"}
    # one of the stores may be without its files
    shutil.copy("a.h5", "d.h5")
    keep(place / "d.h5", {"a.vtf": "a"})
    invoke("merge", "a.h5", "d.h5", "-o", "e.h5")
    assert content(place / "e.files") == {f"{name}/a.vtf": "a", f"{name}/c": "c"}


def test_names_of_files_that_lead_elsewhere_bring_nothing(place):
    (place / "secret").write_text("s")
    digest = hashlib.sha256(b"s").hexdigest()
    record_with_files(place / "a.h5", {"../../secret": "s"})
    (place / "a.files/secret").unlink(missing_ok=True)
    record(place / "b.h5", write(x=(2,)),
           kept_files=as_text([KeptFile(str(place / "secret"), 1, digest)]))  # fmt: skip
    said = invoke("merge", "a.h5", "b.h5", "-o", "c.h5")
    assert said.count("its name leads elsewhere") == 2
    assert content(place / "c.files") == {}


def test_without_room_there_is_no_new_store(place, monkeypatch):
    record_with_files(place / "a.h5", {"a.vtf": "a"})
    record(place / "b.h5", write(x=(2,)))
    before = sorted(place.iterdir())
    monkeypatch.setattr(os, "link", no_links)

    def full(fd, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("dask_espresso.kept.write_all", full)
    said = invoke("merge", "a.h5", "b.h5", "-o", "c.h5", status=2)
    assert "c.h5: cannot be written (No space left on device; make room)" in said
    assert sorted(place.iterdir()) == before


KILLED = """
import os, signal, sys
from dask_espresso.cli import main
import dask_espresso.store.merge as merge

def killed(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[1] == "while it brings files":
    merge.bring_file = killed
else:
    merge.write_hdf5 = killed
main(["merge", "a.h5", "b.h5", "-o", "c.h5"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("when", ["while it brings files", "before there is a store"])
def test_killed_it_leaves_no_store_and_what_it_leaves_is_told_or_removed(place, when):
    record_with_files(place / "a.h5", {"a.vtf": "a"})
    record(place / "b.h5", write(x=(2,)))
    (name,) = read_store("a.h5").outcomes
    command = [sys.executable, "-c", KILLED, when]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert not Path("c.h5").exists()
    assert content(place / "a.files") == {f"{name}/a.vtf": "a"}
    if when == "before there is a store":
        said = invoke("merge", "a.h5", "b.h5", "-o", "c.h5", status=2)
        assert "c.files: is there already; name a new store, or move it away" in said
        shutil.rmtree("c.files")
    invoke("merge", "a.h5", "b.h5", "-o", "c.h5")
    assert content(place / "c.files") == {f"{name}/a.vtf": "a"}
    assert sorted(p.name for p in place.glob(".*")) == []


def test_equal_results_are_not_called_different(place):
    for name in "ab":
        record(place / f"{name}.h5", write(), lambda _: {"y": np.array([1.0, float("nan")])})
    assert invoke("merge", "a.h5", "b.h5", "-o", "c.h5") == (
        "wrote c.h5: 4 simulations, 4 of them in several"
    )


def test_other_code_is_refused_with_the_choices(place):
    record(place / "a.h5", write(x=[1, 2]))
    (place / "s.py").write_text(SCRIPT + "# changed\n")
    record(place / "b.h5", write(x=[2, 3]), started=200.0)
    said = invoke("merge", "a.h5", "b.h5", "-o", "c.h5", status=2)
    assert "b.h5: was run last with another version of s.py" in said
    assert "--changed-script keep" in said
    assert "--changed-script drop" in said
    assert not (place / "c.h5").exists()
    said = invoke("merge", "a.h5", "b.h5", "-o", "c.h5", "--changed-script", "drop")
    assert "b.h5: 2 outcomes of other versions were left out" in said
    assert sorted(results("c.h5")) == [1, 2]
    invoke("merge", "a.h5", "b.h5", "-o", "d.h5", "--changed-script", "keep")
    kept = read_store("d.h5")
    assert sorted(results("d.h5")) == [1, 2, 3]
    hashes = {o.parameters["x"]: o.script_hash for o in kept.outcomes.values()}
    assert hashes[2] == hashes[3] != hashes[1] == kept.script_hash
    assert {o.code_hash for o in kept.outcomes.values()} <= {*kept.versions, ""}


def test_what_cannot_be_one_store_is_refused(place):
    record(place / "a.h5", write())
    record(place / "b.h5", write(seed=5))
    merge = ("merge", "a.h5", "b.h5", "-o")
    assert "another study (seed 0 in a.h5 and 5 in b.h5)" in invoke(*merge, "c.h5", status=2)
    assert "is there already" in invoke(*merge, "a.h5", status=2)
    journal_path(place / "d.h5").write_bytes(b"x")
    assert "d.journal: is there already" in invoke(*merge, "d.h5", status=2)
    assert "ends in .h5" in invoke(*merge, "c", status=2)
    assert "there is no such store" in invoke("merge", "a.h5", "e.h5", "-o", "c.h5", status=2)
    assert not (place / "c.h5").exists()


def test_a_store_that_is_being_made_is_left_to_its_driver(place):
    record(place / "a.h5", write())
    claim = Claim(claim_path(place / "c.h5"))
    try:
        assert "in use" in invoke("merge", "a.h5", "a.h5", "-o", "c.h5", status=2)
    finally:
        claim.release()
    claim = Claim(claim_path(place / "a.h5"))
    try:
        assert "is at work on it" in invoke("merge", "a.h5", "a.h5", "-o", "c.h5")
    finally:
        claim.release()


def test_merging_takes_linear_time(place):
    study = write(x=list(range(2000)))
    record(place / "a.h5", study)
    begin = time.process_time()
    invoke("merge", "a.h5", "a.h5", "-o", "c.h5")
    assert time.process_time() - begin < 10
    assert results("c.h5") == results("a.h5")
