"""What a worker and one simulation process say to each other."""

from __future__ import annotations

import json
import math
import os
import select
import time
from collections.abc import Callable
from typing import Any

from .bounded_text import BoundedText
from .collector import Collector
from .payload import PayloadScanner
from .report import ProcessReport

_SUPERVISOR_GRACE = 4.0  # seconds that a supervisor may be late before it is killed itself


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
    supervisor : int
        Descriptor that it says at the end in one line of JSON what became of the simulation.
    time_limit : float or None
        Of the simulation, in seconds.
    kill : callable
        Ends the supervisor, and all that the simulation has started, where it does not do so.
    on_output : callable, optional
        Called with everything printed but the payload, as it comes.
    collector : Collector
        Hears the same, to find results in it.

    Attributes
    ----------
    said : dict
        What the supervisor has said; empty if it said nothing.
    """

    def __init__(
        self,
        pipes: Pipes,
        supervisor: int,
        time_limit: float | None,
        kill: Callable[[], None],
        on_output: Callable[[bytes], None] | None,
        collector: Collector,
    ) -> None:
        self.said: dict[str, Any] = {}
        self._pipes = pipes
        self._supervisor = supervisor
        self._time_limit = time_limit
        self._kill = kill
        self._on_output = on_output
        self._stderr = BoundedText()
        self._log = BoundedText()
        self._collector = collector
        self._scanner = PayloadScanner(self._note_stdout)

    def _note(self, data: bytes) -> None:
        self._log.add(data)
        if self._on_output:
            self._on_output(data)

    def _note_stdout(self, data: bytes) -> None:
        self._collector.hear(data, is_stdout=True)
        self._note(data)

    def _note_stderr(self, data: bytes) -> None:
        self._collector.hear(data, is_stdout=False)
        self._stderr.add(data)
        self._note(data)

    def hold(self, stdin: bytes) -> ProcessReport:
        """Feed the simulation, hear it out, and give the report."""
        start_time = time.monotonic()
        is_late = self._exchange(memoryview(stdin))
        said = self.said
        error = said.get("error", "")
        self._scanner.close()
        return ProcessReport(
            exit_code=said.get("exit_code"),
            timed_out=said.get("timed_out", is_late),
            time_limit=self._time_limit,
            elapsed_time=said.get("elapsed_time", time.monotonic() - start_time),
            cpu_time=said.get("cpu_time", math.nan),
            peak_memory=said.get("peak_memory"),
            error=f"the engine did not start: {error}" if "errno" in said else error,
            stderr=str(self._stderr),
            log=str(self._log),
            output=self._scanner,
        )

    def _exchange(self, stdin: memoryview) -> bool:
        """Move data until the supervisor has said its line and every pipe is closed.

        Gives whether the supervisor had to be killed, since it did not stop the simulation in time.
        """
        poll = select.poll()
        write_end, stdout, stderr, result = self._pipes.ours
        os.set_blocking(write_end, False)
        line = bytearray()
        readers: dict[int, Callable[[int], int]] = {
            stdout: _reader(self._scanner.feed),
            stderr: _reader(self._note_stderr),
            result: self._scanner.read_result,
            self._supervisor: _reader(line.extend),
        }
        for fd in readers:
            poll.register(fd, select.POLLIN)
        poll.register(write_end, select.POLLOUT)
        end = None if self._time_limit is None else self._time_limit + _SUPERVISOR_GRACE
        deadline = None if end is None else time.monotonic() + end
        is_late = False
        while readers:
            is_late = deadline is not None and time.monotonic() > deadline
            is_over = self._supervisor not in readers
            # of a supervisor that was killed nothing is to be waited for: this worker may be next
            ready = [fd for fd, _ in poll.poll(500 if line or not is_over else 0)]
            is_late = is_late and not is_over and self._supervisor not in ready
            if is_late or (is_over and not (line and ready)):
                # the supervisor hangs, or has not killed all that the simulation had started
                self._kill()
                break
            for fd in ready:
                if fd in readers:
                    if not readers[fd](fd) or (fd == self._supervisor and line.endswith(b"\n")):
                        poll.unregister(fd)
                        del readers[fd]
                else:
                    stdin = self._write(stdin, poll)
        self.said = json.loads(line) if line else {}
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
