"""A small study on a cluster, and all that has to hold at its end."""

from __future__ import annotations

import collections
import os
import re
import subprocess
import time

import h5py
import psutil
import yaml
from batch_systems import worker_processes
from processes import call, wait_for

from dask_espresso import read_store
from dask_espresso.errors import InputError

# It tells the process id of its dask worker, which is above its supervisor, or its fork server.
SCRIPT = """\
import os
import time
from pathlib import Path

import dask_espresso

NAMES = ("supervisor.py", "forkserver.py")

params = dask_espresso.get_data_from_stdin()
worker = os.getppid()
while any(name in Path(f"/proc/{worker}/cmdline").read_text() for name in NAMES):
    worker = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
if not Path(__file__).with_name("hurry").exists():
    time.sleep(params["duration"])
print(dask_espresso.encode_transport_data({"square": params["i"] ** 2, "worker": worker}))
"""


class StudyRun:
    """A study of squares in a directory of its own, run by a driver process or a driver job.

    Parameters
    ----------
    batch : Batch
        Where it runs.
    directory : Path
        Empty.
    record_property : callable
        Takes what :meth:`fault` measures.
    count, duration
        How many simulations, and how many seconds each.
    **options
        For :meth:`Batch.profile`.
    """

    def __init__(self, batch, directory, record_property, *, count=40, duration=1, **options):
        self.batch, self.directory, self.count = batch, directory, count
        self.path = directory / "study.yaml"
        self.profile = batch.profile(directory, **options)
        self.driver = None
        self.files = set()  # more of the user's own
        self._record_property = record_property
        self._fault = None
        (directory / "square.py").write_text(SCRIPT)
        study = {
            "name": "squares",
            "engine": "python",
            "script": "square.py",
            "parameters": {"i": list(range(count)), "duration": duration},
        }
        self.path.write_text(yaml.safe_dump(study))

    # ---- the driver ------------------------------------------------------------------------------

    def start(self, **environment):
        """Start a driver process here, with more in its environment."""
        command = ["dask-espresso", "run"]
        with (self.directory / "driver.log").open("a") as log:
            self.driver = subprocess.Popen(
                [*command, self.path, "--profile", self.profile],
                cwd=self.directory,
                env=os.environ | environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def submit(self, *arguments):
        """Submit the driver job that comes with the package, and give its id."""
        job_id = self.batch.submit_driver(self.directory, self.path, self.profile, *arguments)
        self.driver = DriverJob(self.batch, job_id)
        return job_id

    def submit_by_command(self):
        """Submit the driver with ``dask-espresso submit``, and give its id."""
        command = ["dask-espresso", "submit", self.path, "--profile", self.profile]
        said = call(*command, cwd=self.directory)
        job_id = self.batch.other(self.batch.full_id(re.search(r"job (\d+)", said)[1]))
        self.driver = DriverJob(self.batch, job_id)
        return job_id

    def driver_process(self):
        """Find the process of the driver, also where it is a job."""
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if str(self.path) in words and "run" in words:
                return process
        return None

    def stop(self):
        """End a driver that a failed test has left."""
        if isinstance(self.driver, subprocess.Popen) and self.driver.poll() is None:
            self.driver.kill()
            self.driver.wait()

    # ---- while it runs ---------------------------------------------------------------------------

    def outcomes(self):
        """Give what is recorded by now."""
        try:
            return list(read_store(self.directory / "squares.h5").outcomes.values())
        except InputError:
            return []  # nothing yet

    def wait_for_outcomes(self, count, timeout=180.0):
        """Wait until so many are recorded."""
        wait_for(f"{count} outcomes", lambda: len(self.outcomes()) >= count, timeout)

    def wait_for_work(self, workers=2):
        """Wait until so many workers have given results; give the ids of the worker jobs."""
        wait_for(f"{workers} workers at work", lambda: len(self._at_work()) >= workers)
        return self.batch.workers("running")

    def _at_work(self):
        return {outcome.result["worker"] for outcome in self.outcomes()}

    def fault(self, name):
        """Take the time until a worker that is not there yet starts its first simulation."""
        before = {process.pid for process in worker_processes()}
        self._fault = name, time.time(), before

    def recovers(self, workers=2):
        """Wait until a worker that was not there before the fault has worked, and enough do."""
        wait_for(f"recovery: {self._fault[0]}", self._started_since)
        self._check_recovery()
        self._fault = None
        now = time.time()

        def at_work():
            found = {o.result["worker"] for o in self.outcomes() if o.started > now}
            return len(found) >= workers

        wait_for(f"{workers} workers at work again", at_work)

    def hurry(self):
        """Let simulations end at once from now on."""
        self.files.add(self.directory / "hurry")
        (self.directory / "hurry").touch()

    # ---- the end ---------------------------------------------------------------------------------

    def completes(self, timeout=300.0):
        """Wait for the driver; check that everything is there once, and nothing else is left."""
        assert self.driver.wait(timeout) == 0
        self._check_store()
        self._check_recovery()
        wait_for("an empty queue", lambda: not self.batch.jobs(), 20)
        wait_for("the end of all processes", lambda: not self.processes(), 20)
        self._check_files()

    def _check_store(self):
        outcomes = self.outcomes()
        assert all(outcome.is_done for outcome in outcomes)
        squares = {outcome.parameters["i"]: outcome.result["square"] for outcome in outcomes}
        assert squares == {i: i**2 for i in range(self.count)}
        # nothing was recorded twice, not even to be replaced
        assert sorted(outcome.sequence for outcome in outcomes) == list(range(1, self.count + 1))
        with h5py.File(self.directory / "squares.h5") as file:
            assert len(set(file["simulation"][:])) == len(file["simulation"]) == self.count
            assert not file["status"][:].any()
            assert (file["square"][:] == file["i"][:] ** 2).all()

    def _check_recovery(self):
        if not self._fault:
            return
        started = self._started_since()
        assert started, f"no worker came after: {self._fault[0]}"
        self._record_property("recovery", (self._fault[0], min(started)))

    def _started_since(self):
        """Say after how long simulations started that workers ran who came after the fault."""
        _, since, before = self._fault
        return [
            outcome.started - since
            for outcome in self.outcomes()
            if outcome.started > since and outcome.result["worker"] not in before
        ]

    def _check_files(self):
        kinds = ("study.yaml", "profile.yaml", "square.py", "squares.h5", "driver.log")
        kinds += ("squares.sbatch", "squares.sub", "dask-espresso*")
        known = {path for kind in kinds for path in self.directory.glob(kind)}
        assert set(self.directory.iterdir()) == known | self.files

    def processes(self, name=None):
        """Find all processes of this study, or those of a program."""
        return [process for process in psutil.process_iter() if self._is_ours(process, name)]

    def _is_ours(self, process, name):
        try:
            words = [*process.cmdline(), process.cwd()]
            is_named = name in (None, process.name())
        except psutil.Error:  # it may end while it is looked at
            return False
        return is_named and any(str(self.directory) in word for word in words)

    def describe(self):
        """Give the logs and the queue, for the report of a failed test."""
        states = collections.Counter(outcome.status.label for outcome in self.outcomes())
        logs = [
            f"---- {path.name}\n{path.read_text(errors='replace')[-4000:]}"
            for pattern in ("*.log", "*.err", "*.out", "dask-espresso-logs/*")
            for path in sorted(self.directory.glob(pattern))
        ]
        return "\n".join([f"{dict(states)}", f"{self.batch.jobs()}", *logs])


class DriverJob:
    """A driver that is a job, to be waited for like a process."""

    def __init__(self, batch, job_id):
        self._batch, self.id = batch, job_id

    def wait(self, timeout):
        """Give the exit status."""
        wait_for("the end of the driver job", lambda: self._status() is not None, timeout)
        return self._status()

    def _status(self):
        return self._batch.exit_status(self.id)
