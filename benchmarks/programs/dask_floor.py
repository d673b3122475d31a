"""Dask's own floor: tasks that do nothing, a bounded number of them at a time, no process."""

import itertools

from distributed import as_completed
from job import Job
from local_dask import local_client


def main():
    """Run the job."""
    job = Job()
    with local_client(job) as client:
        waiting = (client.submit(dict, p, processed=True, pure=False) for p in job.parameters)
        running = as_completed(itertools.islice(waiting, 3 * job.cores))
        results = []
        for future in running:
            results.append(future.result())
            running.update(itertools.islice(waiting, 1))
        job.finish(results)


if __name__ == "__main__":
    main()
