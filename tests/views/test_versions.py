"""Code and engines that change between the outcomes of one store."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner
from simulators import simulate, simulator

from dask_espresso.cli import main
from dask_espresso.errors import InputError, ScriptChangedError
from dask_espresso.inputs.profile import EngineSettings, Profile
from dask_espresso.inputs.study import load_study
from dask_espresso.outcome import Outcome, Status
from dask_espresso.process.order import Order, Workload
from dask_espresso.process.task_run import TaskRun
from dask_espresso.record import pack
from dask_espresso.store.admission import check_store
from dask_espresso.store.journal import Journal
from dask_espresso.store.store import Entry, open_store, read_store

STUDY = """
    name: s
    engine: python
    script: sim.py
    parameters: {x: [1, 2]}
    replicas: 2
    retries: 0
"""
SIM = """
    import dask_espresso, helper
    p = dask_espresso.get_data_from_stdin()
    print(dask_espresso.encode_transport_data({"y": helper.f(p["x"])}))
"""
PROFILE = Profile()


@pytest.fixture
def here(tmp_path, monkeypatch, script, study_file):
    """Go to a study whose script imports a module beside it."""
    script(SIM, name="sim.py")
    script("def f(x): return x\n", name="helper.py")
    study_file(STUDY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def change(path, text):
    """Write a file so that no cache takes it for the one before."""
    path.write_text(text)
    later = time.time() + 10
    os.utime(path, (later, later))


def record(path, count, start=0, changed_script=None, profile=PROFILE, **fields):
    """Record outcomes of the study as it is now; give the workload."""
    study = load_study("study.yaml")
    workload = Workload.of(study, profile)
    simulations = list(study.simulations())[start : start + count]
    options = {"changed_script": changed_script, "modules": workload.modules}
    with open_store(path, study, **options) as store:
        for s in simulations:
            outcome = Order.of(s).outcome(workload)
            outcome.result = {"y": s.parameters["x"]}
            for name, value in fields.items():
                setattr(outcome, name, value)
            store.record([Entry(s.id, outcome.status, pack(outcome))])
        store.publish()
    return workload


def refusal(path):
    study = load_study("study.yaml")
    with pytest.raises(InputError) as caught:
        check_store(path, study, modules=Workload.of(study, PROFILE).modules)
    return str(caught.value)


def invoke(*arguments, status=0):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == status, result.output
    return result.output


def test_a_changed_module_is_refused_with_the_choices(here):
    path = here / "s.h5"
    record(path, 2)
    change(here / "helper.py", "def f(x): return 2 * x\n")
    said = refusal(path)
    assert said.startswith(f"{here / 'helper.py'}: has changed since the 2 outcomes in {path}")
    assert "put the old module back, or choose --changed-script keep" in said
    (here / "helper.py").write_text("def f(x): return x\n")
    record(path, 2, 2)  # put back


def test_modules_that_come_and_go(here):
    path = here / "s.h5"
    (here / "sim.py").write_text("try:\n    import fast\nexcept ImportError:\n    import helper")
    record(path, 2)
    (here / "fast.py").write_text("")
    assert f"{here / 'fast.py'}: has been added since the 2 outcomes" in refusal(path)
    (here / "fast.py").unlink()
    (here / "helper.py").unlink()
    assert "sim.py: helper.py, which it imported, has gone since the 2" in refusal(path)


def test_a_variable_of_the_profile_is_part_of_the_code(here):
    def modules(**environment):
        settings = EngineSettings(environment=environment)
        return Workload.of(study, Profile(engines={"python": settings})).modules

    def refused(path, found):
        with pytest.raises(InputError) as caught:
            check_store(path, study, modules=found)
        return str(caught.value)

    path, study = here / "s.h5", load_study("study.yaml")
    record(path, 2)  # without any
    elsewhere = {"LD_LIBRARY_PATH": "/opt", "TMPDIR": "/x", "OMP_NUM_THREADS": "4"}
    check_store(path, study, modules=modules(**elsewhere))  # where, not what
    said = refused(path, modules(CUTOFF="3"))
    assert said.startswith(
        f"the profile: engines.python.environment.CUTOFF: has been added since the 2 outcomes in "
        f"{path} were recorded; put the old variable back, or choose --changed-script keep"
    )
    record(path, 1, 2, changed_script="keep", profile=Profile(
        engines={"python": EngineSettings(environment={"CUTOFF": "3"})}
    ))  # fmt: skip
    check_store(path, study, modules=modules(CUTOFF="3", **elsewhere))
    assert "environment.CUTOFF: has changed since the 3" in refused(path, modules(CUTOFF="4"))
    assert "environment.CUTOFF: is no longer there since the 3" in refused(path, modules())
    assert "(changed: engines.python.environment.CUTOFF)" in invoke("status", path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"md": "#"}, "/md: has changed since the 1 outcomes in {path} were recorded; put the old "
                      "program back, or choose --changed-script keep (run only what is missing, "
                      "with the new program)"),
        ({"in": "b"}, "/in: has changed since the 1 outcomes in {path} were recorded; put the old "
                      "{of_in} back"),
        ({"study": "collect: {log: '(?P<z>.*)'}"}, "study.yaml: collect: has changed since the 1 "
         "outcomes in {path} were recorded; put the old way to call it back"),
        ({"study": "environment: {A: b}"}, "study.yaml: environment: has been added since"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["alone", "before a script"])
def test_a_changed_program_is_called_one(tmp_path, study_file, form, changed, said):
    text = "name: s\nparameters: {x: 1}\narguments: ['{x}']\n"
    text += "program: [./md, in]\n" if form == "alone" else "program: ./md\nscript: in\n"
    (tmp_path / "md").write_text("")
    (tmp_path / "in").write_text("")
    path = tmp_path / "s.h5"
    study = load_study(study_file(text + "collect: {log: '(?P<y>.*)'}\n"))
    modules = Workload.of(study, PROFILE).modules
    with open_store(path, study, modules=modules) as store:
        for s in study.simulations():
            outcome = Order.of(s).outcome(Workload.of(study, PROFILE))
            store.record([Entry(s.id, outcome.status, pack(outcome))])
        store.publish()
    for name, written in changed.items():
        if name != "study":
            (tmp_path / name).write_text(written)
    more = changed.get("study", "")
    more += "" if "collect" in more else "\ncollect: {log: '(?P<y>.*)'}"
    study = load_study(study_file(text + more))
    with pytest.raises(InputError) as caught:
        check_store(path, study, modules=Workload.of(study, PROFILE).modules)
    of_in = "file" if form == "alone" else "script"
    assert said.format(path=path, of_in=of_in) in str(caught.value)


def test_versions_are_told_apart(here):
    path = here / "s.h5"
    first = record(path, 3).code_hash
    change(here / "helper.py", "def f(x): return 2 * x\n")
    second = record(path, 1, 3, changed_script="keep").code_hash
    mixed = (
        f"outcomes of 2 versions of the code: 3 of {first[:8]}, 1 of {second[:8]} "
        "(changed: helper.py)"
    )
    assert mixed in invoke("status", path)
    assert json.loads(invoke("status", path, "--json"))["versions"] == {first: 3, second: 1}
    shown = [line.split() for line in invoke("show", path).splitlines()]
    assert shown[0] == ["x", "version", "done", "y"]
    assert shown[1:4] == [
        ["1", first[:8], "2/2", "1"],
        ["2", first[:8], "1/2", "2"],
        ["2", second[:8], "1/2", "2"],
    ]
    assert " ".join(shown[4]) == mixed
    invoke("export", path, here / "s.json")
    exported = [row["code_hash"] for row in json.loads((here / "s.json").read_text())]
    assert exported == [first] * 3 + [second]
    assert read_store(path).versions[second].keys() == {"sim.py", "helper.py"}


def test_versions_are_told_apart_before_they_are_published(here):
    path = here / "s.h5"
    record(path, 2)
    change(here / "helper.py", "def f(x): return 2 * x\n")
    study = load_study("study.yaml")
    modules = Workload.of(study, PROFILE).modules
    with open_store(path, study, changed_script="keep", modules=modules):
        versions = read_store(path).versions
    assert len(versions) == 2


def test_rerun_runs_what_is_of_other_code(here):
    path = here / "s.h5"
    record(path, 3)
    change(here / "helper.py", "def f(x): return 2 * x\n")
    record(path, 1, 3, changed_script="keep")
    study = load_study("study.yaml")
    modules = Workload.of(study, PROFILE).modules
    with open_store(path, study, changed_script="rerun", modules=modules) as store:
        assert list(store.statuses) == [list(study.ids())[3]]


def test_one_version_is_not_mentioned(here):
    path = here / "s.h5"
    record(path, 4)
    assert "version" not in invoke("status", path) + invoke("show", path)


def test_engines_are_told_apart(here):
    path = here / "s.h5"
    record(path, 2, engine_version="4.2.2")
    record(path, 1, 2, engine_version="5.0.1")
    record(path, 1, 3, engine_version="", status=Status.LOST)
    mixed = "outcomes of 2 versions of the engine: 2 of python 4.2.2, 1 of python 5.0.1"
    assert mixed in invoke("status", path)
    shown = invoke("show", path)
    assert [line.split() for line in shown.splitlines()[:4]] == [
        ["x", "engine", "done", "y"],
        ["1", "python", "4.2.2", "1/2", "1"],
        ["1", "python", "5.0.1", "1/2", "1"],
        ["2", "python", "4.2.2", "1/2", "2"],
    ]
    assert mixed in shown


def test_targets_are_of_all_versions_together(here, study_file):
    """As run decides; it says so, since errors are of each."""
    until = "until: {y: {absolute: 1}, replicas: {minimum: 2, maximum: 8}}"
    study_file(STUDY.replace("replicas: 2", until))
    path = here / "s.h5"
    record(path, 2, engine_version="1")
    said = "error/target: that of all versions of a point together"
    assert said not in invoke("show", path)
    record(path, 2, start=2, engine_version="2")
    assert said in invoke("show", path)


def test_what_older_versions_recorded_is_not_taken_for_changed(here):
    path = here / "s.h5"
    study = load_study("study.yaml")
    description = {"study": study.snapshot(), "script_hash": study.script_hash}
    journal = Journal(path.with_suffix(".journal"), b"D" + json.dumps(description).encode())
    for number, s in enumerate(list(study.simulations())[:3], 1):
        outcome = Outcome(s.id, s.parameters, s.replica, result={}, script_hash=study.script_hash)
        journal.append([(b"O" + number.to_bytes(8, "little"), *pack(outcome))])
    journal.close()
    record(path, 1, 3)
    assert "version" not in invoke("status", path)
    assert [o.code_hash == "" for o in read_store(path).outcomes.values()] == [True] * 3 + [False]
    change(here / "helper.py", "def f(x): return 2 * x\n")
    assert "helper.py: has changed since the 4 outcomes" in refusal(path)


def run_task(workload, order):
    with ThreadPoolExecutor(1) as slots:
        return TaskRun(simulator, workload, [order], slots).run(print, pace=0.1)


@pytest.mark.parametrize("start", ["spawn", "fork"])
@pytest.mark.parametrize("preload", [(), ("helper",)])
def test_workers_run_no_other_code_than_is_recorded(here, monkeypatch, start, preload):
    if preload:  # where its own warm process finds it, too
        monkeypatch.setenv("PYTHONPATH", str(here / "lib"))
        (here / "lib").mkdir()
        (here / "helper.py").rename(here / "lib" / "helper.py")
    profile = Profile(engines={"python": EngineSettings(start=start, preload=list(preload))})
    study = load_study("study.yaml")
    one = next(study.simulations())
    order = Order.of(one)
    before = Workload.of(study, profile)
    assert simulate(before, order).result == {"y": 1}
    (module,) = before.modules
    change(Path(module.path), "def f(x): return 2 * x\n")
    with pytest.raises(ScriptChangedError, match=r"helper\.py: changed while"):
        run_task(before, order)
    after = Workload.of(study, profile)
    outcome = simulate(after, order)
    assert (outcome.result, outcome.code_hash) == ({"y": 2}, after.code_hash)
    assert after.code_hash != before.code_hash
    Path(module.path).unlink()
    with pytest.raises(ScriptChangedError, match=r"helper\.py: cannot be read on"):
        run_task(after, order)


def test_a_run_with_a_module_that_changed(here, workers):
    run = ["run", "study.yaml", "--profile", workers.path]
    assert "4 done of 4" in invoke(*run)
    change(here / "helper.py", "def f(x): return 2 * x\n")
    (here / "study.yaml").write_text((here / "study.yaml").read_text().replace("[1, 2]", "[1, 3]"))
    said = invoke(*run, status=2)
    assert f"{here / 'helper.py'}: has changed since the 4 outcomes" in said
    assert "4 done of 4" in invoke(*run, "--changed-script", "keep")
    shown = [line.split() for line in invoke("show", "s.h5").splitlines()]
    assert [(row[0], *row[2:]) for row in shown[1:3]] == [("1", "2/2", "1"), ("3", "2/2", "6")]
    assert shown[1][1] != shown[2][1]
