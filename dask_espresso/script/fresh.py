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

from .shelf import Shelf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

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
    # Python's own random numbers are seeded anew at every fork
    if mtrand := shelf.find("numpy.random.mtrand"):
        _seed_anew(mtrand._rand)
    if threading := shelf.find("threading"):  # Python 3.12 and older have the server's number still
        main = threading.main_thread()
        if hasattr(main, "_set_native_id"):
            main._set_native_id()
    if tempfile := shelf.find("tempfile"):  # which has perhaps looked at TMPDIR already
        tempfile.tempdir = None


def _seed_anew(random: Any) -> None:
    """Give numpy's generator for everybody numbers of its own, and others to those it spawns."""
    random._bit_generator.__init__()
    state = random.get_state(legacy=False)
    random.set_state({**state, "has_gauss": 0, "gauss": 0.0})  # the second of a pair that was drawn


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
        print_error()
    flush_files()
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
            print(f"Exception ignored in: {stream!r}", file=sys.stderr)
            # not by traceback, which would be the script's own where it has one of that name
            sys.__excepthook__(type(error), error.with_traceback(None), None)
            status = 120  # as Python has it
    flush_c()
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def print_error() -> None:
    """Print the error that is being handled, without a module for it."""
    sys.__excepthook__(*sys.exc_info())


def flush_files() -> None:
    """Write to its end what the script has left open, also where it is not let go in order."""
    writers = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
    for thing in gc.get_objects():
        if type(thing) in writers:
            with contextlib.suppress(Exception):
                thing.flush()
