"""Datasets of the HDF5 file with their dimensions, as netCDF wants them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from typing import Any

import h5py
import numpy as np

from .columns import DIMENSION

TEXT = h5py.string_dtype("utf-8")
_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable. %9d"


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
        self._dimensions: dict[str, Any] = {}
        self._axes: dict[str, Any] = {}
        self.simulation = file.create_dataset(
            DIMENSION, data=list(ids), dtype=TEXT, shape=(len(ids),)
        )
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
        if data.nbytes > 1 << 16 and data.dtype.kind != "O":
            options |= {"compression": "gzip", "compression_opts": 1, "shuffle": True}
        dataset = self._file.create_dataset(name, data=data, **options)
        if data.ndim > len(along):  # complex numbers
            along = [*along, self.dimension("complex_part", 2)]
        for axis, scale in enumerate(along):
            if scale is not None:
                dataset.dims[axis].attach_scale(scale)
        return dataset

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
