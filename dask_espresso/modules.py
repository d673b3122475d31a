"""The modules of the user's own that a simulation imports: they belong to the code that it runs."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .engine import Engine, file_hash, simulation_environment

# their versions are recorded as the engine's, and as this package's
_OF_ENGINES = {"dask_espresso", "espressomd", "lammps"}
_INSTALLED = {"site-packages", "dist-packages"}
_BINARY = (".so", ".pyd", ".dylib")


class Module(NamedTuple):
    """One file of a module.

    Attributes
    ----------
    name : str
        Its path inside the directory that it is imported from, such as ``helpers/io.py``.
    path : str
        The file, absolute.
    hash : str
        Its SHA-256, as hexadecimal digits.
    """

    name: str
    path: str
    hash: str


def find_modules(script: Path | None, engine: Engine) -> tuple[Module, ...]:
    """Find the modules beside a script and on PYTHONPATH that it imports, directly or not.

    Nothing is run: what is imported is read from the sources. What is installed is not the user's
    own, nor is what the engine itself consists of.

    Parameters
    ----------
    script : Path or None
        None for those alone that the engine imports beforehand.
    engine : Engine
        With its environment, and the modules that it imports beforehand.
    """
    python_path = simulation_environment(engine).get("PYTHONPATH", "").split(os.pathsep)
    places = [Path(entry).absolute() for entry in python_path if entry]
    search = _Search([place for place in places if not _is_installed(place)], engine.module)
    for name in engine.preload:
        search.take(name)
    if script:
        search.places[""].insert(0, script.resolve().parent)
        search.read(script)
    search.follow()
    return tuple(_hashed(search.files))


def _is_installed(directory: Path) -> bool:
    return bool(_INSTALLED & set(directory.parts)) or any(directory.glob("*.dist-info"))


def _hashed(files: dict[str, Path]) -> Iterator[Module]:
    for name, path in sorted(files.items()):
        try:
            yield Module(name, str(path), file_hash(path))
        except OSError:  # then it cannot be imported, either
            continue


@functools.lru_cache(maxsize=64)
def code_hash(script_hash: str, modules: tuple[Module, ...]) -> str:
    """Give a version of the code: 16 digits that stand for a script and its modules."""
    if not modules:
        return script_hash[:16]
    files = [script_hash, [(module.name, module.hash) for module in modules]]
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()[:16]


class _Search:
    """Follows imports from file to file.

    Attributes
    ----------
    files : dict of str to Path
        What was found.
    places : dict of str to list of Path
        The directories in which the modules of a package are; those of "" are where to begin.
    """

    def __init__(self, places: list[Path], engine_module: str) -> None:
        self.files: dict[str, Path] = {}
        self.places: dict[str, list[Path]] = {"": places}
        self._foreign = _OF_ENGINES | {engine_module.partition(".")[0]}
        self._known: dict[str, bool] = {}
        self._unread: list[tuple[Path, str]] = []
        self._sources: dict[str, Path] = {}
        self._listings: dict[Path, frozenset[str]] = {}

    def take(self, name: str) -> bool:
        """Take up a module, the packages that it is in first; say whether it is the user's own."""
        if name not in self._known:
            parent, _, last = name.rpartition(".")
            is_possible = self.take(parent) if parent else name not in self._foreign
            self._known[name] = is_possible and self._locate(name, parent, last)
        return self._known[name]

    def _locate(self, name: str, parent: str, last: str) -> bool:
        inside = "/".join(name.split("."))
        portions = []  # of a package without __init__
        for place in self.places.get(parent, ()):
            if found := self._files(place / last, "__init__"):
                self.places[name] = [place / last]
                self._add(name, name, {f"{inside}/{path.name}": path for path in found})
                return True
            if found := self._files(place, last):
                beginning = inside[: len(inside) - len(last)]
                self._add(name, parent, {f"{beginning}{path.name}": path for path in found})
                return True
            if last in self._listing(place) and (place / last).is_dir():
                portions.append(place / last)
        self.places[name] = portions
        return bool(portions)

    def _files(self, place: Path, name: str) -> list[Path]:
        """Give the files in a directory that may be the module of a name."""
        listed = self._listing(place)
        binary = [n for n in listed if n.startswith(f"{name}.") and n.endswith(_BINARY)]
        source = [n for n in (f"{name}.py", f"{name}.pyc") if n in listed][:1]
        paths = [place / n for n in [*sorted(binary), *source]]
        return [path for path in paths if path.is_file()]

    def _listing(self, place: Path) -> frozenset[str]:
        if place not in self._listings:
            try:
                self._listings[place] = frozenset(path.name for path in place.iterdir())
            except OSError:
                self._listings[place] = frozenset()
        return self._listings[place]

    def _add(self, name: str, package: str, files: dict[str, Path]) -> None:
        self.files |= files
        for path in files.values():
            if path.suffix == ".py":
                self._sources[name] = path
                self._unread.append((path, package))

    def follow(self) -> None:
        """Take up what the modules taken up so far import, until there is nothing new."""
        while self._unread:
            self.read(*self._unread.pop())

    def read(self, path: Path, package: str = "") -> None:
        """Take up what a file of a package imports."""
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.take(alias.name)
            elif isinstance(node, ast.ImportFrom):
                self._take_from(node, package)
            elif isinstance(node, ast.Call) and (name := _imported_by(node)):
                self.take(name)

    def _take_from(self, node: ast.ImportFrom, package: str) -> None:
        parts = package.split(".") if package else []
        if node.level > len(parts):
            return  # out of its package
        base = parts[: len(parts) - node.level + 1] if node.level else []
        origin = ".".join([*base, *filter(None, [node.module])])
        if not origin or not self.take(origin):
            return
        for alias in node.names:
            names = self._listed(origin) if alias.name == "*" else [alias.name]
            for name in names:  # a module, or something else in it
                self.take(f"{origin}.{name}")

    def _listed(self, name: str) -> list[str]:
        """Give the names that a package lists for ``import *``."""
        listed = [
            node.value
            for node in _tree(self._sources.get(name)).body
            if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) and _is_all(node)
        ]
        constants = [n for value in listed if value for n in ast.walk(value)]
        return [str(n.value) for n in constants if isinstance(n, ast.Constant)]


def _imported_by(call: ast.Call) -> str:
    """Give the module that ``import_module("name")`` or ``__import__("name")`` imports, or ""."""
    function = getattr(call.func, "attr", None) or getattr(call.func, "id", None)
    name = call.args[0] if call.args else None
    if function in ("import_module", "__import__") and isinstance(name, ast.Constant):
        return name.value if isinstance(name.value, str) and name.value[:1] != "." else ""
    return ""


def _is_all(node: ast.Assign | ast.AugAssign | ast.AnnAssign) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)


def _tree(path: Path | None) -> ast.Module:
    """Parse a file; what is no Python, or cannot be read, imports nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the simulation itself gives them
            return ast.parse(path.read_bytes()) if path else ast.Module([], [])
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])
