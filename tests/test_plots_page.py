"""The page about plots: its commands do what it says, and make its figures.

``python tests/test_plots_page.py`` makes the figures anew.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from figures import keep_figure

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "howto/plots.md").read_text(encoding="utf-8")
FIGURES = re.findall(r"\(\.\./plots/(\w+\.png)\)", PAGE)


def run_page(directory):
    """Run the study, and the commands of the page; give what they said and what it says."""
    for name in ("fluid.yaml", "fluid.py", "theory.py"):
        shutil.copy(DOCS / "plots" / name, directory)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    before = ("dask-espresso run fluid.yaml", "dask-espresso run fluid.yaml --set n_particles=10")
    steps = [(command, None) for command in before]
    for block in re.findall(r"(?ms)^```console\n(.*?)^```", PAGE):
        steps += [step.split("\n", 1) for step in re.split(r"(?m)^\$ ", block)[1:]]
    for command, said in steps:
        done = subprocess.run(
            ["bash", "-c", command], cwd=directory, env=os.environ | {"PATH": path}, text=True,
            check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if said is not None:
            yield done.stdout, said


@pytest.mark.slow
def test_the_page_shows_what_its_commands_make(tmp_path):
    from matplotlib.image import imread

    for output, said in run_page(tmp_path):
        assert sorted(output.splitlines()) == sorted(said.splitlines())
    assert len(FIGURES) == 6
    for name in FIGURES:
        made, shown = imread(tmp_path / name), imread(DOCS / "plots" / name)
        assert made.shape == shown.shape
        assert np.abs(made - shown).mean() < 0.02, name  # fonts may differ a little


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for _ in run_page(folder):
            pass
        for figure in FIGURES:
            keep_figure(Path(folder) / figure, DOCS / "plots" / figure)
