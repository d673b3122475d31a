"""Parsl: its HighThroughputExecutor, each script a subprocess of a Python app."""

import parsl
from job import Job, run_script
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider


def main():
    """Run the job."""
    job = Job()
    executor = HighThroughputExecutor(
        address="127.0.0.1",
        max_workers_per_node=job.cores,
        provider=LocalProvider(init_blocks=1, max_blocks=1),
    )
    with parsl.load(Config(executors=[executor], strategy="none")):
        app = parsl.python_app(run_script)
        futures = [app(job.command, text) for text in job.texts()]
        job.finish_texts([future.result() for future in futures])


if __name__ == "__main__":
    main()
