"""What makes a forked process begin and end as a fresh interpreter does.

Runs in the engine's own interpreter: with the standard library alone, on Python 3.9 and newer.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import io
import os
import signal
import sys
import traceback

from .shelf import Shelf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_LIBC = ctypes.CDLL(None)


def flush_c() -> None:
    """Write out what compiled code has printed."""
    _LIBC.fflush(None)


def become_fresh(environment: dict[str, str | None], shelf: Shelf) -> None:
    """Take the simulation's environment, and randomness of its own."""
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    # Python's own random numbers are seeded anew at every fork; numpy's seed() is slow and imports
    if random := shelf.find("numpy.random"):
        key = shelf.find("numpy").frombuffer(os.urandom(4 * 624), "u4")
        random.set_state(("MT19937", key, 624))
    if tempfile := shelf.find("tempfile"):  # which has perhaps looked at TMPDIR already
        tempfile.tempdir = None


def end(status: int, shelf: Shelf) -> NoReturn:
    """End this process as Python ends, but for what belongs to the server: MPI, above all.

    Parameters
    ----------
    status : int
        Exit code, or minus the number of the signal to die of.
    shelf : Shelf
        Has the engine's modules, and knows which there were before the script ran.
    """
    try:
        if threading := shelf.find("threading"):
            threading._shutdown()  # waits for all but daemons
        atexit._run_exitfuncs()
    except BaseException:
        traceback.print_exc()
    _flush_files()
    # whoever else has something to do at the end does it when nobody holds it any more
    sys.modules.pop("__main__", None)
    for name in shelf.added():
        del sys.modules[name]
    gc.collect()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream and not stream.closed:
                stream.flush()
        except BaseException as error:
            said = "".join(traceback.format_exception_only(type(error), error))
            print(f"Exception ignored in: {stream!r}\n{said}", end="", file=sys.stderr)
            status = 120  # as Python has it
    flush_c()
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def _flush_files() -> None:
    """Write to its end what the script has left open, also where it is not let go in order."""
    writers = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
    for thing in gc.get_objects():
        if type(thing) in writers:
            with contextlib.suppress(Exception):
                thing.flush()
