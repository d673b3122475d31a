"""A study that a driver on the login node runs on the nodes."""

import signal
import subprocess

import psutil
import yaml
from processes import wait_for

from dask_espresso import read_store
from dask_espresso.errors import InputError

SCRIPT = """\
import os, socket, time
from pathlib import Path

import dask_espresso
import numpy as np

p = dask_espresso.get_data_from_stdin()
host = socket.gethostname()
with open(Path(__file__).with_name("started"), "a") as file:
    file.write(f"{p['i']}\\n")
time.sleep(p["duration"])
size = int(p["sizes"].get(host, 0))
data = np.random.default_rng(1).bytes(size)
result = {"square": p["i"] ** 2, "host": host, "data": np.frombuffer(data, np.uint8)}
print(dask_espresso.encode_transport_data(result))
"""

# seconds where a user waits for a minute
SETTINGS = """
dask-espresso:
  keeper: {interval: 1s, hung-after: 8s}
  transfers: {ask: 1s, give-up: 5s}
distributed: {comm: {timeouts: {connect: 3s, tcp: 12s}}}
"""


class NetworkRun:
    """A study in a directory of its own, and the driver that runs it.

    Parameters
    ----------
    network : Network
        Its hosts.
    directory : Path
        Empty.
    count, duration, sizes
        How many simulations, how many seconds each, and how many bytes each result has by host.
    **options
        Of the worker jobs.
    """

    def __init__(self, network, directory, *, count=8, duration=0.3, sizes=None, **options):
        self.network, self.directory, self.count = network, directory, count
        self.log = directory / "driver.log"
        (directory / "sim.py").write_text(SCRIPT)
        parameters = {"i": list(range(count)), "duration": duration}
        (directory / "sizes.yaml").write_text(yaml.safe_dump(sizes or {}))
        study = {"name": "s", "engine": "python", "script": "sim.py", "retries": 0}
        study["parameters"] = {**parameters, "sizes": {"value": sizes or {}}}
        (directory / "study.yaml").write_text(yaml.safe_dump(study))
        options = {"cores": 1, "memory": "500 MB", "walltime": "00:10:00"} | options
        profile = {"cluster": "slurm", "jobs": 2, "options": options}
        profile["engines"] = {"python": {"start": "spawn"}}
        (directory / "profile.yaml").write_text(yaml.safe_dump(profile))
        config = network.place / ".config/dask"
        config.mkdir(parents=True, exist_ok=True)
        (config / "test.yaml").write_text(SETTINGS)
        self.driver = None

    def start(self, command="run"):
        """Start a driver on the login node."""
        words = ["dask-espresso", command, "study.yaml", "--profile", "profile.yaml"]
        with self.log.open("a") as log:
            self.driver = subprocess.Popen(
                self.network.login.command("env", "-C", self.directory, *words),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.network.environment(),
            )

    def signal(self, number):
        """Send the driver a signal."""
        for process in psutil.Process(self.driver.pid).children():
            process.send_signal(number)

    def ends(self, timeout=180):
        """Wait for the driver's end; give its exit status, and what it has said."""
        return self.driver.wait(timeout), self.said

    @property
    def said(self):
        """What the driver has said until now."""
        return self.log.read_text()

    def outcomes(self):
        """Give what is recorded by now, by the simulation's number."""
        try:
            outcomes = read_store(self.directory / "s.h5").outcomes.values()
        except InputError:
            return {}  # nothing yet
        return {outcome.parameters["i"]: outcome for outcome in outcomes}

    def hosts(self):
        """Give the hosts of what is recorded by now, one for each outcome."""
        return [outcome.result["host"] for outcome in self.outcomes().values()]

    def wait_for_work(self):
        """Wait until both nodes have given a result."""
        self.wait_until("both nodes at work", lambda: len(set(self.hosts())) == 2)

    def wait_until(self, what, predicate, timeout=180):
        """Wait for something to happen while the driver runs."""
        wait_for(what, lambda: predicate() or self.driver.poll() is not None, timeout)
        assert predicate(), f"the driver ended before {what}"

    def started(self):
        """Give the numbers of the simulations that were started, as often as they were."""
        path = self.directory / "started"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def check_whole(self):
        """Check that everything was recorded, and is right."""
        outcomes = self.outcomes()
        assert {i: o.result["square"] for i, o in outcomes.items()} == {
            i: i**2 for i in range(self.count)
        }
        assert all(outcome.is_done for outcome in outcomes.values())
        wait_for("an empty queue", lambda: not self.network.jobs(), 20)

    def describe(self):
        """Give the logs, for the report of a failed test."""
        files = [self.log, *sorted(self.directory.glob("dask-espresso-logs/*"))]
        said = [f"---- {path.name}\n{path.read_text()[-6000:]}" for path in files if path.exists()]
        return "\n".join([str(self.hosts()), *said])

    def stop(self):
        """End a driver that a failed test has left."""
        if self.driver and self.driver.poll() is None:
            self.signal(signal.SIGKILL)
            self.driver.wait()
