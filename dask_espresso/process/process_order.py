"""One simulation process that is to be run, and by what everything of it is found again."""

from __future__ import annotations

import contextlib
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psutil

from ..errors import BadValueError
from ..script.supervisor import MARK
from .call import Given
from .collector import Collector
from .conversation import Conversation, Pipes
from .keeping import keep_files
from .report import ProcessReport

_LOOKS, _LOOK_AGAIN = 4, 0.02  # times, seconds


@dataclass(frozen=True)
class ProcessOrder:
    """All that it takes to run one simulation process.

    Attributes
    ----------
    script : str
        The simulation script.
    given : Given
        Its standard input and arguments.
    environment : dict
        All its environment variables.
    directory : str
        To run in.
    scratch : str
        Directory of its own, which its supervisor makes and removes.
    time_limit : float or None
        In seconds.
    on_output : callable or None
        Called with everything printed but the payload, as it comes.
    """

    script: str
    given: Given
    environment: dict[str, str]
    directory: str
    scratch: str
    time_limit: float | None
    on_output: Callable[[bytes], None] | None

    @property
    def mark(self) -> str:
        """What all its processes have in their environment."""
        return self.environment[MARK]

    @property
    def holds(self) -> bool:
        """Whether the directory stays, when the process has ended, until it was looked at."""
        return bool(self.given.sources or self.given.keep.patterns)

    def converse(
        self, pipes: Pipes, supervisor: int, kill: Callable[[], None]
    ) -> tuple[ProcessReport, dict[str, Any]]:
        """Hear out a process that was started, and see what it leaves in its directory.

        Parameters
        ----------
        pipes, supervisor, kill
            As for :class:`~dask_espresso.process.conversation.Conversation`.

        Returns
        -------
        report : ProcessReport
            Of the process.
        said : dict
            What the supervisor has said; empty if it said nothing.
        """
        collector = Collector(self.given.sources)
        conversation = Conversation(
            pipes, supervisor, self.time_limit, kill, self.on_output, collector
        )
        report = conversation.hold(self.given.stdin)
        collector.finish(report, self.directory)
        if self.given.keep.patterns and report.has_ended:
            self._keep_files(report)
        return report, conversation.said

    def _keep_files(self, report: ProcessReport) -> None:
        is_complete = not report.reason()
        try:
            report.kept = keep_files(self.given.keep, self.directory, is_complete=is_complete)
        except BadValueError as error:
            report.not_kept = str(error)


def scratch_path() -> str:
    """Name a directory for one process to have to itself, which is not there yet.

    Raises
    ------
    OSError
        If there is no place for temporary files at all.
    """
    return f"{tempfile.gettempdir()}/dask-espresso-{uuid.uuid4().hex[:12]}"


def kill_marked(*marks: str) -> None:
    """Kill all processes that a simulation has started, where its supervisor could not."""
    end = time.monotonic() + 3
    looks = 0  # in a row that found nothing: one alone may miss what was just being forked
    while looks < _LOOKS and time.monotonic() < end:
        looks += 1
        # the newest first, before they have forked again and ended
        for pid in sorted(psutil.pids(), reverse=True):
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if process.environ().get(MARK) in marks:
                    process.kill()
                    looks = 0
        time.sleep(_LOOK_AGAIN)
