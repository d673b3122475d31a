"""The gallery: every shipped study is there, and the package makes the figures.

``python tests/test_gallery.py DIR`` runs what is not in DIR yet, some minutes, with an ESPResSo
whose pypresso is in the PATH, and makes the figures anew.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from figures import keep_figure

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


def call(command, directory, more=()):
    program = Path(sys.executable).with_name("dask-espresso")
    return subprocess.run(
        [program, *shlex.split(command), *more], cwd=directory, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ,
    )  # fmt: skip


def test_every_study_that_is_shipped_is_there_with_a_figure():
    studies = {path.stem for path in ROOT.glob("configs/*.yaml") if "\nscript:" in path.read_text()}
    assert {command.split()[1] for command in COMMANDS if command.startswith("run")} == studies
    assert len(FIGURES) == len(studies)
    for figure in FIGURES:
        assert figure.stat().st_size < MAX_FIGURE, figure


@pytest.mark.slow
def test_the_commands_make_figures(tmp_path):
    for command in LAMMPS:
        study = command.split()[1]
        more = [f"--set={one}" for one in SHORT.get(study, ())]
        done = call(command, tmp_path, [*more, f"--store={study}.h5"] if more else ())
        assert done.returncode == 0, f"{command}\n{done.stdout}"
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "lj_pressure_lammps.png", "msd.png", "chains.png",
    }  # fmt: skip


if __name__ == "__main__":
    for line in COMMANDS:
        if "lj_pressure_lammps" not in line:  # `make run` makes this one
            print(line, call(line, sys.argv[1]).stdout, sep="\n")
    for kept in FIGURES:
        if kept.parent.name == "gallery":
            keep_figure(Path(sys.argv[1], kept.name), kept)
