"""The pressure curve, with what is known of it, and how far all of that is apart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dask_espresso.views.plot import plot_band
from dask_espresso.views.wca import wca_band, wca_pressure

from .comparison import MOST_SIGMAS, sigmas
from .known import GOLDEN, Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curve = Mapping[float, Value]  # pressures by volume fraction
_APART = 0.002  # so that markers of one volume fraction stand beside each other
_MARKS = "os^"
_GOLDEN_COLOUR = "goldenrod"


def draw(curves: Mapping[str, Curve], many: Mapping[str, Curve], path: Path) -> None:
    """Draw pressures, their distance from the line in percent, and their differences in sigmas.

    Parameters
    ----------
    curves, many : mapping of str to Curve
        What the engines give, by their titles; the latter for infinitely many particles.
    path : Path
        The picture.
    """
    from matplotlib.figure import Figure  # late: it takes a while

    figure = Figure(figsize=(6.4, 7.6), layout="constrained")
    top, middle, bottom = figure.subplots(3, sharex=True, height_ratios=[2, 1.2, 1.2])
    _draw_curves(top, curves)
    _draw_distances(middle, curves, many)
    _draw_sigmas(bottom, curves)
    bottom.set_xlabel("volume fraction")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _draw_curves(ax: Axes, curves: Mapping[str, Curve]) -> None:
    ends = [fraction for curve in curves.values() for fraction in curve]
    plot_band(ax, ends, wca_band, "infinitely many particles, as far as known")
    for number, (title, curve) in enumerate(curves.items()):
        means = [value.mean for value in curve.values()]
        ax.plot([*curve], means, _MARKS[number], markersize=5, label=title)
    golden = [value.mean for value in GOLDEN.values()]
    ax.plot([*GOLDEN], golden, "x", color=_GOLDEN_COLOUR, markersize=9, label="golden values")
    ax.set_ylabel("pressure / (ε/σ³)")
    ax.set_title("100 WCA particles at kT = 1")
    ax.legend()


def _draw_distances(ax: Axes, curves: Mapping[str, Curve], many: Mapping[str, Curve]) -> None:
    ends = [fraction for curve in curves.values() for fraction in curve]
    plot_band(ax, ends, _band_in_percent, "_as above")
    ax.axhline(0, color="grey", linewidth=1)
    for number, (title, curve) in enumerate(curves.items()):
        (bars, *_) = _draw_distance(ax, curve, number, fmt=_MARKS[number])
        style = {"color": bars.get_color(), "markerfacecolor": "white", "fmt": _MARKS[number]}
        _draw_distance(ax, many[title], number, label=f"{title}, infinitely many", **style)
    _draw_distance(ax, GOLDEN, len(curves), fmt="x", color=_GOLDEN_COLOUR)
    ax.set_ylabel("off the uv-theory in %")
    ax.legend(fontsize="small", loc="upper left")


def _draw_distance(ax: Axes, curve: Curve, number: int, **style: Any) -> Any:
    lines = np.array([wca_pressure(fraction) for fraction in curve])
    means, sems, _ = np.array([*curve.values()]).T
    at = np.array([*curve]) + _APART * (number - 1)
    distances, errors = 100 * (means / lines - 1), 100 * sems / lines
    return ax.errorbar(at, distances, errors, markersize=5, capsize=2, linewidth=1, **style)


def _band_in_percent(phi: Any) -> tuple[Any, Any]:
    low, high = wca_band(phi)
    line = wca_pressure(phi)
    return 100 * (low / line - 1), 100 * (high / line - 1)


def _draw_sigmas(ax: Axes, curves: Mapping[str, Curve]) -> None:
    ax.axhspan(-1, 1, color="lightgrey")
    for limit in (-MOST_SIGMAS, MOST_SIGMAS):
        ax.axhline(limit, color="firebrick", linewidth=1, linestyle="--")
    pairs: dict[str, tuple[Curve, Curve]]
    pairs = {f"{title} - golden": (curve, GOLDEN) for title, curve in curves.items()}
    if len(curves) == 2:
        (title, one), (other, another) = curves.items()
        pairs[f"{title} - {other}"] = (one, another)
    for number, (title, (one, another)) in enumerate(pairs.items()):
        common = [fraction for fraction in one if fraction in another]
        zs = [sigmas(one[fraction], another[fraction]) for fraction in common]
        at = np.array(common) + _APART * (number - 1)
        ax.plot(at, zs, _MARKS[number], markersize=5, label=title)
    farthest = max(MOST_SIGMAS, *map(abs, ax.dataLim.intervaly))
    ax.set_ylim(-farthest - 1, farthest + 3)  # with room for the legend
    ax.set_ylabel("difference / its error")
    ax.legend(ncols=3, fontsize="small", loc="upper center")
