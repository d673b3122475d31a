"""The original sample's way: all tasks at once, each a fresh interpreter that imports dask."""

from job import Job
from local_dask import local_client

import dask_espresso


def main():
    """Run the job."""
    job = Job()
    with local_client(job) as client:
        futures = [
            client.compute(dask_espresso.dask_espresso_task(*job.command, **parameters))
            for parameters in job.parameters
        ]
        job.finish(client.gather(futures))


if __name__ == "__main__":
    main()
