"""What is installed from the wheel, without the source tree, does its work."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from environments import new_environment

from dask_espresso.store.store import read_store

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
STUDY = "name: s\nengine: python\nscript: echo\nparameters: {x: [1, 2, 3]}\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Give the directory of the programs of an environment with the wheel alone in it.

    What it needs is that of this environment, which shows up there without its ``.pth`` files,
    and so without the source tree.
    """
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
    subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    programs = Path(new_environment(folder / "environment", "--no-deps", wheel)).parent
    (packages,) = (folder / "environment").glob("lib/python*/site-packages")
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib"))
    return programs


@pytest.fixture
def run(installed, tmp_path, monkeypatch):
    """Run a program of that environment in an empty directory; give what it says."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("PATH", str(installed), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)

    def run(*words):
        done = subprocess.run(words, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_source_tree_is_not_seen(run, installed):
    said = run("python", "-c", "import dask_espresso; print(dask_espresso.__file__)")
    assert Path(said).is_relative_to(installed.parent)


def test_a_study_from_its_start(run, tmp_path):
    run("dask-espresso", "init", "my_curve", "--template", "curve")
    run("dask-espresso", "init", "my_study", "--engine", "lammps")
    assert {path.name for path in (tmp_path / "my_study").iterdir()} == {
        "study.yaml", "profile.yaml", "simulation.py"
    }  # fmt: skip
    (tmp_path / "study.yaml").write_text(STUDY)
    run("dask-espresso", "run", "study.yaml", "--profile", "my_study/profile.yaml")
    outcomes = read_store(tmp_path / "s.h5").outcomes.values()
    assert sorted(outcome.result["x"] for outcome in outcomes) == [1, 2, 3]


@pytest.mark.parametrize(("profile", "said"), [("slurm", "#SBATCH"), ("htcondor", "universe")])
def test_a_job_of_the_shipped_profiles(run, tmp_path, profile, said):
    (tmp_path / "study.yaml").write_text(STUDY)
    assert said in run("dask-espresso", "submit", "study.yaml", "--profile", profile, "--dry-run")
