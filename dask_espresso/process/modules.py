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
from typing import TYPE_CHECKING, NamedTuple

from ..engines import Engine
from ..files import file_hash
from ..identity import canonical_json
from ..inputs.engine_settings import says_where
from ..inputs.program import command_files
from ..script.engine_table import ENGINES
from .environment import simulation_environment

if TYPE_CHECKING:
    from ..inputs.study import Study

# their versions are recorded as the engine's, and as this package's
_OF_ENGINES = {"dask_espresso", *filter(None, (kind.module for kind in ENGINES.values()))}
_INSTALLED = {"site-packages", "dist-packages"}
_BINARY = (".so", ".pyd", ".dylib")
_IMPORTERS = ("import_module", "__import__")
_OF_PROFILE = "engines."
_LEVELS = 3  # of directories above a file that it may put on the module path


class Module(NamedTuple):
    """One file of a module, or what study and profile say of how the script is called.

    Attributes
    ----------
    name : str
        Its path inside the directory that it is imported from, such as ``helpers/io.py``.
    path : str
        The file, absolute; empty for a key of the study, or a variable of the profile.
    hash : str
        Its SHA-256, as hexadecimal digits.
    """

    name: str
    path: str
    hash: str

    @property
    def is_of_profile(self) -> bool:
        """Whether it is a variable that the profile sets."""
        return not self.path and self.name.startswith(_OF_PROFILE)


def find_code(study: Study, engine: Engine) -> tuple[Module, ...]:
    """Find what results depend on beside the script: its modules, and how it is called."""
    spoken = [_spoken(name, value) for name, value in study.interface()]
    spoken += find_variables(engine)
    if not engine.is_program:
        return (*find_modules(study.script_path, engine), *spoken)
    return (*_hashed(command_files(engine.command, study.script_path)), *spoken)


def find_variables(engine: Engine) -> list[Module]:
    """Give the variables that a profile sets for an engine, but for those that only say where."""
    return [
        _spoken(f"{_OF_PROFILE}{engine.name}.environment.{name}", value)
        for name, value in engine.environment
        if not says_where(name)
    ]


def _spoken(name: str, value: object) -> Module:
    return Module(name, "", hashlib.sha256(canonical_json(value).encode()).hexdigest())


def find_modules(script: Path | None, engine: Engine) -> tuple[Module, ...]:
    """Find the modules beside a script and on PYTHONPATH that it imports, directly or not.

    Nothing is run: what is imported is read from the sources. Where only the running script knows
    a module's name, all that it may be are taken, rather than one too few. What is installed is not
    the user's own, nor is what the engine itself consists of.

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
        search.scripts.add(script.resolve())
        search.read(script.resolve())
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
    scripts : set of Path
        What is no module, though it looks like one.
    """

    def __init__(self, places: list[Path], engine_module: str) -> None:
        self.files: dict[str, Path] = {}
        self.places: dict[str, list[Path]] = {"": places}
        self.scripts: set[Path] = set()
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
        return [path for path in paths if path.is_file() and path not in self.scripts]

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
        nodes = list(ast.walk(_tree(path)))
        for node in nodes:  # first, since what is imported may be there
            if _changes_module_path(node):
                self._add_places(path.parent, _texts(node))
        for node in nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.take(alias.name)
            elif isinstance(node, ast.ImportFrom):
                self._take_from(node, package)
            elif isinstance(node, ast.Call) and _name_of(node.func) in _IMPORTERS:
                self._take_named(node, package)
            elif isinstance(node, ast.Constant):
                self._take_file(path.parent, node.value)

    def _add_places(self, directory: Path, texts: list[str]) -> None:
        """Add what a file in a directory may put on the module path, with these texts."""
        parts = [os.path.expanduser(text) for text in texts if "\0" not in text]  # noqa: PTH111
        inner = [part.lstrip("/") for part in parts]  # as of what is joined with +
        names = [Path(*inner), *map(Path, inner), *map(Path, parts)]
        above = [directory, *directory.parents][:_LEVELS]
        for place in dict.fromkeys(base / name for name in names for base in above):
            if place.is_dir() and not _is_installed(place) and place not in self.places[""]:
                self.places[""].append(place)
        for name in [name for name, is_own in self._known.items() if not is_own]:
            del self._known[name]
            self.take(name)

    def _take_named(self, call: ast.Call, package: str) -> None:
        """Take up the modules of which a call may import one by its name."""
        name, *others = [*call.args, *(keyword.value for keyword in call.keywords), None]
        if name is None:
            return
        known = _beginning(name)
        if known.startswith("."):
            near = next(iter(_texts(*others)), package)
            known = near + known if known.strip(".") else f"{near}."
        if isinstance(name, ast.Constant):
            self.take(known.rstrip("."))
        elif not (origin := known.rpartition(".")[0]) or self.take(origin):
            self._take_all(origin)

    def _take_all(self, package: str) -> None:
        """Take up all modules of a package, or all beside the script."""
        places = self.places.get(package, [])
        for place in places if package else places[:1]:
            stems = {Path(name).stem for name in self._listing(place) if name.endswith(".py")}
            inner = {n for n in self._listing(place) if (place / n / "__init__.py").is_file()}
            for stem in sorted(stems | inner):
                name = f"{package}.{stem}" if package else stem
                if stem.isidentifier() and self.take(name) and stem in inner:
                    self._take_all(name)

    def _take_file(self, directory: Path, value: object) -> None:
        """Take up a Python file that is named with its ending, as for exec or runpy."""
        if isinstance(value, str) and value.endswith(".py") and "\0" not in value:
            name = value.lstrip("/")
            path = (directory / name).resolve()
            if path.is_file() and path not in (*self.scripts, *self.files.values()):
                self.files[name] = path
                self._unread.append((path, ""))

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


def _name_of(function: ast.expr) -> str:
    return str(getattr(function, "attr", None) or getattr(function, "id", ""))


def _beginning(node: ast.AST | None) -> str:
    """Give what is known of a text that a program puts together."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return _beginning(node.values[0]) if node.values else ""
    if isinstance(node, ast.BinOp):
        return _beginning(node.left).partition("%")[0]
    if isinstance(node, ast.Call) and _name_of(node.func) == "format":
        return _beginning(getattr(node.func, "value", None)).partition("{")[0]
    return ""


def _texts(*nodes: ast.AST | None) -> list[str]:
    """Give the texts in parts of a program, in their order there."""
    found = [n for node in nodes if node for n in ast.walk(node)]
    texts = [n for n in found if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    texts.sort(key=lambda node: (node.lineno, node.col_offset))
    return [str(node.value) for node in texts]


def _changes_module_path(node: ast.AST) -> bool:
    """Say whether a statement or call puts something on ``sys.path``."""
    if isinstance(node, ast.Call):
        changed = [getattr(node.func, "value", None)]
        if _name_of(node.func) == "addsitedir":
            return True
    elif isinstance(node, ast.Assign):
        changed = [
            getattr(t, "value", t) if isinstance(t, ast.Subscript) else t for t in node.targets
        ]
    elif isinstance(node, ast.AugAssign):
        changed = [node.target]
    else:
        return False
    return any(
        isinstance(t, ast.Attribute) and t.attr == "path" and _name_of(t.value) == "sys"
        for t in changed
    )


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
