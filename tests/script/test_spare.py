"""Directories of a simulation are the next one's only where nothing was done with them."""

import contextlib
import os
import shutil
import time
from pathlib import Path

import pytest

from dask_espresso.script.spare import SpareScratch

OLD = 3.0  # seconds


class Simulations:
    """Run one after the other, at times of a clock that is set by hand."""

    def __init__(self, directory):
        self.now = 0.0
        self.home = directory / "home"
        self.home.mkdir()
        self.scratch = SpareScratch(str(self.home), lambda: self.now)
        self._directory = directory
        self._count = 0

    def run(self, does=lambda path: None):
        """Give by what the directories of one are known, and whether they went at its end."""
        self._count += 1
        path = self._directory / f"simulation-{self._count}"
        self.scratch.make(str(path))
        inside = path / "run", path / "tmp"
        assert sorted(path.iterdir()) == list(inside)
        assert not any(list(p.iterdir()) for p in inside)
        assert [p.lstat().st_mode for p in (path, *inside)] == [0o40700] * 3
        found = {(p.stat().st_ino, p.stat().st_ctime_ns) for p in inside}
        with contextlib.suppress(AttributeError):
            assert not [n for p in (path, path / "run") for n in os.listxattr(p) if "user" in n]
        does(path)
        is_clean = self.scratch.remove(str(path))
        assert is_clean != path.exists()
        return found, is_clean


@pytest.fixture
def simulations(tmp_path):
    """Give some that have the same directories, since the first left them as they were."""
    simulations = Simulations(tmp_path)
    simulations.run()
    simulations.now += OLD
    return simulations


def test_what_was_left_untouched_is_used_again(simulations):
    found = [simulations.run() for _ in range(5)]
    assert found == [found[0]] * 5


def test_what_is_young_is_not_used(tmp_path):
    """A change of it could have the time at which it was made."""
    simulations = Simulations(tmp_path)
    simulations.run()
    young = [simulations.run()[0] for _ in range(3)]
    simulations.now += OLD
    old = [simulations.run()[0] for _ in range(3)]
    assert not any(old[0] & each for each in young)
    assert old[0] == old[1] == old[2]


def test_what_is_very_old_is_not_used(simulations):
    """Somebody may have tidied up."""
    before = simulations.run()[0]
    simulations.now += 7200
    assert not simulations.run()[0] & before


def writes(path):
    (path / "tmp" / "file").touch()


def writes_and_removes(path):
    (path / "run" / "file").touch()
    (path / "run" / "file").unlink()


def makes_a_directory_above(path):
    (path / "more").mkdir()


def changes_mode_and_back(path):
    (path / "run").chmod(0o777)
    (path / "run").chmod(0o700)


def changes_mode_above(path):
    path.chmod(0o755)


def changes_times_and_back(path):
    of = (path / "tmp").stat()
    os.utime(path / "tmp", ns=(0, 0))
    os.utime(path / "tmp", ns=(of.st_atime_ns, of.st_mtime_ns))


def adds_an_attribute(path):
    os.setxattr(path / "run", "user.note", b"x")


def adds_an_attribute_above(path):
    os.setxattr(path, "user.note", b"x")


def replaces(path):
    (path / "run").rmdir()
    (path / "run").mkdir(0o700)


def puts_a_link(path):
    (path / "run").rename(path.parent / "elsewhere")
    (path / "run").symlink_to(path.parent / "elsewhere")


def removes(path):
    (path / "run").rmdir()


def changes_the_time_above(path):
    time.sleep(0.01)  # of its renaming, by a coarse clock
    os.utime(path, ns=(0, path.stat().st_mtime_ns))


@pytest.mark.parametrize(
    "does",
    [
        writes,
        writes_and_removes,
        makes_a_directory_above,
        changes_mode_and_back,
        changes_mode_above,
        changes_times_and_back,
        adds_an_attribute,
        adds_an_attribute_above,
        replaces,
        puts_a_link,
        removes,
        changes_the_time_above,
    ],
    ids=lambda does: does.__name__,
)
def test_what_was_touched_is_not_used_again(simulations, does):
    before, _ = simulations.run()
    try:
        simulations.run(does)
    except OSError as error:
        if "attribute" in does.__name__:
            pytest.skip(f"no attributes on this file system: {error}")
        raise
    after, is_clean = simulations.run()
    assert is_clean
    assert not after & before
    simulations.now += OLD
    again = [simulations.run() for _ in range(2)]
    assert again[0] == again[1]  # these were left as they were


def test_without_a_place_for_them_they_are_made_and_removed(simulations):
    def loses_home(path):
        shutil.rmtree(simulations.home)

    assert [simulations.run(does)[1] for does in (loses_home, lambda path: None)] == [True, True]
    assert not list(simulations.home.parent.iterdir())
    simulations.now += OLD
    assert simulations.run()[1]


def test_directories_that_were_looked_at_are_not_taken_for_spare_ones(simulations):
    """Those that hold files to be kept are removed by another program."""
    path = simulations.home.parent / "held"
    simulations.scratch.make(str(path))
    shutil.rmtree(path)
    simulations.run()
    simulations.now += OLD
    found = [simulations.run() for _ in range(2)]
    assert found[0] == found[1]


def test_a_path_that_is_taken_is_an_error(simulations):
    path = Path(simulations.home.parent / "taken")
    path.write_text("mine")
    with pytest.raises(OSError, match="no directory to run in can be made"):
        simulations.scratch.make(str(path))
    assert path.read_text() == "mine"


@pytest.mark.parametrize("tidied", ["run", "tmp", ""])
def test_what_somebody_has_tidied_up_meanwhile_is_not_used(simulations, tidied):
    simulations.run()
    (spare,) = simulations.home.iterdir()
    for folder in [tidied] if tidied else ["run", "tmp", ""]:
        (spare / folder).rmdir()
    assert simulations.run()[1]


def test_what_somebody_has_put_there_meanwhile_is_not_seen(simulations):
    simulations.run()
    (spare,) = simulations.home.iterdir()
    (spare / "run" / "file").touch()
    assert simulations.run()[1]
