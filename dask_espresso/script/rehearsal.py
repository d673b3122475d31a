"""What each simulation does at its start and its end, done beforehand, with nothing left of it.

Python then has looked up names, has fitted its code to what it meets, and has found functions of C
libraries. Each forked process would do that anew, in copies of its own of the memory in question.

Runs in the engine's own interpreter: with the standard library alone, on Python 3.9 and newer.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys

from .fresh import become_fresh, flush_files
from .parameters import Parameters
from .result_pipe import RESULT, result_pipe
from .scripts import Script
from .shelf import Shelf
from .transport import encode_transport_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_TIMES = 10  # code that was run less often is not fitted yet
_SCRIPT = b"""\
import dask_espresso

params = dask_espresso.get_data_from_stdin()
print(dask_espresso.encode_transport_data(params["seed"]))
"""


def rehearse(shelf: Shelf, scratch: str) -> None:
    """Run a script that gives back what it is given, and do what comes of a worker's pipe.

    Parameters
    ----------
    shelf : Shelf
        Has the engine's modules.
    scratch : str
        A directory to write into.
    """
    path = f"{scratch}/rehearsal.py"
    with open(path, "wb") as file:
        file.write(_SCRIPT)
    script = Script(path, scratch, "", shelf)
    shelf.take_note()
    for _ in range(_TIMES):
        with _everything_kept(), _streams():
            become_fresh({"TMPDIR": scratch, RESULT: "0:no pipe"}, shelf)
            script.execute([])
            flush_files()
            shelf.added()
            gc.collect()
            _tell()
    os.unlink(path)


def _tell() -> None:
    """Do what is done where a worker waits at the pipe for the result."""
    parameters = Parameters.of({"seed": 1})
    atexit.unregister(parameters._tell)
    encode_transport_data(parameters)
    result_pipe()


@contextlib.contextmanager
def _everything_kept() -> Iterator[None]:
    """Have all be as it was afterwards, of what a simulation changes."""
    main, variables = sys.modules["__main__"], dict(os.environ)
    arguments, path = sys.argv[:], sys.path[:]
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        sys.argv[:], sys.path[:] = arguments, path
        for name in os.environ.keys() - variables.keys():
            del os.environ[name]
        os.environ.update(variables)


@contextlib.contextmanager
def _streams() -> Iterator[None]:
    """Have parameters on standard input, and nobody who hears what is printed."""
    read, write = os.pipe()
    os.write(write, encode_transport_data({"seed": 1}).encode())
    os.close(write)
    kept = sys.stdin, sys.stdout
    with open(read, encoding="utf-8") as sys.stdin, open(os.devnull, "w") as sys.stdout:
        try:
            yield
        finally:
            sys.stdin, sys.stdout = kept
