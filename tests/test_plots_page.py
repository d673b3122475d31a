"""The page about plots: its commands do what it says, and make its figures.

``python tests/test_plots_page.py`` makes the figures anew.
"""

import os
import re
import shlex
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from figures import keep_figure

from dask_espresso.cli import main

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "howto/plots.md").read_text(encoding="utf-8")
FIGURES = re.findall(r"\(\.\./plots/(\w+\.png)\)", PAGE)


def call(command):
    program, *words = shlex.split(command)
    assert program == "dask-espresso"
    ended = CliRunner().invoke(main, words)
    assert ended.exit_code == 0, f"{command}\n{ended.output}"
    return ended.output


def run_page(profile="local"):
    """Run the study, and the commands of the page; give what they said and what it says."""
    for name in ("fluid.yaml", "fluid.py", "theory.py"):
        shutil.copy(DOCS / "plots" / name, name)
    for more in ("", "--set n_particles=10"):
        call(f"dask-espresso run fluid.yaml --profile {profile} {more}")
    for block in re.findall(r"(?ms)^```console\n(.*?)^```", PAGE):
        for step in re.split(r"(?m)^\$ ", block)[1:]:
            command, said = step.split("\n", 1)
            yield call(command), said


@pytest.mark.slow
def test_the_page_shows_what_its_commands_make(tmp_path, monkeypatch, workers):
    from matplotlib.image import imread

    monkeypatch.chdir(tmp_path)
    for output, said in run_page(workers.path):
        assert sorted(output.splitlines()) == sorted(said.splitlines())
    assert len(FIGURES) == 6
    for name in FIGURES:
        made, shown = imread(tmp_path / name), imread(DOCS / "plots" / name)
        assert made.shape == shown.shape
        assert np.abs(made - shown).mean() < 0.02, name  # fonts may differ a little


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for _ in run_page():
            pass
        for figure in FIGURES:
            keep_figure(Path(folder) / figure, DOCS / "plots" / figure)
