"""The terminal: what commands say there, what Dask does not, and whether somebody is there."""

from __future__ import annotations

import contextlib
import functools
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterable, Iterator

import click
from rich.console import Console

# texts are the user's: [b] and :x: stand for themselves
_literal_console = functools.partial(Console, markup=False, emoji=False)
console = _literal_console(stderr=True)

# loggers with a level of their own; the first tells of Dask's tasks that nobody waits for any more
_TALKATIVE = ("asyncio", "distributed", "distributed.client")


def output_console() -> Console:
    """Give standard output; what is not a terminal is not wrapped."""
    console = _literal_console()
    return console if console.is_terminal else _literal_console(width=10_000)


def quiet_dask() -> None:
    """Keep to --debug what dask says of workers that come and go; it asks when it is imported.

    The environment is that of workers on this machine alone: those on a cluster keep their logs.
    """
    import dask

    if not click.get_current_context().find_root().params["debug"]:
        dask.config.set(
            {
                "logging": dict.fromkeys(_TALKATIVE, "critical"),
                "distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED": "critical",
            }
        )


def warn(notes: Iterable[str]) -> None:
    """Say what is no error, each on a line of its own."""
    for note in notes:
        console.print(note, style="yellow", highlight=False, soft_wrap=True)


def is_watched() -> bool:
    """Say whether there is somebody to ask; a job in the background would stop for ever."""
    try:
        is_terminal = sys.stdin.isatty() and sys.stderr.isatty()
        return is_terminal and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):  # closed
        return False


@contextlib.contextmanager
def key_waiter() -> Iterator[Callable[[float], bool]]:
    """Give what waits so many seconds, and says whether somebody has pressed q meanwhile."""
    if not is_watched():
        yield lambda seconds: bool(time.sleep(seconds))  # type: ignore[func-returns-value]
        return
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)

    def wait(seconds: float) -> bool:
        ready, _, _ = select.select([fd], [], [], seconds)
        return bool(ready) and os.read(fd, 64).lower().startswith(b"q")

    tty.setcbreak(fd)  # a key is read at once, and Ctrl-C is as ever
    try:
        yield wait
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def agrees() -> bool:
    """Ask whether to go on."""
    try:
        return click.confirm("go on?", err=True)
    except click.Abort:
        return False
