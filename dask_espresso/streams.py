"""Standard output and error, which may go away, or be full, while a study runs."""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import Any

from .errors import DaskEspressoError

_INPUT, _OUTPUT, _ERROR = range(3)


class _Lossy(io.FileIO):
    """Takes whatever is written to it; what cannot be written is lost.

    Attributes
    ----------
    error : OSError or None
        Why something was lost, if anything was.
    """

    def __init__(self, fd: int) -> None:
        super().__init__(fd, "w", closefd=False)
        self.error: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write, or do not."""
        try:
            while (written := super().write(data)) is None:
                select.select([], [self], [])  # another program has made the terminal not block
        except OSError as error:
            self.error = error
            return memoryview(data).nbytes
        return written


def guard_streams() -> None:
    """Have nothing that is said to the user stop this process, or change its exit status.

    Whoever writes, this package, a library, or Python at its end, finds streams that take
    everything. A stream that is closed is opened on nothing: the first file opened would get its
    number, and then the messages that are meant for the user.
    """
    for fd in (_INPUT, _OUTPUT, _ERROR):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
    sys.stdout, sys.stderr = _guarded(_OUTPUT, sys.stdout), _guarded(_ERROR, sys.stderr)


def _guarded(fd: int, stream: Any) -> io.TextIOWrapper:
    """Give a stream that loses what it cannot write; characters that it lacks are spelled out."""
    return io.TextIOWrapper(
        io.BufferedWriter(_Lossy(fd)),
        encoding=getattr(stream, "encoding", "utf-8"),
        errors="backslashreplace",
        line_buffering=fd == _ERROR or os.isatty(fd),
    )


def is_output_lost() -> bool:
    """Say whether standard output can be written no more, such as where its reader has gone."""
    sys.stdout.flush()
    return bool(_output_error())


def _output_error() -> OSError | None:
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    error: OSError | None = getattr(raw, "error", None)
    return error


def check_output() -> None:
    """Expect that all of standard output was written, for what is nothing but its output.

    Raises
    ------
    DaskEspressoError
        If not. A reader that has seen enough, such as ``head``, is no fault.
    """
    sys.stdout.flush()
    error = _output_error()
    if error and error.errno != errno.EPIPE:
        raise DaskEspressoError(f"standard output: {error.strerror}; some of it is missing")
