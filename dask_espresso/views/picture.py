"""A picture of the results of stores, as a file."""

from __future__ import annotations

import dataclasses
import functools
import io
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..store.reading import look
from .drawing import Drawing, Picture, drawing_of
from .export import check_free, write_output
from .heatmap import Heatmap, plot_heatmap
from .intervals import meaning
from .plot import (
    Curve,
    log_formatter,
    plot_band,
    plot_curves,
    plot_reference,
    plot_residuals,
)
from .reference import residuals
from .texts import literal
from .together import together

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NO_PLACE = "values are not above 0: a logarithmic axis has no place for them"
_UNKNOWN = "points have no error, or no reference there, and no residual"
_FORMULA = re.compile(r"\\[a-zA-Z]+|[${}_^]")  # what is not seen of one
_BESIDE: Any = {"fontsize": "small", "color": "0.4"}
_WIDE = 30  # characters of a legend that has no room beside curves


def plot_stores(paths: Sequence[Path], output: Path, picture: Picture | None = None) -> list[str]:
    """Plot a result of stores into a picture.

    Parameters
    ----------
    paths : sequence of Path
        The stores, at least one; of several, the legend has the names.
    output : Path
        The picture; its suffix says which kind.
    picture : Picture, optional
        What is to be drawn; what it leaves open is as in the first store.

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

    picture = picture or Picture()
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    kinds = figure.canvas.get_supported_filetypes()
    kind = output.suffix[1:].lower()
    if kind not in kinds:
        raise InputError(f"{output}: name a picture that ends in .{', .'.join(sorted(kinds))}")
    for path in paths:
        check_free(output, path)
    drawing = drawing_of_all(paths, picture)
    notes = [*drawing.notes, *draw(figure, drawing, picture)]
    write_output(output, [_picture(figure, output, kind)])
    return notes


def drawing_of_all(paths: Sequence[Path], picture: Picture) -> Drawing | Heatmap:
    """Find out what is to be drawn of stores, as :func:`plot_stores` draws it."""
    if picture.color:
        if len(paths) > 1:
            raise InputError("--color: a map is of one store; plot each by itself")
        if picture.series or picture.residuals:
            raise InputError("--color: a map has no curves; leave --series and --residuals out")
        return look(paths[0], functools.partial(drawing_of, paths[0], picture))
    drawings: list[Drawing] = []
    for path in paths:
        drawing = look(path, functools.partial(drawing_of, path, picture))
        assert isinstance(drawing, Drawing)
        picture = dataclasses.replace(picture, x=drawing.x, y=drawing.y)
        drawings.append(drawing)
    return together(paths, drawings)


def draw(figure: Figure, drawing: Drawing | Heatmap, picture: Picture) -> list[str]:
    """Draw it into an empty figure, and give what is to be said beside it."""
    drawing.captions.check_formulas()
    if isinstance(drawing, Drawing):
        return _draw_curves(figure, drawing, picture)
    ax = figure.add_subplot()
    plot_heatmap(ax, drawing)
    ax.set_xlabel(drawing.captions.name(drawing.x))
    ax.set_ylabel(drawing.captions.name(drawing.y))
    ax.set_title(drawing.captions.setting(drawing.fixed), loc="left", **_BESIDE)
    largest = np.nanmax(drawing.bars) if np.isfinite(drawing.bars).any() else 0
    if largest > 0:
        said = f"{meaning(picture.confidence)}: up to {largest:.2g}"
        ax.set_title(said, loc="right", **_BESIDE)
    return []


def _draw_curves(figure: Figure, drawing: Drawing, picture: Picture) -> list[str]:
    log = ("x" if drawing.is_log else "") if picture.log is None else picture.log
    log = "" if log == "none" else log
    curves, n_left_out = _on_log_axes(drawing, log)
    ax, beneath = _axes(figure, drawing, picture, log)
    every_x = [x for curve in curves for x in curve.x]
    if (reference := drawing.reference) and reference.band:
        plot_band(ax, every_x, reference.band, reference.band_label)
    if reference:
        plot_reference(ax, every_x, reference.function, reference.label)
    told = ", ".join(map(drawing.captions.name, drawing.told))
    plot_curves(ax, curves, told, are_joined=reference is None)
    n_unknown = 0
    if reference and beneath:
        off = [residuals(curve, reference) for curve in curves]
        plot_residuals(beneath, off)
        n_unknown = int(np.isnan([y for curve in off for y in curve.y]).sum())
    (beneath or ax).set_xlabel(drawing.captions.name(drawing.x))
    ax.set_ylabel(drawing.captions.name(drawing.y))
    _add_legend(figure, ax)
    _say_beside(ax, drawing, picture)
    return [
        f"{count} {said}"
        for count, said in ((n_left_out, _NO_PLACE), (n_unknown, _UNKNOWN))
        if count
    ]


def _axes(figure: Figure, drawing: Drawing, picture: Picture, log: str) -> tuple[Axes, Axes | None]:
    """Make axes, and those of residuals if they are wanted."""
    if not picture.residuals:
        axes = [figure.add_subplot()]
    elif drawing.reference:
        axes = [*figure.subplots(2, sharex=True, height_ratios=[3, 1])]
    else:
        raise InputError(
            f"--residuals: there is no reference for {drawing.y} against {drawing.x}; the study "
            "may name one: reference: {file: theory.csv, x: …, y: …}"
        )
    for ax in axes:
        ax.set_axisbelow(True)
        ax.grid(color="0.9", linewidth=0.8)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set(**{f"{axis}scale": "log" for axis in log})
    for name in log:
        axis = axes[0].xaxis if name == "x" else axes[0].yaxis
        for set_formatter in (axis.set_major_formatter, axis.set_minor_formatter):
            set_formatter(log_formatter())
    return axes[0], axes[1] if picture.residuals else None


def _add_legend(figure: Figure, ax: Axes) -> None:
    """Add it where there is something to tell; beneath, where it would cover the curves."""
    handles, labels = ax.get_legend_handles_labels()
    seen = [_FORMULA.sub("", label.replace("\\", "x\\")) for label in labels]
    if any(len(line) > _WIDE for label in seen for line in label.splitlines()):
        figure.legend(handles, labels, loc="outside lower center", frameon=False)
    elif labels:
        ax.legend(frameon=False)


def _say_beside(ax: Axes, drawing: Drawing, picture: Picture) -> None:
    """Say what the same in all curves is, and what bars and bands are."""
    if drawing.fixed:
        ax.set_title(drawing.captions.setting(drawing.fixed), loc="left", **_BESIDE)
    if ax.get_legend() is None and drawing.are_lines:
        return  # of many lines, which have no room for bands
    if any(error > 0 for curve in drawing.curves for error in curve.y_err):
        shapes = "bands" if drawing.are_lines else "bars"
        ax.set_title(f"{shapes}: {meaning(picture.confidence)}", loc="right", **_BESIDE)


def _on_log_axes(drawing: Drawing, log: str) -> tuple[list[Curve], int]:
    """Give curves for logarithmic axes, and how much of lines is left out since it is not positive.

    Raises
    ------
    InputError
        If a point is not positive.
    """
    found, n_left_out = [], 0
    for curve in drawing.curves:
        columns = np.array([curve.x, curve.y, curve.y_err, curve.sems], dtype=float)
        wrong = np.zeros(columns.shape[1], bool)
        for axis in log:
            wrong |= columns["xy".index(axis)] <= 0
        if wrong.any():
            if not curve.is_line:
                raise InputError(_not_positive(drawing, log, columns[:, wrong][:, 0]))
            n_left_out += int(wrong.sum())
            x, y, y_err, sems = columns[:, ~wrong].tolist()
            curve = dataclasses.replace(curve, x=x, y=y, y_err=y_err, sems=sems)
        found.append(curve)
    return found, n_left_out


def _not_positive(drawing: Drawing, log: str, point: Any) -> str:
    x, y, *_ = point.tolist()
    place = f"{drawing.x} = {x:g}"
    what = place if "x" in log and x <= 0 else f"{drawing.y} is {y:g} at {place}, which"
    return (
        f"--log {log}: {what} has no place on a logarithmic axis; leave it out, as by "
        f"--where '{drawing.x} != {x:g}', or write --log {log.replace('y', '') or 'none'}"
    )


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
