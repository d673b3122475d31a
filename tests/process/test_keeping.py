"""Files that stay of a simulation."""

import hashlib
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dask_espresso import kept as kept_module
from dask_espresso.errors import BadValueError
from dask_espresso.inputs.keep import Keep
from dask_espresso.kept import KeptFile, kept_files, prepared
from dask_espresso.outcome import Status
from dask_espresso.process import keeping
from dask_espresso.process.keeping import keep_files


def prepare(place):
    with prepared(place, "mark"):
        pass


@pytest.fixture
def directory(tmp_path):
    """Where a simulation has run."""
    directory = tmp_path / "run"
    (directory / "out/deep").mkdir(parents=True)
    for name in ("a.vtf", "b.vtf", ".hidden.vtf", "traj.h5", "out/c.dat", "out/deep/d"):
        (directory / name).write_text(name)
    return directory


@pytest.fixture
def keep(tmp_path):
    prepare(tmp_path / "s.files")
    return Keep(("*.vtf",), 1 << 20, str(tmp_path / "s.files"), "0123")


def names(kept):
    return [file.name for file in kept_files(kept)]


def inside(place):
    return sorted(path.name for path in Path(place).iterdir())


def listed(place):
    return sorted(str(p.relative_to(place)) for p in Path(place).rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["*.vtf"], ["a.vtf", "b.vtf"]),
        (["*.vtf", "a.*"], ["a.vtf", "b.vtf"]),  # each once
        (["./traj.h5"], ["traj.h5"]),
        ([".*.vtf"], [".hidden.vtf"]),
        (["o*/*.dat"], ["out/c.dat"]),
        (["out"], ["out/c.dat", "out/deep/d"]),
        (["*"], ["a.vtf", "b.vtf", "out/c.dat", "out/deep/d", "traj.h5"]),
        (["[ab].vtf"], ["a.vtf", "b.vtf"]),
    ],
)
def test_patterns(directory, keep, patterns, found):
    kept = keep_files(replace(keep, patterns=tuple(patterns)), str(directory), is_complete=True)
    assert names(kept) == found
    assert listed(f"{keep.place}/0123") == sorted(found)
    assert inside(keep.place) == ["0123"]
    hashed = hashlib.sha256(found[0].encode()).hexdigest()
    assert kept_files(kept)[0] == KeptFile(found[0], len(found[0]), hashed)
    assert Path(keep.place, "0123", found[0]).read_text() == found[0]


def test_what_is_missing_is_a_fault_of_those_that_have_ended_well(directory, keep):
    keep = replace(keep, patterns=("*.vtf", "x.h5"))
    said = r"keep: no file is 'x.h5'; its directory has \.hidden\.vtf, a\.vtf, b\.vtf, out/, traj"
    with pytest.raises(BadValueError, match=said):
        keep_files(keep, str(directory), is_complete=True)
    assert inside(keep.place) == []
    assert names(keep_files(keep, str(directory), is_complete=False)) == ["a.vtf", "b.vtf"]


def test_nothing_outside_and_nothing_special_is_kept(directory, keep, tmp_path):
    (tmp_path / "secret.vtf").write_text("secret")
    (directory / "l.vtf").symlink_to(tmp_path / "secret.vtf")
    (directory / "dir.vtf").symlink_to(tmp_path)
    (directory / "out/up").symlink_to(tmp_path)
    os.mkfifo(directory / "f.vtf")
    kept = keep_files(replace(keep, patterns=("*.vtf", "out")), str(directory), is_complete=True)
    assert names(kept) == ["a.vtf", "b.vtf", "out/c.dat", "out/deep/d"]
    for pattern, what in (("l.*", r"l\.vtf \(a link\)"), ("f.*", r"f\.vtf \(no regular file\)")):
        for name in ("a.vtf", "b.vtf", ".hidden.vtf"):
            (directory / name).unlink(missing_ok=True)
        with pytest.raises(BadValueError, match=what):
            keep_files(replace(keep, patterns=(pattern,)), str(directory), is_complete=True)
    with pytest.raises(BadValueError, match="no file is 'out/up/"):
        keep_files(replace(keep, patterns=("out/up/*",)), str(directory), is_complete=True)


def test_what_a_link_in_place_of_the_directory_leads_to_is_not_kept(directory, keep):
    elsewhere = directory.rename(directory.parent / "elsewhere")
    directory.symlink_to(elsewhere)
    with pytest.raises(BadValueError, match="has put a link in place of its directory"):
        keep_files(keep, str(directory), is_complete=True)
    assert inside(keep.place) == []


def test_limits(directory, keep, monkeypatch):
    with (directory / "huge.vtf").open("wb") as file:
        file.truncate(1 << 40)  # it takes no room
    said = r"keep: 3 files have .* MiB, of 1\.0 MiB that may be \(the largest is huge\.vtf\); keep"
    with pytest.raises(BadValueError, match=said):
        keep_files(keep, str(directory), is_complete=True)
    monkeypatch.setattr(keeping, "MOST_FILES", 2)
    with pytest.raises(BadValueError, match="keep: 3 files match, of 2 that may be"):
        keep_files(keep, str(directory), is_complete=True)
    assert inside(keep.place) == []


def test_a_later_attempt_replaces_all_files_of_the_one_before(directory, keep):
    keep_files(keep, str(directory), is_complete=True)
    (directory / "a.vtf").unlink()
    (directory / "b.vtf").write_text("new")
    keep_files(keep, str(directory), is_complete=True)
    assert listed(keep.place) == ["0123/b.vtf"]
    assert Path(keep.place, "0123/b.vtf").read_text() == "new"
    (directory / "b.vtf").unlink()
    assert keep_files(keep, str(directory), is_complete=False) == ""
    assert inside(keep.place) == []


def test_two_attempts_that_end_together(directory, keep, monkeypatch):
    rename, others = Path.rename, iter(["x", "y"])

    def between(path, target):
        """The other one comes in before ours has its name."""
        if Path(target).name == "0123" and (other := next(others, "")):
            Path(target).mkdir()
            Path(target, other).touch()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", between)
    assert names(keep_files(keep, str(directory), is_complete=True)) == ["a.vtf", "b.vtf"]
    assert listed(keep.place) == ["0123/a.vtf", "0123/b.vtf"]
    assert inside(keep.place) == ["0123"]


def test_a_copy_that_fails_leaves_what_was_there(directory, keep, monkeypatch):
    keep_files(keep, str(directory), is_complete=True)

    def full(fd, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept_module, "write_all", full)
    with pytest.raises(BadValueError, match=r"keep: .*s\.files: No space left on device; make"):
        keep_files(keep, str(directory), is_complete=True)
    assert listed(keep.place) == ["0123/a.vtf", "0123/b.vtf"]
    assert inside(keep.place) == ["0123"]


KILLED = """
import os, signal, sys
from dask_espresso.inputs.keep import Keep
from dask_espresso import kept
from dask_espresso.process import keeping
write_all = kept.write_all
def killed(fd, data):
    if data == b"b.vtf":
        os.kill(os.getpid(), signal.SIGKILL)
    write_all(fd, data)
kept.write_all = killed
keeping.keep_files(Keep(("*.vtf",), 1000, sys.argv[1], "0123"), sys.argv[2], is_complete=True)
"""


@pytest.mark.parametrize("is_first", [True, False])
def test_a_worker_that_is_killed_while_it_copies(directory, keep, is_first):
    if not is_first:
        keep_files(keep, str(directory), is_complete=True)
    command = [sys.executable, "-c", KILLED, keep.place, str(directory)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert len(inside(keep.place)) == 1 + (not is_first)
    prepare(Path(keep.place))
    assert listed(keep.place) == ([] if is_first else ["0123/a.vtf", "0123/b.vtf"])


def test_a_worker_that_does_not_see_the_directory(directory, keep):
    Path(keep.place).rmdir()
    with pytest.raises(BadValueError, match=r"s\.files is not there on this machine: workers have"):
        keep_files(keep, str(directory), is_complete=True)
    assert not Path(keep.place).exists()


def test_a_worker_that_has_another_directory_there(directory, keep):
    with prepared(Path(keep.place), "of-this-run"):
        keep_files(replace(keep, mark="of-this-run"), str(directory), is_complete=True)
        with pytest.raises(BadValueError, match=r"s\.files is another directory on this"):
            keep_files(replace(keep, mark="of-another"), str(directory), is_complete=True)
    assert inside(keep.place) == ["0123"]


def test_without_a_place_it_is_only_looked(directory, keep):
    keep = replace(keep, place="")
    assert keep_files(keep, str(directory), is_complete=True) == ""
    with pytest.raises(BadValueError, match=r"no file is 'x'"):
        keep_files(replace(keep, patterns=("x",)), str(directory), is_complete=True)


def test_names_of_any_kind(directory, keep):
    odd = [b"new\nline.vtf", b"\xff.vtf", "ä b.vtf".encode()]
    for name in odd:
        Path(directory, os.fsdecode(name)).touch()
    kept = keep_files(keep, str(directory), is_complete=True)
    assert kept.isascii()
    assert {os.fsdecode(name) for name in odd} < set(names(kept))


def test_leftovers_of_killed_workers_are_removed(tmp_path, keep):
    (tmp_path / "s.files/.0123.abcdefgh.tmp/out").mkdir(parents=True)
    (tmp_path / "s.files/4567").mkdir()
    prepare(tmp_path / "s.files")
    assert inside(keep.place) == ["4567"]


def test_leftovers_that_stay_are_told(tmp_path, keep, caplog):
    (tmp_path / "s.files/.0123.abcdefgh.tmp").symlink_to(tmp_path)
    prepare(tmp_path / "s.files")
    assert "is of no use any more, but cannot be removed" in caplog.text
    assert tmp_path.is_dir()


def test_a_parameter_in_a_pattern_is_no_pattern_itself(run):
    code = """
        import dask_espresso
        p = dask_espresso.get_data_from_stdin()
        open(f"{p['x']}.vtf", "w").close()
        dask_espresso.send_result({})
    """
    for outcome in run(code, 'parameters: {x: "[a]*"}\nkeep: ["{x}.vtf"]\n'):
        assert outcome.status is Status.DONE, outcome.error
    for outcome in run(code, 'parameters: {x: "../y"}\nkeep: ["{x}.vtf"]\n'):
        assert outcome.error == "it did not start: keep: '../y.vtf' is outside its directory"
