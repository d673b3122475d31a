"""What becomes of a command when nobody takes what it says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dask_espresso.driver import run_study
from dask_espresso.views.status import status_report

STUDY = "name: s\nengine: python\nscript: echo\nparameters: {x: [1, 2, 3]}\n"
BAD = "name: s\nengine: python\nscript: echo\nparameter: {x: [1, 2, 3]}\n"


@pytest.fixture
def here(tmp_path, monkeypatch, study_file):
    study_file(STUDY)
    study_file(BAD, name="bad.yaml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shell(arguments, redirection):
    """Run dask-espresso with its output going somewhere."""
    command = f"{sys.executable} -m dask_espresso {arguments} {redirection}"
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)


FULL, ALL_FULL, CLOSED = "2>/dev/full", "2>/dev/full >/dev/full", "2>&- >&- <&-"


@pytest.mark.parametrize(
    ("arguments", "redirection", "status"),
    [
        ("status none.h5", FULL, 2),  # an error of ours
        ("status none.h5", CLOSED, 2),
        ("--debug status none.h5", ALL_FULL, 2),
        ("--debug status none.h5", CLOSED, 2),
        ("--nonsense", ALL_FULL, 2),  # one of click's
        ("--nonsense", CLOSED, 2),
        ("run bad.yaml", ALL_FULL, 2),
        ("try study.yaml", ALL_FULL, 0),
        ("try study.yaml", CLOSED, 0),
    ],
)
def test_nothing_can_be_said(here, arguments, redirection, status):
    assert shell(arguments, redirection).returncode == status


@pytest.mark.slow
@pytest.mark.parametrize("redirection", [">/dev/full", ALL_FULL, CLOSED])
def test_a_study_runs_to_its_end_though_nothing_can_be_said(here, workers, redirection):
    """Neither by the driver nor, where all is closed, by a worker of its own."""
    profile = "local" if redirection == CLOSED else workers.path
    done = shell(f"--debug run study.yaml --profile {profile}", redirection)
    assert done.returncode == 0
    assert "OSError" not in done.stderr
    assert status_report(here / "s.h5")["done"] == 3


@pytest.mark.slow
def test_a_study_runs_to_its_end_though_nobody_reads(here, workers):
    arguments = f"run study.yaml --profile {workers.path}"
    done = shell(arguments, "2>&1 | head -1; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


@pytest.fixture(scope="module")
def store(tmp_path_factory, workers):
    """Give a store that is only looked at."""
    there = tmp_path_factory.mktemp("store")
    (there / "study.yaml").write_text(STUDY)
    assert run_study(there / "study.yaml", workers, there / "s.h5").exit_status == 0
    return there / "s.h5"


@pytest.mark.parametrize("arguments", ["status", "status --json", "show"])
def test_output_that_is_wanted_for_itself(store, arguments):
    arguments = f"{arguments} {store}"
    full = shell(arguments, ">/dev/full")
    assert full.returncode == 1
    assert "Error: standard output: No space left on device" in full.stderr
    enough = shell(arguments, "| head -1; exit ${PIPESTATUS[0]}")
    assert enough.returncode == 0
    assert all(line.startswith("not shown: ") for line in enough.stderr.splitlines())


def test_first_files_opened_do_not_become_standard_streams(here):
    """What a library says would be written into the store otherwise."""
    code = """
import os, sys
from dask_espresso.streams import guard_streams
guard_streams()
sys.exit(os.open("file", os.O_CREAT) < 3)
"""
    command = f"{sys.executable} -c '{code}' <&- >&- 2>&-"
    assert subprocess.run(["bash", "-c", command], check=False).returncode == 0


def test_terminal_that_does_not_block():
    """As other programs on the same terminal make it."""
    code = """
from dask_espresso.streams import guard_streams
guard_streams()
print("x" * 1_000_000)
"""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with subprocess.Popen([sys.executable, "-c", code], stdout=writer) as process:
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            assert len(file.read()) == 1_000_001
    assert process.returncode == 0


def test_characters_that_a_terminal_lacks(here):
    Path("é.yaml").write_text(BAD)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "dask_espresso", "run", "é.yaml"]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 2
    assert b"\\xe9.yaml:4" in done.stderr
