"""Arrays of several shapes in the file: padded, or one behind the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .columns import BOOL
from .datasets import Datasets
from .padding import Padded, padded
from .storage import storage, without_values


def write_ragged(datasets: Datasets, name: str, values: Sequence[Any], there: Sequence[Any]) -> Any:
    """Write arrays one behind the other, with their shapes beside."""
    nowhere = (-1,) * there[0].ndim
    shapes = [v.shape if isinstance(v, np.ndarray) else nowhere for v in values]
    flat = np.concatenate([v.ravel() for v in there])
    element = datasets.free_name(f"{name}_element")
    data, of_shapes = storage(flat), np.array(shapes, np.int64)
    dataset = datasets.create(name, data, [datasets.dimension(element, len(flat))])
    count = datasets.free_name(f"{name}_shape")
    axis = datasets.dimension(f"{name}_axis", len(nowhere))
    shape = datasets.create(count, of_shapes, [datasets.simulation, axis])
    if len(there) < len(values):
        shape.attrs["_FillValue"] = np.int64(-1)
    if len(nowhere) == 1:
        shape.attrs["sample_dimension"] = element
    shape.attrs["long_name"] = f"shape of each simulation's array in {name}"
    dataset.attrs["kind"] = "ragged"
    dataset.attrs["dtype"] = BOOL if flat.dtype.kind == "b" else flat.dtype.str
    dataset.attrs["shapes"] = count
    return dataset


def write_padded(
    datasets: Datasets, name: str, values: Sequence[Any], there: Sequence[Any]
) -> Padded:
    """Write rows of several lengths, padded, with the lengths beside."""
    array, lengths = padded(values, there)
    is_beyond_end = np.arange(array.shape[1]) >= lengths[:, None]
    data, fill = without_values(storage(array), is_beyond_end)
    dataset = datasets.create(
        name, data, [datasets.simulation, None],
        maxshape=(len(data), None, *data.shape[2:]),
        fillvalue=math.nan if fill is None else fill,
    )  # fmt: skip
    if fill is not None:
        dataset.attrs["_FillValue"] = fill
    count = datasets.free_name(f"{name}_length")
    length = datasets.create(count, lengths, [datasets.simulation])
    if len(there) < len(values):
        length.attrs["_FillValue"] = np.int64(-1)
    length.attrs["long_name"] = f"length of each simulation's array in {name}"
    dataset.attrs["kind"] = "padded"
    dataset.attrs["dtype"] = array.dtype.str
    dataset.attrs["lengths"] = count
    return Padded(name, dataset, sum(value.nbytes for value in there))
