"""Datasets of the HDF5 file with their dimensions, as netCDF wants them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import h5py
import numpy as np

from .columns import DIMENSION

_LARGE = 1 << 14  # bytes from which on a dataset is compressed
_TEXT_SIZE = 16  # bytes of a dataset that a text takes, wherever its letters are
# numbers of a chunk, and of those that belong to one simulation: docs/reference/store.md has why
_CHUNK, _OF_ONE = 1 << 15, 64
_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable. %9d"


def text_type(texts: Iterable[str]) -> Any:
    """Give the type of texts; xarray opens a file without reading those that are ASCII."""
    return h5py.string_dtype("ascii" if all(map(str.isascii, texts)) else "utf-8")


def layout(shape: Sequence[int], item_size: int) -> dict[str, Any]:
    """Say how a dataset stands in the file: a large one in compressed chunks.

    A chunk holds many simulations, and not all that each of them has: other programs read one
    variable of all simulations, one simulation of all variables, or one place of an axis.
    """
    if math.prod(shape) * item_size <= _LARGE:
        return {}
    inner = list(shape[1:])
    while math.prod(inner) > _OF_ONE:
        longest = inner.index(max(inner))
        inner[longest] = -(-inner[longest] // 2)
    rows = min(shape[0], _CHUNK // math.prod(inner))
    chunks = (rows, *inner)
    return {"chunks": chunks, "compression": "gzip", "compression_opts": 1, "shuffle": True}


class Datasets:
    """Makes datasets in an open HDF5 file.

    Parameters
    ----------
    file : h5py.File
        Open for writing, and empty.
    ids : list of str
        The simulations' ids, which label the first dimension.
    names : collection of str
        All names that columns will have; what else has to be there gives way to them.

    Attributes
    ----------
    simulation : h5py.Dataset
        That dimension.
    """

    def __init__(self, file: h5py.File, ids: Sequence[str], names: Collection[str]) -> None:
        self._file, self._names = file, names
        self._of_each: set[str] = set()  # which have one entry a simulation
        self._coordinates: list[str] = []
        self._dimensions: dict[str, Any] = {}
        self._axes: dict[str, Any] = {}
        self.simulation = file.create_dataset(
            DIMENSION, data=list(ids), dtype=text_type(ids), shape=(len(ids),),
            **layout([len(ids)], _TEXT_SIZE),
        )  # fmt: skip
        self.simulation.make_scale(DIMENSION)

    def create_axis(self, name: str, data: np.ndarray[Any, Any]) -> Any:
        """Write an axis, whose values are the coordinates of a dimension."""
        scale = self._axes[name] = self._file.create_dataset(name, data=data)
        scale.make_scale(name)
        return scale

    def create(
        self, name: str, data: np.ndarray[Any, Any], along: Sequence[Any], **options: Any
    ) -> Any:
        """Write an array whose every axis has a dimension scale, as netCDF wants it."""
        options |= layout(data.shape, _TEXT_SIZE if data.dtype.kind == "O" else data.itemsize)
        dataset = self._file.create_dataset(name, data=data, **options)
        if along[0] is self.simulation:
            self._of_each.add(name)
        if data.ndim > len(along):  # complex numbers
            along = [*along, self.dimension("complex_part", 2)]
        for axis, scale in enumerate(along):
            if scale is not None:
                dataset.dims[axis].attach_scale(scale)
        return dataset

    def take_as_coordinates(self, names: Sequence[str]) -> None:
        """Take these, as far as they have an entry a simulation, and the replica as coordinates."""
        self._coordinates = [*(name for name in names if name in self._of_each), "replica"]

    def name_coordinates(self, name: str, dataset: Any) -> None:
        """Name the coordinates of an array, the way CF does, if they are taken and it is none."""
        if self._coordinates and name in self._of_each and name not in self._coordinates:
            dataset.attrs["coordinates"] = " ".join(self._coordinates)

    def dimensions_of(self, name: str, shape: Sequence[int], axes: Sequence[str]) -> list[Any]:
        """Give an array's dimensions: those of its axes, where these are there and as long."""
        if len(shape) == 1 and not axes:
            return [self.dimension(f"dim_{shape[0]}", shape[0])]
        scales = []
        for i, size in enumerate(shape):
            axis = axes[i] if len(axes) == len(shape) else name
            found = self._axes.get(axis) or self._dimensions.get(f"{axis}_dim_0")
            is_its_own = axis == name or found is None or len(found) != size
            scales.append(self.dimension(f"{name}_dim_{i}", size) if is_its_own else found)
        return scales

    def dimension(self, name: str, size: int) -> Any:
        """Give a dimension without values, of the length that it has from the first time on."""
        if name not in self._dimensions:
            scale = self._file.create_dataset(self.free_name(name), shape=(size,), dtype=">f4")
            scale.make_scale(_NO_VARIABLE % size)
            self._dimensions[name] = scale
        return self._dimensions[name]

    def free_name(self, name: str) -> str:
        """Give a name for what is no column: this one, unless a column has it."""
        candidates = itertools.chain([name], (f"{name}_{i}" for i in itertools.count(2)))
        return next(c for c in candidates if c not in self._names and c not in self._file)
