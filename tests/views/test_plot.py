import itertools
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from dask_espresso.views.plot import Curve, plot_band, plot_curves, plot_reference
from dask_espresso.views.wca import wca_band, wca_pressure


@pytest.fixture
def ax():
    return Figure().add_subplot()


def curve(x, y, error=None, label="c", **more):
    return Curve(label, x, y, [np.nan] * len(x) if error is None else error, **more)


def labels(ax):
    return [label.strip() for label in ax.get_legend_handles_labels()[1]]


def test_a_curve_has_points_and_error_bars(ax):
    plot_curves(ax, [curve([0.2, 0.1], [2.0, 1.0], [0.2, 0.1], "ESPResSo")])
    (container,) = ax.containers
    points, _, (bars,) = container
    assert container.has_yerr
    np.testing.assert_array_equal(points.get_xydata(), [[0.1, 1.0], [0.2, 2.0]])
    np.testing.assert_allclose(
        bars.get_segments(), [[[0.1, 0.9], [0.1, 1.1]], [[0.2, 1.8], [0.2, 2.2]]]
    )
    assert points.get_linestyle() == "None"
    assert labels(ax) == ["ESPResSo"]


def test_a_line_has_a_band_of_its_errors(ax):
    plot_curves(ax, [curve([2.0, 1.0], [3.0, 5.0], [0.5, 0.25], is_line=True)])
    (line,), (band,) = ax.lines, ax.collections
    np.testing.assert_array_equal(line.get_xydata(), [[1.0, 5.0], [2.0, 3.0]])
    x, y = band.get_paths()[0].vertices.T
    assert {*zip(x, y, strict=True)} == {(1.0, 4.75), (1.0, 5.25), (2.0, 2.5), (2.0, 3.5)}


@pytest.mark.parametrize("is_line", [False, True])
def test_curves_differ_in_grey(ax, is_line):
    plot_curves(ax, [curve([1, 2], [i, i], label=str(i), is_line=is_line) for i in range(10)])
    lines = ax.lines if is_line else [points for points, *_ in ax.containers]
    grey = [np.dot(to_rgb(line.get_color()), [0.299, 0.587, 0.114]) for line in lines]
    assert np.diff(grey).min() > 0.02  # each is lighter than the one before
    styles = [(line.get_linestyle(), line.get_marker()) for line in lines]
    assert all(one != other for one, other in itertools.pairwise(styles))
    assert len({*styles}) == (4 if is_line else 10)


def test_a_reference_is_drawn_over_the_points_range(ax):
    plot_reference(ax, [0.3, np.nan, 0.1], wca_pressure, "WCA")
    x, y = ax.lines[0].get_data()
    assert (x[0], x[-1], len(x)) == (pytest.approx(0.1), pytest.approx(0.3), 400)
    np.testing.assert_array_equal(y, wca_pressure(x))


def test_a_reference_is_as_fine_on_a_logarithmic_axis(ax):
    ax.set_xscale("log")
    plot_reference(ax, [1e-3, 1e3], np.sqrt, "WCA")
    x, _ = ax.lines[0].get_data()
    assert np.ptp(np.diff(np.log(x))) < 1e-9


def test_a_band_is_drawn_beneath_over_the_points_range(ax):
    plot_band(ax, [0.3, 0.1, np.nan], wca_band, "known")
    plot_reference(ax, [0.1, 0.3], wca_pressure, "reference")
    plot_curves(ax, [curve([0.1, 0.3], [0.3, 2.4], label="e")])
    (band,) = ax.collections[:1]
    (path,) = band.get_paths()
    x, y = path.vertices.T
    assert (x.min(), x.max()) == pytest.approx((0.1, 0.3))
    assert (y.min(), y.max()) == (wca_pressure(0.1), wca_band(0.3)[1])
    assert band.get_zorder() < min(line.get_zorder() for line in ax.lines)
    assert labels(ax) == ["known", "reference", "e"]


def test_nothing_to_plot_is_an_empty_figure(ax):
    plot_reference(ax, [], wca_pressure, "WCA")
    plot_curves(ax, [curve([], [])])
    assert ax.containers
    assert labels(ax) == ["c"]


def test_what_is_no_standard_error_has_no_bar(ax):
    plot_curves(ax, [curve([1.0, 2.0, 3.0, 4.0], [1.0] * 4, [0.1, -0.1, np.inf, np.nan])])
    (container,) = ax.containers
    heights = [np.ptp(segment[:, 1]) for segment in container[2][0].get_segments() if len(segment)]
    np.testing.assert_allclose([height for height in heights if np.isfinite(height)], [0.2])


def many(count, **more):
    return [curve([1.0, 2.0], [i, i + 0.5], [0.1, np.nan], f"_{i}", **more) for i in range(count)]


def test_labels_that_begin_with_an_underscore_are_in_the_legend(ax):
    plot_curves(ax, many(10))
    assert labels(ax) == [f"_{i}" for i in range(10)]
    assert len(ax.figure.axes) == 1


@pytest.mark.parametrize("is_line", [False, True])
def test_many_curves_have_a_colour_bar(ax, is_line):
    plot_curves(ax, many(300, is_line=is_line), "temperature")
    assert labels(ax) == []
    if is_line:
        (lines,) = ax.collections
        assert len(lines.get_segments()) == 300
        assert ax.get_ylim()[1] > 299
    else:
        points, bars = ax.collections
        assert len(points.get_offsets()) == 600
        assert len(bars.get_segments()) == 300
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == "temperature"
    texts = [text.get_text() for text in bar.get_yticklabels()]
    assert (texts[0], texts[-1], len(texts)) == ("_0", "_299", 7)


def test_lengths_that_differ_are_refused(ax):
    with pytest.raises(ValueError, match=r"same length, not \(2,\), \(1,\)"):
        plot_curves(ax, [curve([1.0, 2.0], [1.0])])


def test_importing_plot_does_not_import_matplotlib():
    code = "import sys, dask_espresso.views.plot; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
