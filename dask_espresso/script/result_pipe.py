"""The pipe that a large result can take, by itself, without base64 and without copies."""

from __future__ import annotations

import os
import stat
import struct

TYPE_CHECKING = False  # importing typing costs every simulation some milliseconds
if TYPE_CHECKING:
    from collections.abc import Sequence

RESULT = "DASK_ESPRESSO_RESULT"  # the variable that names the pipe for the result
HEAD = struct.Struct("<8sQ")  # what it is, and how many pieces, whose sizes follow
MAGIC = b"\0espres\1"  # a result
UNREAD = b"\0unread\1"  # names of parameters that were never asked for


def pipe_number(fd: int) -> str:
    """Give what no other pipe on this machine has."""
    found = os.fstat(fd)
    return f"{found.st_dev}:{found.st_ino}"


def result_pipe() -> int | None:
    """Give the pipe that a worker waits at; None where there is none, such as after a launcher."""
    try:
        number, _, identity = os.environ.get(RESULT, "").partition(":")
        fd = int(number)
        is_there = stat.S_ISFIFO(os.fstat(fd).st_mode) and pipe_number(fd) == identity
    except (ValueError, OSError):
        return None
    return fd if is_there else None


def send(pipe: int, magic: bytes, pieces: Sequence[memoryview]) -> None:
    """Write what a worker reads."""
    sizes = struct.pack(f"<{len(pieces)}Q", *(piece.nbytes for piece in pieces))
    head = HEAD.pack(magic, len(pieces)) + sizes
    for piece in [memoryview(head), *pieces]:
        while piece:
            piece = piece[os.write(pipe, piece[: 1 << 30]) :]
