"""What the README and the pages of docs/ show is what the package does."""

import os
import re
import shutil
import sys
import textwrap
from pathlib import Path

import pytest
import yaml
from simulators import run_process

import dask_espresso
from dask_espresso.analysis import analyze_store
from dask_espresso.cli import main
from dask_espresso.driver import run_study
from dask_espresso.inputs.profile import load_profile
from dask_espresso.inputs.study import load_study

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language, pages=PAGES):
    """Give the blocks of a language, each named by its page and line."""
    found = []
    for page in pages:
        text, name = page.read_text(), page.relative_to(ROOT)
        for block in BLOCK.finditer(text):
            if block[1] == language:
                line = text.count("\n", 0, block.start()) + 1
                found.append(pytest.param(block[2], id=f"{name}:{line}"))
    return found


def lines(language):
    return [
        pytest.param(line, id=f"{block.id} {line.partition('#')[0].strip()}")
        for block in blocks(language)
        for line in block.values[0].splitlines()
    ]


@pytest.mark.parametrize("text", blocks("yaml"))
def test_studies_and_profiles_load(tmp_path, text):
    """Also those of which only a part is shown."""
    keys, path = yaml.safe_load(text), tmp_path / "file.yaml"
    if keys.keys() & {"script", "parameters"}:
        script = keys.get("script", "s.py")
        (tmp_path / script).touch()
        missing = {"name": "s", "script": script}.items()
        head = "".join(f"{key}: {value}\n" for key, value in missing if key not in keys)
        path.write_text(head + text)
        assert load_study(path).count > 0
    elif "cluster" in keys:
        path.write_text(text)
        assert load_profile(path).cluster == keys["cluster"]
    else:
        options = {"cores": 16, "memory": "64 GB", **keys.get("options", {})}
        path.write_text(yaml.safe_dump({"cluster": "slurm", **keys, "options": options}))
        assert load_profile(path).slots() == 16


def test_the_first_study_has_as_many_simulations_as_it_says(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(blocks("yaml", PAGES[:1])[0].values[0])
    (tmp_path / "simulation.py").touch()
    assert load_study(path).count == 42 * 4


@pytest.mark.parametrize("line", lines("sh"))
def test_commands_exist(line):
    words = line.split("#")[0].split()
    if words[:1] == ["dask-espresso"]:
        command = main.commands[words[1]]
        options = [name for parameter in command.params for name in parameter.opts]
        assert {word for word in words if word.startswith("-")} <= set(options)
    elif words[:1] == ["make"]:
        makefile = (ROOT / "Makefile").read_text()
        assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE)


def test_each_fault_of_the_campaign_has_its_row():
    faults = (ROOT / "tests/faults/faults.py").read_text()
    rows = (ROOT / "docs/reliability.md").read_text()
    names = re.findall(r'^    Fault\("(.+?)",', faults, re.MULTILINE)
    assert names
    assert [name for name in names if f"\n| {name} |" not in rows] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    """Where the pages are read as they are; those of the site are followed when it is built."""
    for target in re.findall(r"\]\(((?!http)[^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


SCRIPT = """
    import dask_espresso
    params = dask_espresso.get_data_from_stdin()
    result = {"pressure": params["volume_fraction"], "r": [0.5, 1.5], "g": [0.0, 1.25]}
    print(dask_espresso.encode_transport_data(result))
"""
POLYMER = """
    import dask_espresso
    import numpy as np
    params = dask_espresso.get_data_from_stdin()
    np.save("positions.npy", np.full((params["sample_every"], 3, 3), [[0], [1], [0]]))
    energies = np.random.default_rng(params["seed"]).normal(size=2000)
    print(dask_espresso.encode_transport_data({"energies": energies}))
"""
STUDY = """
    name: my_study
    engine: python
    script: my_study/simulation.py
    parameters: {volume_fraction: [0.1, 0.2], phi: [0.3, 0.4]}
    axes: {g: [r]}
    replicas: 2
"""


@pytest.fixture(scope="module")
def run_already(tmp_path_factory, workers):
    """Give a directory in which the study was run; it is copied for each who has it."""
    there = tmp_path_factory.mktemp("surroundings")
    (there / "my_study").mkdir()
    (there / "my_study/simulation.py").write_text(textwrap.dedent(SCRIPT))
    (there / "study.yaml").write_text(textwrap.dedent(STUDY))
    run_study(there / "study.yaml", workers, there / "my_study.h5")
    shutil.copy(there / "my_study.h5", there / "lj_pressure_lammps.h5")
    (there / "pypresso").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (there / "pypresso").chmod(0o755)
    return there


@pytest.fixture
def surroundings(tmp_path, monkeypatch, run_already):
    """Have what the programs of the pages find: a script, a store, and a pypresso."""
    shutil.copytree(run_already, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)


def has_arguments(block):
    return "argparse" in block.values[0]


def is_script(block):
    return "get_data_from_stdin" in block.values[0]


@pytest.mark.parametrize(
    "text", [b for b in blocks("python") if not is_script(b) and not has_arguments(b)]
)
def test_programs_run(surroundings, text):
    exec(compile(text, "block", "exec"), {"__name__": "__main__"})


def test_the_script_of_a_job_array_runs_as_it_is(tmp_path, monkeypatch, workers):
    monkeypatch.chdir(tmp_path)
    pages = [ROOT / "docs/howto/coming-from.md"]
    (script,) = (block for block in blocks("python", pages) if has_arguments(block))
    (tmp_path / "walk.py").write_text(script.values[0])
    (tmp_path / "study.yaml").write_text(blocks("yaml", pages)[0].values[0])
    assert run_study("study.yaml", workers).exit_status == 0
    rows = dask_espresso.pooled("walk.h5", "squared_distance")
    for row in rows:  # a walk of n steps comes sqrt(n) far
        assert row.mean == pytest.approx(row.parameters["length"], rel=0.25)
    assert len(rows) == 4


def is_analysis(block):
    return is_script(block) and '["results"]' in block.values[0]


@pytest.mark.parametrize("text", [b for b in blocks("python") if is_analysis(b)])
def test_analyses_add_results(tmp_path, monkeypatch, workers, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "simulation.py").write_text(textwrap.dedent(POLYMER))
    (tmp_path / "study.yaml").write_text(
        "name: s\nengine: python\nscript: simulation.py\nparameters: {sample_every: 10}\n"
        "keep: [positions.npy]\n"
    )
    (tmp_path / "chain.py").write_text(text)
    run_study("study.yaml", workers, "s.h5")
    assert analyze_store("s.h5", "chain.py", workers).exit_status == 0
    (outcome,) = dask_espresso.read_store("s.h5").outcomes.values()
    assert outcome.result["squared_radius"] == pytest.approx(2 / 3)
    assert outcome.result["tau"] == pytest.approx(5, rel=0.2)  # of independent samples


@pytest.mark.parametrize(
    "text", [b for b in blocks("python") if is_script(b) and not is_analysis(b)]
)
def test_scripts_give_results(tmp_path, python, text):
    path = tmp_path / "script.py"
    path.write_text(re.sub("^…$", "result = {'p': params}", text, flags=re.MULTILINE))
    report = run_process(python, path, {"a": 1})
    assert report.failure() == ""
    assert report.output.payload() in ({"p": {"a": 1}}, {"energy": -1.5, "energy_sem": 0.01})
