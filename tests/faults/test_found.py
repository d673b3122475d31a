"""What the campaign has found, each in its smallest form."""

import subprocess
import sys
from pathlib import Path

import pytest

from dask_espresso import certificates
from dask_espresso.driver import run_study
from dask_espresso.outcome import Outcome, pack
from dask_espresso.store import Entry, open_store
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


def test_keys_of_a_killed_driver_go_though_nothing_is_left_to_do(study, path, monkeypatch):
    monkeypatch.chdir(path.parent)
    with open_store(path, study) as store:
        store.record(entries(study, 0, 20))
        store.publish()
    left = path.parent / f"{certificates._PREFIX}x"
    left.mkdir()
    assert run_study(study).exit_status == 0
    assert not left.exists()


def test_keys_being_made_are_no_leftovers(tmp_path, monkeypatch):
    """Another driver starts between the making of their folder and its lock."""
    make = certificates.tempfile.mkdtemp

    def interrupted(**options):
        made = make(**options)
        certificates.remove_leftovers(tmp_path)
        return made

    monkeypatch.setattr(certificates.tempfile, "mkdtemp", interrupted)
    with certificates.temporary_security(tmp_path) as security:
        assert Path(security.tls_ca_file).exists()


def test_standard_error_on_a_full_disk(tmp_path):
    command = [sys.executable, "-m", "dask_espresso", "status", str(tmp_path / "none.h5")]
    with Path("/dev/full").open("w") as full:
        assert subprocess.run(command, check=False, stderr=full).returncode == 2
