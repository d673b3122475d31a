"""What a store keeps of where its code came from, once a version."""

import shutil
from pathlib import Path

import h5py
import pytest
from click.testing import CliRunner

from dask_espresso.cli import main
from dask_espresso.driver import run_study
from dask_espresso.inputs.study import load_study
from dask_espresso.store.provenance import MOST_RUNS, news, united
from dask_espresso.store.store import mend_store, open_store, read_store

SCRIPT = """
    import dask_espresso
    params = dask_espresso.get_data_from_stdin()
    print(dask_espresso.encode_transport_data({"y": 2.0 * params["x"]}))
"""
STUDY = """
    name: s
    engine: python
    script: script.py
    parameters: {x: [1, 2]}
"""
RUN = {"first": "2026-01-01T00:00:00Z", "user": "anna", "host": "login", "engine": {"build": {}}}
CODE = {"script": "s.py", "folder": "/there", "files": [{"name": "s.py", "sha256": "0" * 64}]}
OLD = Path(__file__).parent / "stores" / "1.h5"


def test_what_is_known_is_not_written_again():
    later = {**RUN, "first": "2026-01-02T00:00:00Z"}
    known = united({}, {"v": {**CODE, "runs": [RUN]}})
    assert known == {"v": {**CODE, "runs": [RUN]}}
    assert news(known, {"v": {"runs": [later]}}) == {}
    other = {**later, "user": "ben"}
    assert news(known, {"v": {"runs": [other]}}) == {"v": {"runs": [other]}}
    assert united(known, {"v": {"runs": [other]}})["v"]["runs"] == [RUN, other]
    assert news(known, {"w": CODE}) == {"w": CODE}
    many = {"v": {**CODE, "runs": [{**RUN, "user": str(i)} for i in range(2 * MOST_RUNS)]}}
    assert len(united(known, many)["v"]["runs"]) == MOST_RUNS


def test_a_run_says_where_its_code_came_from_once_a_version(here, workers):
    run_study(load_study("study.yaml"), workers)
    (first,) = read_store("s.h5").provenance.values()
    text = (here / "script.py").read_text()
    assert [file["text"] for file in first["files"]] == [text]
    (run,) = first["runs"]
    assert run["engine"]["python"]
    assert run["engine"]["cpu"]
    before = Path("s.h5").read_bytes()
    run_study(load_study("study.yaml"), workers)  # there is nothing to run
    assert Path("s.h5").read_bytes() == before
    (here / "study.yaml").write_text((here / "study.yaml").read_text().replace("2]", "2, 3]"))
    run_study(load_study("study.yaml"), workers)
    assert [*read_store("s.h5").provenance.values()] == [first]  # who and with what is the same
    (here / "script.py").write_text(f"{text}# changed\n")
    (here / "study.yaml").write_text((here / "study.yaml").read_text().replace("3]", "3, 4]"))
    run_study(load_study("study.yaml"), workers, changed_script="keep")
    contents = read_store("s.h5")
    assert [version["files"][0]["text"] for version in contents.provenance.values()] == [
        text, f"{text}# changed\n",
    ]  # fmt: skip
    assert contents.provenance.keys() == {o.code_hash for o in contents.outcomes.values()}
    shown = CliRunner().invoke(main, ["show", "s.h5", "--provenance"])
    assert shown.exit_code == 0
    assert "commit        none: not in a git repository" in shown.output
    assert "# changed" in shown.output
    CliRunner().invoke(main, ["report", "s.h5"], catch_exceptions=False)
    assert Path("s.html").read_text().count("<details>") == 3  # and the profile


def test_it_is_in_the_journal_before_it_is_published(here):
    study = load_study("study.yaml")
    with open_store(Path("s.h5"), study) as store:
        store.note({"v": {**CODE, "runs": [RUN]}})
        assert read_store("s.h5").provenance == {"v": {**CODE, "runs": [RUN]}}
        store.publish()
    # a version that nothing is of any more goes
    assert read_store("s.h5").provenance == {}
    with open_store(Path("s.h5"), study) as store:
        version = read_store("s.h5").code_hash
        store.note({version: {**CODE, "runs": [RUN]}})
        store.publish()
    assert not Path("s.journal").exists()
    with mend_store(Path("s.h5")) as store:
        store.publish()
        store.forget([])
    assert read_store("s.h5").provenance == {version: {**CODE, "runs": [RUN]}}


def test_stores_of_before_are_read_and_gone_on_with(here, tmp_path):
    old = tmp_path / "old.h5"
    shutil.copy(OLD, old)
    assert read_store(old).provenance == {}
    shown = CliRunner().invoke(main, ["show", str(old), "--provenance"])
    assert "not recorded: this store is of before" in shown.output
    with mend_store(old) as store:
        store.note({"v": CODE})
        store.publish()
    assert len(read_store(old).outcomes) == 6


def test_other_merged_stores_bring_theirs(here, workers):
    run_study(load_study("study.yaml"), workers, "a.h5")
    shutil.copy("a.h5", "b.h5")
    CliRunner().invoke(main, ["merge", "a.h5", "b.h5", "-o", "c.h5"], catch_exceptions=False)
    assert read_store("c.h5").provenance == read_store("a.h5").provenance != {}


WRONG = [
    "[]", '{"v": 1}', '{"v": {"files": [1]}}', '{"v": {"files": [{"name": "s.py"}]}}',
    '{"v": {"git": 1}}', '{"v": {"runs": [{"engine": 1}]}}',
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_no_driver_wrote_is_refused(here, wrong, workers):
    run_study(load_study("study.yaml"), workers)
    with h5py.File("w.h5", "w") as target, h5py.File("s.h5") as source:
        for name in source:
            source.copy(name, target, expand_refs=True)
        target.attrs.update(source.attrs)
        del target["_code/provenance"]
        target["_code/provenance"] = wrong
    shown = CliRunner().invoke(main, ["show", "w.h5", "--provenance"])
    assert shown.exit_code == 2
    assert "damaged, or changed by another program" in shown.output
