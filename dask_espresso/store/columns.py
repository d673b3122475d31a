"""Columns of the store: how one named value of every simulation stands in HDF5.

A column is a dataset along the dimension ``simulation``. Numbers, strings and
arrays of one shape are plain datasets; rows of several lengths are padded, with
their lengths beside them; other arrays of several shapes are stored one
behind the other with their shapes beside them (a contiguous ragged array of the
CF conventions); an axis of others that is the same everywhere stands there once,
as a coordinate; whatever else a result may hold is JSON text. Nested dicts
become one column a leaf. Every column is read back equal to what was written.

Where a simulation has no value stands NaN, or what `_FillValue` says: a number
or a text that no simulation has, of a wider type if need be. So other programs
take it for missing. They make whole numbers with gaps floats: where that would
change one, they are JSON text, and arrays stand one behind the other. Which
ones have None, and which nothing, is in a group beside.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np

from ..errors import InputError
from .json_values import from_json

DIMENSION = "simulation"
STATES = "_states"  # group with a byte a simulation for columns that not every one has
_PIECE = 10_000  # texts that are read together
SCALARS = {"bool": np.bool_, "int": np.int64, "float": np.float64, "complex": np.complex128}
# xarray takes integers with this `dtype` for booleans; not where some are missing: those were true
BOOL = "bool"
EXACT = 2**53  # floats hold all whole numbers up to here


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()

Path = tuple[str, ...]
States = np.ndarray[Any, Any]
REST: Path = ()  # the column of the leaves that have none of their own


def states_of(values: Sequence[Any]) -> States:
    """Say which simulations have a value (0), none (1), or None (2)."""
    return np.array([1 if v is ABSENT else 2 if v is None else 0 for v in values], np.uint8)


def find_columns(file: h5py.File) -> dict[str, dict[Path, str]]:
    """Give the names of the datasets that are columns, by their role and path."""
    names: dict[str, dict[Path, str]] = {}
    for name, dataset in file.items():
        if isinstance(dataset, h5py.Dataset) and "role" in dataset.attrs:
            path = tuple(json.loads(dataset.attrs["path"]))
            names.setdefault(dataset.attrs["role"], {})[path] = name
    return names


def read_column(file: h5py.File, name: str) -> list[Any]:
    """Read back a column: one value a simulation, or ABSENT."""
    values = _read_values(file, file[name])
    states = file.get(f"{STATES}/{name}")
    if states is None:
        return values
    instead = {1: ABSENT, 2: None}
    return [instead.get(state, v) for state, v in zip(states[:].tolist(), values, strict=True)]


def _read_values(file: h5py.File, dataset: Any) -> list[Any]:
    kind = dataset.attrs["kind"]
    if kind == "array":
        return list(restore(dataset[:], dataset.attrs["dtype"]))
    if kind == "axis":
        return [restore(dataset[:], dataset.attrs["dtype"])] * len(file[DIMENSION])
    if kind == "ragged":
        flat = restore(dataset[:], dataset.attrs["dtype"])
        shapes = np.maximum(file[dataset.attrs["shapes"]][:], 0)  # -1 where there is none
        ends = np.cumsum(shapes.prod(axis=1))[:-1]
        parts = np.split(flat, ends)
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    if kind == "padded":
        return _read_padded(dataset, file[dataset.attrs["lengths"]][:])
    if kind == "bool":
        return [value == 1 for value in dataset[:].tolist()]
    if kind in ("int", "float"):
        return list(dataset[:].tolist())
    if kind == "complex":
        return [complex(*parts) for parts in dataset[:].tolist()]
    if kind == "str":
        return _texts(dataset)
    if kind == "json":
        return [from_json(text) if text else None for text in _texts(dataset)]
    raise InputError(f"{file.filename}: {dataset.name} is of the unknown kind {kind!r}")


def _read_padded(dataset: Any, lengths: np.ndarray[Any, Any]) -> list[Any]:
    if lengths.max(initial=0) > dataset.shape[1]:
        raise ValueError(f"{dataset.name} ends before its rows do")
    rows = restore(dataset[:, : lengths.max(initial=0)], dataset.attrs["dtype"])
    return [row[: max(0, n)] for row, n in zip(rows, lengths.tolist(), strict=True)]


def _texts(dataset: Any) -> list[str]:
    """Read texts a piece at a time, those that are equal as one object."""
    known: dict[bytes, str] = {}
    return [
        known.get(text) or known.setdefault(text, text.decode())
        for start in range(0, len(dataset), _PIECE)
        for text in dataset[start : start + _PIECE]
    ]


def restore(array: np.ndarray[Any, Any], dtype: str) -> np.ndarray[Any, Any]:
    """Give an array as it was before it was stored."""
    kind = np.dtype(dtype)
    if kind.kind == "c":
        return np.ascontiguousarray(array).view(kind)[..., 0]
    return array.astype(kind)
