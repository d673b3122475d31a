"""Unpickle plain data alone: whatever a simulation writes, none of it runs code on a worker."""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from typing import Any

from ..script.transport import ESPRESSO, PortableUnpickler

# What pickles of plain data may name: none of it runs code. Anything that a script prints is looked
# at, what it read elsewhere too.
_PLAIN = {
    "builtins": "bytearray complex dict float frozenset int list set",
    "_codecs": "encode",  # the bytes in old pickles
    "collections": "Counter OrderedDict defaultdict deque",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "numpy": "dtype ndarray",
    "numpy.core.multiarray": "_reconstruct scalar",
    "numpy.core.numeric": "_frombuffer",
}


class _PlainUnpickler(PortableUnpickler):
    """Unpickles plain data only, for what a stranger could have written."""

    def find_class(self, module: str, name: str) -> Any:
        plain = _PLAIN.get(module.replace("numpy._core", "numpy.core"), "").split()
        if name not in plain and (module, name) not in ESPRESSO:
            raise pickle.UnpicklingError(
                f"it holds {module}.{name}, which is no plain data; "
                "give numbers, strings, numpy arrays, lists and dicts of these"
            )
        return super().find_class(module, name)


# What may be an order to remember an object under a number of a million and more: older versions of
# Python make room for as many.
_MAY_BE_LARGE_NUMBER = re.compile(rb"r..(?:[\x10-\xff].|.[\x01-\xff])|p\d{7}", re.DOTALL)


def load_plain(pickled: bytes | bytearray, buffers: Any = None) -> Any:
    """Unpickle plain data, in no more memory than it has a right to.

    Parameters
    ----------
    pickled : bytes
        One whole pickle.
    buffers : iterable, optional
        What it has outside itself.

    Raises
    ------
    Exception
        Of nearly any kind, if it is something else.
    """
    if _MAY_BE_LARGE_NUMBER.search(pickled):
        _check_numbers(pickled)
    stream = io.BytesIO(pickled)
    value = _PlainUnpickler(stream, buffers=buffers).load()
    if stream.tell() < len(pickled):
        raise pickle.UnpicklingError("something is behind its end")
    return value


def _check_numbers(pickled: bytes | bytearray) -> None:
    try:
        argument: Any
        for opcode, argument, _ in pickletools.genops(pickled):
            if opcode.name in ("LONG_BINPUT", "PUT") and argument > len(pickled):
                raise pickle.UnpicklingError(f"it remembers an object as number {argument}")
    except ValueError:  # not a whole pickle: what is wrong with it is found when it is loaded
        return
