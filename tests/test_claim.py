import json
import os
import threading
import time

import pytest

from dask_espresso import claim
from dask_espresso.claim import Claim, holder
from dask_espresso.errors import InputError


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(claim, "HEARTBEAT", 0.2)
    monkeypatch.setattr(claim, "STALE", 3.0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.h5.claim"


@pytest.fixture
def foreign(path):
    """A claim of a driver on another host."""
    path.write_text(json.dumps({"host": "elsewhere", "pid": 7, "job_id": "42", "since": "today"}))
    return path


def test_claim_and_release(path):
    held = Claim(path)
    assert held.is_ours
    assert holder(path)["pid"] == os.getpid()
    with pytest.raises(InputError, match=rf"s\.h5: in use by .* pid {os.getpid()}, since"):
        Claim(path)
    held.release()
    assert not path.exists()
    Claim(path).release()


def test_it_shows_signs_of_life(path):
    held = Claim(path)
    os.utime(path, (0, 0))
    time.sleep(0.6)
    assert time.time() - path.stat().st_mtime < 10
    held.release()


def test_dead_driver_on_another_host(foreign):
    assert holder(foreign)["job_id"] == "42"
    started = time.monotonic()
    Claim(foreign).release()
    assert time.monotonic() - started > 1
    assert holder(foreign) == {}


def test_living_driver_on_another_host(foreign):
    stop = threading.Event()

    def beat():
        while not stop.wait(0.3):
            os.utime(foreign)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(InputError, match="elsewhere, pid 7, job 42"):
            Claim(foreign)
    finally:
        stop.set()
        thread.join()
    assert json.loads(foreign.read_text())["pid"] == 7


def test_own_job_requeued_on_another_host_goes_on_at_once(foreign, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    started = time.monotonic()
    Claim(foreign).release()
    assert time.monotonic() - started < 1


def test_claim_taken_away_is_noticed(path):
    held = Claim(path)
    path.rename(path.with_suffix(".old"))
    path.touch()
    assert not held.is_ours
    held.release()
    assert path.exists()
