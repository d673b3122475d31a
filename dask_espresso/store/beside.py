"""A process of its own that builds the next HDF5 file of a store, while the driver goes on.

HDF5 keeps the interpreter to itself while it works, takes memory, and crashes on a full disk: all
that happens elsewhere. The driver makes the file, and puts it in its place when it is complete.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DaskEspressoError, InputError, ResumableError
from ..files import LARGE, Aside, write_all
from ..inputs.stored_study import stored_study
from ..safe_path import safe_code
from .publishing import Edition
from .seal import seal_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

logger = logging.getLogger(__name__)

_NICE = 5  # simulations on the same machine go first
_PIECE = 10_000  # ids that are looked at together
_SAID = 1000  # letters of what it said that a message shows
# the package may be where nobody else looks for it
_PROGRAM = "import sys; sys.path.append(sys.argv[2]); " + safe_code("store.beside", "main")


class Publication:
    """A new HDF5 file in the making.

    Parameters
    ----------
    edition : Edition
        What it is made of.
    ids : collection of str
        Of outcomes that have to be in it.
    n_records : int
        How many of the journal's are.
    is_change : bool
        Whether it is also for something else than these.

    Attributes
    ----------
    edition, n_records, is_change
    file : Aside
        What is built.

    Raises
    ------
    OSError
        If it cannot begin.
    """

    def __init__(
        self, edition: Edition, ids: Collection[str], n_records: int, is_change: bool
    ) -> None:
        self.edition, self.n_records, self.is_change = edition, n_records, is_change
        size = max((len(name.encode()) for name in ids), default=1)  # of others' stores, any
        packed = np.fromiter(map(str.encode, ids), f"S{size}", len(ids)).tobytes()
        order = dataclasses.asdict(edition) | {"path": str(edition.path), "size": size}
        order["count"] = self._n_wanted = len(ids)
        self.file = Aside(edition.path, flags=0)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(self.file.fd), str(Path(__file__).parents[2])],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                pass_fds=[self.file.fd],
                start_new_session=True,  # who stops the driver on a terminal does not stop it
            )  # fmt: skip
        except BaseException:
            self.file.discard()
            raise
        line = json.dumps(order).encode() + b"\n"
        # the process takes it when it has done its imports
        threading.Thread(target=self._send, args=(line, packed), daemon=True).start()

    def _send(self, *parts: bytes) -> None:
        """Say what is to be done; the end of that pipe, which stays open, is the driver's end."""
        assert self._process.stdin
        with contextlib.suppress(OSError, ValueError):
            for part in parts:
                self._process.stdin.write(part)
            self._process.stdin.flush()

    @property
    def is_over(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def wait(self) -> int:
        """Wait until the file is complete; give its number of rows.

        Raises
        ------
        DaskEspressoError, OSError, RuntimeError
            If it could not be built.
        """
        assert self._process.stdout
        said = self._process.stdout.read().decode(errors="replace").strip()
        self._process.wait()
        self._close()
        try:
            found = json.loads(said.rpartition("\n")[2])
            warnings = found["warnings"]
        except (ValueError, TypeError, KeyError):
            ended = _ended(self._process.returncode, said[-_SAID:])
            if self._process.returncode < 0:  # by a signal: that is no fault of its own
                raise ChildProcessError(errno.ECHILD, ended) from None
            raise RuntimeError(ended) from None
        for warning in warnings:
            logger.warning("%s", warning)
        if "refused" in found:
            kinds = {kind.__name__: kind for kind in (InputError, ResumableError)}
            raise kinds[found["kind"]](found["refused"])
        if "errno" in found:
            raise OSError(found["errno"], found["strerror"])
        if "fault" in found:
            raise RuntimeError(found["fault"])
        rows = int(found["rows"])
        if rows != self._n_wanted:
            raise RuntimeError(f"it has {rows} rows of {self._n_wanted}")
        return rows

    def cancel(self) -> None:
        """End the process, if it has not ended yet, and remove what it was building."""
        self._process.kill()
        self._process.wait()
        self._close()
        self.file.discard()

    def _close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if stream:
                    stream.close()


def _ended(status: int, said: str) -> str:
    how = f"with exit status {status}" if status >= 0 else f"by {signal.Signals(-status).name}"
    memory = ", as where memory is short" if status == -signal.SIGKILL else ""
    return f"the process that built it ended {how}{memory}{': ' if said else ''}{said}"


# ---- in that process -----------------------------------------------------------------------------


class _File(io.FileIO):
    """The file that is built; when it cannot be written, that is said, and the process ends."""

    warnings: list[str]

    def write(self, data: Buffer) -> int:
        try:
            write_all(self.fileno(), data)
        except OSError as error:  # HDF5 would go on, and crash
            _answer(_error(error), self.warnings)
        return memoryview(data).nbytes


class _Warnings(logging.Handler):
    """Keeps what is to be said."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def main() -> None:
    """Build what standard input says, into the file whose descriptor is the argument."""
    os.nice(_NICE)
    order = json.loads(sys.stdin.buffer.readline())
    packed = sys.stdin.buffer.read(order["count"] * order["size"])
    threading.Thread(target=_stay_with_driver, daemon=True).start()
    warnings = _Warnings()
    logging.getLogger("dask_espresso").addHandler(warnings)
    _answer(_built(order, packed, int(sys.argv[1]), warnings.said), warnings.said)


def _stay_with_driver() -> None:
    """End when the driver does, which has the other end of the pipe."""
    sys.stdin.buffer.read()
    os._exit(1)


def _answer(found: dict[str, Any], warnings: list[str]) -> None:
    """Say what has come of it, and end, whatever HDF5 has open."""
    print("\n" + json.dumps(found | {"warnings": warnings}), flush=True)
    os._exit(0)


def _built(order: dict[str, Any], packed: bytes, fd: int, warnings: list[str]) -> dict[str, Any]:
    edition = Edition(Path(order["path"]), order["end"], order["described"], order["provenance"])
    ids = np.frombuffer(packed, f"S{order['size']}")
    pieces = (ids[start : start + _PIECE] for start in range(0, len(ids), _PIECE))
    wanted = (name.decode() for piece in pieces for name in piece.tolist())
    study = stored_study(edition.described["study"])
    try:
        with _File(fd, "r+", closefd=False) as file:
            file.warnings = warnings
            rows = edition.write(file, study, wanted)
            file.seek(0)
            seal = seal_of(iter(lambda: file.read(LARGE), b""))
            file.seek(0, os.SEEK_END)
            file.write(seal)
            os.fsync(fd)
        return {"rows": rows}
    except DaskEspressoError as error:
        return {"refused": str(error), "kind": type(error).__name__}
    except OSError as error:
        return _error(error)
    except Exception as error:
        return {"fault": f"{type(error).__name__}: {error}"}


def _error(error: OSError) -> dict[str, Any]:
    return {"errno": error.errno, "strerror": error.strerror or str(error)}
