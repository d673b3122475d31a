"""dask-jobqueue, imported without its side effect."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def _signal_handlers_kept() -> Iterator[None]:
    """Have an import install no signal handlers.

    dask_jobqueue (0.9) has Ctrl-C end the process with status 0, and cannot be imported at
    all where handlers cannot be installed, in other threads than the main one.
    """
    install, signal.signal = signal.signal, lambda *_: None
    try:
        yield
    finally:
        signal.signal = install


with _signal_handlers_kept():
    import dask_jobqueue
    from dask_jobqueue.core import Job, JobQueueCluster
    from dask_jobqueue.slurm import SLURMJob

__all__ = ["Job", "JobQueueCluster", "SLURMJob", "cluster_class"]


def cluster_class(name: str) -> Any:
    """Give a cluster class by its name, such as ``SLURMCluster``."""
    return getattr(dask_jobqueue, name)
