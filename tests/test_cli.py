import csv
import json
import re
import subprocess
import sys

import pyarrow.parquet
import pytest
from click.testing import CliRunner

from dask_espresso.cli import main
from dask_espresso.templates import folder

STUDY = """
    name: s
    engine: python
    script: script.py
    parameters:
      x: {start: 1, stop: 4, step: 1}
      label: abc
    replicas: 2
"""
SCRIPT = """
    import dask_espresso
    params = dask_espresso.get_data_from_stdin()
    print("hello from the script")
    if params["x"] == 4:
        raise RuntimeError("unstable")
    print(dask_espresso.encode_transport_data(
        {"y": params["x"] + 0.1 * params["replica"], "y_sem": 0.01, "series": [1.0, float("nan")]}))
"""


@pytest.fixture
def here(tmp_path, monkeypatch, script, study_file):
    script(SCRIPT)
    study_file(STUDY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def invoke():
    def invoke(*arguments, status=0):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == status, result.output
        if status == 2:
            assert "Traceback" not in result.output
        return result.output

    return invoke


@pytest.fixture
def store(here, invoke):
    invoke("run", "study.yaml", status=1)
    return here / "s.h5"


def test_run_says_what_it_did_and_what_to_do(here, invoke):
    output = invoke("run", "study.yaml", "--store", "other.h5", status=1)
    assert "other.h5: 6 done, 2 failed of 8; this run recorded 8" in output
    assert "dask-espresso status other.h5" in output
    assert "8/8" in output


def test_status(store, invoke):
    output = invoke("status", store)
    assert "2 x failed: exit code 1: RuntimeError: unstable" in output
    report = json.loads(invoke("status", store, "--json"))
    assert (report["total"], report["done"], report["failed"], report["pending"]) == (8, 6, 2, 0)
    assert report["driver"] is None


def test_show(store, invoke):
    lines = invoke("show", store).splitlines()
    assert lines[0].split() == ["x", "done", "y"]
    assert lines[1].split() == ["1", "2/2", "1.050(50)"]
    assert lines[4].split() == ["4", "0/2", "-"]


def test_plot(store, invoke, tmp_path):
    for suffix in ("png", "pdf"):
        invoke("plot", store, "-o", tmp_path / f"curve.{suffix}")
        assert (tmp_path / f"curve.{suffix}").stat().st_size > 5000
    assert "no result 'z' to plot; there are y" in invoke("plot", store, "-y", "z", status=2)
    invoke("plot", store, "-o", tmp_path / "curve.nonsense", status=2)


def test_export(store, invoke, tmp_path):
    for suffix in ("csv", "json", "parquet"):
        assert "8 rows" in invoke("export", store, tmp_path / f"t.{suffix}")
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["x"] for row in rows] == ["1", "2", "3", "4"] * 2
    assert rows[0]["y"] == "1.0"
    assert rows[3]["status"] == "failed"
    rows = json.loads((tmp_path / "t.json").read_text())
    assert rows[4]["y"] == 1.1
    assert rows[0]["series"] == [1.0, None]
    table = pyarrow.parquet.read_table(tmp_path / "t.parquet")
    assert table["y"].to_pylist()[:4] == [1.0, 2.0, 3.0, None]
    assert ".csv, .json, .parquet" in invoke("export", store, tmp_path / "t.xls", status=2)


def test_try_shows_everything_and_stores_nothing(here, invoke):
    output = invoke("try", "study.yaml", "--set", "x=7")
    for expected in ("x = 7", "seed = ", "hello from the script", "done in", "y = 7.0"):
        assert expected in output
    assert "unstable" in invoke("try", "study.yaml", "--set", "x=4", status=1)
    assert sorted(path.name for path in here.iterdir()) == ["script.py", "study.yaml"]


def test_init_is_ready_to_run(tmp_path, monkeypatch, invoke):
    invoke("init", tmp_path / "new", "--engine", "lammps")
    monkeypatch.chdir(tmp_path / "new")
    small = ["--set", "volume_fraction=[0.1, 0.2]", "--set", "n_steps=50"]
    invoke("try", "study.yaml", *small)
    invoke("run", "study.yaml", "--profile", "profile.yaml", *small)
    invoke("plot", "my_study.h5")
    assert "is there already" in invoke("init", tmp_path / "new", status=2)


@pytest.mark.parametrize("profile", ["slurm", "htcondor"])
def test_job_script(invoke, profile):
    output = invoke("job-script", profile)
    assert "distributed.cli.dask_worker" in output
    assert ("#SBATCH" if profile == "slurm" else "RequestCpus") in output
    invoke("job-script", folder("configs") / f"{profile}.yaml")


def test_job_script_of_no_jobs(invoke):
    assert "submits no jobs" in invoke("job-script", "local", status=2)


BAD_STUDIES = {
    "unknown key": ("replicas: 2", "replicsa: 2", "study.yaml:8: .*replicsa.*replicas"),
    "wrong type": ("replicas: 2", "replicas: two", "study.yaml:8: replicas"),
    "empty sweep": ("{start: 1, stop: 4, step: 1}", "[]", "study.yaml:6: parameters.x"),
    "missing script": ("script.py", "no.py", "study.yaml:4: script.*no.py"),
    "negative limit": ("replicas: 2", "time_limit: -5 s", "study.yaml:8: time_limit"),
    "duplicate key": ("replicas: 2", "name: t", "study.yaml:8: name"),
    "unknown engine": ("engine: python", "engine: pyton", "pyton.*python"),
    "not yaml": ("replicas: 2", "replicas: [", "study.yaml:"),
}


@pytest.mark.parametrize("case", BAD_STUDIES)
def test_bad_study(here, invoke, study_file, case):
    old, new, message = BAD_STUDIES[case]
    study_file(STUDY.replace(old, new))
    output = invoke("run", "study.yaml", status=2)
    assert re.search(message, output.replace("\n", " ")), output
    assert sorted(path.name for path in here.iterdir()) == ["script.py", "study.yaml"]


def test_bad_options(here, invoke):
    assert "did you mean 'label'" in invoke("run", "study.yaml", "--set", "lable=1", status=2)
    assert "NAME=VALUE" in invoke("run", "study.yaml", "--set", "x", status=2)
    assert "nowhere.yaml" in invoke("run", "nowhere.yaml", status=2)
    assert "nowhere.yaml" in invoke("run", "study.yaml", "--profile", "nowhere.yaml", status=2)
    assert "ends in .h5" in invoke("run", "study.yaml", "--store", "x.csv", status=2)
    assert "does not exist" in invoke("run", "study.yaml", "--store", "no/x.h5", status=2)
    assert "no such store" in invoke("status", "no.h5", status=2)
    assert "not an HDF5 file" in invoke("show", "study.yaml", status=2)
    assert sorted(path.name for path in here.iterdir()) == ["script.py", "study.yaml"]


def test_every_help_has_an_example(invoke):
    for command in main.commands:
        assert re.search(rf"Example:\n +dask-espresso {command} .*\n\n", invoke(command, "--help"))


def test_nothing_is_loaded_before_it_is_needed():
    code = (
        "import sys; from dask_espresso.cli import main\n"
        "try: main(['--version'])\n"
        "finally: assert not {'dask', 'numpy', 'h5py', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_module_is_the_command_line():
    done = subprocess.run(
        [sys.executable, "-m", "dask_espresso", "--version"], capture_output=True, check=True
    )
    assert b"version" in done.stdout
