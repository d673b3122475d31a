"""A process of its own builds the HDF5 file, while the driver goes on."""

import os
import re
import signal
import subprocess
import sys
import time

import h5py
import pytest
from test_store import entries, taken_over

from dask_espresso.errors import ResumableError
from dask_espresso.outcome import Outcome
from dask_espresso.record import pack
from dask_espresso.store import publisher
from dask_espresso.store.journal import journal_path, read_journal
from dask_espresso.store.reading import claim_path, read_store
from dask_espresso.store.store import Entry, open_store


@pytest.fixture(autouse=True)
def many(monkeypatch):
    monkeypatch.setattr(publisher, "_BESIDE", 0)


def process_of(store):
    return store._publisher._publication._process


def end(store):
    """Go on until what is being published is."""
    process_of(store).wait(timeout=60)
    store.publish_beside()
    assert store._publisher._publication is None


def published(path):
    with h5py.File(path) as file:
        return len(file["simulation"])


def test_what_is_recorded_meanwhile_stays_in_the_journal(tmp_path, study):
    path, version = tmp_path / "s.h5", study.script_hash[:16]
    with open_store(path, study) as store:
        store.record(entries(study, 70))
        store.publish_beside()
        process_of(store).send_signal(signal.SIGSTOP)  # however long it takes
        store.record(entries(study, 20, start=70))
        store.note({version: {"runs": [{"user": "later"}]}})
        store.publish_beside()
        assert not path.exists()
        assert len(read_store(path).outcomes) == 90
        process_of(store).send_signal(signal.SIGCONT)
        end(store)
        assert published(path) == 70
        assert sum(record[:1] == b"O" for record in read_journal(journal_path(path))) == 20
        assert len(read_store(path).outcomes) == 90
        store.publish()
    assert published(path) == 90
    assert sorted(place.name for place in tmp_path.iterdir() if "s.h5" in place.name) == ["s.h5"]
    assert not journal_path(path).exists()
    contents = read_store(path)
    assert [o.result["y"] for o in contents.outcomes.values()] == [
        simulation.seed for simulation in list(study.simulations())[:90]
    ]
    assert contents.provenance[version] == {"runs": [{"user": "later"}]}


def test_it_is_the_file_that_is_written_at_once(tmp_path, study, monkeypatch):
    files = []
    for name, beside in (("one.h5", 0), ("other.h5", 1000)):
        monkeypatch.setattr(publisher, "_BESIDE", beside)
        with open_store(tmp_path / name, study) as store:
            for start in (0, 50):
                store.record(entries(study, 50, start))
                store.publish()
        files.append(read_store(tmp_path / name))
    assert files[0].outcomes == files[1].outcomes
    assert files[0].published_as == files[1].published_as


def test_ids_of_others_are_of_any_length(tmp_path, study):
    first = next(study.simulations())
    names = [first.id, f"{first.id}-again", "µ"]
    outcomes = [Outcome(id=n, parameters=first.parameters, result={"y": n}) for n in names]
    with open_store(tmp_path / "s.h5", study) as store:
        store.record([Entry(o.id, o.status, pack(o)) for o in outcomes])
        store.publish()
    assert {i: o.result["y"] for i, o in read_store(tmp_path / "s.h5").outcomes.items()} == {
        name: name for name in names
    }


def test_the_end_of_a_run_does_not_wait_for_what_lacks_the_latest(tmp_path, study):
    path = tmp_path / "s.h5"
    with open_store(path, study) as store:
        store.record(entries(study, 70))
        store.publish_beside()
        process = process_of(store)
        process.send_signal(signal.SIGSTOP)
        store.record(entries(study, 1, start=70))
        store.publish()
        assert process.returncode == -signal.SIGKILL
    assert published(path) == 71


def test_a_store_that_is_closed_leaves_nothing_behind(tmp_path, study):
    path = tmp_path / "s.h5"
    with open_store(path, study) as store:
        store.record(entries(study, 70))
        store.publish_beside()
        process = process_of(store)
    assert process.poll() is not None
    assert not path.exists()
    assert not list(tmp_path.glob(".s.h5.*"))
    assert len(read_store(path).outcomes) == 70


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_its_death_costs_nothing(tmp_path, study, number, caplog):
    path = tmp_path / "s.h5"
    with open_store(path, study) as store:
        store.record(entries(study, 70))
        store.publish_beside()
        process_of(store).send_signal(signal.SIGSTOP)
        process_of(store).send_signal(number)
        process_of(store).send_signal(signal.SIGCONT)
        process_of(store).wait()
        store.publish_beside()
        assert re.search(f"not published.*ended by {number.name}.*holds everything", caplog.text)
        assert not list(tmp_path.glob(".s.h5.*"))
        store.record(entries(study, 20, start=70))
        store.publish_beside()
        assert store._publisher._publication is None  # not again and again
        store.publish()
    assert published(path) == 90


@pytest.mark.parametrize("change", ["taken over", "moved", "journal damaged"])
def test_what_is_not_as_it_was_is_noticed_when_it_is_over(tmp_path, study, change):
    path = tmp_path / "s.h5"
    with open_store(path, study) as store:
        store.record(entries(study, 5))
        store.publish()
        before = path.read_bytes()
        store.record(entries(study, 65, start=5))
        if change == "journal damaged":
            data = bytearray(journal_path(path).read_bytes())
            data[-10] ^= 1
            with journal_path(path).open("rb+") as file:
                file.write(data)
        store.publish_beside()
        if change == "taken over":
            taken_over(path)
        elif change == "moved":
            path.rename(tmp_path / "moved.h5")
        process_of(store).wait()
        said = {
            "taken over": "another driver has taken the store over",
            "moved": "was moved, deleted or replaced",
            "journal damaged": "1 outcomes that were recorded cannot be read back",
        }
        with pytest.raises(ResumableError, match=said[change]):
            store.publish_beside()
    left = tmp_path / "moved.h5" if change == "moved" else path
    assert left.read_bytes() == before
    claim_path(path).unlink(missing_ok=True)
    if change == "moved":
        left.rename(path)
    assert len(read_store(path).outcomes) == 70 - (change == "journal damaged")


DRIVER = """
import os, resource, signal, sys
from pathlib import Path
import numpy as np
from dask_espresso.errors import ResumableError
from dask_espresso.inputs.study import load_study
from dask_espresso.outcome import Outcome
from dask_espresso.record import pack
from dask_espresso.store import publisher
from dask_espresso.store.store import Entry, open_store
publisher._BESIDE = 0
study = load_study(sys.argv[1])
draw = np.random.default_rng(0)
outcomes = [
    Outcome(id=s.id, parameters=s.parameters, result={"y": draw.random(50)}, error=s.id)
    for s in study.simulations()
]
with open_store(Path("s.h5"), study) as store:
    store.record([Entry(o.id, o.status, pack(o)) for o in outcomes])
    if sys.argv[2] == "killed":
        store.publish_beside()
        print(store._publisher._publication._process.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
    try:
        store.publish()
    except ResumableError as error:
        print(error)
    assert not list(Path().glob(".*.tmp"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    store.publish()
"""


def driver(study, directory, what):
    return subprocess.run(
        [sys.executable, "-B", "-c", DRIVER, str(study.path), str(what)], cwd=directory,
        check=False, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("size", [1000, 20_000, 60_000, 100_000])
def test_full_disk(tmp_path, study, size):
    """The HDF5 library itself would crash."""
    done = driver(study, tmp_path, size)
    assert (done.returncode, done.stderr) == (0, "")
    assert "s.h5: could not be published (File too large)" in done.stdout
    assert published(tmp_path / "s.h5") == 200


@pytest.mark.slow
def test_a_driver_that_is_killed_leaves_no_process_and_loses_nothing(tmp_path, study):
    done = driver(study, tmp_path, "killed")
    assert done.returncode == -signal.SIGKILL, done.stderr
    end = time.monotonic() + 30
    while os.path.exists(f"/proc/{int(done.stdout)}"):  # noqa: PTH110
        assert time.monotonic() < end
        time.sleep(0.05)
    assert not (tmp_path / "s.h5").exists()
    with open_store(tmp_path / "s.h5", study) as store:
        assert not list(tmp_path.glob(".s.h5.*"))
        assert len(store.statuses) == 200
        store.publish()
    assert published(tmp_path / "s.h5") == 200
