"""Curves on axes: points with error bars, lines with bands, and what they are compared with.

They can be told apart in grey: the colours differ in lightness, markers and lines differ, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.ticker import Formatter
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "MAX_LEGEND",
    "Curve",
    "log_formatter",
    "plot_band",
    "plot_curves",
    "plot_reference",
    "plot_residuals",
]

MAX_LEGEND = 10  # curves; more cannot be told apart, and a legend has no more room
_MAX_TICKS = 7  # of the colour bar
_LIGHTEST = 0.85  # of the colours from dark to light: beyond, they are lost on white
_MARKERS = "os^Dv<P>X*"
_LINES = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class Curve:
    """What belongs together.

    Attributes
    ----------
    label : str
        What the legend or the colour bar calls it.
    x, y, y_err : sequence of float
        The points, and how far the error bars of `y` reach; nan, infinite or negative draws none.
    sems : sequence of float
        Standard errors of `y`, for who compares it with something.
    is_line : bool
        Whether it is a line, with a band for its errors, in place of points with bars.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    y_err: Sequence[float]
    sems: Sequence[float] = ()
    is_line: bool = False


def plot_curves(
    ax: Axes, curves: Sequence[Curve], curves_label: str | None = "", are_joined: bool = True
) -> None:
    """Plot curves.

    Up to ten get a legend; more are told apart by the colours of a colour bar, in their order.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    curves : sequence of Curve
        The points of each in any order.
    curves_label : str
        What the colour bar shows; None for none, where it is on other axes already.
    are_joined : bool
        Whether thin lines join the points of each of several curves.
    """
    if len(curves) > MAX_LEGEND:
        _plot_in_colours(ax, curves, curves_label)
        return
    for number, (curve, colour) in enumerate(zip(curves, _colours(len(curves)), strict=True)):
        draw = _plot_line if curve.is_line else _plot_points
        # points of one curve need nothing that holds them together
        has_line = curve.is_line or (are_joined and len(curves) > 1)
        line = _LINES[number % len(_LINES)] if has_line else ""
        draw(ax, curve, color=colour, linestyle=line, marker=_MARKERS[number % len(_MARKERS)])


def _colours(count: int) -> list[Any]:
    from matplotlib import colormaps  # here, so that importing this module is cheap

    shades = np.linspace(0, _LIGHTEST, count) if count > 1 else [0.25]
    return [colormaps["viridis"](shade) for shade in shades]


def _plot_points(ax: Axes, curve: Curve, **style: Any) -> None:
    x, y, error = _sorted_points(curve)
    ax.errorbar(
        x, y, yerr=error, label=_shown(curve.label),
        markersize=5, linewidth=0.8, elinewidth=1, capsize=2, **style,
    )  # fmt: skip


def _plot_line(ax: Axes, curve: Curve, *, marker: str, **style: Any) -> None:
    x, y, error = _sorted_points(curve)
    ax.plot(x, y, linewidth=1.5, label=_shown(curve.label), **style)
    ax.fill_between(x, y - error, y + error, color=style["color"], alpha=0.25, linewidth=0)


def _shown(label: str) -> str:
    """Have a label that begins with an underscore, which would be left out."""
    return f" {label}" if label.startswith("_") else label


def _plot_in_colours(ax: Axes, curves: Sequence[Curve], label: str | None) -> None:
    """Plot all curves at once: a legend of hundreds takes minutes, and tells nothing."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import LineCollection
    from matplotlib.colors import ListedColormap, Normalize

    parts = [_sorted_points(curve) for curve in curves]
    numbers = np.repeat(np.arange(len(curves)), [part.shape[1] for part in parts])
    colours = ScalarMappable(Normalize(0, len(curves) - 1), ListedColormap(_colours(256)))
    if curves[0].is_line:
        lines = [part[:2].T for part in parts]
        shades = colours.to_rgba(np.arange(len(curves)))
        ax.add_collection(LineCollection(lines, colors=shades, linewidths=1))
        ax.autoscale_view()
    else:
        x, y, error = np.hstack(parts)
        shades = colours.to_rgba(numbers)
        ax.scatter(x, y, c=shades, s=8, zorder=2)
        has_bar = np.isfinite(error)
        bars = (x[has_bar], (y - error)[has_bar], (y + error)[has_bar])
        ax.vlines(*bars, colors=shades[has_bar].tolist(), linewidth=1, zorder=2)
    if label is None:
        return
    bar = ax.figure.colorbar(colours, ax=ax, label=label)
    ticks = np.unique(np.linspace(0, len(curves) - 1, _MAX_TICKS).round().astype(int)).tolist()
    bar.set_ticks(ticks, labels=[curves[i].label for i in ticks])


def _sorted_points(curve: Curve) -> NDArray[np.float64]:
    """Give rows of x, y and errors, by x; what is no error becomes nan."""
    x, y, error = (np.asarray(one, dtype=float) for one in (curve.x, curve.y, curve.y_err))
    if any(column.ndim != 1 or column.shape != x.shape for column in (x, y, error)):
        shapes = f"{x.shape}, {y.shape}, {error.shape}"
        raise ValueError(
            f"x, y and y_err have to be one-dimensional and of the same length, not {shapes}"
        )
    error = np.where((error >= 0) & np.isfinite(error), error, np.nan)
    return np.array([x, y, error])[:, np.argsort(x, kind="stable")]


def plot_residuals(ax: Axes, curves: Sequence[Curve]) -> None:
    """Plot how many standard errors curves are off, on the grey of one standard error."""
    ax.axhspan(-1, 1, color="0.85", linewidth=0, zorder=0)
    ax.axhline(0, color="0.3", linewidth=0.8, zorder=1)
    plot_curves(ax, curves, None, are_joined=False)
    ax.margins(y=0.15)  # in so low a panel, markers at the edge would be cut
    ax.set_ylabel(r"residual / $\sigma$")


def log_formatter() -> Formatter:
    """Make what writes the numbers of a logarithmic axis: those near 1 as they are, such as 20."""
    from matplotlib.ticker import LogFormatterSciNotation

    class Plain(LogFormatterSciNotation):
        def __call__(self, x: float, pos: int | None = None) -> str:
            written = str(super().__call__(x, pos))
            return f"{x:g}" if written and 1e-3 < x < 1e4 else written

    return Plain()


def plot_reference(
    ax: Axes, x: ArrayLike, reference: Callable[[NDArray[np.float64]], Any], label: str
) -> None:
    """Draw a curve to compare with, beneath all else.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw, before anything else that has a label.
    x : array_like, shape (N,)
        Points over whose range it is drawn.
    reference : callable
        Gives y for an array of x, such as :func:`~dask_espresso.views.wca.wca_pressure`.
    label : str
        What the legend calls it.
    """
    if len(fine := _fine(ax, x)):
        ax.plot(fine, reference(fine), color="0.3", linewidth=0.8, zorder=1, label=label)


def plot_band(
    ax: Axes,
    x: ArrayLike,
    band: Callable[[NDArray[np.float64]], tuple[Any, Any]],
    label: str,
) -> None:
    """Draw what is known of a reference's error as a light band, which all else covers.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw, before anything else that has a label.
    x : array_like, shape (N,)
        Points over whose range it is drawn.
    band : callable
        Gives its lower and its upper end for an array of x, such as
        :func:`~dask_espresso.views.wca.wca_band`; nan where there is none.
    label : str
        What the legend calls it.
    """
    fine = _fine(ax, x)
    # its edges are drawn, too: else one narrower than the line of the reference would be covered
    ax.fill_between(fine, *band(fine), color="0.8", linewidth=2, zorder=0.9, label=label)


def _fine(ax: Axes, x: ArrayLike) -> NDArray[np.float64]:
    """Give the range of points in small steps on an axis; nothing where there are none."""
    points = np.asarray(x, dtype=float)
    finite = points[np.isfinite(points)]
    steps = np.geomspace if ax.get_xscale() == "log" else np.linspace
    return steps(finite.min(), finite.max(), 400) if len(finite) else finite
