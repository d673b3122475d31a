import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from dask_espresso.plot import plot_curve, wca_pressure

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


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"same length, not \(2,\), \(1,\)"):
        plot_curve([1.0, 2.0], [1.0], **LABELS)


def test_importing_plot_does_not_import_matplotlib():
    code = "import sys, dask_espresso.plot; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
