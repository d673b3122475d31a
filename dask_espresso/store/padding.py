"""Rows of several lengths, as one array along one dimension: the ends of shorter ones are missing.

All of them have that dimension in common, so that they make a table of as many lines as the longest
has numbers, and not of all combinations. What would need too much room for that has one of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

SAMPLE = "sample"  # the dimension
_TIMES = 4  # as much room as its numbers need a padded array may take,
_FREE = 32 << 20  # or so many bytes


class Padded(NamedTuple):
    """A padded array in the file.

    Attributes
    ----------
    name : str
    dataset : h5py.Dataset
        As long as its own longest row, and growing.
    size : int
        Bytes of the numbers that it holds.
    """

    name: str
    dataset: Any
    size: int


def can_be_padded(arrays: Sequence[np.ndarray[Any, Any]], count: int) -> bool:
    """Say whether arrays are rows, and padding them is worth the room, in so many simulations."""
    if arrays[0].ndim != 1:
        return False
    size = sum(array.nbytes for array in arrays)
    return _is_worth(count * max(array.nbytes for array in arrays), size)


def _is_worth(room: int, size: int) -> bool:
    return room <= max(_FREE, _TIMES * size)


def padded(
    values: Sequence[Any], there: Sequence[np.ndarray[Any, Any]]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Put rows into one array, zero behind their ends.

    Parameters
    ----------
    values : sequence
        A row each, or something that is none.
    there : sequence of array
        The rows alone.

    Returns
    -------
    array : array, shape (n, longest)
    lengths : array of int, shape (n,)
        -1 where there is none.
    """
    lengths = np.array([len(v) if isinstance(v, np.ndarray) else -1 for v in values], np.int64)
    array = np.zeros((len(values), lengths.max()), there[0].dtype)
    array[np.arange(array.shape[1]) < lengths[:, None]] = np.concatenate(there)
    return array, lengths


def placed(columns: Sequence[Padded]) -> Iterator[tuple[Any, str, int]]:
    """Give of each padded array its dataset, its dimension, and how long that is."""
    longest = max((column.dataset.shape[1] for column in columns), default=0)
    for name, dataset, size in columns:
        own = dataset.shape[1]
        if _is_worth(dataset.size // own * longest * dataset.dtype.itemsize, size):
            yield dataset, SAMPLE, longest
        else:
            yield dataset, f"{name}_{SAMPLE}", own
