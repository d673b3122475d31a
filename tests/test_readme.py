"""What the README shows is what the package does."""

import re
import textwrap
from pathlib import Path

import pytest

from dask_espresso.cli import main
from dask_espresso.inputs.profile import load_profile
from dask_espresso.inputs.study import load_study

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)


def blocks(language):
    return [text for name, text in BLOCKS if name == language]


def test_study_and_profile_load(tmp_path):
    study, profile = blocks("yaml")
    (tmp_path / "study.yaml").write_text(study)
    (tmp_path / "profile.yaml").write_text(profile)
    assert load_study(tmp_path / "study.yaml").count == 42 * 4
    assert load_profile(tmp_path / "profile.yaml").cluster == "slurm"


@pytest.mark.parametrize("line", [line for text in blocks("sh") for line in text.splitlines()])
def test_commands_exist(line):
    words = line.split("#")[0].split()
    if words[:1] == ["dask-espresso"]:
        command = main.commands[words[1]]
        options = [name for parameter in command.params for name in parameter.opts]
        assert {word for word in words if word.startswith("-")} <= set(options)
    elif words[:1] == ["make"]:
        makefile = (README.parent / "Makefile").read_text()
        assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE)


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(((?!http)[^)#]+)\)", README.read_text()):
        assert (README.parent / target).exists(), target


def test_the_script_is_one(tmp_path, python):
    from dask_espresso.process.run import run_process

    script = next(text for text in blocks("python") if "get_data_from_stdin" in text)
    text = textwrap.dedent(script).replace("…", "result = {'p': params}")
    (tmp_path / "script.py").write_text(text)
    report = run_process(python, tmp_path / "script.py", {"a": 1})
    assert report.output.payload() == {"p": {"a": 1}}
