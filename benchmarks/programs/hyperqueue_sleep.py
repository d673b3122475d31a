"""HyperQueue with tasks of its own that sleep: how many it keeps running, and what that costs it.

Server and worker are in this process, each task is a process. Arguments: slots, seconds, tasks.
"""

import json
import resource
import sys
import time
from pathlib import Path

from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig


def cpu(who):
    """Give CPU time in seconds."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def main():
    """Run the tasks, and write down what they took."""
    slots, seconds, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    tasks = Job()
    for _ in range(count):
        tasks.program(["sleep", seconds], stdout=None, stderr=None)
    with LocalCluster(str(Path("server").absolute()), WorkerConfig(cores=slots)) as cluster:
        client = cluster.client()
        began, before = time.monotonic(), cpu(resource.RUSAGE_SELF)
        client.wait_for_jobs([client.submit(tasks)])
        shown = {
            "wall": time.monotonic() - began,
            "cpu": cpu(resource.RUSAGE_SELF) - before,
            "cpu of tasks": cpu(resource.RUSAGE_CHILDREN),
        }
    Path("shown.json").write_text(json.dumps(shown))


if __name__ == "__main__":
    main()
