"""What modules hold, as figures that can be compared between two processes that have imported them.

Whatever differs between two was made by chance: a random generator, a time, a process id, the name
of a temporary directory. Runs in the engine's own interpreter: with the standard library alone, on
Python 3.9 and newer.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import gc
import importlib
import os
import sys
import time
import types

from .engine_table import ENGINES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    Item = tuple[tuple[str, ...], Any]


def _find_sha512() -> Any:
    """Give the hash without OpenSSL, whose memory each forked process would have to be given."""
    for name in ("_sha512", "_sha2"):  # of Python to 3.11, and of later ones
        with contextlib.suppress(ImportError):
            return importlib.import_module(name).sha512
    return importlib.import_module("hashlib").sha512


_sha512 = _find_sha512()
# what these make by chance when they are imported changes no result
_HARMLESS = frozenset(
    ("dask_espresso", "dask", "distributed", "h5py", "matplotlib", "pandas", "psutil", "xarray")
)
MPI_ENGINES = frozenset(kind.module for kind in ENGINES.values() if kind.starts_mpi)
KNOWN = MPI_ENGINES | {"numpy", "scipy"} | _HARMLESS
_LIBRARY = os.path.dirname(os.__file__) + os.sep
_ATOMS = frozenset((type(None), bool, int, float, complex, str, bytes))
_BOXES = (list, tuple, set, frozenset, collections.deque)
_SEEDED = (623, 624)  # where Mersenne twisters are that have given no numbers
_DRAWS = 3
_NAMES = 3  # of a path: module, variable, attribute


class Fingerprint:
    """What the modules of this process hold at this time.

    Parameters
    ----------
    preload : sequence of str
        Modules to be looked at also where they are installed, as others are not: of these only the
        random generators are.

    Attributes
    ----------
    values : dict of str to int
        A number for each variable, such as ``noise.rng``, which stands for all that it holds.
    generators : dict of str to str
        The states of the generators that Python and numpy have for everybody.
    drawn : list of str
        Those of them that have given numbers already, which nobody may see any more: as positions
        of particles, say.
    time : float
        When it was taken.
    """

    def __init__(self, preload: Sequence[str]) -> None:
        tops = set(map(top_of, preload))
        self._known: dict[str, bool] = {top: False for top in tops if not is_of_python(top)}
        self._known.update((name, True) for name in KNOWN)
        self.time = time.time()
        self.generators = {name: _digest(state) for name, state, _ in _shared_states()}
        self.drawn = [name for name, _, at in _shared_states() if at not in _SEEDED]
        self.values: dict[str, int] = {}
        self._met = {id(thing) for thing in self._everybodys()}
        self._kept: list[Any] = []  # no other object may get the id of one that was met
        for name, module in list(sys.modules.items()):
            if isinstance(module, types.ModuleType) and not self._is_known(name):
                self._walk([((name, key), value) for key, value in _variables(module)])
        self._walk([((f"a {_kind(thing)} of some module",), thing) for thing in _generators()])

    def _is_known(self, name: str) -> bool:
        top = top_of(name)
        if top not in self._known:
            self._known[top] = is_of_python(top) or _is_installed(top)
        return self._known[top]

    def _everybodys(self) -> Iterator[Any]:
        """Give what every process makes anew by itself, and what belongs to known modules."""
        kinds = _kinds()
        for name, module in list(sys.modules.items()):
            if isinstance(module, types.ModuleType) and self._is_known(name):
                yield vars(module)
                # a generator stays interesting, whoever has it
                yield from (x for x in vars(module).values() if not issubclass(type(x), kinds))
        yield from _attributes("random", "_inst")
        for shared in _attributes("numpy.random.mtrand", "_rand"):
            yield from (shared, shared._bit_generator)
        for names in _attributes("tempfile", "_name_sequence"):
            yield getattr(names, "_rng", None)

    def _walk(self, items: list[Item]) -> None:
        while items:
            path, thing = items.pop()
            if type(thing) in _ATOMS:
                self._note(path, thing)
            # a module is looked at by itself, whoever else has imported it
            elif id(thing) not in self._met and not isinstance(thing, types.ModuleType):
                self._met.add(id(thing))
                self._kept.append(thing)
                with contextlib.suppress(Exception):  # code of strangers
                    items += [(path + key, value) for key, value in self._inside(path, thing)]

    def _note(self, path: tuple[str, ...], value: Any) -> None:
        """Add to the figure of a variable, in whatever order."""
        name = ".".join(path[:_NAMES])
        figure = int(_digest(value)[:12], 16)
        self.values[name] = (self.values.get(name, 0) + figure) % (1 << 53)

    def _inside(self, path: tuple[str, ...], thing: Any) -> Iterator[Item]:
        """Give what an object is made of."""
        self._note(path, _kind(thing))
        if isinstance(thing, _BOXES):
            if set(map(type, thing)) <= _ATOMS:
                self._note(path, list(thing))
            else:
                yield from (((), each) for each in thing)
        elif isinstance(thing, (dict, types.MappingProxyType)):
            for key, value in thing.items():
                yield ((), key)
                yield ((key,) if isinstance(key, str) else ()), value
        elif isinstance(thing, type):
            if not self._is_known(thing.__module__):
                yield from ((((key,)), value) for key, value in vars(thing).items())
        elif isinstance(thing, types.FunctionType):
            if not self._is_known(thing.__module__ or ""):
                cells = (cell.cell_contents for cell in thing.__closure__ or ())
                yield from (((), each) for each in (thing.__defaults__, thing.__kwdefaults__))
                yield ((), vars(thing))
                yield from (((), each) for each in cells)
        elif not isinstance(thing, (types.CodeType, ctypes.CDLL)):
            yield from self._parts(thing)

    def _parts(self, thing: Any) -> Iterator[Item]:
        """Give the parts of an object of whatever class."""
        attributes = getattr(thing, "__dict__", None)
        if isinstance(attributes, dict):
            yield from (((str(key),), value) for key, value in attributes.items())
        try:
            reduced = thing.__reduce_ex__(4)
        except Exception:  # it cannot be pickled
            reduced = ""
        if isinstance(reduced, str):
            yield from (((), each) for each in gc.get_referents(thing))
        else:
            for part in reduced[1:]:  # iterators among them are of its items
                is_box = part is None or isinstance(part, (dict, *_BOXES))
                yield ((), part if is_box or type(part) in _ATOMS else _listed(part))


def _listed(part: Any) -> Any:
    return list(part) if hasattr(part, "__next__") else part


def _digest(value: Any) -> str:
    data = value if isinstance(value, bytes) else repr(value).encode("utf-8", "surrogatepass")
    digest: str = _sha512(data).hexdigest()
    return digest


def _kind(thing: Any) -> str:
    """Name the class of an object."""
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def _variables(module: types.ModuleType) -> Iterator[tuple[str, Any]]:
    for key, value in list(vars(module).items()):
        if not (key.startswith("__") and key.endswith("__")):
            yield key, value


def top_of(name: str) -> str:
    """Give the package that a module is in."""
    return name.partition(".")[0]


def is_of_python(top: str) -> bool:
    """Say whether a package belongs to Python itself."""
    if top in ("__main__", "__mp_main__") or top in getattr(sys, "stdlib_module_names", ()):
        return True
    return top in sys.builtin_module_names or (
        _file(top).startswith(_LIBRARY) and not _is_installed(top)
    )


def _is_installed(top: str) -> bool:
    return any(folder in _file(top) for folder in ("site-packages", "dist-packages"))


def _file(top: str) -> str:
    return str(getattr(sys.modules.get(top), "__file__", None) or "")


def _shared_states() -> Iterator[tuple[str, Any, int]]:
    """Give names and states of the generators for everybody, and where in their keys they are."""
    if "random" in sys.modules:
        state = sys.modules["random"].getstate()
        yield "random", state, state[1][-1]
    if "numpy.random" in sys.modules:
        kind, keys, at, *rest = sys.modules["numpy.random"].get_state()
        yield "numpy.random", [kind, keys.tolist(), at, *rest], at


def draw_from_libc() -> dict[str, list[float]]:
    """Give the next numbers of the C library's generators, which compiled code may have seeded."""
    libc = ctypes.CDLL(None)
    libc.random.restype = libc.lrand48.restype = ctypes.c_long
    names = ("rand", "random", "lrand48")
    return {f"{name}()": [getattr(libc, name)() for _ in range(_DRAWS)] for name in names}


def _attributes(module: str, name: str) -> Iterator[Any]:
    thing = getattr(sys.modules.get(module), name, None)
    if thing is not None:
        yield thing


def _kinds() -> tuple[type, ...]:
    """Give the classes of random generators."""
    names = {"random": ["Random"], "numpy.random": ["Generator", "BitGenerator", "RandomState"]}
    return tuple(
        getattr(sys.modules[module], kind)
        for module, kinds in names.items()
        if module in sys.modules
        for kind in kinds
    )


def _generators() -> list[Any]:
    """Give the random generators of this process, wherever they are."""
    kinds = _kinds()
    return [thing for thing in gc.get_objects() if issubclass(type(thing), kinds)]
