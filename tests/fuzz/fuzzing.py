"""What the tests with hostile input share.

With ``DASK_ESPRESSO_FUZZ=100`` in the environment they try a hundred times as much, and something
else each time; without it always the same.
"""

import contextlib
import datetime
import importlib
import os
import resource
import select
import signal
import struct
import subprocess
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

FACTOR = int(os.environ.get("DASK_ESPRESSO_FUZZ", "1"))
_MEMORY = 4 << 30  # bytes that a reader in a process of its own may have
_SIZE = struct.Struct("<Q")


def examples(count):
    """Decorate a property with how often it is tried."""
    return settings(
        max_examples=count * FACTOR,
        derandomize=FACTOR == 1,
        deadline=datetime.timedelta(seconds=20),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@contextlib.contextmanager
def in_time(seconds):
    """Raise where the body hangs: a deadline of hypothesis only looks at what has ended."""

    def late(*_):
        raise TimeoutError(f"takes more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Reader:
    """A function of bytes, called in a process of its own because they may crash it.

    Parameters
    ----------
    function : str
        As in ``module:function``; what it gives comes back as text.
    timeout : float
        In seconds, for one call.
    """

    def __init__(self, function, timeout=20):
        self._function = function
        self._timeout = timeout
        self._process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop()

    def _stop(self):
        if self._process:
            with self._process as process:
                process.kill()
            self._process = None

    def __call__(self, data):
        if self._process is None:
            command = [sys.executable, __file__, self._function]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        process = self._process
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(_SIZE.pack(len(data)) + data)
            process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], self._timeout)
        said = process.stdout.readline() if ready else b""
        if said:
            return said.decode().rstrip("\n")
        how = f"ends with {process.wait()}" if ready else f"takes more than {self._timeout} s"
        self._stop()
        raise AssertionError(f"the interpreter {how}")


def _serve(function):
    """Answer to the Reader in the other process."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    module, name = function.split(":")
    call = getattr(importlib.import_module(module), name)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    while head := sys.stdin.buffer.read(_SIZE.size):
        said = str(call(sys.stdin.buffer.read(*_SIZE.unpack(head))))
        print(said.encode("unicode_escape").decode(), file=answers, flush=True)


# ---- damage --------------------------------------------------------------------------------------

# where in the text, between 0 and 1; how many bytes; which
_PLACE = st.floats(0, 1, exclude_max=True)
DAMAGES = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), _PLACE, st.integers(0, 7)),
        st.tuples(st.just("cut"), _PLACE, st.just(0)),
        st.tuples(st.just("zero"), _PLACE, st.integers(1, 4096)),
        st.tuples(st.just("insert"), _PLACE, st.binary(min_size=1, max_size=20)),
        st.tuples(st.just("remove"), _PLACE, st.integers(1, 200)),
        st.tuples(st.just("repeat"), _PLACE, st.integers(1, 500)),
    ),
    min_size=1,
    max_size=5,
)


def damage(data, damages):
    """Give the bytes as they are after what a broken disk, file system or transfer may do."""
    data = bytearray(data)
    for kind, place, what in damages:
        at = int(place * len(data))
        if kind == "flip" and data:
            data[at] ^= 1 << what
        elif kind == "cut":
            del data[at:]
        elif kind == "zero":
            data[at : at + what] = bytes(len(data[at : at + what]))
        elif kind == "insert":
            data[at:at] = what
        elif kind == "remove":
            del data[at : at + what]
        elif kind == "repeat":
            data[at:at] = data[at : at + what]
    return bytes(data)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    _serve(sys.argv[1])
