import errno
import json
import os
import threading
import time
from pathlib import Path

import pytest
from processes import wait_until

from dask_espresso.errors import InputError
from dask_espresso.files import aside_of, remove_leftovers
from dask_espresso.store import claim
from dask_espresso.store.claim import Claim, holder


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(claim, "HEARTBEAT", 0.2)
    monkeypatch.setattr(claim, "STALE", 1.5)
    monkeypatch.setattr(claim, "_SETTLE", 0.5)


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
    assert wait_until(lambda: time.time() - path.stat().st_mtime < 10)
    held.release()


def test_dead_driver_on_another_host(foreign):
    assert holder(foreign)["job_id"] == "42"
    started = time.monotonic()
    Claim(foreign).release()
    assert time.monotonic() - started > 1
    assert holder(foreign) == {}


def test_who_has_been_silent_for_long_holds_nothing(foreign):
    os.utime(foreign, (0, 0))
    assert holder(foreign) == {}
    os.utime(foreign)
    assert holder(foreign)["pid"] == 7


def test_living_driver_on_another_host(foreign):
    stop = threading.Event()

    def beat():
        while not stop.wait(0.1):
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
    monkeypatch.setattr(claim, "STALE", 60.0)
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    started = time.monotonic()
    Claim(foreign).release()
    assert time.monotonic() - started < 50


def test_claim_taken_away_is_noticed(path):
    held = Claim(path)
    path.rename(path.with_suffix(".old"))
    path.touch()
    assert not held.is_ours
    held.release()
    assert path.exists()


def on_host(monkeypatch, name):
    """Be on another host: nothing of this one's file locks is seen there."""
    monkeypatch.setattr("fcntl.flock", lambda fd, how: None)
    monkeypatch.setattr("socket.gethostname", lambda: name)


def test_a_file_system_that_is_gone_is_no_other_driver(path, monkeypatch):
    """As sshfs leaves it when its line is cut: the directory is empty, what was open fails."""
    claim = Claim(path)
    path.unlink()
    assert not claim.look()

    def fails(_):
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises(OSError, match="not connected"):
            claim.look()
        assert not claim.is_ours
    claim.release()


def test_owner_that_was_taken_over_notices(path, monkeypatch):
    on_host(monkeypatch, "alpha")
    first = Claim(path)
    os.utime(path, (0, 0))
    on_host(monkeypatch, "beta")
    second = Claim(path)
    assert second.is_ours
    assert not first.is_ours
    first.release()
    assert second.is_ours
    second.release()


def test_dead_owner_of_tomorrow_is_taken_over(foreign):
    """Its file server's clock has been put back since."""
    os.utime(foreign, (time.time() + 3600,) * 2)
    started = time.monotonic()
    Claim(foreign).release()
    assert time.monotonic() - started < 600


def test_of_two_that_take_over_at_once_one_wins(foreign, monkeypatch):
    """On two hosts, each having found the owner before them dead."""
    ends = []

    def take_over():
        try:
            ends.append(Claim(foreign))
        except InputError as error:
            ends.append(str(error))

    on_host(monkeypatch, "alpha")
    os.utime(foreign, (0, 0))
    threads = [threading.Thread(target=take_over) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (won,) = [end for end in ends if isinstance(end, Claim)]
    (lost,) = [end for end in ends if end is not won]
    assert "in use by the driver on alpha" in lost
    assert won.is_ours
    won.release()
    assert list(foreign.parent.iterdir()) == []


def test_a_claim_without_a_name_is_waited_for(path):
    """Whoever has it may be alive, on another host."""
    path.touch()
    started = time.monotonic()
    Claim(path).release()
    assert time.monotonic() - started > 1


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_where_there_are_no_locks_signs_of_life_decide(path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    held = Claim(path)
    assert holder(path)["pid"] == os.getpid()
    with pytest.raises(InputError, match="in use by the driver on"):
        Claim(path)
    assert held.is_ours
    held.release()


def test_where_there_are_no_hard_links(path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    held = Claim(path)
    with pytest.raises(InputError, match="in use by the driver on"):
        Claim(path)
    held.release()
    assert list(path.parent.iterdir()) == []


@pytest.fixture
def odd_numbers(monkeypatch):
    """Each name of a file has a number and a lock of its own, as on sshfs with hard links."""
    link, number = os.link, claim.is_open_at
    names = set()
    monkeypatch.setattr(os, "link", lambda old, new: (link(old, new), names.add(os.fspath(new))))
    is_open_at = lambda path, fd: os.fspath(path) not in names and number(path, fd)  # noqa: E731
    monkeypatch.setattr(claim, "is_open_at", is_open_at)


@pytest.mark.usefixtures("odd_numbers")
def test_where_each_name_of_a_file_has_a_number_of_its_own(path):
    held = Claim(path)
    assert held.is_ours
    with pytest.raises(InputError, match="in use by the driver on"):
        Claim(path)
    assert held.is_ours
    held.release()
    assert list(path.parent.iterdir()) == []


@pytest.mark.usefixtures("odd_numbers")
def test_of_two_at_once_one_has_it_without_links_too(path):
    """Both have found nobody there: the one that put its claim there last has the store."""
    ends, both = [], threading.Barrier(8)

    def take():
        both.wait()
        try:
            ends.append(Claim(path))
        except InputError:
            ends.append(None)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(bool(end and end.is_ours) for end in ends) == 1
    for end in filter(None, ends):
        end.release()
    assert list(path.parent.iterdir()) == []


def test_a_machine_of_the_same_name_is_another_one(path, monkeypatch):
    monkeypatch.setattr(claim, "_boot", lambda: "another start")
    held = Claim(path)
    monkeypatch.undo()
    assert holder(path)["pid"] == os.getpid()  # as far as can be told from here
    held.release()


def test_looking_at_a_claim_refuses_nobody(path):
    Claim(path).release()
    stop = threading.Event()

    def look():
        while not stop.is_set():
            holder(path)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(100):
            path.write_text(json.dumps({**claim._myself(), "pid": 1}))  # of a dead driver
            Claim(path).release()
    finally:
        stop.set()
        thread.join()


def test_claim_that_cannot_be_deleted(path, monkeypatch, caplog):
    def denied(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    held = Claim(path)
    monkeypatch.setattr(Path, "unlink", denied)
    held.release()
    assert "cannot be removed: Permission denied" in caplog.text


@pytest.fixture
def unwritable(monkeypatch):
    """Nobody can find out what time it is on the file server."""

    def denied(self, **_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("pathlib.Path.touch", denied)


@pytest.mark.usefixtures("unwritable")
def test_reader_that_may_not_write(foreign):
    assert holder(foreign)["pid"] == 7
    os.utime(foreign, (0, 0))
    assert holder(foreign) == {}


@pytest.mark.usefixtures("unwritable")
def test_who_may_be_silent_by_the_clock_here_alone_is_not_dead(foreign):
    os.utime(foreign, (0, 0))
    with pytest.raises(PermissionError):
        Claim(foreign)
    assert [file.name for file in foreign.parent.iterdir()] == [foreign.name]
    assert json.loads(foreign.read_text())["pid"] == 7


def test_what_was_being_built_is_removed_also_beside_what_was_being_built(tmp_path):
    path = tmp_path / "s.h5.claim"
    once = aside_of(path)
    for left in (once, aside_of(once)):
        left.touch()
    other_store = aside_of(tmp_path / "other.h5.claim")
    kept = [path, tmp_path / ".s.h5.claim.mine.tmp", tmp_path / "other.claim", other_store]
    for other in kept:
        other.touch()
    remove_leftovers(path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)
