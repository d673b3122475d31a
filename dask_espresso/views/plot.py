"""Curves with error bars, and the equation of state to compare them with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "MAX_LEGEND",
    "Curve",
    "plot_band",
    "plot_curve",
    "plot_curves",
    "wca_band",
    "wca_pressure",
]

MAX_LEGEND = 10  # curves; matplotlib has no more colours, and a legend no more room
_MAX_TICKS = 7  # of the colour bar

WCA_HIGHER = 0.008  # by which share simulations are above wca_pressure at most, as measured
_FLUID = 0.48  # volume fraction up to which the WCA fluid is one

# effective packing fractions of the uv-theory at T* = 1, as polynomials in phi, lowest order first
_ETA_A = np.polynomial.Polynomial([0.0, 0.8793979794, -0.0808892890, -0.4027249990, 0.3623386774])
_ETA_B = np.polynomial.Polynomial([0.0, 0.8825779836, -0.1174618909, -0.1930003167])


def wca_pressure(volume_fraction: ArrayLike) -> NDArray[np.float64]:
    """Pressure of the WCA fluid at kT = epsilon, from the uv-theory's reference fluid.

    Parameters
    ----------
    volume_fraction : array_like, any shape
        n_particles (pi / 6) sigma**3 / volume, dimensionless, below 1. The fluid freezes near 0.48;
        what is given above continues the fluid.

    Returns
    -------
    numpy.ndarray, same shape
        Pressure in units of epsilon / sigma**3.

    Notes
    -----
    Source: T. van Westen and J. Gross, J. Chem. Phys. 155, 244501 (2021),
    doi 10.1063/5.0073572, at T* = 1 and for the Mie 12-6 potential, where the effective diameter
    is sigma. It is a little low: molecular dynamics of infinitely many particles is 0.1 % higher at
    0.1, 0.3 % at 0.2, 0.5 % at 0.3, 0.7 % from 0.35 to 0.45 and 0.4 % at 0.48, each with a standard
    error of 0.04 to 0.08 %. It comes from 100 and 400 particles, extrapolated in 1 / N, with LAMMPS
    and a time step of 0.0025. 100 particles give 0.3 % less than infinitely many at 0.3, 1.0 % at
    0.45 and 1.4 % at 0.48.

    Examples
    --------
    >>> print(wca_pressure([0.1, 0.3]).round(4))
    [0.2968 2.4107]
    """
    phi = np.asarray(volume_fraction, dtype=float)
    # derivative of the residual Helmholtz energy per particle, hard spheres first
    hard_spheres = (4 - 2 * phi) / (1 - phi) ** 3
    at_a, at_b = _ETA_A(phi), _ETA_B(phi)
    softness = 0.3615884504 * _contact(at_a) - 0.4142135624 * _contact(at_b)
    slope_a = _contact_slope(at_a) * _ETA_A.deriv()(phi)
    slope_b = _contact_slope(at_b) * _ETA_B.deriv()(phi)
    softness_slope = 0.3615884504 * slope_a - 0.4142135624 * slope_b
    slope = hard_spheres - 4 * (softness + phi * softness_slope)
    return np.asarray(6 * phi / np.pi * (1 + phi * slope))


def wca_band(volume_fraction: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Say between which pressures simulations of infinitely many WCA particles are.

    Parameters
    ----------
    volume_fraction : array_like, any shape
        As in :func:`wca_pressure`, which is the lower end.

    Returns
    -------
    low, high : numpy.ndarray, same shape
        In units of epsilon / sigma**3; nan where the fluid may freeze, above 0.48.
    """
    is_fluid = np.asarray(volume_fraction) <= _FLUID
    low = np.where(is_fluid, wca_pressure(volume_fraction), np.nan)
    return low, low * (1 + WCA_HIGHER)


def _contact(eta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the Carnahan-Starling contact value (1 - eta / 2) / (1 - eta)**3."""
    return (1 - eta / 2) / (1 - eta) ** 3


def _contact_slope(eta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the derivative of the contact value."""
    return (2.5 - eta) / (1 - eta) ** 4


def plot_curve(
    x: ArrayLike,
    y: ArrayLike,
    y_err: ArrayLike | None = None,
    *,
    x_label: str,
    y_label: str,
    label: str | None = None,
    reference: Callable[[NDArray[np.float64]], Any] | None = None,
    reference_label: str = "reference",
    ax: Axes | None = None,
) -> Axes:
    """Plot points with error bars, and a reference curve beneath them.

    Parameters
    ----------
    x, y : array_like, shape (N,)
        The points, in any order.
    y_err : array_like, shape (N,), optional
        Standard errors of `y`, in the same unit; one that is nan, infinite or negative draws no
        bar.
    x_label, y_label : str
        What the axes show, with units.
    label : str, optional
        What the legend calls the points.
    reference : callable, optional
        Gives y for an array of x, such as :func:`wca_pressure`; drawn over the range of `x`.
    reference_label : str
        What the legend calls the reference.
    ax : matplotlib.axes.Axes, optional
        Where to draw, by default a new figure of 6.4 x 4.8 inches.

    Returns
    -------
    matplotlib.axes.Axes
        The given or the new one. ``ax.figure.savefig(path)`` writes the figure; no pyplot state
        is touched.

    Raises
    ------
    ValueError
        If `x`, `y` and `y_err` are not one-dimensional and of the same length.
    """
    points = _sorted_points(x, y, y_err)
    ax = _new_axes() if ax is None else ax
    if reference is not None:
        _plot_reference(ax, points[0], reference, reference_label)
    ax.errorbar(
        points[0],
        points[1],
        yerr=None if y_err is None else points[2],
        fmt="o",
        markersize=4,
        linewidth=1,
        capsize=2,
        label=label,
    )
    return _labelled(ax, x_label, y_label)


@dataclass(frozen=True)
class Curve:
    """The points of one curve, as :func:`plot_curve` takes them.

    Attributes
    ----------
    label : str
        What the legend or the colour bar calls it.
    x, y, y_err : sequence of float
        The points and the standard errors of `y`; nan draws no bar.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    y_err: Sequence[float]


def plot_curves(
    curves: Sequence[Curve],
    *,
    x_label: str,
    y_label: str,
    curves_label: str = "",
    reference: Callable[[NDArray[np.float64]], Any] | None = None,
    reference_label: str = "reference",
    ax: Axes | None = None,
) -> Axes:
    """Plot several curves, and a reference curve beneath them.

    Up to ten have a legend; more are told apart by the colours of a colour bar, in their order.

    Parameters
    ----------
    curves : sequence of Curve
        The curves.
    curves_label : str
        What the colour bar shows.
    x_label, y_label, reference, reference_label, ax
        As in :func:`plot_curve`.

    Returns
    -------
    matplotlib.axes.Axes
        The given or the new one.
    """
    ax = _new_axes() if ax is None else ax
    if reference is not None:
        every_x = np.concatenate([np.asarray(curve.x, dtype=float) for curve in curves])
        _plot_reference(ax, every_x, reference, reference_label)
    if len(curves) > MAX_LEGEND:
        _plot_in_colours(ax, curves, curves_label)
        return _labelled(ax, x_label, y_label)
    for curve in curves:
        # a label that begins with an underscore would be left out
        label = f" {curve.label}" if curve.label.startswith("_") else curve.label
        plot_curve(
            curve.x, curve.y, curve.y_err, x_label=x_label, y_label=y_label, label=label, ax=ax
        )
    return _labelled(ax, x_label, y_label)


def _plot_in_colours(ax: Axes, curves: Sequence[Curve], label: str) -> None:
    """Plot all points at once: a legend of hundreds of curves takes minutes, and tells nothing."""
    x, y, error = np.hstack([_sorted_points(c.x, c.y, c.y_err) for c in curves])
    number = np.repeat(np.arange(len(curves)), [len(curve.x) for curve in curves])
    points = ax.scatter(x, y, c=number, s=8, zorder=2)
    has_bar = np.isfinite(error)
    bars = (x[has_bar], (y - error)[has_bar], (y + error)[has_bar])
    ax.vlines(*bars, colors=points.to_rgba(number[has_bar]).tolist(), linewidth=1, zorder=2)
    bar = ax.figure.colorbar(points, ax=ax, label=label)
    ticks = np.unique(np.linspace(0, len(curves) - 1, _MAX_TICKS).round().astype(int)).tolist()
    bar.set_ticks(ticks, labels=[curves[i].label for i in ticks])


def _sorted_points(x: ArrayLike, y: ArrayLike, y_err: ArrayLike | None) -> NDArray[np.float64]:
    """Give rows of x, y and standard errors, by x; what is no standard error becomes nan."""
    given = [x, y] if y_err is None else [x, y, y_err]
    columns = [np.asarray(column, dtype=float) for column in given]
    if any(column.ndim != 1 or column.shape != columns[0].shape for column in columns):
        shapes = ", ".join(str(column.shape) for column in columns)
        raise ValueError(
            f"x, y and y_err have to be one-dimensional and of the same length, not {shapes}"
        )
    errors = columns[2] if y_err is not None else np.full_like(columns[0], np.nan)
    errors = np.where((errors >= 0) & np.isfinite(errors), errors, np.nan)
    return np.array([columns[0], columns[1], errors])[:, np.argsort(columns[0], kind="stable")]


def _plot_reference(
    ax: Axes, x: NDArray[np.float64], reference: Callable[[NDArray[np.float64]], Any], label: str
) -> None:
    if len(fine := _fine(x)):
        ax.plot(fine, reference(fine), color="0.3", linewidth=0.8, zorder=1, label=label)


def _fine(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the range of points in small steps; nothing where there are none."""
    finite = x[np.isfinite(x)]
    return np.linspace(finite.min(), finite.max(), 400) if len(finite) else finite


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
        Where to draw, before anything that makes a legend.
    x : array_like, shape (N,)
        Points over whose range it is drawn.
    band : callable
        Gives its lower and its upper end for an array of x, such as :func:`wca_band`; nan where
        there is none.
    label : str
        What the legend calls it.
    """
    fine = _fine(np.asarray(x, dtype=float))
    # its edges are drawn, too: else one narrower than the line of the reference would be covered
    ax.fill_between(fine, *band(fine), color="0.8", linewidth=2, zorder=0.9, label=label)


def _labelled(ax: Axes, x_label: str, y_label: str) -> Axes:
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    if ax.get_legend_handles_labels()[1]:
        ax.legend(frameon=False)
    return ax


def _new_axes() -> Axes:
    from matplotlib.figure import Figure  # here, so that importing this module is cheap

    ax = Figure(figsize=(6.4, 4.8), layout="constrained").add_subplot()
    ax.set_axisbelow(True)
    ax.grid(color="0.9", linewidth=0.8)
    ax.spines[["top", "right"]].set_visible(False)
    return ax
