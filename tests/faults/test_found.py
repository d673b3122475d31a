"""What the campaign has found, each in its smallest form."""

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dask_espresso import claim, journal
from dask_espresso.claim import Claim
from dask_espresso.errors import DaskEspressoError, ResumableError
from dask_espresso.journal import Journal, read_journal
from dask_espresso.outcome import Outcome, pack
from dask_espresso.store import Entry, claim_path, journal_path, open_store, read_store
from dask_espresso.study import load_study

pytestmark = pytest.mark.xfail(strict=False, reason="found, and not mended yet")

STUDY = "name: s\nengine: python\nscript: s.py\nparameters: {x: {start: 1, stop: 20, step: 1}}\n"


@pytest.fixture
def study(study_file, script):
    script("", name="s.py")
    return load_study(study_file(STUDY))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.h5"


def entries(study, first, last):
    made = [
        Outcome(s.id, s.parameters, result={"y": 1.5})
        for s in list(study.simulations())[first:last]
    ]
    return [Entry(outcome.id, outcome.status, pack(outcome)) for outcome in made]


def taken_over(path):
    """Have a driver on another host take the store over."""
    text = json.dumps({"host": "elsewhere", "pid": 1})
    claim_path(path).unlink()
    claim_path(path).write_text(text)


def test_driver_that_lost_its_claim_leaves_the_store_alone(study, path):
    store = open_store(path, study)
    store.record(entries(study, 0, 3))
    taken_over(path)
    other = Journal(journal_path(path), read_journal(journal_path(path))[0][0])
    before = journal_path(path).stat().st_ino
    with pytest.raises(ResumableError):
        store.publish()
    store.close()
    other.close()
    assert journal_path(path).stat().st_ino == before


def test_claim_taken_over_in_place_is_noticed(path, monkeypatch):
    """As between hosts that share no file locks."""
    monkeypatch.setattr("fcntl.flock", lambda fd, how: None)
    monkeypatch.setattr("socket.gethostname", lambda: "alpha")
    first = Claim(claim_path(path))
    os.utime(claim_path(path), (0, 0))
    monkeypatch.setattr("socket.gethostname", lambda: "beta")
    second = Claim(claim_path(path))
    assert second.is_ours
    assert not first.is_ours
    first.release()
    assert second.is_ours
    second.release()


def test_dead_owner_of_tomorrow_is_taken_over(path, monkeypatch):
    """Its file server's clock has been put back since."""
    monkeypatch.setattr(claim, "STALE", 1.0)
    claim_path(path).write_text(json.dumps({"host": "elsewhere", "pid": 1}))
    os.utime(claim_path(path), (time.time() + 5,) * 2)
    started = time.monotonic()
    Claim(claim_path(path)).release()
    assert time.monotonic() - started < 4


def test_journal_removed_under_the_driver(study, path):
    with open_store(path, study) as store:
        store.record(entries(study, 0, 3))
        store.publish()
        store.record(entries(study, 3, 6))
        journal_path(path).unlink()
        try:
            store.publish()
        except DaskEspressoError:
            return  # it has said so
    assert len(read_store(path).outcomes) == 6


def test_store_removed_under_the_driver(study, path):
    with open_store(path, study) as store:
        store.record(entries(study, 0, 3))
        store.publish()
        path.unlink()
        store.record(entries(study, 3, 6))
        with pytest.raises(DaskEspressoError):
            store.publish()


@pytest.mark.parametrize("at", [0, 22, 40])  # first line, its version, description
def test_damage_at_the_beginning_costs_no_outcome(study, path, at):
    with open_store(path, study) as store:
        store.record(entries(study, 0, 3))
    data = bytearray(journal_path(path).read_bytes())
    data[at] ^= 1
    journal_path(path).write_bytes(data)
    with open_store(path, study) as store:
        assert len(store.statuses) == 3


def test_stores_whose_names_begin_alike(study, path):
    aside = path.with_name(".s.2.abcdefgh.tmp")  # of s.2.h5, being published
    aside.touch()
    open_store(path, study).close()
    assert aside.exists()


def test_changed_study_is_published_also_after_a_kill(study, path, study_file):
    with open_store(path, study) as store:
        store.record(entries(study, 0, 20))
        store.publish()
    shorter = load_study(study_file(STUDY.replace("stop: 20", "stop: 10")))
    killed = open_store(path, shorter)
    killed._claim.release()
    with open_store(path, shorter) as store:
        store.publish()
    assert read_store(path).study["parameters"]["x"]["stop"] == 10


@pytest.mark.parametrize("call", ["pwrite", "write", "fsync", "replace"])
def test_no_room_to_begin_with(study, path, monkeypatch, call):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(DaskEspressoError):
        open_store(path, study)


def test_claim_that_cannot_be_deleted(study, path, monkeypatch):
    def denied(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    store = open_store(path, study)
    store.record(entries(study, 0, 3))
    monkeypatch.setattr(os, "unlink", denied)
    store.close()


def test_refused_while_the_owner_is_writing_its_name(path, monkeypatch):
    held = Claim(claim_path(path))
    os.truncate(claim_path(path), 0)
    with pytest.raises(DaskEspressoError) as refused:
        Claim(claim_path(path))
    held.release()
    assert "None" not in str(refused.value)


def test_journal_that_vanishes_while_it_is_looked_at(study, path, monkeypatch):
    """Its driver has just ended."""

    def access(place, _):
        if Path(place).suffix == ".journal":
            Path(place).unlink()
        return True

    Journal(journal_path(path), b"D").close()
    monkeypatch.setattr(os, "access", access)
    open_store(path, study).close()


def test_reader_may_not_write(study, path, monkeypatch):
    with open_store(path, study) as store:
        store.record(entries(study, 0, 3))
    claim_path(path).write_text(json.dumps({"host": "elsewhere", "pid": 1}))

    def denied(self, **_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "touch", denied)
    assert len(read_store(path).outcomes) == 3


def test_journal_after_a_failed_restart(tmp_path, monkeypatch):
    """Some file systems refuse to fsync a directory, with EINVAL."""
    opened = Journal(tmp_path / "s.journal", b"D")
    with monkeypatch.context() as patched:

        def refuse(_):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

        patched.setattr(journal, "sync_directory", refuse)
        with pytest.raises(OSError, match="Invalid"):
            opened.restart()
    opened.append([b"x"])
    opened.close()
    assert read_journal(opened.path)[0][-1] == b"x"


FULL = """
import resource, sys
from pathlib import Path
from dask_espresso.errors import ResumableError
from dask_espresso.store import write_store
from dask_espresso.outcome import Outcome
outcomes = [Outcome(f"{i:016x}", {"x": i}, result={"y": [i]}, log="x" * 90) for i in range(40)]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
try:
    write_store(Path(sys.argv[1]), outcomes, {"name": "s"}, "hash")
except OSError:
    sys.exit(75)
"""


def test_full_disk_while_publishing(path):
    ends = {}
    for size in (7_000, 21_000, 49_000):
        done = subprocess.run(
            [sys.executable, "-c", FULL, str(path), str(size)],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        ends[size] = done.returncode, "Traceback" in done.stderr
    assert set(ends.values()) <= {(75, False), (0, False)}, ends
