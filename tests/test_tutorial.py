"""The tutorial's commands do what it says, and say what it shows, but for numbers."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[1] / "docs/tutorial.md"
_PROGRESS = re.compile(
    r"(?m)^(\d+/\d+: |dashboard: |not shown: |\d+ seeds? |\w+: no error in ).*\n"
)
_MASKS = (
    (r"(?<!\.)\b[0-9a-f]{16}\b", "ID"),
    (r"\S*/(?=python|simulation)", ""),
    (r"python[\d.]+", "python"),
    (r"([\d.]+ (min|h) )?[\d.]+ s\b", "TIME"),
    (r"-?\d[\d.]*(e[-+]?\d+)?(\(\d+\))?", "N"),
    (r"[ \t]+", " "),
    (r"(?m)^ | $", ""),
)


def masked(text):
    """Leave out what differs from run to run: numbers, ids, times, paths."""
    text = _PROGRESS.sub("", text)
    for pattern, mask in _MASKS:
        text = re.sub(pattern, mask, text)
    # the line that ends with the payload may come before what is said on standard error, or after
    return "\n".join(filter(None, text.splitlines()))


def steps():
    """Give the commands of the page, with what it shows of each."""
    for block in re.findall(r"(?ms)^```console\n(.*?)^```", PAGE.read_text()):
        for step in re.split(r"(?m)^\$ ", block)[1:]:
            command, _, said = step.partition("\n")
            yield command, said


def test_the_tutorial(tmp_path):
    here = tmp_path
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def shell(*command):
        return subprocess.run(
            command, cwd=here, env=os.environ | {"PATH": path}, text=True, check=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ).stdout  # fmt: skip

    for command, said in steps():
        if command.startswith("cd "):
            here /= command.removeprefix("cd ")
            study = here / "study.yaml"
            text = study.read_text().replace("n_steps: 5000", "n_steps: 2000")
            study.write_text(text.replace("n_particles: 100", "n_particles: 30"))
            script = here / "simulation.py"
            script.write_text(script.read_text().replace("2000, 0)", "200, 0)"))
        else:
            assert masked(shell("bash", "-c", command)) == masked(said), command
    assert {path.name for path in here.iterdir()} >= {"my_study.h5", "my_study.png", "table.csv"}
    codes = re.findall(r"(?ms)^```python\n(.*?)^```", PAGE.read_text())
    assert len(codes) == 2
    for code in codes:
        assert len(shell(sys.executable, "-c", code).split()) >= 11  # a mean for each point
