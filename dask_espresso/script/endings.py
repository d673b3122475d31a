"""What is to be done when a process ends, by the server or by every simulation.

Runs in the engine's own interpreter: with the standard library alone, on Python 3.9 and newer.
"""

from __future__ import annotations

import atexit
import contextlib
import sys
import weakref

from .fingerprint import KNOWN, is_of_python, top_of
from .shelf import Shelf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator


class Endings:
    """What is to be done when a process ends.

    What belongs to the engine's modules, MPI above all, is left to the server; what other modules
    have asked for is done by every simulation, as it would be by a fresh process.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._functions: list[tuple[Any, Any, Any]] = []
        self._finalizers: dict[Any, Any] = {}

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Keep what is asked for meanwhile."""
        register = atexit.register
        before = dict(_registry())

        def note(function: Any, *args: Any, **kwargs: Any) -> Any:
            top = top_of(sys._getframe(1).f_globals.get("__name__", ""))
            if not (top in KNOWN or is_of_python(top)):
                self._functions.append((function, args, kwargs))
            return register(function, *args, **kwargs)

        atexit.register = note  # type: ignore[assignment]
        try:
            yield
        finally:
            atexit.register = register
            self._finalizers.update((k, v) for k, v in _registry().items() if k not in before)

    def take(self) -> None:
        """Forget the server's endings, and have those that were kept done by this process."""
        atexit._clear()
        _registry().clear()
        _registry().update(self._finalizers)
        # whether it has told atexit of itself
        weakref.finalize._registered_with_atexit = bool(self._finalizers)  # type: ignore[attr-defined]
        if self._finalizers:
            atexit.register(weakref.finalize._exitfunc)  # type: ignore[attr-defined]
        for module, name in (("logging", "shutdown"), ("multiprocessing.util", "_exit_function")):
            if found := self._shelf.find(module):
                atexit.register(getattr(found, name))
        for function, args, kwargs in self._functions:
            atexit.register(function, *args, **kwargs)


def _registry() -> dict[Any, Any]:
    return weakref.finalize._registry  # type: ignore[attr-defined, no-any-return]
