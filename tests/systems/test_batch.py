import asyncio
import contextlib
import gc
import json
import os
import subprocess
import sys
import time
from typing import ClassVar

import pytest
from processes import is_running, wait_until

from dask_espresso.systems.batch import BatchError, call
from dask_espresso.systems.htcondor import HTCondorQueue, schedd_arguments
from dask_espresso.systems.queue import cancel
from dask_espresso.systems.slurm import SlurmQueue
from dask_espresso.systems.table import system_of


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
    monkeypatch.setattr("dask_espresso.systems.batch._TIMEOUT", 0.2)
    with pytest.raises(BatchError, match=r"sleep: no answer in 0\.2 s"):
        asyncio.run(call(["sleep", "60"]))


@pytest.mark.parametrize(
    ("extra", "where"),
    [
        (
            ["-spool", "-name", "schedd2", "-pool", "cm.example.org", "-verbose"],
            ["-name", "schedd2", "-pool", "cm.example.org"],
        ),
        (["-remote", "schedd2"], ["-name", "schedd2"]),  # condor_q and condor_rm know no -remote
        (["-r", "schedd2", "-po", "cm"], ["-name", "schedd2", "-pool", "cm"]),
        ([], []),
    ],
)
def test_which_schedd(extra, where):
    assert schedd_arguments(extra) == where


def test_jobs_are_cancelled_on_the_schedd_that_they_were_submitted_to(program):
    arguments = program("condor_rm")
    where = ["-name", "schedd2"]
    asyncio.run(HTCondorQueue(where, ["-debug"]).cancel(["7.0"]))
    assert arguments.read_text() == "-name schedd2 -debug 7.0\n"
    asyncio.run(HTCondorQueue(where, where).cancel(["7.0"]))
    assert arguments.read_text() == "-name schedd2 7.0\n"


# ---- which job was submitted ---------------------------------------------------------------------

BANNER = "Project p0023565: 1234 core hours left\n"


@pytest.mark.parametrize(
    ("cluster", "said", "job_id"),
    [
        ("slurm", "Submitted batch job 12\n", "12"),
        ("slurm", BANNER + "Submitted batch job 12\n1234\n", "12"),
        ("slurm", "Submitted batch job quota: 17 left\nSubmitted batch job 12\r\n", "12"),
        ("slurm", "\x1b[1;32mSubmitted batch job 12\x1b[0m\nBye, 99\n", "12"),
        ("slurm", "Submitted batch job 12 on cluster other\n", "12;other"),
        ("slurm", BANNER + "12;other\n", "12;other"),
        ("slurm", BANNER + "12\nthank you\n", "12"),
        ("slurm", "1234\nSubmitted batch job 1234 (quota check)\nSubmitted batch job 12\n", "12"),
        ("slurm", "Submitted batch job 12\nSubmitted batch job 1234 (quota check)\n", "12"),
        ("slurm", BANNER, ""),
        ("slurm", "job 12 was submitted", ""),
        ("slurm", "", ""),
        ("htcondor", "Submitting job(s).\n1 job(s) submitted to cluster 7.\n", "7.0"),
        ("htcondor", "5 job(s) submitted to cluster 3 today\n7.0 - 7.0\n", "7.0"),
        (
            "htcondor",
            "1 job(s) submitted to cluster 6.\nWARNING: 3.0\n1 job(s) submitted to cluster 7.\n",
            "7.0",
        ),
        ("htcondor", "1 job(s) submitted to cluster 3 (quota)\n7.0 - 7.0\n9 jobs left\n", "7.0"),
        ("htcondor", BANNER, ""),
        ("pbs", BANNER + "12.server.example.org\n", "12.server.example.org"),
        ("sge", BANNER + 'Your job 12 ("a b") has been submitted\n', "12"),
        ("lsf", BANNER + "Job <12> is submitted to default queue <normal>.\n", "12"),
        ("oar", "[ADMISSION RULE] 1234\nOAR_JOB_ID=12\n", "12"),
        ("moab", BANNER + "\nMoab.12\n", "Moab.12"),
    ],
)
def test_the_id_is_what_the_batch_system_is_documented_to_say(cluster, said, job_id):
    assert next(iter(system_of(cluster).submitted_ids(said)), "") == job_id


# ---- whose job is cancelled ----------------------------------------------------------------------


class FakeQueue:
    """A queue that shows three jobs."""

    at_once = 100

    def __init__(self):
        self.cancelled = []

    async def names(self, _):
        return {"1": "ours-1", "2": "a stranger's", "3": "ours-3"}

    async def cancel(self, ids):
        self.cancelled += ids


@pytest.mark.parametrize(
    ("jobs", "beginning", "cancelled"),
    [
        ({"1": "ours-1"}, (), ["1"]),
        ({"2": "ours-1"}, (), []),  # an id that was read wrongly
        ({"2": "ours-2", "9": "ours-9"}, (), []),
        ({}, ("ours-",), ["1", "3"]),
        ({}, (), []),
    ],
)
def test_no_job_is_cancelled_but_what_the_queue_shows_as_ours(jobs, beginning, cancelled):
    queue = FakeQueue()
    assert asyncio.run(cancel(queue, jobs, beginning)) == queue.cancelled == cancelled


@pytest.mark.parametrize(
    ("cluster", "asks", "said"),
    [
        ("pbs", "qstat", "Job Id: 12.server\n    Job_Name = ours\n    Job_Owner = me@here\n"),
        ("sge", "qstat", "====\njob_number:     12\njob_name:                   ours\n"),
        ("lsf", "bjobs", "ours\n"),
        ("oar", "oarstat", "Job_Id: 12\n    job_array_id = 12\n    name = ours\n"),
        ("moab", "checkjob", "job 12\n\nAName: ours\nState: Running\n"),
    ],
)
def test_where_the_queue_is_not_looked_at_a_job_is_asked_for_its_name(program, cluster, asks, said):
    program(asks, said)
    system = system_of(cluster)
    queue = system.queue(system.job_class({}), {})
    assert asyncio.run(queue.names(["12"])) == {"12": "ours"}
    program(asks, said.replace("ours", "ours as well"))
    assert asyncio.run(cancel(queue, {"12": "ours"})) == []
    program(asks, errors="unknown job", exit_code=1)
    assert asyncio.run(cancel(queue, {"12": "ours"})) == []


def test_of_many_jobs_that_are_asked_one_by_one_those_are_cancelled_that_were_asked():
    class SlowQueue:
        at_once = 8
        calls: ClassVar = []

        async def names(self, ids):
            if len(self.calls) == 4:
                await asyncio.sleep(60)
            self.calls.append(len(ids))
            return dict.fromkeys(ids, "ours")

        async def cancel(self, ids):
            self.calls.append(ids)

    async def scenario():
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(cancel(queue, {str(i): "ours" for i in range(500)}), 0.1)

    queue = SlowQueue()
    asyncio.run(scenario())
    assert queue.calls == [8, [*map(str, range(8))], 8, [*map(str, range(8, 16))]]


# ---- commands that are given up -----------------------------------------------------------------


def test_a_command_that_nobody_waits_for_any_more_ends_without_a_word(caplog):
    async def give_up():
        calling = asyncio.create_task(call(["sleep", "60"]))
        await asyncio.sleep(0.5)
        calling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await calling

    asyncio.run(give_up())
    gc.collect()
    assert not caplog.records


# ---- other settings, other clusters --------------------------------------------------------------


def test_a_user_s_display_settings_reach_no_command(program, monkeypatch, tmp_path):
    display = (
        "SQUEUE_PARTITION", "SQUEUE_FORMAT2", "SCANCEL_INTERACTIVE", "SLURM_TIME_FORMAT",
        "SACCT_FORMAT", "_CONDOR_CONDOR_Q_ONLY_MY_JOBS", "LSB_BJOBS_FORMAT", "BSUB_QUIET",
    )  # fmt: skip
    for name in (*display, "SLURM_CONF", "_CONDOR_SEC_TOKEN_DIRECTORY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    seen = dict(
        line.split("=", 1) for line in asyncio.run(call(["env"])).splitlines() if "=" in line
    )
    assert not set(display) & set(seen)
    assert seen["LC_ALL"] == "C"
    assert {"SLURM_CONF", "_CONDOR_SEC_TOKEN_DIRECTORY"} <= set(seen)


def test_another_cluster_of_slurm_is_looked_at_and_cancelled_on(program):
    arguments = program("squeue", "CLUSTER: other\n12|R|a|None\nCLUSTER: third\n12|PD|b|None\n")
    assert look(SlurmQueue("other,third")) == {
        "12;other": ("a", "running", ""),
        "12;third": ("b", "waiting", ""),
    }
    assert "-M other,third" in arguments.read_text()
    arguments = program("scancel")
    asyncio.run(SlurmQueue("other,third").cancel(["12;third"]))
    assert arguments.read_text() == "-M third 12\n"


def test_what_a_site_prints_in_front_of_the_queue(program):
    program("squeue", f"{BANNER}12|R|a|None\n99|R\n")
    assert look(SlurmQueue()) == {"12": ("a", "running", "")}
    program("condor_q", f'{BANNER}[\n{{"ClusterId": 1, "ProcId": 0, "JobStatus": 1}}\n]\n')
    assert look(HTCondorQueue()) == {"1.0": ("", "waiting", "")}


# ---- nothing outlives the driver -----------------------------------------------------------------


def test_a_command_that_nobody_waits_for_any_more_is_gone(program, tmp_path):
    script = f"trap '' TERM; (setsid sleep 600 & echo $! > {tmp_path}/pid); sleep 600"

    async def scenario():
        running = asyncio.create_task(call(["bash", "-c", script]))
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            await asyncio.sleep(0.02)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(scenario())
    assert wait_until(lambda: not is_running(int((tmp_path / "pid").read_text())))


def test_a_command_of_a_driver_that_is_killed_is_gone(tmp_path):
    code = (
        "import asyncio; from dask_espresso.systems.batch import call; "
        f"asyncio.run(call(['bash', '-c', 'echo $$ > {tmp_path}/pid; sleep 600; true']))"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as driver:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.02)
        driver.kill()
    assert wait_until(lambda: not is_running(int((tmp_path / "pid").read_text())))
