"""File servers that go away: what is written beside a store fails, not the store itself."""

import contextlib
import errno
import fnmatch
import functools
import io
import os
import pathlib
from pathlib import Path

import pytest

from dask_espresso.cluster.roster import (
    Roster,
    read_roster,
    remove_roster,
    roster_path,
    write_roster,
)
from dask_espresso.driver import run_study
from dask_espresso.errors import ResumableError
from dask_espresso.inputs.profile import Profile
from dask_espresso.inputs.study import load_study
from dask_espresso.store.store import read_store
from dask_espresso.views.progress import Display

NUMBERS = [errno.EIO, errno.ESTALE]
# Python 3.10 keeps references of its own
OWNERS = [os, *filter(None, [getattr(pathlib, "_NormalAccessor", None)])]


class Away:
    """Have calls fail for files of a pattern, as those of a server that is away.

    Parameters
    ----------
    monkeypatch
        Of pytest.
    pattern : str
        Of their paths.
    call : str
        One of ``os``; ``write`` and ``close`` are those of files that are opened for writing.
    numbers : list of int
        What the calls fail with, one after the other, and again.
    """

    def __init__(self, monkeypatch, pattern, call, numbers):
        self.failed = 0
        self._pattern, self._call, self._numbers = pattern, call, numbers
        monkeypatch.setattr(io, "open", self._opening(io.open))
        for owner in OWNERS:
            if hasattr(owner, call) and call not in ("write", "close"):
                failing = self._failing(getattr(owner, call))
                monkeypatch.setattr(owner, call, failing if owner is os else staticmethod(failing))

    def _is_meant(self, what):
        with contextlib.suppress(TypeError, OSError):
            path = (
                Path(f"/proc/self/fd/{what}").readlink() if type(what) is int else os.fspath(what)
            )
            return fnmatch.fnmatch(os.fsdecode(path), self._pattern)
        return False

    def _fail(self, *_):
        number = self._numbers[self.failed % len(self._numbers)]
        self.failed += 1
        raise OSError(number, os.strerror(number), self._pattern)

    def _failing(self, call):
        @functools.wraps(call)
        def failing(what, *args, **kwargs):
            return self._fail() if self._is_meant(what) else call(what, *args, **kwargs)

        return failing

    def _opening(self, call):
        @functools.wraps(call)
        def opening(what, mode="r", *args, **kwargs):
            if self._call == "open" and type(what) is not int and self._is_meant(what):
                self._fail()
            file = call(what, mode, *args, **kwargs)
            if self._call in ("write", "close") and "w" in mode and self._is_meant(what):
                real = file.close
                setattr(file, self._call, lambda *_: real() or self._fail())
            return file

        return opening


class Heard(Display):
    """Remembers what is said."""

    def __init__(self):
        self.said = []

    def say(self, message):
        self.said.append(message)


@pytest.fixture
def study(slurm, script, study_file):
    script("""
        import dask_espresso
        i = dask_espresso.get_data_from_stdin()["i"]
        print(dask_espresso.encode_transport_data({"square": i * i}))
    """)
    text = "name: s\nengine: python\nscript: script.py\nparameters: {i: [0, 1, 2]}\n"
    return load_study(study_file(text))


PROFILE = Profile(
    cluster="slurm", jobs=1, options={"interface": "lo", "cores": 1, "memory": "1 GB"}
)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    ("pattern", "call"),
    [
        ("*/.dask-espresso-tls-*", "mkdir"),
        ("*/.dask-espresso-tls-*", "open"),
        ("*/.dask-espresso-tls-*/key.pem", "write"),
        ("*/.dask-espresso-tls-*/key.pem", "close"),
        ("*dask-espresso-logs", "mkdir"),
        ("*/s.h5.jobs", "open"),
    ],
)
def test_nothing_is_run_without_what_a_run_needs(study, slurm, monkeypatch, pattern, call, number):
    """Of the roster, too: it may tell of jobs that are to be cancelled."""
    left = Roster(names=("dask-espresso-0a1b2c-",))
    write_roster(slurm / "s.h5", left)
    before = roster_path(slurm / "s.h5").read_text()
    with monkeypatch.context() as patch:
        away = Away(patch, pattern, call, [number])
        with pytest.raises(ResumableError) as caught:
            run_study(study, PROFILE)
    assert away.failed
    said = f"{os.strerror(number)}; wait until its file system is well again"
    assert said in str(caught.value)
    assert str(caught.value).count("\n") == 0
    assert not list(slurm.glob("jobs/*"))
    assert roster_path(slurm / "s.h5").read_text() == before


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("call", ["open", "write", "close", "replace"])
def test_a_roster_that_cannot_be_written(tmp_path, monkeypatch, call, number):
    store = tmp_path / "s.h5"
    assert write_roster(store, Roster(problem="old")) == ""
    with monkeypatch.context() as patch:
        away = Away(patch, "*/.s.h5.jobs.new", call, [number])
        said = write_roster(store, Roster(problem="new"))
    assert away.failed == 1
    assert said.startswith(f"{store}.jobs: {os.strerror(number)}; wait until its file system is")
    assert "the run goes on" in said
    assert read_roster(store).problem == "old"
    remove_roster(store)
    assert list(tmp_path.iterdir()) == []


def test_a_run_goes_on_without_its_roster_and_says_so(study, slurm, monkeypatch):
    heard = Heard()
    roster = Away(monkeypatch, "*/.s.h5.jobs.new", "replace", NUMBERS)
    logs = Away(monkeypatch, "*dask-espresso-logs", "rmdir", NUMBERS)
    assert run_study(study, PROFILE, display=heard).exit_status == 0
    assert roster.failed > 1
    assert logs.failed
    assert len(read_store(slurm / "s.h5").outcomes) == 3
    assert 1 <= sum("s.h5.jobs: " in said for said in heard.said) <= len(NUMBERS)
