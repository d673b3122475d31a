"""The directory that `init` makes: it runs as it is, and says what was chosen and why."""

import os
import re
import shlex
import subprocess
import sys

import pytest
import yaml
from click.testing import CliRunner

import dask_espresso
from dask_espresso.cli import main
from dask_espresso.inputs.shipped import folder
from dask_espresso.starter import TEMPLATES

SHORT = [name for name in TEMPLATES if name != "pressure"]


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments, status=0):
        result = CliRunner().invoke(main, list(map(str, arguments)))
        assert result.exit_code == status, result.output
        return result.output

    return invoke


@pytest.mark.parametrize("name", ["new", "-ünï & co", "1.5"])
def test_it_is_ready_to_run(tmp_path, monkeypatch, invoke, name):
    output = invoke("init", "--engine", "lammps", "--", name)
    assert re.search("^engine +lammps: LAMMPS is installed here", output, re.MULTILINE)
    command = re.search("^  (cd .*)$", output, re.MULTILINE)[1]
    there = subprocess.run(f"{command} && pwd", shell=True, stdout=subprocess.PIPE, text=True)
    assert there.stdout == f"{tmp_path / name}\n"
    monkeypatch.chdir(tmp_path / name)
    small = ["--set", "volume_fraction=[0.1, 0.2]", "--set", "n_steps=50"]
    if name != "1.5":
        invoke("try", "study.yaml", *small)
    if name == "new":
        invoke("run", "study.yaml", "--profile", "profile.yaml", *small)
        invoke("plot", "my_study-n_steps=50-volume_fraction=0.1,0.2.h5")
    assert "is there already" in invoke("init", tmp_path / name, status=2)


@pytest.mark.parametrize("engine", ["espresso", "lammps"])
def test_what_it_makes_says_what_is_true(tmp_path, invoke, engine):
    invoke("init", "new", "--engine", engine)
    text = (tmp_path / "new" / "study.yaml").read_text()
    assert re.search("^name: my_study +# names the store: my_study.h5$", text, re.MULTILINE)
    assert "lj_pressure" not in text
    assert "my_script" not in text
    assert "dask-espresso run study.yaml --profile profile.yaml" in text


def test_it_says_what_it_chose_and_why(tmp_path, monkeypatch, invoke):
    monkeypatch.setenv("PATH", str(tmp_path))
    output = invoke("init", "one")
    assert "  one/study.yaml     what to simulate\n" in output
    assert "template  pressure, the default: a complete simulation" in output
    assert "others: sweep, argparse, lammps, espresso, curve\n" in output
    assert "no ESPResSo is found here (no pypresso in the PATH" in output
    assert "for it, --engine espresso" in output
    assert "espresso: no ESPResSo is found here" in invoke("init", "two", "--engine", "espresso")
    pypresso = tmp_path / "pypresso"
    pypresso.write_text(f"#!{sys.executable}\nimport sys\nprint('4.9')\nsys.exit(1)\n")
    pypresso.chmod(0o755)
    assert "the pypresso in the PATH does not start" in invoke("init", "three")


def test_an_engine_that_is_not_the_template_s(tmp_path, invoke):
    said = invoke("init", "new", "--template", "curve", "--engine", "lammps", status=2)
    assert "the template 'curve' is for python" in said
    assert not (tmp_path / "new").exists()
    invoke("init", "new", "--template", "lammps", "--engine", "lammps")


def test_each_template_is_there_and_short():
    there = folder("configs") / "start"
    assert sorted(path.name for path in there.iterdir()) == sorted(SHORT)
    for path in there.glob("*/*"):
        assert len(path.read_text().splitlines()) < 40, path


MARKS = {
    "sweep": [pytest.mark.slow],
    "lammps": [pytest.mark.slow],
    "espresso": [pytest.mark.espresso],
    "curve": [pytest.mark.slow],
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=MARKS.get(n, ())) for n in SHORT])
def test_a_template_runs_as_it_is(tmp_path, monkeypatch, invoke, workers, name):
    """But for its replicas: two of each point will do."""
    said = invoke("init", "new", "--template", name)
    monkeypatch.chdir(tmp_path / "new")
    profile = yaml.safe_load(workers.path.read_text())
    if name == "espresso":
        profile["engines"] = {"espresso": {"command": shlex.split(os.environ["PYPRESSO"])}}
    (tmp_path / "new/workers.yaml").write_text(yaml.safe_dump(profile))
    lines = re.findall("^  dask-espresso (.*?)(?:  .*)?$", said, re.MULTILINE)
    assert [line.split()[0] for line in lines] == ["try", "run", "plot"]
    for line in lines:
        only = ["--where", "replica < 2"] if line.startswith("run") else []
        invoke(*line.replace("profile.yaml", "workers.yaml").split(), *only)
    assert (tmp_path / "new/my_study.png").stat().st_size > 10_000
    data = dask_espresso.dataset("my_study.h5").sel(replica=0)
    SHOWS[name](data)


def shows_order(data):
    """Below the critical temperature, and none above."""
    assert (data.magnetisation.sel(temperature=1.5) > 0.9).all()
    assert (data.magnetisation.sel(temperature=3.5) < 0.5).all()


def shows_equipartition(data):
    assert (abs(data.mean_square * data.stiffness - 1) < 0.2).all()


def shows_a_pressure(data):
    """Above that of an ideal gas, and growing faster."""
    ratio = data.pressure / data.density
    assert (ratio > 1.3).all()
    assert (ratio.diff("density") > 0).all()
    assert (data.pressure_sem < 0.1 * data.pressure).all()


def shows_hard_discs(data):
    """None overlap; at contact g is about (1 - 7x/16) / (1 - x)^2, with the share x of the area."""
    assert (data.g.sel(r=slice(0, 1)) == 0).all()
    assert 2.2 < data.g.sel(density=0.6).max() < 3.4
    assert abs(data.g.sel(r=slice(2, 3)).mean() - 1) < 0.15


SHOWS = {
    "sweep": shows_order,
    "argparse": shows_equipartition,
    "lammps": shows_a_pressure,
    "espresso": shows_a_pressure,
    "curve": shows_hard_discs,
}
