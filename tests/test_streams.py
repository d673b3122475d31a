"""What becomes of a command when nobody takes what it says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>/dev/full >/dev/full", "2>&- >&- <&-"])
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ("status none.h5", 2),  # an error of ours
        ("--debug status none.h5", 2),
        ("--nonsense", 2),  # one of click's
        ("run bad.yaml", 2),
        ("try study.yaml", 0),
    ],
)
def test_nothing_can_be_said(here, arguments, status, redirection):
    assert shell(arguments, redirection).returncode == status


@pytest.mark.parametrize("redirection", [">/dev/full", "2>/dev/full >/dev/full", "2>&- >&- <&-"])
def test_a_study_runs_to_its_end_though_nothing_can_be_said(here, redirection):
    done = shell("--debug run study.yaml", redirection)
    assert done.returncode == 0
    assert "OSError" not in done.stderr
    assert json.loads(shell("status s.h5 --json", "").stdout)["done"] == 3


def test_a_study_runs_to_its_end_though_nobody_reads(here):
    done = shell("run study.yaml", "2>&1 | head -1; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("arguments", ["status s.h5", "status s.h5 --json", "show s.h5"])
def test_output_that_is_wanted_for_itself(here, arguments):
    assert shell("run study.yaml", "").returncode == 0
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
