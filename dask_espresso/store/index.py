"""An index of the HDF5 file: what a look would else have to work out from all rows.

It says which simulation of the study each row is, and which values there are in columns that have
few. It repeats what the file says elsewhere, and counts only where nobody has written to the file
since it was published.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import h5py
import numpy as np

from .columns import ABSENT
from .datasets import layout

# columns of few values
CODED = (
    "host",
    "job_id",
    "engine",
    "engine_version",
    "start_method",
    "script_hash",
    "code_hash",
    "unread",
    "result_axes",
    "analyses",
)
_GROUP = "_index"  # in a group, so that it is no variable
_MOST = 256  # values that a byte can number
_Array = np.ndarray[Any, Any]


def write_places(file: h5py.File, places: _Array) -> None:
    """Write down each row's place in the study, -1 for those that are not in it."""
    _write(file, "places", places.astype(np.int32))


def read_places(file: h5py.File) -> _Array | None:
    """Read each row's place in the study; None where it is not written down."""
    found = file.get(f"{_GROUP}/places")
    return None if found is None else found[:].astype(np.int64)


def write_codes(file: h5py.File, name: str, values: Sequence[Any], codes: _Array) -> None:
    """Write down the different values of a column, and which row has which, if they are few."""
    if len(values) <= _MOST:
        dataset = _write(file, name, codes.astype(np.uint8))
        dataset.attrs["values"] = json.dumps([None if v is ABSENT else v for v in values])


def read_codes(file: h5py.File, name: str) -> tuple[list[Any], _Array] | None:
    """Read the values of a column, None where there is nothing, and which row has which."""
    found = file.get(f"{_GROUP}/{name}")
    return None if found is None else (json.loads(found.attrs["values"]), found[:])


class _Numbers(dict[Any, int]):
    """Numbers what it is asked for, in its order."""

    def __missing__(self, key: Any) -> int:
        number = self[key] = len(self)
        return number


def coded(values: Iterable[Any]) -> tuple[list[Any], _Array]:
    """Give the different ones of some texts, or lists of texts, and number them.

    Returns
    -------
    values : list
        The different ones, in the order in which they come.
    codes : array, shape (n,)
        For each of the n values given, its place among them.
    """
    numbers = _Numbers()
    keys = (tuple(value) if type(value) is list else value for value in values)
    codes = np.fromiter(map(numbers.__getitem__, keys), np.intp)
    return [list(key) if isinstance(key, tuple) else key for key in numbers], codes


def _write(file: h5py.File, name: str, data: _Array) -> h5py.Dataset:
    options = layout(data.shape, data.itemsize)
    return file.create_dataset(f"{_GROUP}/{name}", data=data, **options)
