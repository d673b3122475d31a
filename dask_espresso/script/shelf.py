"""Modules that have been imported already, and look as if they had not until a script does so.

A script sees what it would see in a fresh process: ``espressomd.observables`` is there once the
script, or something that it imports, has imported it. Runs in the engine's own interpreter: with
the standard library alone, on Python 3.9 and newer.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import itertools
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Shelf:
    """Takes modules out of sight, and gives them to whoever imports them.

    Modules come in steps, one for each import, and go in steps: with one come all that were there
    before it, which it may rely on.
    """

    def __init__(self) -> None:
        self._steps: list[dict[str, Any]] = []
        self._step_of: dict[str, int] = {}
        self._specs: dict[str, Any] = {}
        self._bound: list[list[tuple[Any, str, Any]]] = []
        self._given = 0  # steps
        self._before: frozenset[str] = frozenset()  # modules that have been taken note of
        self._last = ""  # of those in sight

    def load(self, name: str) -> None:
        """Import a module, to be put on the shelf."""
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            before = frozenset(sys.modules)
            importlib.import_module(".".join(parts[:end]))
            new = {n: m for n, m in sys.modules.items() if m is not None and n not in before}
            self._step_of.update(dict.fromkeys(new, len(self._steps)))
            self._steps.append(new)

    def hide(self) -> None:
        """Take the modules out of sight."""
        for step, modules in enumerate(self._steps):
            self._specs.update((n, getattr(m, "__spec__", None)) for n, m in modules.items())
            self._bound.append(self._unbind(step))
        for name in self._step_of:
            del sys.modules[name]
        sys.meta_path.insert(0, self)

    def _unbind(self, step: int) -> list[tuple[Any, str, Any]]:
        """Take a step's modules from packages that were there before it."""
        bound = []
        for name, module in self._steps[step].items():
            package, _, last = name.rpartition(".")
            parent = sys.modules.get(package)
            is_later = parent is not None and self._step_of.get(package, -1) < step
            if is_later and vars(parent).get(last) is module:
                delattr(parent, last)
                bound.append((parent, last, module))
        return bound

    def find(self, name: str) -> Any:
        """Give a module that has been imported, in sight or not; None if there is none."""
        if name in self._step_of:
            return self._steps[self._step_of[name]][name]
        return sys.modules.get(name)

    def names(self) -> frozenset[str]:
        """Name all modules that have been imported, in sight or not."""
        return frozenset((*sys.modules, *self._step_of))

    def take_note(self) -> None:
        """Take note of which modules there are, for :meth:`added`."""
        self._before = self.names()
        self._last = next(reversed(sys.modules))

    def added(self) -> list[str]:
        """Name the modules that have been imported since."""
        # new ones stand last: a look at all would have a forked process copy the pages they are in
        names = itertools.takewhile(lambda name: name != self._last, reversed(sys.modules))
        return [name for name in names if name not in self._before]

    # ---- what Python's import system asks for

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Say how to import a module, if it is on the shelf."""
        if self._step_of.get(name, -1) < self._given:
            return None
        was = self._specs[name]
        spec = importlib.machinery.ModuleSpec(name, self, origin=getattr(was, "origin", None))  # type: ignore[arg-type]
        spec.submodule_search_locations = getattr(was, "submodule_search_locations", None)
        return spec

    def create_module(self, spec: Any) -> Any:
        """Give the module itself."""
        return self._steps[self._step_of[spec.name]][spec.name]

    def exec_module(self, module: Any) -> None:
        """Bring it in sight, with all that were there before it."""
        name = module.__spec__.name
        last = self._step_of[name]
        for step in range(self._given, last + 1):
            for other in self._steps[step]:
                sys.modules.setdefault(other, self._steps[step][other])
            for parent, attribute, submodule in self._bound[step]:
                setattr(parent, attribute, submodule)
        self._given = max(self._given, last + 1)
        with contextlib.suppress(AttributeError):
            module.__spec__ = self._specs[name]
