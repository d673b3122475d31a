"""Processes that are ready before Dask asks for workers on this machine."""

import json
import os
import signal
import subprocess
import sys

import psutil
import pytest
from processes import is_running, wait_until

pytestmark = pytest.mark.slow

# in a process of its own: one that has threads makes no reserve
BEGINNING = """
import json, logging, os, signal, sys, time
from distributed import Client
from dask_espresso.cluster import reserve
from dask_espresso.cluster.local import local_workers
from dask_espresso.cluster.reserve import workers_ahead
from dask_espresso.inputs.profile import load_profile
from dask_espresso.signals import orderly_end

def status_of(pid):
    with open(f"/proc/{pid}/status") as file:
        pairs = (line.split(":", 1) for line in file)
        return {name: value.strip() for name, value in pairs}
"""

BOTH = """
def look():
    fds = {fd: os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")}
    return {
        "environment": dict(os.environ),
        "arguments": sys.argv,
        "path": [path for path in sys.path if "dask-scratch" not in path],
        "directory": os.getcwd(),
        "main": getattr(sys.modules["__main__"], "__file__", None),
        "handlers": [str(signal.getsignal(n)).split(" at ")[0] for n in signal.valid_signals()],
        "blocked": status_of("self")["SigBlk"],
        "umask": status_of("self")["Umask"],
        "logging": [len(logging.root.handlers), logging.root.level],
        "hook": str(sys.unraisablehook),
        "has the driver's file": os.path.realpath("opened") in fds.values(),
    }

def workers(profile):
    with local_workers(profile, 1) as cluster, Client(cluster) as client:
        pids = list(client.run(os.getpid).values())
        return pids, list(client.run(look).values())

if __name__ == "__main__":
    opened = open("opened", "w")
    logging.basicConfig(level=logging.DEBUG)
    with orderly_end():
        profile = load_profile("profile.yaml")
        with workers_ahead(profile):
            ready = [one.pid for one in reserve._ready]
            os.environ["SET_LATER"] = "1"
            os.chdir("later")
            taken, forked = workers(profile)
            left = len(reserve._ready)
        _, started = workers(profile)
    print(json.dumps([ready, taken, left, forked, started]))
"""


def run(tmp_path, code):
    program = tmp_path / "elsewhere" / "script.py"
    program.parent.mkdir()
    program.write_text(BEGINNING + code)
    (tmp_path / "profile.yaml").write_text("cluster: local\noptions: {n_workers: 2}\n")
    (tmp_path / "later").mkdir()
    (tmp_path / "threading.py").write_text("raise SystemExit(1)\n")
    command = [sys.executable, program]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, cwd=tmp_path, **pipes)


def test_a_worker_that_was_ready_is_like_one_that_is_started(tmp_path):
    process = run(tmp_path, BOTH)
    output, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    ready, taken, left, forked, started = json.loads(output)
    assert sorted(ready) == sorted(taken)
    assert left == 0
    assert started[0]["environment"]["SET_LATER"] == "1"
    assert not started[0]["has the driver's file"]
    for one, other in zip(forked, started, strict=True):
        for key in one:
            assert one[key] == other[key], key


WAITING = """
if __name__ == "__main__":
    with workers_ahead(load_profile("profile.yaml")):
        print(json.dumps([one.pid for one in reserve._ready]), flush=True)
        sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["killed", "ended"])
def test_no_process_outlives_the_driver(tmp_path, how):
    process = run(tmp_path, WAITING)
    ready = json.loads(process.stdout.readline())
    assert [psutil.Process(pid).ppid() for pid in ready] == [process.pid] * 2
    os.kill(process.pid, signal.SIGKILL if how == "killed" else signal.SIGTERM)
    process.communicate()
    assert wait_until(lambda: not any(map(is_running, ready)))


STRUCK = """
if __name__ == "__main__":
    profile = load_profile("profile.yaml")
    with workers_ahead(profile):
        first, second = reserve._ready
        os.kill(first.pid, signal.SIGKILL)
        while not status_of(first.pid)["State"].startswith("Z"):
            time.sleep(0.01)
        with local_workers(profile, 1) as cluster, Client(cluster) as client:
            pids = list(client.run(os.getpid).values())
    print(json.dumps([second.pid in pids, len(pids)]))
"""


def test_another_one_starts_for_one_that_has_died(tmp_path):
    process = run(tmp_path, STRUCK)
    output, errors = process.communicate()
    assert json.loads(output) == [True, 2], errors.decode()
