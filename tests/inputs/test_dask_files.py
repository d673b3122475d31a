"""Configuration files of Dask that Dask cannot use."""

import os
import subprocess
import sys

import pytest

from dask_espresso.inputs.dask_files import file_of, malformed_file

MALFORMED = [
    (b"a: [", r":1: is not YAML ("),
    (b"a:\n\t- b\n", r":2: is not YAML ("),
    (b"\x80\x00\xff", ": is not YAML ("),
    ("distributed: {}\n".encode("utf-16"), ": is not YAML ("),  # which Dask takes for UTF-8
    (b"- a\n- b\n", ": holds a list where keys are expected"),
    (b"distributed: 3\n", ": distributed: is 3 but must be a mapping"),
    (b"jobqueue:\n  slurm: [a]\n", ": jobqueue.slurm: is ['a'] but must be a mapping"),
]


@pytest.mark.parametrize(("content", "said"), MALFORMED)
def test_a_malformed_file(tmp_path, monkeypatch, content, said):
    path = tmp_path / "dask.yaml"
    path.write_bytes(content)
    for place in (path, tmp_path):
        monkeypatch.setenv("DASK_CONFIG", str(place))
        message = malformed_file()
        assert message.startswith(f"{path}{said}")
        assert message.endswith(
            "it is one of Dask's configuration files: correct it, or move it away"
        )


def test_all_is_well(tmp_path, monkeypatch):
    (tmp_path / "a.yaml").write_text("jobqueue: {slurm: {job_mem: 3}}\n")
    (tmp_path / "b.yaml").write_text("# nothing\n")
    (tmp_path / "c.txt").write_text("a: [")
    monkeypatch.setenv("DASK_CONFIG", str(tmp_path))
    assert malformed_file() == ""
    assert file_of("jobqueue", "slurm", "job-mem") == tmp_path / "a.yaml"
    assert file_of("jobqueue", "slurm", "cores") is None


@pytest.mark.parametrize(
    "command", [["run", "study.yaml"], ["job-script", "slurm"], ["check", "--profile=slurm"]]
)
def test_every_command_that_needs_dask_says_so_in_one_line(tmp_path, command):
    path = tmp_path / "dask.yaml"
    path.write_text("a: [")
    done = subprocess.run(
        [sys.executable, "-m", "dask_espresso", *command], cwd=tmp_path, timeout=300,
        env=os.environ | {"DASK_CONFIG": str(path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"Error: {path}:1: is not YAML (")
    assert done.stderr.count("\n") == 1


def test_defaults_of_a_site_of_a_wrong_kind(tmp_path):
    path = tmp_path / "jobqueue.yaml"
    path.write_text("jobqueue: {slurm: {cores: four, memory: 1 GB}}\n")
    (tmp_path / "p.yaml").write_text("cluster: slurm\n")
    done = subprocess.run(
        [sys.executable, "-m", "dask_espresso", "job-script", "p.yaml"], cwd=tmp_path, timeout=300,
        env=os.environ | {"DASK_CONFIG": str(path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    said = f"{path}: jobqueue.slurm.cores is the text 'four' but must be a whole number from 1"
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
