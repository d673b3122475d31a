"""A result against two parameters at once, in colours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..outcome import Outcome
from ..store.arrays import Values
from ..store.contents import StoreContents
from ..store.reader import Reader
from .captions import Captions
from .doubts import doubts
from .intervals import half_widths
from .numbers import Numbers, is_number
from .points import Points
from .series import Series, check_range, choose
from .show import result_names
from .versions import Versions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .drawing import Picture

_FULL = 0.5  # of its cells that a grid has at least


class Heatmap(NamedTuple):
    """A result in colours.

    Attributes
    ----------
    captions : Captions
        How all this is called.
    x, y, color : str
        Two swept parameters and the result.
    at : array of float, shape (2, n)
        The points.
    values, bars : array of float, shape (n,)
        The result there, and its error.
    fixed : dict of str to str
        Other swept parameters, each with its one value.
    log : str
        Which axes are logarithmic.
    notes : list of str
        What is to be said beside it.
    """

    captions: Captions
    x: str
    y: str
    color: str
    at: Values
    values: Values
    bars: Values
    fixed: dict[str, str]
    log: str
    notes: list[str]


def heatmap_of(
    path: Path,
    picture: Picture,
    reader: Reader,
    numbers: Numbers,
    contents: StoreContents[Outcome],
) -> Heatmap:
    """Find out what is to be drawn, of simulations that were chosen already.

    Raises
    ------
    InputError
        If there are not two parameters, or points differ by more than these.
    """
    study, points = reader.study, Points(reader)
    x, y = _two_parameters(path, picture, points)
    others = numbers.others(points.rows)
    color = choose(path, "result", picture.color, result_names(reader, numbers), others)
    points = Points(reader, Versions(reader, contents.versions))
    there = np.flatnonzero(points.count(numbers.done & numbers.have(color)))
    if not len(there):
        raise InputError(
            f"{path}: no simulation that is done has a number {color!r}, so there is nothing to "
            f"plot; `dask-espresso status {path}` says why"
        )
    columns = {
        name: [values[group] for group in there.tolist()]
        for name in [*study.swept, *points.marks]
        for values in [points.parameter(name)]
    }
    places = [*zip(columns.pop(x), columns.pop(y), strict=True)]
    beside = [name for name in [*points.beside(x), *points.marks] if name != y]
    series = Series(path, columns, study.swept, beside)
    series.check_alone(f"--color {color}: points of one cell", places, f"{x} and {y}", ())
    pooled = points.pooled(numbers, color)
    bars = half_widths(pooled.sems, pooled.dofs, picture.confidence)[there]
    for name, numbers_of in zip((x, y), zip(*places, strict=True), strict=True):
        check_range(f"{path}: parameter {name!r}", numbers_of)
    check_range(f"{path}: result {color!r}", pooled.means[there].tolist())
    at = np.array(places, float).T
    notes = doubts(path, points, numbers, color, pooled)
    if without := len(points) - len(there):
        notes.insert(0, f"{without} of {len(points)} points have no {color!r}: they are left empty")
    log = _log(picture, at, (x, y), [study.is_log(name) for name in (x, y)])
    found = (at, pooled.means[there], bars, series.fixed, log, notes)
    return Heatmap(Captions(study.labels), x, y, color, *found)


def _two_parameters(path: Path, picture: Picture, points: Points) -> tuple[str, str]:
    values = {name: points.coded(name)[0] for name in points.swept}
    numeric = [name for name, given in values.items() if all(map(is_number, given))]
    others = [name for name in points.swept if name not in numeric]
    numeric.sort(key=lambda name: len(values[name]) < 2)
    x = choose(path, "parameter", picture.x, [n for n in numeric if n != picture.y], others)
    return x, choose(path, "second parameter", picture.y, [n for n in numeric if n != x], others)


def _log(picture: Picture, at: Values, names: tuple[str, str], by_study: list[bool]) -> str:
    """Say which axes are logarithmic."""
    is_positive = [bool((values > 0).all()) for values in at]
    if picture.log is None:
        return "".join(
            axis for axis, is_log, can in zip("xy", by_study, is_positive, strict=True)
            if is_log and can
        )  # fmt: skip
    for axis, name, can, values in zip("xy", names, is_positive, at, strict=True):
        if axis in picture.log and not can:
            raise InputError(
                f"--log {picture.log}: {name} = {values.min():g} has no place on a logarithmic "
                f"axis; leave it out, as by --where '{name} > 0'"
            )
    return picture.log.replace("none", "")


def plot_heatmap(ax: Axes, found: Heatmap) -> Any:
    """Draw cells where the points form a grid, empty ones where there are none; else squares."""
    ax.set(**{f"{axis}scale": "log" for axis in found.log})
    x, y = found.at
    table = grid_of(x, y, found.values)
    drawn: Any
    if table is None:
        drawn = ax.scatter(x, y, c=found.values, marker="s", s=40, cmap="viridis")
    else:
        xs, ys, cells = table
        sides = (edges(xs, "x" in found.log), edges(ys, "y" in found.log))
        drawn = ax.pcolormesh(*sides, np.ma.masked_invalid(cells), cmap="viridis")
    return ax.figure.colorbar(drawn, ax=ax, label=found.captions.name(found.color))


def grid_of(x: Values, y: Values, values: Values) -> tuple[Values, Values, Values] | None:
    """Give columns, rows and cells, nan where there is no point; None for points on no grid.

    Examples
    --------
    >>> grid_of([1.0, 2.0, 1.0], [5.0, 5.0, 7.0], [0.1, 0.2, 0.3])[2]
    array([[0.1, 0.2],
           [0.3, nan]])
    """
    xs, columns = np.unique(x, return_inverse=True)
    ys, rows = np.unique(y, return_inverse=True)
    if len(values) < _FULL * len(xs) * len(ys):
        return None
    cells = np.full((len(ys), len(xs)), np.nan)
    cells[rows, columns] = values
    return xs, ys, cells


def edges(centres: Values, is_log: bool) -> Values:
    """Give the edges of cells, midway between their centres on the axis.

    Examples
    --------
    >>> edges(np.array([1.0, 2.0, 4.0]), False).tolist()
    [0.5, 1.5, 3.0, 5.0]
    """
    at = np.log(centres) if is_log else np.asarray(centres, float)
    if len(at) == 1:
        middle, first, last = at[:0], at[0] - 0.5, at[0] + 0.5
    else:
        middle = (at[1:] + at[:-1]) / 2
        first, last = 2 * at[0] - middle[0], 2 * at[-1] - middle[-1]
    found = np.concatenate([[first], middle, [last]])
    return np.asarray(np.exp(found) if is_log else found)
