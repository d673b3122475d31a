"""The plain Dask cluster of those programs that use one."""

import contextlib

from distributed import Client, LocalCluster


@contextlib.contextmanager
def local_client(job):
    """Give a client of one worker with a thread a core."""
    cluster = LocalCluster(
        n_workers=1, threads_per_worker=job.cores, dashboard_address=None, memory_limit=0
    )
    with cluster, Client(cluster) as client:
        yield client
