import asyncio
import json
import os

import pytest

from dask_espresso.batch import (
    BatchError,
    HTCondorQueue,
    SlurmQueue,
    call,
    outside_of_job,
    schedd_arguments,
)


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Make a program that prints a text, first in the PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def make(name, output="", errors="", exit_code=0):
        (tmp_path / "output").write_text(output)
        (tmp_path / "errors").write_text(errors)
        path = tmp_path / name
        path.write_text(
            f'#!/bin/sh\necho "$@" > "{tmp_path}/arguments"\n'
            f'cat "{tmp_path}/output"; cat "{tmp_path}/errors" >&2; exit {exit_code}\n'
        )
        path.chmod(0o755)
        return tmp_path / "arguments"

    return make


def look(queue):
    return {i: (job.name, job.state, job.reason) for i, job in asyncio.run(queue.look()).items()}


def test_squeue(program):
    arguments = program(
        "squeue",
        "11|PD|a|Priority\n"
        "12|R|b|None\n"
        "13|PD|c|JobHeldUser\n"
        "14|PD|d|launch failed requeued held\n"
        "15|CG|e|None\n"
        "16|CF|name|with|bars|None\n"
        "17|RH|f|(null)\n"
        "18|S|g|None\n",
    )
    assert look(SlurmQueue()) == {
        "11": ("a", "waiting", "Priority"),
        "12": ("b", "running", ""),
        "13": ("c", "held", "JobHeldUser"),
        "14": ("d", "held", "launch failed requeued held"),
        "16": ("name|with|bars", "waiting", ""),
        "17": ("f", "held", ""),
        "18": ("g", "running", ""),
    }
    assert f"--user={os.getuid()}" in arguments.read_text()


def test_condor_q(program):
    ads = [
        {"ClusterId": 1, "ProcId": 0, "JobStatus": 1, "JobBatchName": "a"},
        {"ClusterId": 2, "ProcId": 0, "JobStatus": 2},
        {"ClusterId": 3, "ProcId": 0, "JobStatus": 5, "HoldReason": "via condor_hold (by me)"},
        {"ClusterId": 4, "ProcId": 0, "JobStatus": 3},
        {"ClusterId": 5, "ProcId": 0, "JobStatus": 4},
        {"ClusterId": 6, "ProcId": 1, "JobStatus": 1, "LastRejMatchReason": "no match found "},
    ]
    arguments = program("condor_q", json.dumps(ads))
    assert look(HTCondorQueue(["-name", "schedd2"])) == {
        "1.0": ("a", "waiting", ""),
        "2.0": ("", "running", ""),
        "3.0": ("", "held", "via condor_hold (by me)"),
        "6.1": ("", "waiting", "no match found"),
    }
    assert arguments.read_text().startswith("-name schedd2 -json")


def test_an_empty_condor_q_prints_nothing(program):
    program("condor_q", "")
    assert look(HTCondorQueue()) == {}


def test_condor_q_that_prints_no_json(program):
    program("condor_q", "-- Failed to fetch ads")
    with pytest.raises(BatchError, match="condor_q: "):
        look(HTCondorQueue())


def test_a_batch_system_that_is_down(program):
    program("squeue", errors="slurm_load_jobs error:\n Unable to contact slurm\n", exit_code=1)
    with pytest.raises(BatchError, match=r"squeue: slurm_load_jobs error: Unable to contact slurm"):
        look(SlurmQueue())


def test_a_command_that_is_not_there(monkeypatch):
    monkeypatch.setenv("PATH", os.defpath)
    with pytest.raises(BatchError, match="no_such_command: No such file"):
        asyncio.run(call(["no_such_command"]))


def test_a_command_that_does_not_end(program, monkeypatch):
    monkeypatch.setattr("dask_espresso.batch._TIMEOUT", 0.2)
    with pytest.raises(BatchError, match=r"sleep: no answer in 0\.2 s"):
        asyncio.run(call(["sleep", "60"]))


def test_which_schedd():
    extra = ["-spool", "-name", "schedd2", "-pool", "cm.example.org", "-verbose"]
    assert schedd_arguments(extra) == ["-name", "schedd2", "-pool", "cm.example.org"]
    assert schedd_arguments([]) == []


def test_a_jobs_own_environment_is_put_aside_for_a_while(monkeypatch):
    leaking = (
        "SLURM_JOB_ID",
        "SLURM_MEM_PER_CPU",
        "SBATCH_PARTITION",
        "SRUN_DEBUG",
        "SLURMD_DEBUG",
    )
    for name in leaking:
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    before = dict(os.environ)
    with outside_of_job():
        assert not set(leaking) & set(os.environ)
        assert os.environ["SLURM_CONF"] == "/etc/slurm.conf"
    assert dict(os.environ) == before
