"""Writing columns: which dataset some values become, and what stands where none is."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from .columns import ABSENT, BOOL, DIMENSION, SCALARS, STATES, Path, States, states_of
from .json_values import to_json
from .kinds import are_beyond_floats, are_one_axis, kind_of

_TEXT = h5py.string_dtype("utf-8")
_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable. %9d"


class ColumnWriter:
    """Writes columns into an open HDF5 file.

    Parameters
    ----------
    file : h5py.File
        Open for writing, and empty.
    ids : list of str
        The simulations' ids, which label the dimension.
    names : collection of str
        All names that columns will have; what else has to be there gives way to them.
    """

    def __init__(self, file: h5py.File, ids: Sequence[str], names: Collection[str]) -> None:
        self._file = file
        self._names = names
        self._dimensions: dict[str, Any] = {}
        scale = file.create_dataset(DIMENSION, data=list(ids), dtype=_TEXT, shape=(len(ids),))
        scale.make_scale(DIMENSION)
        self._dimensions[DIMENSION] = scale

    def write(
        self,
        name: str,
        role: str,
        path: Path,
        values: Sequence[Any],
        attributes: dict[str, Any] | None = None,
        axes: Sequence[str] = (),
    ) -> None:
        """Write one column.

        Parameters
        ----------
        name : str
            The dataset's.
        role : str
            ``parameter``, ``result`` or ``outcome``.
        path : tuple of str
            What script and study call it, of several parts if it comes from a nested dict.
        values : sequence
            One a simulation, or ABSENT.
        attributes : dict, optional
            More HDF5 attributes, such as units.
        axes : sequence of str
            Of arrays: names of the columns along which they stand, which were written before.
        """
        there = [value for value in values if value is not ABSENT and value is not None]
        states = states_of(values) if len(there) < len(values) else None
        dataset = self._write_values(name, values, there, states, axes)
        self._finish(dataset, name, role, path, states, attributes)

    def write_axis(self, name: str, path: Path, values: Sequence[Any]) -> bool:
        """Write a result once, as a coordinate, if it is the same row of numbers everywhere.

        Returns
        -------
        bool
            Whether it is; if not, nothing is written.
        """
        there = [value for value in values if value is not ABSENT and value is not None]
        if not there or not are_one_axis(there):
            return False
        scale = self._file.create_dataset(name, data=_storage(there[0]))
        scale.make_scale(name)
        scale.attrs["kind"], scale.attrs["dtype"] = "axis", there[0].dtype.str
        self._dimensions[name] = scale
        states = states_of(values) if len(there) < len(values) else None
        self._finish(scale, name, "result", path, states)
        return True

    def _finish(
        self,
        dataset: Any,
        name: str,
        role: str,
        path: Path,
        states: States | None,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        """Say what a column is, and where it has no values."""
        dataset.attrs["role"] = role
        dataset.attrs["path"] = json.dumps(path)
        for key, value in (attributes or {}).items():
            dataset.attrs[key] = value
        if states is not None:
            self._file.require_group(STATES)[name] = states

    def _write_values(
        self,
        name: str,
        values: Sequence[Any],
        there: Sequence[Any],
        states: States | None,
        axes: Sequence[str],
    ) -> Any:
        kind = kind_of(there)
        would_change = states is not None and are_beyond_floats(kind, there)
        if kind == "array" and (
            would_change or len({v.shape for v in there}) > 1 or not there[0].size
        ):
            return self._write_ragged(name, values, there)
        if would_change:
            kind = "json"
        if kind in ("str", "json"):
            dataset = self._write_texts(name, kind, values, there)
        else:
            dataset = self._write_numbers(name, kind, values, there, states, axes)
        dataset.attrs["kind"] = kind
        return dataset

    def _write_texts(
        self, name: str, kind: str, values: Sequence[Any], there: Sequence[Any]
    ) -> Any:
        texts = there if kind == "str" else [to_json(value) for value in there]
        fill = _free_text(texts)
        dataset = self._dataset(name, np.array(_filled(values, texts, fill), object), dtype=_TEXT)
        if len(there) < len(values):
            dataset.attrs["_FillValue"] = fill
        return dataset

    def _write_numbers(
        self,
        name: str,
        kind: str,
        values: Sequence[Any],
        there: Sequence[Any],
        states: States | None,
        axes: Sequence[str],
    ) -> Any:
        if kind == "array":
            array = np.stack(_filled(values, there, np.zeros_like(there[0])))
        else:
            array = np.array(_filled(values, there, 0), SCALARS[kind])
        data, fill = _storage(array), None
        if states is not None:
            data, fill = _without_values(data, states > 0)
        extra = _named_dimensions(self._dimensions, name, array.shape[1:], axes)
        parts = ["complex_part"] if array.dtype.kind == "c" else []
        dataset = self._dataset(name, data, [*extra, *parts])
        if kind == "array":
            dataset.attrs["dtype"] = array.dtype.str
        if array.dtype.kind == "b":
            dataset.attrs["flag_values"] = np.array([0, 1], data.dtype)
            dataset.attrs["flag_meanings"] = "false true"
        if fill is not None:
            dataset.attrs["_FillValue"] = fill
        elif array.dtype.kind == "b":
            dataset.attrs["dtype"] = BOOL
        return dataset

    def _write_ragged(self, name: str, values: Sequence[Any], there: Sequence[Any]) -> Any:
        nowhere = (-1,) * there[0].ndim
        shapes = [v.shape if isinstance(v, np.ndarray) else nowhere for v in values]
        flat = np.concatenate([v.ravel() for v in there])
        element = self._free_name(f"{name}_element")
        parts = ["complex_part"] if flat.dtype.kind == "c" else []
        dataset = self._dataset(name, _storage(flat), parts, along=element)
        count = self._free_name(f"{name}_shape")
        shape = self._dataset(count, np.array(shapes, np.int64), [f"{name}_axis"])
        if len(there) < len(values):
            shape.attrs["_FillValue"] = np.int64(-1)
        if len(nowhere) == 1:
            shape.attrs["sample_dimension"] = element
        shape.attrs["long_name"] = f"shape of each simulation's array in {name}"
        dataset.attrs["kind"] = "ragged"
        dataset.attrs["dtype"] = BOOL if flat.dtype.kind == "b" else flat.dtype.str
        dataset.attrs["shapes"] = count
        return dataset

    def _dataset(
        self,
        name: str,
        data: np.ndarray[Any, Any],
        extra: Sequence[str] = (),
        *,
        along: str = DIMENSION,
        dtype: Any = None,
    ) -> Any:
        """Write an array whose every axis has a dimension scale, as netCDF wants it."""
        options = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
        big = data.nbytes > 1 << 16 and data.dtype.kind != "O"
        dataset = self._file.create_dataset(
            name, data=data, dtype=dtype, **(options if big else {})
        )
        for axis, dimension in enumerate((along, *extra)):
            dataset.dims[axis].attach_scale(self._dimension(dimension, data.shape[axis]))
        return dataset

    def _dimension(self, name: str, size: int) -> Any:
        if name not in self._dimensions:
            scale = self._file.create_dataset(self._free_name(name), shape=(size,), dtype=">f4")
            scale.make_scale(_NO_VARIABLE % size)
            self._dimensions[name] = scale
        return self._dimensions[name]

    def _free_name(self, name: str) -> str:
        """Give a name for what is no column: this one, unless a column has it."""
        candidates = itertools.chain([name], (f"{name}_{i}" for i in itertools.count(2)))
        return next(c for c in candidates if c not in self._names and c not in self._file)


def _named_dimensions(
    there: Mapping[str, Any], name: str, shape: Sequence[int], axes: Sequence[str]
) -> list[str]:
    """Name an array's dimensions as those of its axes, where these are there and as long."""
    own = [f"{name}_dim_{i}" for i in range(len(shape))]
    if len(axes) != len(shape):
        return own
    named = [axis if axis in there else f"{axis}_dim_0" for axis in axes]
    are_as_long = [
        n in there and len(there[n]) == size for n, size in zip(named, shape, strict=True)
    ]
    return [n if fits else o for n, o, fits in zip(named, own, are_as_long, strict=True)]


def _filled(values: Sequence[Any], there: Sequence[Any], fill: Any) -> Sequence[Any]:
    """Give what is there of the values, with something in the place of what is not."""
    if len(there) == len(values):
        return there
    rest = iter(there)
    return [fill if value is ABSENT or value is None else next(rest) for value in values]


def _without_values(
    data: np.ndarray[Any, Any], rows: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], Any]:
    """Mark rows as missing: by NaN, or by a number that no row has, which is given too."""
    if data.dtype.kind == "f":
        data[rows] = math.nan
        return data, None
    fill = _free_number(data)
    data = data.astype(fill.dtype, copy=False)
    data[rows] = fill
    return data, fill


def _free_number(data: np.ndarray[Any, Any]) -> Any:
    """Give a whole number that is none of these; of a wider type where they are all there are."""
    limits = np.iinfo(data.dtype)
    numbers = range(limits.min, limits.max + 1)
    if limits.min == 0:
        numbers = numbers[::-1]
    if not (data == data.dtype.type(numbers[0])).any():
        return data.dtype.type(numbers[0])
    taken = set(np.unique(data).tolist())
    free = next((number for number in numbers if number not in taken), None)
    if free is not None:
        return data.dtype.type(free)
    wider = np.promote_types(f"i{data.itemsize}", f"u{data.itemsize}")
    return wider.type(np.iinfo(wider).min)


def _free_text(texts: Iterable[str]) -> str:
    """Give a text that is none of these."""
    taken = set(texts)
    candidates = itertools.chain(("", "missing"), (f"missing {i}" for i in itertools.count(2)))
    return next(text for text in candidates if text not in taken)


def _storage(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Give the array in a type that netCDF knows; complex numbers with one more dimension."""
    if array.dtype.kind == "b":
        return array.astype(np.int8)
    if array.dtype == np.float16:
        return array.astype(np.float32)
    if array.dtype.kind == "c":
        parts = array.real.dtype
        return np.ascontiguousarray(array).view(parts).reshape(*array.shape, 2)
    return array
