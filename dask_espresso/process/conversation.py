"""What a worker and one simulation process say to each other, and the report on that process."""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import signal
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from ..script.supervisor import MARK
from ..script.transport import TransportError
from .cause import cause
from .payload import PayloadScanner

_LOG_HEAD, _LOG_TAIL = 4096, 12288
_ERROR_TAIL = 4000  # characters of standard error in the text of a failure
_SUPERVISOR_GRACE = 4.0  # seconds that a supervisor may be late before it is killed itself
_LOOKS, _LOOK_AGAIN = 4, 0.02  # times, seconds


@dataclass
class ProcessReport:
    """What the kernel and the pipes say of one finished simulation process.

    Attributes
    ----------
    exit_code : int or None
        Exit code, minus the number of a signal, or None where it never started.
    timed_out : bool
        Whether it was stopped at its time limit.
    time_limit : float or None
        In seconds.
    elapsed_time, cpu_time : float
        In seconds; NaN where it is not known.
    peak_memory : int or None
        In bytes; None where it is not known.
    error : str
        Why the process did not start, or empty.
    stderr, log : str
        Standard error, and both streams without the payload; each shortened in the middle.
    output : PayloadScanner
        Holds the payload.
    """

    exit_code: int | None = None
    timed_out: bool = False
    time_limit: float | None = None
    elapsed_time: float = 0.0
    cpu_time: float = 0.0
    peak_memory: int | None = None
    error: str = ""
    stderr: str = ""
    log: str = ""
    output: PayloadScanner = field(default_factory=lambda: PayloadScanner(lambda noise: None))

    def failure(self) -> str:
        """Say what went wrong, with the end of what it printed; empty if nothing did."""
        reason = self.reason()
        if not reason:
            return ""
        printed = self.stderr.strip()
        if not printed and self.exit_code and not self.timed_out:
            printed = self.log.strip()  # where some launchers complain
        why, last = cause(printed), printed[-_ERROR_TAIL:]
        # what says why may stand further up
        shown = [reason, *([why] if why and why.split()[0] not in last else []), last]
        return "\n".join(filter(None, shown))

    def reason(self) -> str:
        """Say what went wrong; empty if nothing did."""
        if self.error:
            return self.error
        if self.timed_out:
            return f"stopped at its time limit of {self.time_limit:g} s"
        if self.exit_code is None:
            return "its supervisor process died"
        if self.exit_code == -signal.SIGKILL:
            return (
                "ended by SIGKILL, as the kernel does where memory runs out; "
                f"it had used up to {(self.peak_memory or 0) / 2**20:.0f} MiB"
            )
        if self.exit_code < 0:
            return f"ended by {signal_name(-self.exit_code)}"
        if self.exit_code > 0:
            return f"exit code {self.exit_code}"
        try:
            self.output.payload()
        except TransportError as error:
            return f"{error}{self._printed()}"
        return ""

    def _printed(self) -> str:
        return f"; it printed: {self.log[-1000:]!r}" if self.log else "; it printed nothing"


@dataclass(frozen=True)
class ProcessOrder:
    """All that it takes to run one simulation process.

    Attributes
    ----------
    script : str
        The simulation script.
    stdin : bytes
        What it gets on standard input.
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
    stdin: bytes
    environment: dict[str, str]
    directory: str
    scratch: str
    time_limit: float | None
    on_output: Callable[[bytes], None] | None

    @property
    def mark(self) -> str:
        """What all its processes have in their environment."""
        return self.environment[MARK]


def signal_name(number: int) -> str:
    """Name a signal, such as SIGSEGV."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class BoundedText:
    """The beginning and the end of a text of any length."""

    def __init__(self) -> None:
        self._size = 0
        self._head = bytearray()
        self._tail = bytearray()

    def add(self, data: bytes) -> None:
        """Append to the text."""
        self._size += len(data)
        space = _LOG_HEAD - len(self._head)
        self._head += data[:space]
        self._tail += data[max(space, len(data) - _LOG_TAIL) :]
        del self._tail[:-_LOG_TAIL]

    def __str__(self) -> str:
        left_out = self._size - len(self._head) - len(self._tail)
        gap = f"\n[… {left_out} bytes left out …]\n".encode() if left_out else b""
        return (bytes(self._head) + gap + bytes(self._tail)).decode("utf-8", "replace")


def scratch_path() -> Path:
    """Name a directory for one process to have to itself, which is not there yet.

    Raises
    ------
    OSError
        If there is no place for temporary files at all.
    """
    return Path(tempfile.gettempdir(), f"dask-espresso-{uuid.uuid4().hex[:12]}")


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


class Pipes:
    """The pipes of one simulation process: standard input, output, error, and one for its result.

    Attributes
    ----------
    ours, theirs : list of int
        Descriptors of the worker's and of the simulation's ends, in that order.
    """

    def __init__(self) -> None:
        stdin_read, stdin = os.pipe()
        outputs = [os.pipe() for _ in range(3)]
        self.ours = [stdin, *(read for read, _ in outputs)]
        self.theirs = [stdin_read, *(write for _, write in outputs)]

    def __enter__(self) -> Pipes:
        return self

    def __exit__(self, *_: object) -> None:
        self.hand_over()
        self.close_stdin()
        for fd in self.ours[1:]:
            os.close(fd)

    def hand_over(self) -> None:
        """Close the simulation's ends, which it has by now."""
        while self.theirs:
            os.close(self.theirs.pop())

    def close_stdin(self) -> None:
        """Have the simulation's standard input end."""
        if self.ours[0] >= 0:
            os.close(self.ours[0])
            self.ours[0] = -1


class Conversation:
    """Everything said between a worker, one simulation process and its supervisor.

    Parameters
    ----------
    pipes : Pipes
        Of the simulation, with its own ends handed over.
    report : int
        Descriptor that the supervisor's report, one line of JSON, comes from.
    time_limit : float or None
        Of the simulation, in seconds.
    kill : callable
        Ends the supervisor, and all that the simulation has started, where it does not do so.
    on_output : callable, optional
        Called with everything printed but the payload, as it comes.

    Attributes
    ----------
    said : dict
        The supervisor's report; empty if it gave none.
    """

    def __init__(
        self,
        pipes: Pipes,
        report: int,
        time_limit: float | None,
        kill: Callable[[], None],
        on_output: Callable[[bytes], None] | None,
    ) -> None:
        self.said: dict[str, Any] = {}
        self._pipes = pipes
        self._report = report
        self._time_limit = time_limit
        self._kill = kill
        self._on_output = on_output
        self._stderr = BoundedText()
        self._log = BoundedText()
        self._scanner = PayloadScanner(self._note)

    def _note(self, data: bytes) -> None:
        self._log.add(data)
        if self._on_output:
            self._on_output(data)

    def _note_stderr(self, data: bytes) -> None:
        self._stderr.add(data)
        self._note(data)

    def hold(self, stdin: bytes) -> ProcessReport:
        """Feed the simulation, hear it out, and give the report."""
        started = time.monotonic()
        is_late = self._exchange(memoryview(stdin))
        said = self.said
        error = said.get("error", "")
        self._scanner.close()
        return ProcessReport(
            exit_code=said.get("exit_code"),
            timed_out=said.get("timed_out", is_late),
            time_limit=self._time_limit,
            elapsed_time=said.get("elapsed_time", time.monotonic() - started),
            cpu_time=said.get("cpu_time", math.nan),
            peak_memory=said.get("peak_memory"),
            error=f"the engine did not start: {error}" if "errno" in said else error,
            stderr=str(self._stderr),
            log=str(self._log),
            output=self._scanner,
        )

    def _exchange(self, stdin: memoryview) -> bool:
        """Move data until the supervisor has reported and every pipe is closed.

        Gives whether the supervisor had to be killed, since it did not stop the simulation in time.
        """
        poll = select.poll()
        write_end, stdout, stderr, result = self._pipes.ours
        os.set_blocking(write_end, False)
        report = bytearray()
        readers: dict[int, Callable[[int], int]] = {
            stdout: _reader(self._scanner.feed),
            stderr: _reader(self._note_stderr),
            result: self._scanner.read_result,
            self._report: _reader(report.extend),
        }
        for fd in readers:
            poll.register(fd, select.POLLIN)
        poll.register(write_end, select.POLLOUT)
        end = None if self._time_limit is None else self._time_limit + _SUPERVISOR_GRACE
        deadline = None if end is None else time.monotonic() + end
        is_late = False
        while readers:
            is_late = deadline is not None and time.monotonic() > deadline
            is_over = self._report not in readers
            # of a supervisor that was killed nothing is to be waited for: this worker may be next
            ready = [fd for fd, _ in poll.poll(500 if report or not is_over else 0)]
            is_late = is_late and not is_over and self._report not in ready
            if is_late or (is_over and not (report and ready)):
                # the supervisor hangs, or has not killed all that the simulation had started
                self._kill()
                break
            for fd in ready:
                if fd in readers:
                    if not readers[fd](fd) or (fd == self._report and report.endswith(b"\n")):
                        poll.unregister(fd)
                        del readers[fd]
                else:
                    stdin = self._write(stdin, poll)
        self.said = json.loads(report) if report else {}
        return is_late

    def _write(self, stdin: memoryview, poll: select.poll) -> memoryview:
        fd = self._pipes.ours[0]
        try:
            stdin = stdin[os.write(fd, stdin[: 1 << 20]) :]
        except BlockingIOError:
            return stdin
        except BrokenPipeError:  # a script need not read its parameters
            stdin = stdin[:0]
        if not stdin:
            poll.unregister(fd)
            self._pipes.close_stdin()
        return stdin


def _reader(take: Callable[[bytes], None]) -> Callable[[int], int]:
    def read(fd: int) -> int:
        if data := os.read(fd, 1 << 20):
            take(data)
        return len(data)

    return read
