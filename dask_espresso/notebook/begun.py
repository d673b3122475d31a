"""A driver that was begun in a process of its own, as the process sees it that began it."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from ..errors import InputError, ResumableError
from ..outcome import Status
from ..tally import InterruptedRunError, Summary
from ..views.progress import Counts

_MOST_LINES = 20  # of what a driver that died has left
# what Jupyter sets for itself, and would have scripts print in colours
_OF_JUPYTER = ("FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "PYDEVD_USE_FRAME_EVAL")


@dataclass(frozen=True)
class Order:
    """What a driver is to run.

    Attributes
    ----------
    study : str
        The study's file.
    profile : str or None
        The profile's file.
    store : str
    retry_failed : bool
    changed_script : str or None
    only, where : sequence of str
    statuses : sequence of int
        As in :class:`~dask_espresso.inputs.choice.Choice`.
    """

    study: str
    profile: str | None
    store: str
    retry_failed: bool = False
    changed_script: str | None = None
    only: Sequence[str] = ()
    where: Sequence[str] = ()
    statuses: Sequence[int] = ()


class BegunDriver:
    """A driver in a process of its own, and what it has said so far.

    Parameters
    ----------
    order : Order
        What it is to run.
    note : callable
        Called in another thread when there is something new, and at the end.

    Attributes
    ----------
    counts : Counts or None
        How far it is.
    said : deque of str
        Its last messages.
    ended : threading.Event
        Set when the process is gone.
    is_cancelled : bool
        Whether it was asked to stop here.
    pid : int
    """

    def __init__(self, order: Order, note: Callable[[], None]) -> None:
        self._store, self._note = Path(order.store), note
        self.counts: Counts | None = None
        self.said: collections.deque[str] = collections.deque(maxlen=100)
        self.ended, self.is_cancelled = threading.Event(), False
        self._summary: Summary | None = None
        self._error: dict[str, Any] | None = None
        self._left = ""
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  open as long as it lasts
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dask_espresso.notebook.driver_process",
             json.dumps({**asdict(order), "parent": os.getpid()})],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._stderr,
            start_new_session=True,  # Ctrl-C comes to all of a session: here it is for us alone
            env=environment(),
        )  # fmt: skip
        self.pid = self._process.pid
        threading.Thread(target=self._listen, args=[self._process.stdout], daemon=True).start()

    def _listen(self, stream: IO[bytes]) -> None:
        """Take note of all that the driver says, until it has ended."""
        with stream, self._stderr:
            for line in stream:
                with contextlib.suppress(ValueError):  # of one that was killed amid a line
                    self._take(json.loads(line))
                with contextlib.suppress(Exception):  # a notebook that is closed ends no run
                    self._note()
            self._process.wait()
            self._stderr.seek(0)
            self._left = self._stderr.read().decode(errors="replace").strip()
        self.ended.set()
        with contextlib.suppress(Exception):
            self._note()

    def _take(self, event: dict[str, Any]) -> None:
        if "say" in event:
            self.said.append(event["say"])
        elif "counts" in event:
            self.counts = Counts(**_with_statuses(event["counts"]))
        elif "summary" in event:
            found = _with_statuses(event["summary"])
            self._summary = Summary(**{**found, "warnings": tuple(found["warnings"])})
            self.said.extend(f"warning: {warning}" for warning in self._summary.warnings)
        elif "error" in event:
            self._error = event["error"]

    def ask_to_stop(self) -> None:
        """Ask it once to stop in order."""
        if not self.is_cancelled and not self.ended.is_set():
            self.is_cancelled = True
            self.send(signal.SIGINT)

    def send(self, number: int) -> None:
        """Send it a signal, if it is there."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def result(self) -> Summary:
        """Say what it has come to, when it has ended.

        Raises
        ------
        InputError, ResumableError
            As :func:`~dask_espresso.driver.run_study`, but where it was asked to stop here.
        """
        if self._summary:
            was_stopped = self._summary.exit_status == ResumableError.exit_status
            if was_stopped and not self.is_cancelled:
                raise InterruptedRunError(self._store, self._summary)
            return self._summary
        if self._error and self._error["status"] == InputError.exit_status:
            raise InputError(self._error["said"])
        raise ResumableError(self._error["said"] if self._error else self._death())

    def _death(self) -> str:
        """Say how a driver ended that did not say so itself."""
        code = self._process.returncode
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        said = f"{self._store}: its driver ended {how}; running the study again goes on"
        return "\n".join([said, *self._left.splitlines()[-_MOST_LINES:]])


def _with_statuses(values: dict[str, Any]) -> dict[str, Any]:
    """Give the statuses again whose numbers are texts in JSON."""
    recorded = {Status(int(number)): count for number, count in values["recorded"].items()}
    return {**values, "recorded": recorded}


def environment() -> dict[str, str]:
    """Give the environment without what Jupyter sets for itself: simulations inherit it."""
    of_jupyter = {name for name in os.environ if name in _OF_JUPYTER or name.startswith("JPY_")}
    if "matplotlib_inline" in os.environ.get("MPLBACKEND", ""):
        of_jupyter.add("MPLBACKEND")
    return {name: value for name, value in os.environ.items() if name not in of_jupyter}
