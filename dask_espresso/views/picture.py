"""A picture of the results of a store: one of them against a parameter, with error bars."""

from __future__ import annotations

import functools
import io
import math
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import InputError
from ..outcome import Outcome
from ..store.arrays import Values
from ..store.contents import StoreContents
from ..store.reader import Reader
from ..store.reading import look
from .doubts import doubts
from .export import check_free, write_output
from .intervals import half_widths, meaning
from .numbers import Numbers, is_number
from .plot import (
    MAX_LEGEND,
    WCA_HIGHER,
    Curve,
    plot_band,
    plot_curves,
    wca_band,
    wca_pressure,
)
from .points import Points
from .pooled import pooled_points
from .show import note, result_names
from .texts import literal, short, some_of
from .versions import Versions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# parameters that the reference curve is in units of
_UNITS = frozenset({"kT", "temperature", "epsilon", "sigma"})
_BAND_LABEL = f"simulations, N \u2192 \u221e: up to {100 * WCA_HIGHER:g} % higher"
_LONG_LABEL = 30  # characters
_LARGEST = 1e300  # matplotlib needs room for margins and ticks, and floats end at 1.8e308


class _Drawing(NamedTuple):
    """What is drawn.

    Attributes
    ----------
    curves : list of Curve
        One for each setting of the other swept parameters.
    x, y, others : str
        What is on the axes, and what tells the curves apart.
    has_reference : bool
        Whether the equation of state of the WCA fluid is drawn, too.
    is_log : bool
        Whether the axis of the parameter is logarithmic, as its values in the study are.
    notes : list of str
        What is to be said beside it.
    """

    curves: list[Curve]
    x: str
    y: str
    others: str
    has_reference: bool
    is_log: bool
    notes: list[str]


def plot_store(
    path: Path,
    output: Path,
    x_name: str | None,
    y_name: str | None,
    confidence: float | None = None,
) -> list[str]:
    """Plot a result against a parameter into a picture.

    Parameters
    ----------
    path : Path
        The store.
    output : Path
        The picture; its suffix says which kind.
    x_name, y_name : str or None
        By default the first parameter swept over numbers and the first result.
    confidence : float, optional
        In percent, of the intervals that are drawn as bars; by default these are one standard
        error.

    Returns
    -------
    list of str
        What is to be said beside it.

    Raises
    ------
    InputError
        If there is nothing to plot, no such parameter or result, or no such kind of picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    kinds = figure.canvas.get_supported_filetypes()
    kind = output.suffix[1:].lower()
    if kind not in kinds:
        raise InputError(f"{output}: name a picture that ends in .{', .'.join(sorted(kinds))}")
    check_free(output, path)
    drawing = look(path, functools.partial(_drawing, path, x_name, y_name, confidence))
    axes = figure.add_subplot()
    if drawing.has_reference:
        plot_band(axes, [x for curve in drawing.curves for x in curve.x], wca_band, _BAND_LABEL)
    plot_curves(
        drawing.curves,
        x_label=_drawable(drawing.x).replace("_", " "),
        y_label=_drawable(drawing.y).replace("_", " "),
        curves_label=_drawable(drawing.others).replace("_", " "),
        reference=wca_pressure if drawing.has_reference else None,
        reference_label="WCA equation of state",
        ax=axes,
    )
    if drawing.is_log:
        axes.set_xscale("log")
    if any(error > 0 for curve in drawing.curves for error in curve.y_err):
        axes.set_title(f"bars: {meaning(confidence)}", loc="right", fontsize="small", color="0.4")
    write_output(output, [_picture(figure, output, kind)])
    return drawing.notes


def _picture(figure: Figure, output: Path, kind: str) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # what the font lacks is drawn as a box
        try:
            figure.savefig(stream, format=kind, dpi=150)
        except Exception as error:  # a backend may need programs, and say so in any way
            said = literal(str(error).partition("\n")[0])
            raise InputError(
                f"{output}: cannot be drawn ({type(error).__name__}: {said}); "
                "try another kind of picture, such as .png"
            ) from error
    return stream.getvalue()


def _drawing(
    path: Path,
    x_name: str | None,
    y_name: str | None,
    confidence: float | None,
    reader: Reader,
    contents: StoreContents[Outcome],
) -> _Drawing:
    study, numbers = reader.study, Numbers(reader)
    if not y_name and not numbers.names(np.arange(len(reader))):
        y_name = next((name for name in reader.axes if _axis_of(name, reader, numbers)), None)
    if y_name and (axis := _axis_of(y_name, reader, numbers)):
        _choose(path, "axis", x_name, [axis])
        return _drawing_of_curves(path, axis, y_name, confidence, reader, contents)
    if not numbers.done.any():
        raise InputError(
            f"{path}: no simulation is done, so there is nothing to plot; "
            f"`dask-espresso status {path}` says why"
        )
    points = Points(reader)
    numeric = [name for name in study.swept if all(map(is_number, points.coded(name)[0]))]
    x = _choose(path, "parameter", x_name, numeric, [n for n in study.swept if n not in numeric])
    others = numbers.others(points.rows)
    y = _choose(path, "result", y_name, result_names(reader, numbers), others)
    points = Points(reader, Versions(reader, contents.versions))
    there = np.flatnonzero(points.count(numbers.done & numbers.have(y)))
    pooled = points.pooled(numbers, y)
    bars = half_widths(pooled.sems, pooled.dofs, confidence)
    curves = _curves(points, there, x, pooled.means, bars, study.name)
    _check_ranges(path, curves, x, y)
    is_reference = study.reference == "wca" and (x, y) == ("volume_fraction", "pressure")
    refusal = _no_reference(reader, points, curves) if is_reference else ""
    said = [f"no reference curve: {refusal}"] if refusal else []
    if without := len(points) - len(there):
        said.append(
            f"{without} of {len(points)} points have no {y!r} of a simulation that is done: "
            f"dask-espresso status {path}"
        )
    of_curves = ", ".join(_others(points, x))
    has_reference = is_reference and not refusal
    said += [*doubts(path, points, numbers, y, pooled), *note(path, reader, numbers)]
    is_log = study.is_log(x) and all(value > 0 for curve in curves for value in curve.x)
    return _Drawing(curves, x, y, of_curves, has_reference, is_log, said)


def _axis_of(name: str, reader: Reader, numbers: Numbers) -> str:
    """Give the axis of a result that is a curve; empty for everything else."""
    along = reader.axes.get(name, [])
    is_curve = len(along) == 1 and numbers.whole(name) is not None
    return along[0] if is_curve and not (numbers.done & numbers.have(name)).any() else ""


def _drawing_of_curves(
    path: Path,
    axis: str,
    name: str,
    confidence: float | None,
    reader: Reader,
    contents: StoreContents[Outcome],
) -> _Drawing:
    """Give a curve for each point, of its replicas together."""
    rows = pooled_points(path, name, confidence, reader, contents)
    there = [row for row in rows if row.axes]
    parameters = list(rows[0].parameters) if rows else []
    texts = [short([row.parameters[parameter] for row in there]) for parameter in parameters]
    curves = []
    for row, values in zip(there, zip(*texts, strict=True) if texts else [()], strict=True):
        label = ", ".join(f"{one} = {text}" for one, text in zip(parameters, values, strict=True))
        label = ", ".join(values) if len(there) > MAX_LEGEND else label
        numbers = (row.axes[axis], row.mean, row.half_width)
        x, y, y_err = (np.asarray(one).tolist() for one in numbers)
        curves.append(Curve(_drawable(label or reader.study.name), x, y, y_err))
    _check_ranges(path, curves, axis, name)
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
    return _Drawing(curves, axis, name, ", ".join(parameters), False, False, notes)


def _others(points: Points, x: str) -> list[str]:
    """Name what tells the curves apart."""
    return [*points.beside(x), *points.marks]


def _curves(
    points: Points, there: Values, x: str, y: Values, y_err: Values, name: str
) -> list[Curve]:
    """Give a curve for each setting of the other parameters, of those groups that have the result.

    One that has no other parameters gets the given name.
    """
    others = _others(points, x)
    found = _settings(points, there, others)
    places = points.parameter(x)
    means, errors = y.tolist(), y_err.tolist()
    curves = []
    for texts, groups in found.items():
        label = ", ".join(f"{other} = {text}" for other, text in zip(others, texts, strict=True))
        if len(found) > MAX_LEGEND:
            label = ", ".join(texts)  # the colour bar has the names
        groups = sorted(groups, key=lambda group: float(places[group]))
        curves.append(
            Curve(
                label=_drawable(label or name),
                x=[places[group] for group in groups],
                y=[means[group] for group in groups],
                y_err=[errors[group] for group in groups],
            )
        )
    return curves


def _settings(
    points: Points, there: Values, others: Sequence[str]
) -> dict[tuple[str, ...], list[int]]:
    """Give the groups of each curve by its other parameters, in an order of these if there is."""
    if len(others) == 1:
        values = points.parameter(others[0])
        if all(is_number(values[group]) for group in there.tolist()):
            in_order = sorted(there.tolist(), key=lambda group: float(values[group]))
            there = np.array(in_order, np.intp)
    texts = [points.texts(name, there, short) for name in others]
    found: dict[tuple[str, ...], list[int]] = {}
    for i, group in enumerate(there.tolist()):
        found.setdefault(tuple(text[i] for text in texts), []).append(group)
    return found


def _check_ranges(path: Path, curves: Sequence[Curve], x: str, y: str) -> None:
    """Expect something that can be drawn."""
    for curve in curves:
        _check_range(f"{path}: parameter {x!r}", curve.x)
        _check_range(f"{path}: result {y!r}", [*curve.y, *curve.y_err])
    if not curves:
        raise InputError(
            f"{path}: no simulation that is done has a number {y!r}, so there is nothing to plot; "
            f"`dask-espresso status {path}` says why"
        )


def _no_reference(reader: Reader, points: Points, curves: Sequence[Curve]) -> str:
    """Say why the equation of state of the WCA fluid does not hold here; empty if it does."""
    names = [name for name in reader.study.names if name in _UNITS]
    for values in zip(*map(points.parameter, names), strict=True):
        for name, value in zip(names, values, strict=True):
            if value != 1:
                return f"that of wca holds for {name} = 1, not for {name} = {value}"
    if not all(0 <= fraction < 1 for curve in curves for fraction in curve.x):
        return "that of wca holds for volume fractions from 0 to 1"
    return ""


def _choose(
    path: Path, kind: str, name: str | None, known: list[str], others: Sequence[str] = ()
) -> str:
    if name in known:
        return str(name)
    if name is None and known:
        return known[0]
    wanted = f"no {kind} {name!r}" if name else f"no numeric {kind}"
    there = f"; there are {some_of(known)}" if known else ""
    there += f"; no numbers: {some_of(others)}" if others else ""
    raise InputError(f"{path}: {wanted} to plot{there}")


def _check_range(what: str, values: Iterable[float]) -> None:
    for value in values:
        if abs(value) > _LARGEST:  # NaN is not
            said = f"{value:.6g}" if math.isfinite(value) else "beyond floats"
            raise InputError(f"{what} is {said}; numbers above {_LARGEST:g} cannot be drawn")


def _drawable(text: str) -> str:
    """Give a text of the user's for a picture: no formula, and not too long."""
    short = text if len(text) <= _LONG_LABEL else f"{text[: _LONG_LABEL - 10]} … {text[-7:]}"
    return literal(short).replace("$", r"\$")
