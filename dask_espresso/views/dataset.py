"""A store for xarray: dimensions are swept parameters, replicas, and axes of curves."""

from __future__ import annotations

import functools
import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..outcome import Outcome
from ..store.arrays import Column, Values, objects
from ..store.columns import EXACT
from ..store.contents import StoreContents
from ..store.reader import Reader
from ..store.reading import look
from .numbers import Numbers
from .texts import some_of
from .versions import Versions

if TYPE_CHECKING:
    import xarray

logger = logging.getLogger(__name__)

_FULL = 0.5  # of a grid there has to be so much for it to be one
_REPLICA, _POINT = "replica", "point"


def dataset(path: str | os.PathLike[str]) -> xarray.Dataset:
    """Read a store's results into an xarray dataset whose dimensions are those of the study.

    Parameters
    ----------
    path : path
        The store; a driver may be writing it.

    Returns
    -------
    xarray.Dataset
        Every result that is a number, or an array or list of numbers, along the swept parameters
        and ``replica``, and behind them along the axes that it has. Where points fill no more
        than half of a grid there is one dimension ``point`` in place of the parameters, which
        stand along it. What is not there, or not done, is NaN; so are the ends of arrays that are
        shorter than others. Whole numbers above 2**53 in a result with gaps are Python's, in an
        array of objects, with None. The attribute ``left_out`` names the results that are not
        there, such as texts. An axis that is not the same everywhere is a variable, along
        ``…_index``, and there is a warning.

    Raises
    ------
    InputError
        If there is no store, or no xarray.

    Examples
    --------
    >>> data = dataset("my_study.h5")                                              # doctest: +SKIP
    >>> data.g.sel(phi=0.3).mean("replica").plot()                                 # doctest: +SKIP
    """
    return look(path, functools.partial(_dataset, Path(path)))


def _dataset(path: Path, reader: Reader, contents: StoreContents[Outcome]) -> xarray.Dataset:
    try:
        import xarray
    except ImportError:
        raise InputError(
            "needs xarray; install it: pip install 'dask_espresso[analysis]'"
        ) from None
    grid, numbers = _Grid.of(reader), Numbers(reader)
    versions = Versions(reader, contents.versions)
    for line in versions.describe():
        logger.warning("%s: %s", path, line)
    results, left_out = {}, []
    for name, column in numbers.every():
        rows = np.flatnonzero(numbers.done & (column.states == 0))
        values = _stacked(column, rows)
        if values is None:
            left_out.append(name)
        elif len(rows):
            results[name] = grid.spread(values, rows)
    marks = {
        f"outcome.{name}": (grid.dims, grid.spread(objects([texts[i] for i in codes]), grid.all))
        for name, (texts, codes) in versions.marks.items()
    }
    variables, axes = _along_axes(grid, results, reader.axes)
    for axis in sorted({a for along in reader.axes.values() for a in along} & variables.keys()):
        which = some_of([name for name, along in reader.axes.items() if axis in along])
        logger.warning(
            "%s: %s stands along another %s in some simulations: a mean over these is of values at "
            "different %s; interpolate first", path, which, axis, axis,
        )  # fmt: skip
    names = {name: grid.free(name) for name in variables}
    return xarray.Dataset(
        {names[name]: variable for name, variable in variables.items()} | marks,
        {**grid.coordinates, **axes},
        {"title": contents.study["name"], "left_out": left_out},
    )


class _Grid(NamedTuple):
    """Where simulations stand.

    Attributes
    ----------
    dims : tuple of str
        Names of the dimensions, the last of replicas.
    shape : tuple of int
        Their lengths.
    at : tuple of array of int
        The place of each row along each of them.
    coordinates : dict
        For xarray.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    at: tuple[Values, ...]
    coordinates: dict[str, Any]

    @classmethod
    def of(cls, reader: Reader) -> _Grid:
        """Find the grid of a study, or take its points one behind the other."""
        study = reader.study
        replicas, points = np.divmod(reader.places, study.n_points)
        every = np.arange(study.n_points)
        coded = {name: study.coded(name, every) for name in study.swept}
        axes = [name for name in coded if not study.space.is_computed(name)]
        sizes = tuple(len(coded[name][0]) for name in axes)
        n_replicas = int(replicas.max(initial=0)) + 1
        last = {_REPLICA: np.arange(n_replicas)}
        if not axes or math.prod(sizes) * _FULL > study.n_points:
            values = {name: (_POINT, _plain(*coded[name])) for name in coded}
            shape = (study.n_points, n_replicas)
            return cls((_POINT, _REPLICA), shape, (points, replicas), {**values, **last})
        coordinates: dict[str, Any] = {
            name: _plain(coded[name][0], range(len(coded[name][0]))) for name in axes
        }
        places = tuple(coded[name][1] for name in axes)
        for name in coded.keys() - axes:
            coordinates[name] = (axes, _spread(sizes, places, _plain(*coded[name])))
        at = (*(place[points] for place in places), replicas)
        return cls((*axes, _REPLICA), (*sizes, n_replicas), at, coordinates | last)

    @property
    def all(self) -> Values:
        """All rows."""
        return np.arange(len(self.at[0]))

    def spread(self, values: Values, rows: Values) -> Values:
        """Put the values of rows where they belong; NaN, or None, is where there is none."""
        return _spread(self.shape, tuple(at[rows] for at in self.at), values)

    def free(self, name: str) -> str:
        """Give the name of a result beside dimensions and parameters."""
        return f"result.{name}" if name in self.coordinates or name in self.dims else name


def _plain(values: Sequence[Any], codes: Any) -> Values:
    """Give values as an array of numbers or texts; of anything else as texts."""
    types = {type(value) for value in values}
    if types <= {int, float} or types == {bool} or types == {str}:
        plain: Values = np.array(values)[np.asarray(codes)]
        return plain
    return objects([values[code] for code in codes])


def _spread(shape: tuple[int, ...], at: tuple[Values, ...], values: Values) -> Values:
    """Put values at places; NaN, or None, is where there is none."""
    if values.dtype.kind == "U":
        values = values.astype(object)
    elif len(values) < math.prod(shape) and values.dtype.kind in "iub":
        values = values.astype(float if _are_exact(values) else object)
    fill: Any = {"f": math.nan, "c": math.nan, "O": None}.get(values.dtype.kind, 0)
    spread: Values = np.full((*shape, *values.shape[1:]), fill, values.dtype)
    spread[at] = values
    return spread


def _are_exact(values: Values) -> bool:
    """Say whether whole numbers are the same as floats."""
    return values.dtype.kind == "b" or not ((values > EXACT) | (values < -EXACT)).any()


def _stacked(column: Column, rows: Any) -> Values | None:
    """Give the values of rows as one array of numbers; None where they are anything else."""
    if column.kind == "str":
        return None
    if column.kind != "object":
        values = column.values[rows]
        return values if values.dtype.kind in "iufbc" else None
    found = []
    for value in column.values[rows].tolist() if len(rows) else ():
        try:
            array = np.asarray(value)
        except ValueError:  # a ragged list
            return None
        if array.dtype.kind not in "iufbc":
            return None
        found.append(array)
    if len({array.ndim for array in found}) > 1:
        return None
    return _padded(found)


def _padded(arrays: list[Values]) -> Values | None:
    """Put arrays into one, whose ends are NaN where some are shorter; None if that changes any."""
    if not arrays:
        return np.zeros(0)
    shapes = {array.shape for array in arrays}
    if len(shapes) == 1:
        return np.stack(arrays)
    if not all(_are_exact(array) for array in arrays if array.dtype.kind in "iu"):
        return None
    longest = tuple(map(max, zip(*shapes, strict=True)))
    kind = complex if any(array.dtype.kind == "c" for array in arrays) else float
    padded = np.full((len(arrays), *longest), math.nan, kind)
    for row, array in zip(padded, arrays, strict=True):
        row[tuple(map(slice, array.shape))] = array
    return padded


# ---- axes of curves ------------------------------------------------------------------------------


def _along_axes(
    grid: _Grid, results: dict[str, Values], axes: dict[str, list[str]]
) -> tuple[dict[str, tuple[Any, Values]], dict[str, Values]]:
    """Give results with their dimensions, and those that are coordinates of others."""
    n_dims = len(grid.shape)
    wanted = {axis for along in axes.values() for axis in along if axis in results}
    wanted = {axis for axis in wanted if results[axis].ndim == n_dims + 1}
    wanted -= {axis for axis in wanted if grid.free(axis) != axis}
    common = {axis: row for axis in wanted if (row := _common(results[axis], n_dims)) is not None}
    variables = {}
    for name, values in results.items():
        if name in common:
            continue
        along = [name] if name in wanted else axes.get(name, ())
        extra = [f"{name}_dim_{i}" for i in range(values.ndim - n_dims)]
        if len(along) == len(extra) and all(axis in wanted for axis in along):
            lengths = [results[axis].shape[-1] for axis in along]
            named = [axis if axis in common else f"{axis}_index" for axis in along]
            is_as_long = lengths == list(values.shape[n_dims:])
            extra = named if is_as_long else extra
        variables[name] = ([*grid.dims, *extra], values)
    return variables, common


def _common(values: Values, n_dims: int) -> Values | None:
    """Give the row that all simulations have, as far as theirs goes; None if they differ."""
    rows = values.reshape(-1, values.shape[n_dims])
    with np.errstate(invalid="ignore"):
        lengths = np.sum(~np.isnan(rows), axis=1)
    longest = rows[np.argmax(lengths)]
    if lengths.max(initial=0) < rows.shape[1]:
        return None
    is_same = (rows == longest) | np.isnan(rows)
    return longest if is_same.all() else None
