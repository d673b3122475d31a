"""Writing columns: which dataset some values become, and what stands where none is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np

from .columns import ABSENT, BOOL, SCALARS, STATES, Path, States, states_of
from .datasets import Datasets, layout, text_type
from .json_values import to_json
from .kinds import are_beyond_floats, are_one_axis, kind_of
from .padding import Padded, can_be_padded, placed
from .storage import free_text, storage, without_values
from .uneven import write_padded, write_ragged

_TEXTS = ("str", "json")  # kinds of columns


class ColumnWriter:
    """Writes columns into an open HDF5 file.

    Parameters
    ----------
    file : h5py.File
        Open for writing, and empty.
    datasets : Datasets
        Makes them in that file.
    """

    def __init__(self, file: h5py.File, datasets: Datasets) -> None:
        self._file, self._datasets = file, datasets
        self._padded: list[Padded] = []

    def close(self) -> None:
        """Put arrays of several lengths beside each other; all columns have to be written."""
        for dataset, name, size in placed(self._padded):
            dataset.resize(size, axis=1)
            dataset.dims[1].attach_scale(self._datasets.dimension(name, size))

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
            Of arrays: names of the columns along which they stand, which were written before. Of an
            axis its own name.
        """
        there = [value for value in values if value is not ABSENT and value is not None]
        states = states_of(values) if len(there) < len(values) else None
        dataset = self._write_values(name, values, there, states, axes)
        self._finish(dataset, name, role, path, states, attributes)

    def write_coded(
        self,
        name: str,
        path: Path,
        few: Sequence[Any],
        codes: np.ndarray[Any, Any],
        attributes: dict[str, Any],
    ) -> None:
        """Write a field of the outcomes that has few different values.

        Parameters
        ----------
        name, path, attributes
            As in :meth:`write`.
        few : sequence
            These values, or ABSENT.
        codes : array of int, shape (n,)
            Which of them each simulation has.
        """
        there = [value for value in few if value is not ABSENT and value is not None]
        kind = kind_of(there)
        if kind not in _TEXTS:
            values = [few[code] for code in codes.tolist()]
            self.write(name, "outcome", path, values, attributes)
            return
        states = states_of(few)[codes] if len(there) < len(few) else None
        dataset = self._write_texts(name, kind, few, there, codes)
        dataset.attrs["kind"] = kind
        self._finish(dataset, name, "outcome", path, states, attributes)

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
        scale = self._datasets.create_axis(name, storage(there[0]))
        scale.attrs["kind"], scale.attrs["dtype"] = "axis", there[0].dtype.str
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
        self._datasets.name_coordinates(name, dataset)
        if states is not None:
            group = self._file.require_group(STATES)
            group.create_dataset(name, data=states, **layout(states.shape, states.itemsize))

    def _write_values(
        self,
        name: str,
        values: Sequence[Any],
        there: Sequence[Any],
        states: States | None,
        axes: Sequence[str],
    ) -> Any:
        kind = kind_of(there)
        are_beyond = are_beyond_floats(kind, there)
        would_change = states is not None and are_beyond
        if kind == "array" and (
            would_change or len({v.shape for v in there}) > 1 or not there[0].size
        ):
            may_be_padded = not are_beyond and can_be_padded(there, len(values))
            if not may_be_padded:
                return write_ragged(self._datasets, name, values, there)
            column = write_padded(self._datasets, name, values, there)
            self._padded.append(column)
            return column.dataset
        if would_change:
            kind = "json"
        if kind in _TEXTS:
            dataset = self._write_texts(name, kind, values, there)
        else:
            dataset = self._write_numbers(name, kind, values, there, states, axes)
        dataset.attrs["kind"] = kind
        return dataset

    def _write_texts(
        self,
        name: str,
        kind: str,
        values: Sequence[Any],
        there: Sequence[Any],
        codes: np.ndarray[Any, Any] | None = None,
    ) -> Any:
        texts = there if kind == "str" else [to_json(value) for value in there]
        fill = free_text(texts)
        data = np.array(_filled(values, texts, fill), object)
        if codes is not None:
            data = data[codes]
        kind_of_text = text_type([*texts, fill])
        dataset = self._datasets.create(name, data, [self._datasets.simulation], dtype=kind_of_text)
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
        data, fill = storage(array), None
        if states is not None:
            data, fill = without_values(data, states > 0)
        extra = self._datasets.dimensions_of(name, array.shape[1:], axes)
        dataset = self._datasets.create(name, data, [self._datasets.simulation, *extra])
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


def _filled(values: Sequence[Any], there: Sequence[Any], fill: Any) -> Sequence[Any]:
    """Give what is there of the values, with something in the place of what is not."""
    if len(there) == len(values):
        return there
    rest = iter(there)
    return [fill if value is ABSENT or value is None else next(rest) for value in values]
