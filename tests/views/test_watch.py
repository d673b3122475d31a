"""A study that is watched: from before there is a store to after its end."""

import dataclasses
import fcntl
import json
import os
import struct
import subprocess
import sys
import termios
import time

import pytest
from click.testing import CliRunner
from outcome_tables import filled_table
from rich.console import Console

from dask_espresso.cli import main
from dask_espresso.cluster.roster import ListedJob, Roster, write_roster
from dask_espresso.errors import InputError
from dask_espresso.inputs.stored_study import StoredStudy
from dask_espresso.outcome import Outcome, Status
from dask_espresso.store.claim import Claim
from dask_espresso.store.hdf5 import write_hdf5
from dask_espresso.store.reading import claim_path
from dask_espresso.store.rows import Rows
from dask_espresso.views.status import status_report
from dask_espresso.views.watch import Looks, picture, watch

STUDY = StoredStudy(
    name="s", script="s.py", engine="python", replicas=2,
    parameters={"phi": [0.1, 0.2, 0.4], "n": [1, 2]},
)  # fmt: skip
SIMULATIONS = list(STUDY.simulations())
WATCH = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "dask_espresso", "status", "s.h5", "--watch"])
"""


def write(path, count, failed=(), **fields):
    made = {"n_ranks": 2, "elapsed_time": 1800.0, "peak_memory": 5 * 10**8, "unread": [],
            "started": time.time() - 2000, "memory_asked": 10**9, **fields}  # fmt: skip
    outcomes = [Outcome(s.id, s.parameters, s.replica, result={"y": 1.0}, seed=n, **made)
                for n, s in enumerate(SIMULATIONS[:count])]  # fmt: skip
    for number in failed:
        outcomes[number].status, outcomes[number].error = Status.FAILED, "exit code 3\nno space"
        outcomes[number].result = None
    write_hdf5(path, filled_table(outcomes), dataclasses.asdict(STUDY), "hash")
    return path


def text_of(looks, height=None):
    console = Console(width=120, height=height, record=True, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    console.print(picture(looks, height))
    console.file.close()
    return console.export_text()


def test_a_store_is_followed_from_before_it_is_there(tmp_path):
    looks = Looks(tmp_path / "s.h5")
    looks.look()
    assert "there is no such store yet" in text_of(looks)
    write(looks.path, 3)
    looks.look()
    assert "3/12" in text_of(looks)
    before = looks.report
    looks.look()
    assert looks.report is before  # nothing has changed
    write(looks.path, 12)  # another file, as when it is published
    looks.look()
    assert looks.is_over
    assert "6 of 6 points are done" in text_of(looks)
    looks.path.rename(tmp_path / "away.h5")
    looks.look()
    assert not looks.is_over
    assert "as of before" in text_of(looks)


def test_trouble_on_the_way_is_shown_and_at_the_beginning_it_is_an_error(tmp_path):
    path = write(tmp_path / "s.h5", 3)
    looks = Looks(path)
    looks.look()
    path.write_bytes(b"nothing of ours")
    looks.look()
    assert "not an HDF5 file" in text_of(looks)
    assert "3/12" in text_of(looks)
    with pytest.raises(InputError, match="not an HDF5 file"):
        Looks(path).look()
    write(path, 4)
    looks.look()
    assert "not an HDF5 file" not in text_of(looks)


def test_what_is_seen_of_a_running_study(tmp_path):
    path = write(tmp_path / "s.h5", 9, failed=[1, 2])
    claim = Claim(claim_path(path))
    jobs = [ListedJob(str(n), "j", "waiting", "Priority") for n in range(3)]
    write_roster(path, Roster((*jobs, ListedJob("9", "j", "working")), "a job was refused"))
    try:
        looks = Looks(path)
        looks.look()
        text, narrow = text_of(looks), text_of(looks, 16)
        report = status_report(path, None)
    finally:
        claim.release()
    for said in (
        "s: running: ",
        "9/12 75%",
        "7 done, 2 failed, 3 to come",
        "core hours: 9, about 3 to come, an estimate",
        "memory: 500 MB the largest process, 1 GB asked for each simulation",
        "3     waiting  Priority",
        "a job was refused",
        "1 of 6 points are done; the farthest behind:",
        "2 x failed: exit code 3",
    ):
        assert said in text, text
    assert len(narrow.splitlines()) == 16  # fewer points, and all else
    assert narrow.splitlines()[-1].startswith("q ends this")
    outlook = report["outlook"]
    assert outlook["rate"] == pytest.approx(9 / 2000, rel=0.1)
    assert outlook["time left"] == pytest.approx(3 * 2000 / 9, rel=0.1)
    points = outlook["points"]
    assert (points["count"], points["done"], points["begun"]) == (6, 1, 6)
    assert [p["done"] for p in points["farthest behind"]] == [1, 1, 1, 1, 1, 2]
    assert len(status_report(path, 2)["outlook"]["points"]["farthest behind"]) == 2
    assert status_report(path)["outlook"]["rate"] is None  # nobody is at work any more


def test_without_a_terminal_tables_follow_each_other(tmp_path):
    path, shown = write(tmp_path / "s.h5", 3), []

    def wait(seconds):
        shown.append(seconds)
        write(path, 12)

    with (tmp_path / "said").open("w") as file:
        watch(path, Console(file=file, width=99), wait)
    said = (tmp_path / "said").read_text()
    assert len(shown) == 1
    assert shown[0] >= 10
    assert said.index("3/12") < said.index("12/12")
    assert "\x1b" not in said


def test_nobody_who_reads_is_an_end(tmp_path):
    path, waits = write(tmp_path / "s.h5", 3), []
    with (tmp_path / "said").open("w") as file:
        watch(path, Console(file=file), waits.append, lambda: True)
    assert not waits


def test_options_that_exclude_each_other(tmp_path):
    path = str(write(tmp_path / "s.h5", 12))
    assert CliRunner().invoke(main, ["status", path, "--watch"]).exit_code == 0
    result = CliRunner().invoke(main, ["status", path, "--watch", "--json"])
    assert (result.exit_code, "leave one out" in result.output) == (2, True)
    report = json.loads(CliRunner().invoke(main, ["status", path, "--json"]).stdout)
    assert len(report["outlook"]["points"]["farthest behind"]) == 6


@pytest.mark.slow
@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_a_terminal_shows_it_until_a_key_ends_it(tmp_path, key):
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    before = termios.tcgetattr(theirs)
    with os.fdopen(ours, "r+b", buffering=0) as terminal:
        process = subprocess.Popen(
            [sys.executable, "-c", WATCH], cwd=tmp_path, start_new_session=True,
            stdin=theirs, stdout=theirs, stderr=theirs,
        )  # fmt: skip
        said = b""

        def read_until(text):
            nonlocal said
            while text not in said:
                said += terminal.read(4096)

        read_until(b"waiting for")
        write(tmp_path / "s.h5", 3)
        read_until(b"3/12")
        terminal.write(key)
        read_until(b"\x1b[?1049l")  # the screen of before is back
        assert process.wait(60) == 0, said
        assert termios.tcgetattr(theirs)[:6] == before[:6]
        os.close(theirs)


@pytest.mark.slow
def test_a_journal_is_looked_at_in_linear_time():
    def time_of(count):
        outcomes = [Outcome(str(n), {"x": n}, result={"y": 1.0}) for n in range(count)]
        start = time.process_time()
        assert Rows(None, outcomes).paths("result") == [("y",)]
        return time.process_time() - start

    assert time_of(40_000) < 10 * max(time_of(8_000), 0.01)
