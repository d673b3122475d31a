"""The driver of a run that a notebook or a program began, in a process of its own.

It reads what to run from its first argument, and writes what happens to its standard output, a line
of JSON each: ``say`` for a message, ``counts`` for how far it is, and at its end ``summary`` or
``error``. It ends as at a closed terminal when the process that began it is gone.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from ..signals import StoppedError, orderly_end
from ..streams import guard_streams
from ..views.progress import Counts, Display

if TYPE_CHECKING:
    from ..tally import Summary

_INTERVAL = 0.2  # seconds between two lines of how far it is
_LOOK = 0.5  # seconds between two looks for who began it


class Messages(Display):
    """Writes what happens for the process that began the run.

    Parameters
    ----------
    fd : int
        Of the pipe to it.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._last = -_INTERVAL
        self._lock = threading.Lock()

    def say(self, message: str) -> None:
        """Pass a message on."""
        self.send("say", message)

    def update(self, counts: Counts) -> None:
        """Pass on how far it is, unless that was just done, or nobody takes it now."""
        is_complete = counts.n_recorded == counts.total
        if is_complete or time.monotonic() - self._last >= _INTERVAL:
            self._last = time.monotonic()
            self.send("counts", dataclasses.asdict(counts), may_block=False)

    def send(self, kind: str, value: Any, *, may_block: bool = True) -> None:
        """Write a line; who began the run may be gone, or too busy to read it."""
        line = json.dumps({kind: value}).encode() + b"\n"
        with self._lock:
            try:
                os.set_blocking(self._fd, may_block)
                while line:
                    line = line[os.write(self._fd, line) :]
                    os.set_blocking(self._fd, True)  # what is begun is written to its end
            except OSError:
                return


class _Handler(logging.Handler):
    """Passes on what is logged."""

    def __init__(self, messages: Messages) -> None:
        super().__init__(logging.WARNING)
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a warning on."""
        self._messages.say(record.getMessage())


def _stay_with(parent: int) -> None:
    """Have this process be stopped when the one that began it is gone."""
    main = threading.main_thread().ident or 0

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK)
        # of all that ask a driver to stop, this is the one of which a second one does no more
        signal.pthread_kill(main, signal.SIGHUP)

    threading.Thread(target=look, daemon=True).start()


def _run(order: dict[str, Any], messages: Messages) -> Summary:
    """Run it; what it imports takes a moment, in which a signal may come, too."""
    from ..driver import InterruptedRunError, run_study
    from ..inputs.choice import Choice
    from ..inputs.study import load_study
    from ..outcome import Status

    study = load_study(order["study"])  # what is to be said of it was said before
    logging.getLogger("dask_espresso").addHandler(_Handler(messages))
    choice = Choice(
        tuple(order["only"]), tuple(order["where"]), tuple(map(Status, order["statuses"]))
    )
    try:
        return run_study(
            study, order["profile"], order["store"], retry_failed=order["retry_failed"],
            changed_script=order["changed_script"], choice=choice, display=messages,
        )  # fmt: skip
    except InterruptedRunError as error:
        return error.summary


def main() -> None:
    """Run what the first argument says, as JSON."""
    import sys

    guard_streams()
    messages = Messages(os.dup(1))
    os.dup2(2, 1)  # what else prints does not come in between
    order = json.loads(sys.argv[1])
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup may have begun the notebook
    try:
        with orderly_end():
            _stay_with(order["parent"])
            from ..errors import DaskEspressoError

            try:
                summary = _run(order, messages)
            except DaskEspressoError as error:
                messages.send("error", {"said": str(error), "status": error.exit_status})
                sys.exit(error.exit_status)
            messages.send("summary", dataclasses.asdict(summary))
            sys.exit(summary.exit_status)
    except StoppedError as stopped:
        messages.send("error", {"said": f"interrupted by {stopped.signal}", "status": 75})
        raise


if __name__ == "__main__":
    main()
