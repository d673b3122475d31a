"""Studies of scripts that know nothing of this package, through driver and workers."""

import re

import pytest

from dask_espresso.driver import run_study
from dask_espresso.errors import InputError
from dask_espresso.inputs.engine_settings import EngineSettings
from dask_espresso.outcome import Status
from dask_espresso.store.store import read_store

WRITES = """
import argparse, json
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
parser.add_argument("--seed", type=int)
known = parser.parse_args()
if known.x == 3:
    raise SystemExit(0)
with open("result.json", "w") as file:
    json.dump({"y": 2 * known.x, "seed": known.seed}, file)
with open("curve.csv", "w") as file:
    file.write("r,g\\n0,1\\n1,2.5\\n")
"""
STUDY = """
name: s
engine: python
script: sim.py
parameters: {x: [1, 2, 3]}
arguments: [--x, "{x}", --seed, "{seed}"]
collect: {summary: result.json, curve: curve.csv}
retries: 0
"""


def test_a_script_that_knows_nothing_of_this_package(workers, script, study_file, tmp_path):
    script(WRITES, "sim.py")
    run_study(study_file(STUDY), workers, tmp_path / "s.h5")
    outcomes = {o.parameters["x"]: o for o in read_store(tmp_path / "s.h5").outcomes.values()}
    assert [outcomes[x].result["y"] for x in (1, 2)] == [2.0, 4.0]
    assert outcomes[1].result["seed"] == outcomes[1].seed
    assert outcomes[1].result["g"].tolist() == [1, 2.5]
    assert outcomes[3].status is Status.FAILED
    assert outcomes[3].error.startswith("collect: result.json was not written; its directory is")


def test_a_change_of_arguments_is_a_change_of_the_code(workers, script, study_file, tmp_path):
    code = "import dask_espresso, sys; dask_espresso.send_result({'y': float(sys.argv[1])})"
    script(code, "sim.py")
    text = "name: s\nengine: python\nscript: sim.py\nparameters: {a: [1, 2], b: 3}\n"
    store = tmp_path / "s.h5"
    run_study(study_file(text + "arguments: ['{a}', '{b}']"), workers, store)
    before = {o.parameters["a"]: o.result["y"] for o in read_store(store).outcomes.values()}
    assert before == {1: 1.0, 2: 2.0}
    path = study_file(text + "arguments: ['{b}', '{a}']")
    changed = f"{path}: arguments: has changed since the 2 outcomes"
    with pytest.raises(InputError, match=re.escape(changed)):
        run_study(path, workers, store)


MD = """#!/bin/sh
echo "step 1"
echo "step 1: pressure = 0" >&2
echo "step 2: pressure = $2.$(wc -w < "$1")" >&2
"""
PROGRAM = """
name: s
program: ./md
script: in.lj
parameters: {p: [1, 2]}
arguments: ["{p}"]
collect: {log: 'pressure = (?P<p1>.*)'}
"""


def test_any_program(workers, study_file, tmp_path):
    (tmp_path / "md").write_text(MD)
    (tmp_path / "md").chmod(0o755)
    (tmp_path / "in.lj").write_text("a b c")
    store = tmp_path / "s.h5"
    run_study(study_file(PROGRAM), workers, store)
    outcomes = {o.parameters["p"]: o for o in read_store(store).outcomes.values()}
    assert {p: o.result for p, o in outcomes.items()} == {1: {"p1": 1.3}, 2: {"p1": 2.3}}
    assert {o.engine for o in outcomes.values()} == {"md"}
    (tmp_path / "md").write_text(MD + "exit 0\n")
    changed = f"{tmp_path}/md: has changed since the 2 outcomes"
    with pytest.raises(InputError, match=re.escape(changed)):
        run_study(tmp_path / "study.yaml", workers, store)
    (tmp_path / "other").touch()
    study_file(PROGRAM.replace("./md", "./other"))
    with pytest.raises(InputError, match=r"program '.*/other': is not on .*, or may not be run"):
        run_study(tmp_path / "study.yaml", workers, tmp_path / "t.h5")


def test_a_program_that_only_the_profile_has(workers, study_file, tmp_path):
    (tmp_path / "md").write_text(MD.replace("$1", "/dev/null"))
    (tmp_path / "md").chmod(0o755)
    text = "name: s\nprogram: far-md\nparameters: {p: [1, 2]}\narguments: [in, '{p}']\n"
    study_file(text + "collect: {log: 'pressure = (?P<p1>.*)'}")
    profile = workers.model_copy(
        update={"engines": {"far-md": EngineSettings(command=[str(tmp_path / "md")])}}
    )
    run_study(tmp_path / "study.yaml", profile, tmp_path / "s.h5")
    outcomes = read_store(tmp_path / "s.h5").outcomes.values()
    assert {o.parameters["p"]: o.result for o in outcomes} == {1: {"p1": 1.0}, 2: {"p1": 2.0}}
    (tmp_path / "md").write_text(MD)
    changed = f"{tmp_path}/md: has changed since the 2 outcomes in .* put the old program back"
    with pytest.raises(InputError, match=changed):
        run_study(tmp_path / "study.yaml", profile, tmp_path / "s.h5")


def test_a_program_alone(workers, study_file, tmp_path):
    text = "name: s\nprogram: echo\nparameters: {x: [1, 2]}\narguments: ['{x}.5']\n"
    study_file(text + "collect: {y: {stdout: last}}")
    run_study(tmp_path / "study.yaml", workers, tmp_path / "s.h5")
    outcomes = read_store(tmp_path / "s.h5").outcomes.values()
    assert {o.parameters["x"]: o.result["y"] for o in outcomes} == {1: 1.5, 2: 2.5}
