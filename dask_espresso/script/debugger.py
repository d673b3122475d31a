"""Runs a script as it would run by itself, and leaves it in pdb where an exception ends it.

Started as a program, with a file of what the script finds on standard input, the script, and its
arguments. Standard input itself is left to pdb, and to `breakpoint()` in the script.
"""

from __future__ import annotations

import os
import sys

if sys.path[:1] == [os.path.dirname(os.path.abspath(__file__))]:
    del sys.path[0]  # before anything is imported: there is a `statistics` here that is another one

import faulthandler
import io
import pdb
import runpy
import traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


class _Given(io.TextIOWrapper):
    """What a script finds on standard input; once it has read that, there is the terminal."""

    def read(self, size: int | None = -1, /) -> str:
        """Read it, and leave standard input to whoever asks next."""
        text = super().read(size)
        if size is None or size < 0:
            sys.stdin = sys.__stdin__
        return text


def main() -> None:
    """Run it."""
    given, script, *arguments = sys.argv[1:]
    sys.argv = [script, *arguments]
    sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
    faulthandler.enable()
    with open(given, "rb") as file:
        sys.stdin = _Given(io.BytesIO(file.read()), encoding="utf-8")
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as ended:
        if ended.code in (None, 0):
            return
        _debug(ended, script)
    except BaseException as error:
        _debug(error, script)


def _debug(error: BaseException, script: str) -> None:
    """Show an exception, and wait for commands at the place where it was raised."""
    sys.stdin = sys.__stdin__
    inside = _of_script(error.__traceback__, script)
    traceback.print_exception(type(error), error, inside)
    sys.stderr.flush()
    pdb.post_mortem(inside)
    sys.exit(1)


def _of_script(found: TracebackType | None, script: str) -> TracebackType | None:
    """Leave out how the script was started."""
    inside = found
    while inside and inside.tb_frame.f_code.co_filename != script:
        inside = inside.tb_next
    return inside or found


if __name__ == "__main__":
    main()
