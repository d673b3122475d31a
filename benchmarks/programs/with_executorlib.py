"""executorlib with block allocation: workers that stay, each script a subprocess of a function."""

from executorlib import SingleNodeExecutor
from job import Job, run_script


def main():
    """Run the job."""
    job = Job()
    with SingleNodeExecutor(max_workers=job.cores, block_allocation=True) as executor:
        futures = [executor.submit(run_script, job.command, text) for text in job.texts()]
        job.finish_texts([future.result() for future in futures])


if __name__ == "__main__":
    main()
