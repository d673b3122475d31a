"""HyperQueue: server and worker in this process, each script a task that reads and writes files."""

import os
import time
from pathlib import Path

from hyperqueue import Job as Tasks
from hyperqueue import LocalCluster
from hyperqueue.cluster import WorkerConfig
from job import Job

PATIENCE = 120  # seconds


def has_ended(output):
    """Wait until a script has printed its line: HyperQueue itself looks only once a second."""
    end = time.monotonic() + PATIENCE
    while not (output.exists() and output.read_bytes().endswith(b"\n")):
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


def main():
    """Run the job."""
    job = Job()
    outputs = [Path(f"{i}.out").absolute() for i in range(job.count)]
    tasks = Tasks(default_env=dict(os.environ))
    for text, output in zip(job.texts(), outputs, strict=True):
        tasks.program(job.command, stdin=text, stdout=output, stderr=None)
    with LocalCluster(str(Path("server").absolute()), WorkerConfig(cores=job.cores)) as cluster:
        client = cluster.client()
        job_of_it = client.submit(tasks)
        if not all(map(has_ended, outputs)):
            client.wait_for_jobs([job_of_it])  # says what has failed
    job.finish_texts([output.read_text() for output in outputs])


if __name__ == "__main__":
    main()
