"""What is drawn of a store: curves of a result, with what tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..outcome import Outcome
from ..store.contents import StoreContents
from ..store.reader import Reader
from .captions import Captions
from .doubts import doubts
from .heatmap import Heatmap, heatmap_of
from .intervals import half_widths
from .numbers import Numbers, is_number
from .plot import Curve
from .points import Points
from .pooled import pooled_points
from .reference import Reference, reference_of, why_not
from .series import Series, check_range, choose
from .show import note, result_names
from .versions import Versions


@dataclass(frozen=True)
class Picture:
    """What is to be drawn.

    Attributes
    ----------
    x, y : str or None
        A swept parameter, and a result; of a result that is a curve, the result along which it
        stands. By default the first parameter swept over numbers and the first result.
    series : str or None
        The swept parameter that tells curves apart; by default all others do.
    where : sequence of str
        Conditions that simulations meet, as in :func:`~dask_espresso.store.selection.select`.
    log : str or None
        Which axes are logarithmic: ``x``, ``y``, ``xy`` or ``none``. By default that of a parameter
        whose values are so in the study.
    confidence : float or None
        In percent, of the intervals that are drawn as bars; by default these are one standard
        error.
    color : str or None
        A result that is drawn in colours, against two parameters.
    residuals : bool
        Whether a panel beneath has the distance from the reference in standard errors.
    """

    x: str | None = None
    y: str | None = None
    series: str | None = None
    where: Sequence[str] = ()
    log: str | None = None
    confidence: float | None = None
    residuals: bool = False
    color: str | None = None


class Drawing(NamedTuple):
    """What is drawn.

    Attributes
    ----------
    captions : Captions
        How all this is called.
    curves : list of Curve
        At least one.
    x, y : str
        What is on the axes.
    told : list of str
        What tells the curves apart: swept parameters and versions.
    fixed : dict of str to str
        Swept parameters that have one value in all of them, with it.
    reference : Reference or None
        What it is compared with.
    is_log : bool
        Whether the axis of the parameter is logarithmic, as its values in the study are.
    notes : list of str
        What is to be said beside it.
    """

    captions: Captions
    curves: list[Curve]
    x: str
    y: str
    told: list[str]
    fixed: dict[str, str]
    reference: Reference | None
    is_log: bool
    notes: list[str]

    @property
    def are_lines(self) -> bool:
        """Whether the result is a curve itself, a line for each point."""
        return self.curves[0].is_line


def drawing_of(
    path: Path, picture: Picture, reader: Reader, contents: StoreContents[Outcome]
) -> Drawing | Heatmap:
    """Find out what is to be drawn of a store.

    Raises
    ------
    InputError
        If that is nothing, or not one curve for each value of the series.
    """
    chosen = reader.meeting(picture.where)
    if len(reader) and not len(chosen):
        conditions = " and ".join(picture.where)
        raise InputError(f"{path}: no simulation meets --where {conditions!r}")
    every, y = Numbers(reader), picture.y
    numbers = every if chosen is reader else Numbers(chosen)
    known = {*chosen.study.names, *every.all_names}
    if picture.color:
        found = heatmap_of(path, picture, chosen, numbers, contents)
        found.notes.extend([*note(path, reader, every), *found.captions.check(known)])
        return found
    if not y and not numbers.names(np.arange(len(chosen))):
        y = next((name for name in chosen.axes if _axis_of(name, chosen, numbers)), None)
    if y and (axis := _axis_of(y, chosen, numbers)):
        choose(path, "axis", picture.x, [axis])
        drawing = _along_an_axis(path, axis, y, picture, chosen, contents)
    else:
        drawing = _against_a_parameter(path, y, picture, chosen, numbers, contents)
        drawing.notes.extend(note(path, reader, every))
    _check_ranges(path, drawing)
    if drawing.reference and drawing.told and not drawing.reference.band:
        drawing.notes.append(
            f"the reference is of {drawing.x!r} alone, the same for all {', '.join(drawing.told)}"
        )
    drawing.notes.extend(drawing.captions.check(known))
    return drawing


def _axis_of(name: str, reader: Reader, numbers: Numbers) -> str:
    """Give the axis of a result that is a curve; empty for everything else."""
    along = reader.axes.get(name, [])
    is_curve = len(along) == 1 and numbers.whole(name) is not None
    return along[0] if is_curve and not (numbers.done & numbers.have(name)).any() else ""


# ---- a result against a parameter ----------------------------------------------------------------


def _against_a_parameter(
    path: Path,
    y_name: str | None,
    picture: Picture,
    reader: Reader,
    numbers: Numbers,
    contents: StoreContents[Outcome],
) -> Drawing:
    """Give a curve for each setting of the other parameters."""
    study = reader.study
    if not numbers.done.any():
        raise InputError(
            f"{path}: no simulation is done, so there is nothing to plot; "
            f"`dask-espresso status {path}` says why"
        )
    points = Points(reader)
    others = numbers.others(points.rows)
    x = _choose_parameter(path, picture, points)
    y = choose(path, "result", y_name, result_names(reader, numbers), others)
    points = Points(reader, Versions(reader, contents.versions))
    there = np.flatnonzero(points.count(numbers.done & numbers.have(y)))
    places = points.parameter(x)
    in_order = sorted(there.tolist(), key=places.__getitem__)
    columns = {
        name: [values[group] for group in in_order]
        for name in [*study.swept, *points.marks] if name != x
        for values in [points.parameter(name)]
    }  # fmt: skip
    beside = [*points.beside(x), *points.marks]
    series = Series(path, columns, study.swept, beside, picture.series)
    at = [places[group] for group in in_order]
    if picture.series:
        series.check_alone(f"--series {picture.series}: points of one curve", at, x, series.told)
    pooled = points.pooled(numbers, y)
    bars = half_widths(pooled.sems, pooled.dofs, picture.confidence)
    means, errors = pooled.means[in_order].tolist(), bars[in_order].tolist()
    captions, found = Captions(study.labels), series.curves(len(at))
    labels = captions.curves([setting for setting, _ in found], study.name)
    values = (at, means, errors, pooled.sems[in_order].tolist())
    curves = []
    for label, (_, rows) in zip(labels, found, strict=True):
        x_, y_, bar, sem = ([column[row] for row in rows] for column in values)
        curves.append(Curve(label, x_, y_, bar, sem))
    reference = reference_of(study, x, y)
    refusal = why_not(study, points, curves) if reference else ""
    said = [f"no reference curve: {refusal}"] if refusal else []
    if without := len(points) - len(there):
        said.append(
            f"{without} of {len(points)} points have no {y!r} of a simulation that is done: "
            f"dask-espresso status {path}"
        )
    said += doubts(path, points, numbers, y, pooled)
    is_log = study.is_log(x) and all(value > 0 for value in at)
    reference = None if refusal else reference
    told, fixed = series.told, series.fixed
    return Drawing(captions, curves, x, y, told, fixed, reference, is_log, said)


def _choose_parameter(path: Path, picture: Picture, points: Points) -> str:
    """Choose what to draw against: by default the first that varies, and is no series."""
    values = {name: points.coded(name)[0] for name in points.swept}
    numeric = [name for name, given in values.items() if all(map(is_number, given))]
    if picture.x is None:
        numeric = [name for name in numeric if name != picture.series]
        numeric.sort(key=lambda name: len(values[name]) < 2)
    elif picture.x == picture.series:
        raise InputError(f"{path}: -x and --series are both {picture.x!r}; name two parameters")
    others = [name for name in points.swept if name not in numeric and name != picture.series]
    return choose(path, "parameter", picture.x, numeric, others)


# ---- a result that is a curve --------------------------------------------------------------------


def _along_an_axis(
    path: Path,
    axis: str,
    name: str,
    picture: Picture,
    reader: Reader,
    contents: StoreContents[Outcome],
) -> Drawing:
    """Give a curve for each point, of its replicas together."""
    rows = pooled_points(path, name, picture.confidence, reader, contents)
    there = [row for row in rows if row.axes]
    names = list(rows[0].parameters) if rows else []
    columns = {one: [row.parameters[one] for row in there] for one in names}
    series = Series(path, columns, reader.study.swept, names, picture.series)
    if picture.series:
        asked = f"--series {picture.series}: points of one curve"
        series.check_alone(asked, [""] * len(there), axis, series.told)
    captions, found = Captions(reader.study.labels), series.curves(len(there))
    curves = []
    labels = captions.curves([setting for setting, _ in found], reader.study.name)
    for label, (_, (number,)) in zip(labels, found, strict=True):
        row = there[number]
        columns_of = (row.axes[axis], row.mean, row.half_width, row.sem)
        x, y, error, sem = (np.asarray(one).tolist() for one in columns_of)
        curves.append(Curve(label, x, y, error, sem, is_line=True))
    notes = []
    if without := len(rows) - len(there):
        notes.append(
            f"{without} of {len(rows)} points have no {name!r} along {axis!r} of a simulation that "
            f"is done: dask-espresso status {path}"
        )
    if n_differ := sum(bool(np.any(row.differ)) for row in there):
        notes.append(
            f"warning: {name}: in {n_differ} points the replicas differ somewhere by more than "
            "their own errors"
        )
    reference = reference_of(reader.study, axis, name)
    told, fixed = series.told, series.fixed
    return Drawing(captions, curves, axis, name, told, fixed, reference, False, notes)


# ---- what cannot be drawn ------------------------------------------------------------------------


def _check_ranges(path: Path, drawing: Drawing) -> None:
    """Expect something that can be drawn."""
    x, y = drawing.x, drawing.y
    for curve in drawing.curves:
        check_range(f"{path}: parameter {x!r}", curve.x)
        check_range(f"{path}: result {y!r}", [*curve.y, *curve.y_err])
    if not drawing.curves:
        raise InputError(
            f"{path}: no simulation that is done has a number {y!r}, so there is nothing to plot; "
            f"`dask-espresso status {path}` says why"
        )
