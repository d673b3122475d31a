"""Scripts that a forked process runs as a fresh interpreter would.

Runs in the engine's own interpreter: with the standard library alone, on Python 3.9 and newer.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib.machinery
import os
import signal
import sys
import types
import warnings

from .fingerprint import top_of
from .fresh import end
from .shelf import Shelf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

# whether an interpreter looks for modules beside its script
HAS_SCRIPT_PATH = not (getattr(sys.flags, "safe_path", False) or sys.flags.isolated)


class Scripts:
    """Scripts that were read already.

    Parameters
    ----------
    shelf : Shelf
        Has the engine's modules.
    at_start : frozenset of str
        The modules that a fresh interpreter has before it runs a script.
    """

    def __init__(self, shelf: Shelf, at_start: frozenset[str]) -> None:
        self._shelf = shelf
        self._known: dict[str, tuple[Any, Script]] = {}
        self._preloaded = set(map(top_of, shelf.names())) - set(map(top_of, at_start))

    def find(self, path: str) -> Script:
        """Read a script, unless it is the one that was read before."""
        directory = os.path.dirname(os.path.realpath(path))
        state = [_state(path), _state(directory)]
        before, script = self._known.get(path, (None, None))
        if script is None or before != state:
            script = Script(path, directory, self._hidden(directory), self._shelf)
            self._known = {path: (state, script)}
        return script

    def _hidden(self, directory: str) -> str:
        """Give a module beside the script that a fresh process would take in place of another."""
        if not HAS_SCRIPT_PATH:
            return ""
        with contextlib.suppress(OSError):
            for entry in sorted(os.listdir(directory)):
                name = entry.partition(".")[0]
                path = os.path.join(directory, entry)
                if name in self._preloaded and _is_module(path) and not self._is_of(path, name):
                    return entry
        return ""

    def _is_of(self, path: str, name: str) -> bool:
        """Say whether it is this file, or this folder, that a module has been imported from."""
        file = os.path.realpath(getattr(self._shelf.find(name), "__file__", None) or "")
        return os.path.realpath(path) in (file, os.path.dirname(file))


def _state(path: str) -> Any:
    """Give what changes when a file or a directory does; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _is_module(path: str) -> bool:
    if os.path.isdir(path):
        return os.path.exists(os.path.join(path, "__init__.py"))
    return path.endswith(tuple(importlib.machinery.all_suffixes()))


class Script:
    """A script, ready to run."""

    def __init__(self, path: str, directory: str, hidden: str, shelf: Shelf) -> None:
        self._path = path
        self._shelf = shelf
        self._directory = directory
        self._code: types.CodeType | None = None
        self._names = {
            "__file__": path,
            "__loader__": importlib.machinery.SourceFileLoader("__main__", path),
            "__builtins__": builtins,
            "__cached__": None,
        }
        self.refusal = ""
        if hidden:
            self.refusal = f"{hidden} beside the script has the name of a module that is imported"
            return
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("error")  # each child then gives its warnings, or its error, anew
            self._code = self._compile()

    def _compile(self) -> types.CodeType:
        with open(self._path, "rb") as file:
            return compile(file.read(), self._path, "exec", dont_inherit=True)

    def run(self, arguments: list[str]) -> NoReturn:
        """Run the script as a fresh interpreter would, and end this process as that would."""
        end(self.execute(arguments), self._shelf)

    def execute(self, arguments: list[str]) -> int:
        """Run the script; give the exit code, or minus the number of a signal."""
        try:
            code = self._code or self._compile()
        except OSError as error:
            said = f"[Errno {error.errno}] {error.strerror}"
            print(f"{sys.executable}: can't open file {self._path!r}: {said}", file=sys.stderr)
            return 2
        except BaseException as error:
            return _print_error(error)
        try:
            exec(code, self._become_main(arguments))
        except SystemExit as end:
            return _status_of(end)
        except BaseException as error:
            return _print_error(error)
        return 0

    def _become_main(self, arguments: list[str]) -> dict[str, Any]:
        """Make the module ``__main__`` that the script is; give its names."""
        self._server = sys.modules["__main__"]  # which is still needed
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        main.__dict__.update(self._names, __annotations__={})
        sys.argv[:] = [self._path, *arguments]
        if HAS_SCRIPT_PATH:
            sys.path.insert(0, self._directory)
        return main.__dict__


def _status_of(end: SystemExit) -> int:
    """Give the exit code that a script asks for."""
    if end.code is None or isinstance(end.code, int):
        return (end.code or 0) & 0xFF
    print(end.code, file=sys.stderr)
    return 1


def _print_error(error: BaseException) -> int:
    """Say what ended a script, without the frames of this module; give the exit code."""
    at = error.__traceback__
    while at and at.tb_frame.f_code.co_filename == __file__:
        at = at.tb_next
    sys.excepthook(type(error), error.with_traceback(at), at)
    return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
