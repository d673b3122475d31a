import csv
import functools
import json
import math
import re
import shutil
import subprocess
import sys
import textwrap

import pyarrow.parquet
import pytest
from click.testing import CliRunner

from dask_espresso.cli import main
from dask_espresso.inputs.shipped import folder

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
    y = params["x"] + 0.1 * params["replica"]
    print(dask_espresso.encode_transport_data(
        {"y": y, "y_sem": 0.01, "series_sem": [1.0, float("nan")]}))
"""


@pytest.fixture(scope="module")
def once(tmp_path_factory, workers):
    """Run the study with a script, or give the directory in which that was done."""

    @functools.cache
    def once(script):
        there = tmp_path_factory.mktemp("once")
        for name, text in (("study.yaml", STUDY), ("script.py", script)):
            (there / name).write_text(textwrap.dedent(text))
        arguments = ["--profile", workers.path, "--store", there / "s.h5"]
        run = ["run", there / "study.yaml", *arguments]
        result = CliRunner().invoke(main, list(map(str, run)))
        assert result.exit_code == 1, result.output
        (there / "said").write_text(result.output)
        return there

    return once


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
def store(here, once):
    shutil.copy(once(SCRIPT) / "s.h5", here)
    return here / "s.h5"


def test_run_says_what_it_did_and_what_to_do(here, invoke, workers):
    profile = ["--profile", workers.path]
    output = invoke("run", "study.yaml", *profile, "--store", "other.h5", status=1)
    assert "other.h5: 6 done, 2 failed of 8; this run recorded 8" in output
    assert "dask-espresso failures other.h5" in output
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
    assert "8 rows" in invoke("export", store, tmp_path / "T.CSV")
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["x"] for row in rows] == ["1", "2", "3", "4"] * 2
    assert rows[0]["y"] == "1.0"
    assert rows[3]["status"] == "failed"
    rows = json.loads((tmp_path / "t.json").read_text())
    assert rows[4]["y"] == 1.1
    assert rows[0]["series_sem"] == [1.0, None]
    table = pyarrow.parquet.read_table(tmp_path / "t.parquet")
    assert table["y"].to_pylist()[:4] == [1.0, 2.0, 3.0, None]
    assert ".csv, .json, .parquet" in invoke("export", store, tmp_path / "t.xls", status=2)


def test_try_shows_everything_and_stores_nothing(here, invoke):
    output = invoke("try", "study.yaml", "--set", "x=7")
    for expected in ("x = 7", "seed = ", "hello from the script", "done in", "y = 7.0"):
        assert expected in output
    assert "never read by the script: label, seed\n" in output
    assert "unstable" in invoke("try", "study.yaml", "--set", "x=4", status=1)
    assert sorted(path.name for path in here.iterdir()) == ["script.py", "study.yaml"]


NOT_FINITE = """
    import dask_espresso, os
    params = dask_espresso.get_data_from_stdin()
    y = params["x"] + 0.1 * params["replica"]
    if not os.path.exists(os.path.join(os.path.dirname(__file__), "mended")):
        y = {2.1: float("nan"), 4.0: float("inf"), 4.1: float("inf")}.get(y, y)
    print(dask_espresso.encode_transport_data({"y": y, "n": 5, "y_sem": 0.01}))
"""


@pytest.fixture
def not_finite(here, script, once):
    """A store in which one replica of x = 2 and both of x = 4 are not finite."""
    script(NOT_FINITE)
    there = once(NOT_FINITE)
    output = (there / "said").read_text()
    assert "5 done, 3 not finite of 8; this run recorded 8" in output
    assert "again: --retry-failed" in output
    shutil.copy(there / "s.h5", here)
    return here / "s.h5"


def test_status_counts_what_is_not_finite(not_finite, invoke):
    output = invoke("status", not_finite)
    assert re.search(r"^not finite +3$", output, re.MULTILINE)
    assert "2 x not finite: result['y'] is inf" in output
    assert "1 x not finite: result['y'] is nan" in output
    report = json.loads(invoke("status", not_finite, "--json"))
    assert (report["total"], report["done"], report["not finite"], report["failed"]) == (8, 5, 3, 0)
    assert report["reasons"]["not finite: result['y'] is inf"] == 2


def test_what_is_not_finite_is_left_out_of_means(not_finite, invoke, tmp_path):
    lines = [line.split() for line in invoke("show", not_finite).splitlines()]
    assert lines[0] == ["x", "done", "y", "n"]
    assert lines[1] == ["1", "2/2", "1.050(50)", "5"]
    assert lines[2] == ["2", "1/2", "2.000(10)", "5"]
    assert lines[4] == ["4", "0/2", "-", "-"]
    invoke("plot", not_finite, "-o", tmp_path / "curve.svg")


def test_what_is_not_finite_is_exported(not_finite, invoke, tmp_path):
    for suffix in ("csv", "json", "parquet"):
        assert "8 rows" in invoke("export", not_finite, tmp_path / f"t.{suffix}")
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["y"] for row in rows] == ["1.0", "2.0", "3.0", "inf", "1.1", "nan", "3.1", "inf"]
    assert (rows[5]["status"], rows[5]["error"]) == ("not finite", "result['y'] is nan")
    rows = json.loads((tmp_path / "t.json").read_text())
    assert (rows[3]["y"], rows[3]["n"], rows[3]["status"]) == (None, 5, "not finite")
    assert pyarrow.parquet.read_table(tmp_path / "t.parquet")["y"].to_pylist()[3] == math.inf


def test_what_is_not_finite_is_taken_up_again(not_finite, invoke, workers):
    run = ["run", "study.yaml", "--profile", workers.path]
    invoke(*run, status=1)
    (not_finite.parent / "mended").touch()
    output = invoke(*run, "--retry-failed")
    assert "8 done of 8; this run recorded 3" in output
    assert "not finite" not in invoke("status", not_finite)


def test_try_shows_what_is_not_finite(not_finite, invoke):
    output = invoke("try", "study.yaml", "--set", "x=4", status=1)
    for expected in ("not finite in", "y = inf", "n = 5", "result['y'] is inf"):
        assert expected in output


def test_plot_of_nothing_that_is_done(not_finite, invoke, tmp_path):
    invoke("run", "study.yaml", "--set", "x=[4]", "--store", not_finite, status=1)
    output = invoke("plot", not_finite, "-x", "x", "-o", tmp_path / "curve.svg", status=2)
    assert "no simulation" in output
    assert not (tmp_path / "curve.svg").exists()


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
    twice = ("--set", "x=1", "--set", "x=2")
    assert "x is set twice; write one" in invoke("run", "study.yaml", *twice, status=2)
    assert "nowhere.yaml" in invoke("run", "nowhere.yaml", status=2)
    assert "nowhere.yaml" in invoke("run", "study.yaml", "--profile", "nowhere.yaml", status=2)
    output = invoke("run", "study.yaml", "--set", "replicas=3", status=2)
    assert "`replicas` is a key of the study" in output
    assert "write `replicas: 3` into study.yaml:8" in output
    output = invoke("try", "study.yaml", "--set", "seed=5", status=2)
    assert "`seed: 5` into study.yaml, or" in output
    for path in ("a" * 300, "~nobody-here/s.yaml"):
        assert "name a study file" in invoke("run", path, status=2)
        assert "name a profile file" in invoke("run", "study.yaml", "--profile", path, status=2)
    assert "cannot be written" in invoke("init", "a" * 300, status=2)
    assert "ends in .h5" in invoke("run", "study.yaml", "--store", "x.csv", status=2)
    assert "does not exist" in invoke("run", "study.yaml", "--store", "no/x.h5", status=2)
    assert "no such store" in invoke("status", "no.h5", status=2)
    assert "not an HDF5 file" in invoke("show", "study.yaml", status=2)
    assert sorted(path.name for path in here.iterdir()) == ["script.py", "study.yaml"]


def test_every_help_has_an_example(invoke):
    for command in main.commands:
        example = rf"Examples?:\n( +dask-espresso {command} .*\n)+\n"
        assert re.search(example, invoke(command, "--help"))


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


def test_files_of_another_kind(here, invoke):
    (here / "p.yaml").write_text("cluster: local\n")
    (here / "s.h5").write_bytes(b"\x89HDF")
    output = invoke("run", "script.py", status=2)
    assert "script.py: is a script; name a study, a YAML file, with lines `name: script`" in output
    assert "`script: script.py`" in output
    assert "s.h5: is a store; name the study" in invoke("try", "s.h5", status=2)
    assert "a study, and this one as `--profile p.yaml`" in invoke("run", "p.yaml", status=2)
    for path, what in (("study.yaml", "a study"), ("script.py", "a script"), ("s.h5", "a store")):
        assert f"{path}: is {what}; name" in invoke("job-script", path, status=2)
