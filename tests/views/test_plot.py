import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from dask_espresso.views.plot import (
    Curve,
    plot_band,
    plot_curve,
    plot_curves,
    wca_band,
    wca_pressure,
)

LABELS = {"x_label": "volume fraction", "y_label": "pressure"}

# phi, theory as tabulated, molecular dynamics of 500 particles
REFERENCE = [
    (0.10, 0.2968, 0.2975),
    (0.20, 0.9582, 0.9628),
    (0.30, 2.4107, 2.426),
    (0.35, 3.6968, 3.719),
    (0.40, 5.6104, 5.644),
    (0.45, 8.4752, 8.519),
    (0.48, 10.8545, 10.874),
    (0.51, 13.9221, 13.865),
]
# phi, molecular dynamics of 100 and 400 particles extrapolated to infinitely many, standard error
EXTRAPOLATED = [
    (0.10, 0.2970, 0.0002),
    (0.20, 0.9611, 0.0006),
    (0.25, 1.5481, 0.0012),
    (0.30, 2.4220, 0.0015),
    (0.35, 3.7206, 0.0025),
    (0.40, 5.6504, 0.0024),
    (0.45, 8.5341, 0.0060),
    (0.48, 10.8949, 0.0087),
]


@pytest.mark.parametrize(("volume_fraction", "theory", "simulated"), REFERENCE)
def test_wca_pressure_is_the_tabulated_one(volume_fraction, theory, simulated):
    assert wca_pressure(volume_fraction) == pytest.approx(theory, abs=6e-5)
    assert wca_pressure(volume_fraction) == pytest.approx(simulated, rel=0.01)


def test_wca_pressure_has_the_second_virial_coefficient():
    density = 1e-4
    pressure = wca_pressure(density * np.pi / 6)
    assert (pressure / density - 1) / density == pytest.approx(2.20472, rel=2e-3)


def test_wca_pressure_takes_arrays_of_any_shape():
    volume_fractions = np.array([[0.1, 0.2], [0.3, 0.4]])
    pressures = wca_pressure(volume_fractions)
    assert pressures.shape == (2, 2)
    assert pressures[1, 0] == wca_pressure(0.3)
    assert wca_pressure(0.0) == 0.0


def test_curve_has_points_error_bars_and_labels():
    ax = plot_curve([0.2, 0.1], [2.0, 1.0], [0.2, 0.1], label="ESPResSo", **LABELS)
    (container,) = ax.containers
    points, _, (bars,) = container
    assert container.has_yerr
    np.testing.assert_array_equal(points.get_xydata(), [[0.1, 1.0], [0.2, 2.0]])
    np.testing.assert_allclose(
        bars.get_segments(), [[[0.1, 0.9], [0.1, 1.1]], [[0.2, 1.8], [0.2, 2.2]]]
    )
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("volume fraction", "pressure")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["ESPResSo"]


def test_reference_is_drawn_over_the_points_range():
    ax = plot_curve([0.1, 0.3], [0.3, 2.4], reference=wca_pressure, reference_label="WCA", **LABELS)
    curve = next(line for line in ax.lines if line.get_label() == "WCA")
    x, y = curve.get_data()
    assert (x[0], x[-1]) == pytest.approx((0.1, 0.3))
    np.testing.assert_array_equal(y, wca_pressure(x))


@pytest.mark.parametrize(("volume_fraction", "simulated", "error"), EXTRAPOLATED)
def test_simulations_are_in_the_band(volume_fraction, simulated, error):
    low, high = wca_band(volume_fraction)
    assert low == wca_pressure(volume_fraction)
    assert low - error < simulated < high + error
    assert high < 1.01 * simulated


def test_there_is_no_band_where_the_fluid_freezes():
    low, high = wca_band([0.0, 0.48, 0.5])
    np.testing.assert_array_equal(np.isnan([low, high]), [[False, False, True]] * 2)


def test_a_band_is_drawn_beneath_over_the_points_range():
    ax = Figure().add_subplot()
    plot_band(ax, [0.3, 0.1, np.nan], wca_band, "known")
    plot_curve([0.1, 0.3], [0.3, 2.4], reference=wca_pressure, label="e", ax=ax, **LABELS)
    (band,) = ax.collections[:1]
    (path,) = band.get_paths()
    x, y = path.vertices.T
    assert (x.min(), x.max()) == pytest.approx((0.1, 0.3))
    assert (y.min(), y.max()) == (wca_pressure(0.1), wca_band(0.3)[1])
    assert band.get_zorder() < min(line.get_zorder() for line in ax.lines)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["known", "reference", "e"]


def test_given_axes_are_used_and_returned():
    ax = Figure().add_subplot()
    assert plot_curve([1.0], [2.0], ax=ax, **LABELS) is ax
    assert plot_curve([1.0], [3.0], ax=ax, **LABELS) is ax
    assert len(ax.containers) == 2
    assert ax.get_legend() is None


def test_figure_can_be_saved(tmp_path):
    ax = plot_curve([0.1, 0.2], [1.0, 2.0], [np.nan, 0.1], reference=wca_pressure, **LABELS)
    ax.figure.savefig(tmp_path / "pressure.png")
    assert (tmp_path / "pressure.png").stat().st_size > 5000
    assert tuple(ax.figure.get_size_inches()) == (6.4, 4.8)


def test_nothing_to_plot_is_an_empty_figure():
    assert plot_curve([], [], [], reference=wca_pressure, **LABELS).containers


def test_what_is_no_standard_error_has_no_bar():
    errors = [0.1, -0.1, np.inf, np.nan]
    ax = plot_curve([1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 1.0, 1.0], errors, **LABELS)
    (container,) = ax.containers
    heights = [np.ptp(segment[:, 1]) for segment in container[2][0].get_segments() if len(segment)]
    np.testing.assert_allclose([height for height in heights if np.isfinite(height)], [0.2])


def curves(count):
    return [Curve(f"_{i}", [1.0, 2.0], [i, i + 0.5], [0.1, np.nan]) for i in range(count)]


def test_a_few_curves_have_a_legend():
    ax = plot_curves(curves(10), reference=np.sqrt, reference_label="WCA", **LABELS)
    labels = [text.get_text().strip() for text in ax.get_legend().get_texts()]
    assert sorted(labels) == sorted(["WCA", *(f"_{i}" for i in range(10))])
    assert len(ax.figure.axes) == 1


def test_many_curves_have_a_colour_bar():
    ax = plot_curves(curves(300), curves_label="temperature", **LABELS)
    assert ax.get_legend() is None
    points, bars = ax.collections
    assert len(points.get_offsets()) == 600
    assert len(bars.get_segments()) == 300
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("volume fraction", "pressure")
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == "temperature"
    labels = [text.get_text() for text in bar.get_yticklabels()]
    assert (labels[0], labels[-1], len(labels)) == ("_0", "_299", 7)


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"same length, not \(2,\), \(1,\)"):
        plot_curve([1.0, 2.0], [1.0], **LABELS)


def test_importing_plot_does_not_import_matplotlib():
    code = "import sys, dask_espresso.views.plot; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
