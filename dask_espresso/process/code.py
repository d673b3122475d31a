"""Script and modules as they are here: are they those that the run began with."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

from ..errors import ScriptChangedError
from ..files import file_hash
from .order import Workload

_SETTLED = 2_000_000_000  # nanoseconds after which a file's times tell of every change


class CodeFiles:
    """The hashes of files, each worked out anew where the file has changed in any way."""

    def __init__(self) -> None:
        self._hashes: dict[str, tuple[Any, str]] = {}

    def check(self, workload: Workload) -> None:
        """Raise a ScriptChangedError where script or modules are other ones than the workload's."""
        if Path(workload.script).is_absolute():  # else it is a program that only workers can see
            self._check(workload.script, workload.script_hash)
        for module in workload.modules:
            if module.path:
                self._check(module.path, module.hash)

    def _check(self, path: str, expected: str) -> None:
        try:
            is_changed = self._hash(path) != expected
        except OSError as error:
            raise ScriptChangedError(
                f"{path}: cannot be read on {socket.gethostname()} ({error.strerror}); "
                "put it where every worker sees it and run again"
            ) from None
        if is_changed:
            raise ScriptChangedError(
                f"{path}: changed while the study was running; put it back and run again, "
                "or run again with --changed-script"
            )

    def _hash(self, path: str) -> str:
        found = Path(path).stat()
        state = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
        known, value = self._hashes.get(path, (None, ""))
        # what was changed a moment ago may change again within the same tick of the clock
        if known != state or time.time_ns() - found.st_mtime_ns < _SETTLED:
            value = file_hash(path)
            self._hashes[path] = state, value
        return value
