"""The gallery: every shipped study is there, and the package makes the figures.

``python tests/test_gallery.py DIR`` runs what is not in DIR yet, some minutes, with an ESPResSo
whose pypresso is in the PATH, and makes the figures anew.
"""

import os
import re
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from figures import keep_figure

from dask_espresso.cli import main

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/gallery.md").read_text(encoding="utf-8")
FIGURES = [ROOT / "docs" / name for name in re.findall(r"\]\((\S+\.png)\)", PAGE)]
COMMANDS = re.findall(r"(?m)^\$ dask-espresso (.+)", PAGE)
LAMMPS = [command for command in COMMANDS if command.split()[1].split(".")[0].endswith("_lammps")]
# little of each, so that it is quick
SHORT = {
    "lj_pressure_lammps": ["n_steps=100", "volume_fraction=[0.1,0.3]"],
    "diffusion_lammps": ["n_steps=200", "n_particles=30", "gamma=1", "volume_fraction=[0,0.3]"],
    "chain_size_lammps": ["n_steps=100", "n_beads=[4,8]"],
}
MAX_FIGURE = 62_000  # bytes


def call(command, more=()):
    return CliRunner().invoke(main, [*shlex.split(command), *more])


def test_every_study_that_is_shipped_is_there_with_a_figure():
    studies = {path.stem for path in ROOT.glob("configs/*.yaml") if "\nscript:" in path.read_text()}
    assert {command.split()[1] for command in COMMANDS if command.startswith("run")} == studies
    assert len(FIGURES) == len(studies)
    for figure in FIGURES:
        assert figure.stat().st_size < MAX_FIGURE, figure


@pytest.mark.slow
def test_the_commands_make_figures(tmp_path, monkeypatch, workers):
    monkeypatch.chdir(tmp_path)
    for command in LAMMPS:
        study = command.split()[1]
        more = [f"--set={one}" for one in SHORT.get(study, ())]
        if more:
            more += [f"--store={study}.h5", f"--profile={workers.path}"]
        done = call(command, more)
        assert done.exit_code == 0, f"{command}\n{done.output}"
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "lj_pressure_lammps.png", "msd.png", "chains.png",
    }  # fmt: skip


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    for line in COMMANDS:
        if "lj_pressure_lammps" not in line:  # `make run` makes this one
            print(line, call(line).output, sep="\n")
    for kept in FIGURES:
        if kept.parent.name == "gallery":
            keep_figure(Path(kept.name), kept)
