"""The batch systems that the tests run on, with one interface."""

from __future__ import annotations

import abc
import contextlib
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import psutil
import yaml
from processes import call, wait_for

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Job:
    """A job in the queue: ``waiting``, ``running``, ``held`` or ``ending``."""

    id: str
    state: str
    is_worker: bool


class Batch(abc.ABC):
    """A batch system.

    Attributes
    ----------
    cluster : str
        Its name in a profile.
    options : dict
        Of a small worker job.
    short_walltime : dict
        More options, with which a worker job lasts about a minute.
    program : str
        Submits jobs.
    banner : str
        What a site may print there, with a number in it.
    display : dict
        Settings of a user's, for the display of the queue.
    """

    program: str
    banner: str
    display: dict
    cluster: str
    options: dict
    short_walltime: dict

    def __init__(self):
        self._others = set()  # jobs that are no workers: the tests have submitted them

    def profile(self, directory, *, cluster=None, jobs=2, **options):
        """Write a profile and give its path."""
        cluster = cluster or self.cluster
        content = {"cluster": cluster, "jobs": jobs, "options": self.options | options}
        path = directory / "profile.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    def jobs(self):
        """List the jobs in the queue."""
        queue = self._queue()
        return [Job(job_id, state, job_id not in self._others) for job_id, state in queue]

    def workers(self, state=None):
        """List the ids of the worker jobs, of all or of those in one state."""
        return [
            job.id
            for job in self.jobs()
            if job.is_worker and job.state in ([state] if state else ["waiting", "running", "held"])
        ]

    def wait_for_workers(self, count, state=None, timeout=180.0):
        """Wait until there are so many worker jobs, and give their ids."""
        what = f"{count} worker jobs {state or 'in the queue'}"
        wait_for(what, lambda: len(self.workers(state)) >= count, timeout)
        return self.workers(state)

    def other(self, job_id):
        """Take note that a job is no worker."""
        self._others.add(job_id)
        return job_id

    def worker_processes(self, job_id):
        """Give the dask worker processes of a job, not their nannies."""
        return [process for process in worker_processes() if self._job_of(process) == job_id]

    def cancel_all(self):
        """Empty the queue."""
        if jobs := self.jobs():
            self.cancel(*(job.id for job in jobs))
        wait_for("an empty queue", lambda: not self.jobs())

    @abc.abstractmethod
    def _queue(self):
        """Give pairs of id and state."""

    @abc.abstractmethod
    def _job_of(self, process):
        """Give the id of the job that a process is in, or None."""

    @abc.abstractmethod
    def submit_driver(self, directory, study, profile, *arguments):
        """Submit the driver job that comes with the package, and give its id."""

    def full_id(self, number):
        """Give the id of a job that is known by its number."""
        return number

    @abc.abstractmethod
    def submit_sleep(self):
        """Submit a job that is no worker and waits for long, and give its id."""

    @abc.abstractmethod
    def exit_status(self, job_id):
        """Give the exit status of a job that has ended; None before."""

    @abc.abstractmethod
    def cancel(self, *job_ids):
        """Remove jobs."""

    @abc.abstractmethod
    def hold(self, job_id):
        """Hold a job, whether it waits or runs."""

    @abc.abstractmethod
    def release(self, job_id):
        """Let a held job go on."""

    @abc.abstractmethod
    def requeue(self, job_id):
        """Stop a running job; the batch system starts it again."""

    @abc.abstractmethod
    def preempt(self):
        """Submit a job that takes the place of all others for some seconds."""

    @abc.abstractmethod
    def node_down(self, job_id):
        """Take the node of a job down within a context."""

    @abc.abstractmethod
    def refusing_jobs(self):
        """Refuse what is submitted within a context."""

    @abc.abstractmethod
    def starting_no_jobs(self):
        """Have jobs wait within a context."""


def worker_processes():
    """Find all dask worker processes; a nanny starts them by multiprocessing."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if "spawn_main(" in " ".join(process.info["cmdline"] or ())
    ]


class Slurm(Batch):
    """Slurm."""

    cluster = "slurm"
    options: ClassVar = {"cores": 1, "memory": "512 MB", "walltime": "00:30:00", "interface": "lo"}
    short_walltime: ClassVar = {"walltime": "00:01:00"}
    program = "sbatch"
    banner = (
        "{number} core hours left in project p0023565\n{number}\n"
        "Submitted batch job {number} (quota check)\nSubmitted batch job {number}"
    )
    display: ClassVar = {
        "SQUEUE_PARTITION": "urgent",
        "SQUEUE_STATES": "SUSPENDED",
        "SQUEUE_FORMAT": "%i %j",
        "SCANCEL_PARTITION": "urgent",
        "SCANCEL_INTERACTIVE": "1",
    }
    _STATES: ClassVar = {"PENDING": "waiting", "RUNNING": "running", "COMPLETING": "ending"}

    def _queue(self):
        for line in call("squeue", "--noheader", "--format=%A|%T|%r").splitlines():
            job_id, state, reason = line.split("|")
            held = state == "PENDING" and "held" in reason.lower()
            yield job_id, "held" if held else self._STATES.get(state, "waiting")

    def _job_of(self, process):
        with contextlib.suppress(psutil.Error):
            return process.environ().get("SLURM_JOB_ID")

    def submit_driver(self, directory, study, profile, *arguments):
        script = ROOT / "slurm/driver.sbatch"
        return self.submit(*arguments, script, study, profile, cwd=directory)

    def submit(self, *arguments, cwd=None):
        """Submit a job that is no worker, and give its id."""
        return self.other(call("sbatch", "--parsable", *arguments, cwd=cwd).strip())

    def submit_sleep(self):
        return self.submit("--output=/dev/null", "--wrap=sleep 600")

    def describe(self, job_id):
        """Give what Slurm knows of a job."""
        return dict(re.findall(r"(\w+)=(\S+)", call("scontrol", "show", "job", job_id)))

    def exit_status(self, job_id):
        said = self.describe(job_id)
        ended = said["JobState"] in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
        return int(said["ExitCode"].partition(":")[0]) if ended else None

    def cancel(self, *job_ids):
        call("scancel", *job_ids)

    def hold(self, job_id):
        is_running = job_id in self.workers("running")
        call("scontrol", "requeuehold" if is_running else "hold", job_id)

    def release(self, job_id):
        call("scontrol", "release", job_id)

    def requeue(self, job_id):
        call("scontrol", "requeue", job_id)

    def preempt(self):
        job = ["--partition=urgent", "--nodes=4", "--exclusive", "--output=/dev/null"]
        return self.submit(*job, "--wrap=sleep 5")

    @contextlib.contextmanager
    def node_down(self, job_id):
        node = call("squeue", "--noheader", "--format=%N", f"--jobs={job_id}").strip()
        with self._updated(f"nodename={node}", "state=down reason=test", "state=resume"):
            yield

    def refusing_jobs(self):
        return self._updated("partitionname=debug", "state=inactive", "state=up")

    def starting_no_jobs(self):
        return self._updated("partitionname=debug", "state=down", "state=up")

    @contextlib.contextmanager
    def _updated(self, what, to, back):
        call("scontrol", "update", what, *to.split())
        try:
            yield
        finally:
            call("scontrol", "update", what, *back.split())


class HTCondor(Batch):
    """HTCondor."""

    cluster = "htcondor"
    options: ClassVar = {"cores": 1, "memory": "512 MB", "disk": "100 MB", "interface": "lo"}
    short_walltime: ClassVar = {"job_extra_directives": {"allowed_job_duration": 40}}
    program = "condor_submit"
    banner = (
        "1 job(s) submitted to cluster {number} (quota check)\n{number}.0\n"
        "1 job(s) submitted to cluster {number}."
    )
    display: ClassVar = {
        "_CONDOR_CONDOR_Q_ONLY_MY_JOBS": "False",
        "_CONDOR_CONDOR_Q_DASH_BATCH_IS_DEFAULT": "False",
    }
    _STATES: ClassVar = {1: "waiting", 2: "running", 5: "held"}

    def _queue(self):
        said = call("condor_q", "-json", "-attributes", "ClusterId,ProcId,JobStatus")
        for ad in json.loads(said or "[]"):
            yield f"{ad['ClusterId']}.{ad['ProcId']}", self._STATES.get(ad["JobStatus"], "ending")

    def _job_of(self, process):
        with contextlib.suppress(psutil.Error, OSError, KeyError):
            ad = Path(process.environ()["_CONDOR_JOB_AD"]).read_text()
            return "{ClusterId}.{ProcId}".format(**dict(re.findall(r"(\w+) = (.*)", ad)))

    def submit_driver(self, directory, study, profile, *arguments):
        values = {"study": study, "profile": profile, "python": sys.executable}
        macros = [f"{name}={value}" for name, value in values.items()]
        return self.submit(ROOT / "htcondor/driver.sub", *macros, *arguments, cwd=directory)

    def submit(self, *arguments, cwd=None):
        """Submit a job that is no worker, and give its id."""
        said = call("condor_submit", "-terse", *arguments, cwd=cwd)
        return self.other(said.split()[0])

    def submit_sleep(self):
        return self._submit_sleep(600, request_memory=1)

    def _submit_sleep(self, seconds, **lines):
        path = Path(os.environ["TMPDIR"]) / "sleep.sub"
        lines |= {"executable": "/bin/sleep", "arguments": seconds, "transfer_executable": False}
        lines |= {"request_disk": 1}
        path.write_text("".join(f"{key} = {value}\n" for key, value in lines.items()) + "queue\n")
        return self.submit(path.name, cwd=path.parent)

    def full_id(self, number):
        return f"{number}.0"

    def exit_status(self, job_id):
        if job_id in dict(self._queue()):
            return None
        history = ("condor_history", job_id, "-limit", "1", "-af", "ExitCode", "ExitSignal")
        code, signal = call(*history).split() or [None, None]
        return None if code is None else int(code) if code.isdigit() else -int(signal)

    def cancel(self, *job_ids):
        call("condor_rm", *job_ids)

    def hold(self, job_id):
        call("condor_hold", job_id)

    def release(self, job_id):
        call("condor_release", job_id)

    def requeue(self, job_id):
        call("condor_vacate_job", "-fast", job_id)

    def preempt(self):
        return self._submit_sleep(5, **{"request_cpus": 4, "request_memory": 1, "MY.Urgent": True})

    @contextlib.contextmanager
    def node_down(self, job_id):
        # there is one node only
        with self._off("startd", "-fast"):
            yield

    @contextlib.contextmanager
    def refusing_jobs(self):
        config = Path(os.environ["CONDOR_CONFIG"]).with_name("fault.config")
        config.write_text("SUBMIT_REQUIREMENT_NAMES = Open\nSUBMIT_REQUIREMENT_Open = False\n")
        try:
            self._reconfigure("Open")
            yield
        finally:
            config.unlink()
            self._reconfigure("Not defined")

    def _reconfigure(self, expected):
        call("condor_reconfig", "-daemon", "schedd")
        setting = ("condor_config_val", "-schedd", "SUBMIT_REQUIREMENT_NAMES")
        wait_for("the new configuration", lambda: call(*setting).strip() == expected)

    def starting_no_jobs(self):
        return self._off("negotiator")

    @contextlib.contextmanager
    def _off(self, daemon, *how):
        call("condor_off", *how, "-daemon", daemon)
        try:
            yield
        finally:
            call("condor_on", "-daemon", daemon)


SYSTEMS = {system.cluster: system for system in (Slurm, HTCondor)}
