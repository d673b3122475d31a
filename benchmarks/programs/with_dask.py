"""Plain Dask: all scripts at once, each a subprocess of a task."""

from job import Job, run_script
from local_dask import local_client


def main():
    """Run the job."""
    job = Job()
    with local_client(job) as client:
        futures = client.map(run_script, [job.command] * job.count, job.texts(), pure=False)
        job.finish_texts(client.gather(futures))


if __name__ == "__main__":
    main()
