"""The worker that is checked, as it is asked from here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from distributed import KilledWorker

from ..cluster.cluster import Cluster
from ..walltime import format_duration
from .findings import Case, DeadEndError, FaultError, log_tail

_LOOK = 0.1  # seconds between looks at what is waited for
ANSWER = 60.0  # seconds in which a worker does a small thing, also on a slow file system
_T = TypeVar("_T")


@dataclass
class Worker:
    """A worker that has registered."""

    case: Case
    cluster: Cluster
    address: str

    def ask(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Have the worker itself call a function: over a connection from scheduler to worker."""
        answers: dict[str, _T] = self.cluster.client.run(
            function, *arguments, workers=[self.address]
        )
        return answers[self.address]

    def call(self, function: Callable[..., _T], *arguments: Any, within: float = ANSWER) -> _T:
        """Have the worker call a function as it runs simulations."""
        client, end = self.cluster.client, time.monotonic() + within
        future = client.submit(function, *arguments, workers=[self.address], pure=False)
        while not future.done():
            time.sleep(_LOOK)
            if time.monotonic() > end:
                raise FaultError(f"the worker did not answer for {format_duration(within)}")
            if self.address not in client.nthreads():
                raise DeadEndError(self._gone())
        try:
            result: _T = future.result()
        except KilledWorker:
            raise DeadEndError(self._gone()) from None
        return result

    def _gone(self) -> str:
        return (
            "the worker has died; the batch system may have ended its job, for its memory or its "
            f"time{log_tail(self.case)}"
        )
