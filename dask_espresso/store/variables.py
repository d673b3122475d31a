"""The variables of the HDF5 file: all columns of a table, with what other programs want to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from ..inputs.axes import Axes, axes_of
from ..outcome import ATTRIBUTES
from .arrays import Values
from .column_writer import ColumnWriter
from .columns import ABSENT, Path
from .datasets import Datasets
from .index import CODED, write_codes, write_places
from .names import ROLES, column_names, of_error
from .silence import silent_names
from .table import Table


def write_columns(file: h5py.File, table: Table, study: dict[str, Any]) -> None:
    """Write all columns of a table, of the simulations of a study, into an empty file."""
    axes = _axes(table, study)
    paths = {role: table.paths(role) for role in ROLES}
    names = column_names(paths)
    datasets = Datasets(file, list(table.ids), set(names.values()))
    writer = ColumnWriter(file, datasets)
    are_axes = {(axis,) for along in axes.values() for axis in along}
    paths["result"].sort(key=lambda path: path not in are_axes)  # before what stands along them
    for role in ("parameter", "result"):
        for path, values in table.columns(role, paths[role]):
            name = names[role, path]
            along = _along(path, names, axes) if role == "result" else []
            if role == "result" and path in are_axes and writer.write_axis(name, path, values):
                continue
            along = [name] if role == "result" and path in are_axes else along
            writer.write(name, role, path, values, of_error(role, path, names), along)
        if role == "parameter":
            datasets.take_as_coordinates([names[role, path] for path in paths[role]])
    for path in paths["outcome"]:
        _write_field(file, writer, table, path)
    writer.close()
    if table.places is not None:
        write_places(file, table.places)
    by_role = {role: [names[role, path] for path in paths[role]] for role in ROLES}
    _write_default_plot(file, by_role)


def _write_field(file: h5py.File, writer: ColumnWriter, table: Table, path: Path) -> None:
    (name,) = path
    if name in CODED:
        few, codes = table.coded(name)
        writer.write_coded(name, path, few, codes, ATTRIBUTES[name])
        write_codes(file, name, few, codes)
    else:
        ((_, values),) = table.columns("outcome", [path])
        writer.write(name, "outcome", path, values, ATTRIBUTES[name])


def _axes(table: Table, study: dict[str, Any]) -> Axes:
    """Give the axes that study and scripts have said."""
    values, codes = table.coded("result_axes")
    texts = ["" if value is ABSENT else value for value in values]
    paths = set(table.paths("result"))

    def has(name: str) -> Values:
        if (name,) not in paths:
            return np.zeros(len(table), bool)
        ((_, there),) = table.columns("result", [(name,)])
        return np.array([value is not ABSENT for value in there], bool)

    return axes_of(study, texts, silent_names(texts, codes, has))


def _along(path: Path, names: Mapping[tuple[str, Path], str], axes: Axes) -> list[str]:
    """Give the columns along which a result stands; none where they are not all there."""
    wanted = axes.get(path[0], []) if len(path) == 1 else []
    found = [names[column] for axis in wanted if (column := ("result", (axis,))) in names]
    return found if len(found) == len(wanted) else []


def _write_default_plot(file: h5py.File, names: dict[str, list[str]]) -> None:
    """Tell h5web and other NeXus readers what to plot first."""

    def first(role: str) -> list[str]:
        kinds = ("float", "int")
        return [n for n in names[role] if file[n].attrs["kind"] in kinds and file[n].ndim == 1]

    axes = [n for n in first("parameter") if len(set(file[n][:].tolist())) > 1]
    signals = sorted(first("result"), key=lambda n: f"{n}_sem" not in file)
    if axes and signals:
        file.attrs.update(NX_class="NXdata", signal=signals[0], axes=axes[0])
