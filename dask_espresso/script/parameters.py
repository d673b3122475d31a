"""What a script asks its parameters for, so that those that it never asks for can be named."""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import mmap
import os
import sys

from .result_pipe import UNREAD, result_pipe, send

TYPE_CHECKING = False  # importing typing costs every simulation some milliseconds
if TYPE_CHECKING:
    from typing import Any


def _asking_for_all(name: str) -> Any:
    """Give a method of dict, which takes note that all parameters are asked for."""
    method = getattr(dict, name)

    @functools.wraps(method)
    def asking(self: Any, *arguments: Any) -> Any:
        self._note(*dict.keys(self))
        return method(self, *arguments)

    return asking


def _asking_for_one(name: str) -> Any:
    """Give a method of dict, which takes note that its first argument is asked for."""
    method = getattr(dict, name)

    @functools.wraps(method)
    def asking(self: Any, *arguments: Any) -> Any:
        self._note(*arguments[:1])
        return method(self, *arguments)

    return asking


class Parameters(dict[str, "Any"]):
    """A simulation's parameters: a dict that takes note of what is asked for.

    To print it, or to write into it, is not to ask. It is copied and pickled as a plain dict.
    """

    __slots__ = ("_asked", "_places")

    _asked: mmap.mmap  # a byte a parameter, which processes that the script forks have in common
    _places: dict[Any, int]

    @classmethod
    def of(cls, values: dict[str, Any]) -> Parameters:
        """Begin to take note, and have the worker told at the end of this process."""
        parameters = cls(values)
        parameters._places = {name: place for place, name in enumerate(values)}
        parameters._asked = mmap.mmap(-1, len(values) + 1)
        atexit.register(parameters._tell, os.getpid())
        _teach_yaml()
        return parameters

    def _note(self, *names: Any) -> None:
        for name in names:
            with contextlib.suppress(TypeError):  # not hashable: dict says so itself
                self._asked[self._places.get(name, len(self._places))] = 1

    def _tell(self, pid: int) -> None:
        """Tell the worker what was never asked for."""
        pipe = result_pipe()
        if pipe is not None and os.getpid() == pid:
            unread = [name for name, place in self._places.items() if not self._asked[place]]
            if unread and self._is_namespace():
                unread = []
            with contextlib.suppress(OSError):  # the worker has gone
                names = "\0".join(unread).encode("utf-8", "surrogatepass")
                send(pipe, UNREAD, [memoryview(names)])

    def _is_namespace(self) -> bool:
        """Say whether they are the attributes of some object, which asks nobody for them."""
        with contextlib.suppress(Exception):  # code of strangers
            return any(getattr(x, "__dict__", None) is self for x in gc.get_referrers(self))
        return True

    def __reduce__(self) -> Any:
        return dict, (self.copy(),)


_ASK_FOR_ONE = ("__getitem__", "__contains__", "get", "pop", "setdefault")
_ASK_FOR_ALL = (
    "__iter__", "__reversed__", "__eq__", "__ne__", "__or__", "__ror__",
    "keys", "values", "items", "copy", "popitem",
)  # fmt: skip
for _method in _ASK_FOR_ONE:
    setattr(Parameters, _method, _asking_for_one(_method))
for _method in _ASK_FOR_ALL:
    setattr(Parameters, _method, _asking_for_all(_method))


def _teach_yaml() -> None:
    """Have yaml, which goes by the exact type, write parameters as it writes a dict."""
    yaml = sys.modules.get("yaml.representer")
    for name in ("SafeRepresenter", "Representer"):
        representer = getattr(yaml, name, None)
        if representer is not None:
            representer.add_representer(Parameters, representer.represent_dict)
