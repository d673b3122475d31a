"""What plots of stores have in them: curves, axes, and what is said beside them."""

import functools

import numpy as np
import pytest
from matplotlib.figure import Figure
from outcome_tables import filled_table

from dask_espresso.errors import InputError
from dask_espresso.inputs.study import Study
from dask_espresso.outcome import Outcome
from dask_espresso.store.hdf5 import write_hdf5
from dask_espresso.store.reading import look
from dask_espresso.values import storable
from dask_espresso.views.captions import Captions
from dask_espresso.views.drawing import Picture, drawing_of
from dask_espresso.views.heatmap import edges
from dask_espresso.views.picture import draw, drawing_of_all
from dask_espresso.views.series import Series

SWEPT = {"x": [1, 2, 4], "a": [2, 1], "b": [0.5, 5.0]}
R = [0.0, 1.0, 2.0]


@pytest.fixture
def store(tmp_path):
    """Make a store of a study, and what a function gives as results."""

    def make(result, name="s.h5", replicas=2, fields=lambda one: {}, **study):
        made = Study(name="s", script="s.py", replicas=replicas, **study)
        outcomes = [
            Outcome(one.id, one.parameters, replica=one.replica, engine="python",
                    result=storable(result(one)), **fields(one))
            for one in made.simulations()
        ]  # fmt: skip
        path = tmp_path / name
        write_hdf5(path, filled_table(outcomes), made.snapshot(), "hash")
        return path

    return make


@pytest.fixture
def swept(store):
    return store(energy, parameters=SWEPT)


def energy(one):
    values = one.parameters
    return {"e": 100 * values["b"] + 10 * values["a"] + values["x"] + one.replica, "n": 1}


def figure_of(path, **asked):
    """Draw it, and give its figure."""
    picture, figure = Picture(**asked), Figure()
    drawing = look(path, functools.partial(drawing_of, path, picture))
    figure.notes = [*drawing.notes, *draw(figure, drawing, picture)]
    return figure


def figure_of_all(paths, **asked):
    """Draw several stores in one figure."""
    picture, figure = Picture(**asked), Figure()
    drawing = drawing_of_all(paths, picture)
    figure.notes = [*drawing.notes, *draw(figure, drawing, picture)]
    return figure


def curves_of(figure):
    """Give the points of each curve by its label in the legend."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    lines = [handle[0] if isinstance(handle, tuple) else handle for handle in handles]
    return {label: line.get_xydata().tolist() for label, line in zip(labels, lines, strict=True)}


# ---- series --------------------------------------------------------------------------------------


def test_by_default_each_setting_of_the_others_has_a_curve(swept):
    curves = curves_of(figure_of(swept))
    assert [*curves] == ["a = 2, b = 0.5", "a = 2, b = 5", "a = 1, b = 0.5", "a = 1, b = 5"]
    assert curves["a = 1, b = 5"] == [[1, 511.5], [2, 512.5], [4, 514.5]]


def test_a_series_has_a_curve_for_each_of_its_values(swept):
    figure = figure_of(swept, series="a", where=["b == 5", "replica == 0"])
    assert curves_of(figure) == {
        "a = 1": [[1, 511], [2, 512], [4, 514]], "a = 2": [[1, 521], [2, 522], [4, 524]],
    }  # fmt: skip
    assert figure.axes[0].get_title(loc="left") == "b = 5"
    assert [*curves_of(figure_of(swept, x="b", series="x", where=["a == 2"]))] == [
        "x = 1", "x = 2", "x = 4"]  # fmt: skip


def test_the_axis_is_of_what_varies_and_is_no_series(swept):
    assert figure_of(swept, series="x", where=["b == 5"]).axes[0].get_xlabel() == "a"
    assert figure_of(swept, where=["x == 1"]).axes[0].get_xlabel() == "a"


def test_a_series_that_would_mix_points_is_refused(swept):
    said = (
        r"--series a: points of one curve differ by more than x: b = 0.5, 5; choose some, as by "
        r"--where 'b == 0.5', or leave that option out"
    )
    with pytest.raises(InputError, match=said):
        figure_of(swept, series="a")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"series": "q"}, "no other swept parameter 'q' to plot; there are a, b"),
        ({"series": "x", "x": "x"}, "-x and --series are both 'x'"),
        ({"where": ["x > 4"]}, "no simulation meets --where 'x > 4'"),
        ({"where": ["y > 4"]}, "unknown parameter 'y'"),
        ({"where": ["x > 1", "x"]}, "--where 'x'"),
    ],
)
def test_what_cannot_be_chosen_is_said(swept, asked, said):
    with pytest.raises(InputError, match=said):
        figure_of(swept, **asked)


def test_what_varies_together_is_told_apart_by_either(store):
    path = store(lambda one: {"e": one.parameters["c"]}, sweep="zip",
                 parameters={"x": [1, 1, 2, 2], "a": [1, 2, 1, 2], "c": [3, 4, 3, 4]})  # fmt: skip
    assert [*curves_of(figure_of(path, series="c"))] == ["c = 3", "c = 4"]
    assert curves_of(figure_of(path, series="a"))["a = 2"] == [[1, 4], [2, 4]]


def test_versions_are_never_mixed(store):
    path = store(
        lambda one: {"e": 1.0 + one.replica}, parameters={"x": [1, 2], "a": [1, 2]},
        fields=lambda one: {"code_hash": f"{one.replica}" * 64},
    )  # fmt: skip
    curves = curves_of(figure_of(path, series="a"))
    assert [*curves] == [f"a = {a}, version = {v * 8}" for a in (1, 2) for v in "01"]
    assert curves["a = 1, version = 11111111"] == [[1, 2], [2, 2]]


def test_numbers_that_are_no_floats_and_texts_tell_curves_apart(tmp_path):
    values = [{"k": 1}, "a", 10**400, None]
    series = Series(tmp_path, {"v": values, "w": [1] * 4}, ["v", "w"], ["v", "w"])
    assert (series.told, series.fixed) == (["v"], {"w": "1"})
    settings = [setting for setting, _ in series.curves(4)]
    assert settings == [{"v": text} for text in ("{'k': 1}", "a", f"{10**400}", "None")]
    numbers = Series(tmp_path, {"v": [10**400, 0.5, 3]}, ["v"], ["v"]).curves(3)
    assert [rows for _, rows in numbers] == [[1], [2], [0]]
    assert Series(tmp_path, {"v": []}, ["v"], ["v"]).curves(0) == []


# ---- labels --------------------------------------------------------------------------------------

LABELS = {"x": "distance $d$ / nm", "a": r"$\alpha$", "e": "energy / kT", "r": "$r$"}


def test_labels_of_the_study_are_on_axes_and_in_the_legend(store):
    figure = figure_of(store(energy, parameters=SWEPT | {"b": 1}, labels=LABELS))
    assert figure.axes[0].get_xlabel() == "distance $d$ / nm"
    assert figure.axes[0].get_ylabel() == "energy / kT"
    assert [*curves_of(figure)] == [r"$\alpha$ = 1", r"$\alpha$ = 2"]
    (said,) = figure.notes
    assert said == (
        "warning: labels: unknown name 'r'; known names: a, b, e, n, x; correct it in the study"
    )
    figure.draw_without_rendering()


def test_a_label_of_nothing_gets_the_nearest_name(store):
    path = store(energy, parameters={"b": [1, 2], "a": 1, "xyz": 1, "x": 1}, labels={"xyy": "w"})
    assert "did you mean 'xyz'?" in figure_of(path).notes[-1]


def test_labels_that_cannot_be_set_are_named(store):
    path = store(energy, parameters=SWEPT, labels={"e": r"price in $", "x": r"$\frac$"})
    with pytest.raises(InputError, match=r"labels: x: '\$\\\\frac\$' has no .*Expected \\frac"):
        figure_of(path)


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ({"x": "1", "k_a": "2"}, "distance $d$ / nm = 1, k_a = 2"),
        ({"$k$": "$5$"}, r"\$k\$ = \$5\$"),
        ({"k": "é" * 50}, f"k = {'é' * 20} … {'é' * 7}"),
        ({"k": "1" * 25, "l": "2" * 25, "m": "3"}, f"k = {'1' * 25}, l = {'2' * 25},\nm = 3"),
        ({}, ""),
    ],
)
def test_settings_are_written(setting, text):
    assert Captions(LABELS).setting(setting) == text


@pytest.mark.parametrize(("label", "is_inside"), [("short", True), ("long " * 10, False)])
def test_a_wide_legend_is_beneath(store, label, is_inside):
    figure = figure_of(store(energy, parameters=SWEPT | {"b": 1}, labels={"a": label}))
    assert (figure.axes[0].get_legend() is not None) == is_inside
    assert len(figure.legends) == (not is_inside)


# ---- references ----------------------------------------------------------------------------------

REFERENCE = {"file": "t.csv", "x": "x", "y": "e", "at": [1, 2, 3], "values": [11, 13, None]}


def with_error(one):
    return {"e": 10.0 + one.parameters["x"], "e_sem": 0.5}


def test_residuals_are_distances_from_the_reference_in_standard_errors(store):
    swept = {"x": [1, 1.5, 2, 2.5, 5]}
    path = store(with_error, parameters=swept, reference=REFERENCE, replicas=1)
    figure = figure_of(path, residuals=True, confidence=95)
    above, beneath = figure.axes
    reference = above.lines[0]
    assert reference.get_label() == "t.csv"
    x, y = reference.get_data()
    np.testing.assert_allclose(y, np.where(x <= 2, 9 + 2 * x, np.nan), atol=1e-9)
    (points, *_) = beneath.containers[0]
    np.testing.assert_allclose(
        points.get_xydata(), [[1, 0], [1.5, -1], [2, -2], [2.5, np.nan], [5, np.nan]], atol=1e-9
    )
    assert (above.get_xlabel(), beneath.get_xlabel()) == ("", "x")
    assert figure.notes == ["2 points have no error, or no reference there, and no residual"]


def test_a_reference_is_the_same_for_all_curves_and_that_is_said(store):
    path = store(with_error, parameters={"x": [1, 2], "a": [1, 2]}, reference=REFERENCE)
    assert figure_of(path).notes[-1] == "the reference is of 'x' alone, the same for all a"
    with pytest.raises(InputError, match="--residuals: there is no reference for e against a"):
        figure_of(path, x="a", residuals=True)


def test_many_curves_have_residuals_in_the_same_colours(store):
    path = store(with_error, parameters={"x": [1, 2], "a": list(range(11))}, reference=REFERENCE)
    above, beneath, bar = figure_of(path, residuals=True).axes
    assert bar.get_ylabel() == "a"
    colours = [[c for c in ax.collections if len(c.get_offsets()) == 22] for ax in (above, beneath)]
    (one,), (other,) = colours
    np.testing.assert_array_equal(one.get_facecolors(), other.get_facecolors())


# ---- axes ----------------------------------------------------------------------------------------


def scales(figure):
    return figure.axes[0].get_xscale(), figure.axes[0].get_yscale()


def test_axes_are_logarithmic_where_the_study_says_so_or_the_user(store):
    parameters = {"x": {"start": 0.1, "stop": 10, "num": 3, "scale": "log"}}
    path = store(lambda one: {"e": one.parameters["x"]}, parameters=parameters)
    assert scales(figure_of(path)) == ("log", "linear")
    assert scales(figure_of(path, log="none")) == ("linear", "linear")
    assert scales(figure_of(path, log="xy")) == ("log", "log")
    assert scales(figure_of(path, log="y")) == ("linear", "log")


def test_what_has_no_place_on_a_logarithmic_axis_is_named(store):
    path = store(lambda one: {"e": one.parameters["x"] - 3}, parameters={"x": [0, 2, 4]})
    with pytest.raises(InputError, match=r"--log y: e is -3 at x = 0, which has no place"):
        figure_of(path, log="y")
    with pytest.raises(InputError, match=r"--log xy: x = 0 has no .* as by --where 'x != 0', or "):
        figure_of(path, log="xy")
    assert scales(figure_of(path, log="xy", where=["x == 4"])) == ("log", "log")


def test_of_lines_the_rest_is_drawn_and_counted(store):
    path = store(lambda one: {"r": R, "g": np.array(R) + one.replica},
                 parameters={"x": [1, 2]}, axes={"g": ["r"]})  # fmt: skip
    figure = figure_of(path, y="g", log="x")
    assert curves_of(figure) == {f"x = {x}": [[1.0, 1.5], [2.0, 2.5]] for x in (1, 2)}
    assert figure.notes[-1] == (
        "2 values are not above 0: a logarithmic axis has no place for them"
    )
    assert figure.axes[0].get_title(loc="right") == "bands: one standard error"
    figure = figure_of(path, y="g", where=["x == 1"])
    assert curves_of(figure) == {"s": [[0.0, 0.5], [1.0, 1.5], [2.0, 2.5]]}
    both = {"x": [1, 2], "y": [1, 2]}
    path = store(lambda one: {"r": R, "g": R}, parameters=both, axes={"g": ["r"]})
    with pytest.raises(InputError, match="points of one curve differ by more than r: y = 1, 2"):
        figure_of(path, y="g", series="x")


# ---- maps ----------------------------------------------------------------------------------------


def cells_of(figure):
    (mesh,) = figure.axes[0].collections
    rows, columns, _ = (
        mesh.get_coordinates().shape
    )  # of corners; an old matplotlib has cells in a line
    return mesh.get_array().filled(np.nan).reshape(rows - 1, columns - 1)


def test_a_map_has_a_cell_for_each_point_and_none_where_there_is_none(store):
    parameters = {"x": [1, 2, 4], "b": [3.0, 1.0], "a": 1}

    def result(one):
        return {"e": 10 * one.parameters["b"] + one.parameters["x"] + one.replica}

    hole = {"exclude": ["x == 2 and b == 1"]}
    path = store(result, parameters=parameters, labels={"e": "E"}, **hole)
    figure = figure_of(path, color="e")
    ax, bar = figure.axes
    np.testing.assert_array_equal(cells_of(figure), [[11.5, np.nan, 14.5], [31.5, 32.5, 34.5]])
    assert ax.collections[0].get_coordinates()[0, :, 0].tolist() == [0.5, 1.5, 3.0, 5.0]
    assert ax.collections[0].get_coordinates()[:, 0, 1].tolist() == [0.0, 2.0, 4.0]
    assert (ax.get_xlabel(), ax.get_ylabel(), bar.get_ylabel()) == ("x", "b", "E")
    assert ax.get_title(loc="right") == "one standard error: up to 0.5"
    turned = figure_of(path, color="e", y="x")
    np.testing.assert_array_equal(cells_of(turned), cells_of(figure).T)


def test_points_on_no_grid_are_squares(store):
    ranges = {"x": {"low": 0, "high": 1}, "y": {"low": 1, "high": 9, "scale": "log"}}
    sample = {"method": "sobol", "num": 16, "seed": 1, "parameters": ranges}
    path = store(lambda one: {"e": one.parameters["x"]}, parameters={}, sample=sample)
    figure = figure_of(path, color="e")
    (squares,) = figure.axes[0].collections
    assert squares.get_offsets()[:, 0].tolist() == squares.get_array().tolist()
    assert len(squares.get_offsets()) == 16
    assert scales(figure) == ("linear", "log")


def test_cells_are_as_wide_on_a_logarithmic_axis():
    np.testing.assert_allclose(edges(np.array([0.1, 1, 10]), True), 10 ** np.arange(-1.5, 2))
    assert edges(np.array([3.0]), False).tolist() == [2.5, 3.5]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "--color e: points of one cell differ by more than x and a: b = 0.5, 5; choose some"),
        ({"where": ["b == 5"], "x": "q"}, "no parameter 'q' to plot; there are x, a, b"),
        ({"where": ["b == 5", "x < 1"]}, "no simulation meets"),
        ({"color": "f"}, "no result 'f' to plot; there are e, n"),
        ({"x": "x", "y": "b", "where": ["x > 1"]}, "differ by more than x and b: a = 2, 1"),
    ],
)
def test_a_map_that_would_mix_points_is_refused(swept, asked, said):
    with pytest.raises(InputError, match=said):
        figure_of(swept, **{"color": "e", **asked})


def test_a_map_has_no_place_for_zero_on_a_logarithmic_axis(store):
    path = store(energy, parameters={"x": [0, 1], "a": [1, 2], "b": 1})
    with pytest.raises(InputError, match="--log xy: x = 0 has no place"):
        figure_of(path, color="e", log="xy")
    assert scales(figure_of(path, color="e", log="y")) == ("linear", "log")


# ---- several stores ------------------------------------------------------------------------------


def test_several_stores_are_told_apart_by_their_names(store, tmp_path):
    (tmp_path / "d").mkdir()
    one = store(with_error, "one.h5", parameters={"x": [1, 2], "a": [1, 2]})
    two = store(with_error, "d/two.h5", parameters={"x": [3, 4]}, replicas=1)
    figure = figure_of_all([one, two])
    assert curves_of(figure) == {
        "one: a = 1": [[1, 11], [2, 12]], "one: a = 2": [[1, 11], [2, 12]],
        "two": [[3, 13], [4, 14]],
    }  # fmt: skip
    assert [*curves_of(figure_of_all([one, two], where=["x < 4"]))][-1] == "two"
    again = store(with_error, "d/one.h5", parameters={"x": [3, 4], "a": [1, 2]})
    named = curves_of(figure_of_all([one, again], where=["a == 1"]))
    assert [name[-4:] for name in named] == ["/one", "/one"]
    assert "d/one" in named
    with pytest.raises(InputError, match="name each store once"):
        figure_of_all([one, one])


def test_notes_and_references_of_several_stores_are_those_of_each(store):
    one = store(with_error, "one.h5", parameters={"x": [1, 2]}, reference=REFERENCE)
    two = store(with_error, "two.h5", parameters={"x": [1, 2], "b": [1, 2]}, reference=REFERENCE)
    other = {**REFERENCE, "values": [1, 2, 3]}
    three = store(with_error, "three.h5", parameters={"x": [1, 2]}, reference=other)
    figure = figure_of_all([one, two], where=["x > 0"])
    assert next(iter(curves_of(figure))) == "t.csv"
    assert "two: the reference is of 'x' alone, the same for all b" in figure.notes
    figure = figure_of_all([one, three])
    assert [*curves_of(figure)] == ["one", "three"]
    assert figure.notes[-1] == "no reference curve: the stores have different ones"
    with pytest.raises(InputError, match=r"two\.h5: no result 'q'"):
        figure_of_all([two, one], y="q")
    with pytest.raises(InputError, match="a map is of one store"):
        figure_of_all([two, one], color="e")
