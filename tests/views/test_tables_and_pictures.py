"""Tables, status and pictures of stores with names and numbers that nobody expects."""

import itertools
import json
import math
import re
import time
import xml.etree.ElementTree as ET

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from outcome_tables import filled_table
from rich.console import Console

from dask_espresso.cli import main
from dask_espresso.errors import InputError
from dask_espresso.inputs.study import Study
from dask_espresso.outcome import Outcome, Status
from dask_espresso.store.hdf5 import write_hdf5
from dask_espresso.store.store import read_store
from dask_espresso.values import storable
from dask_espresso.views.drawing import Picture
from dask_espresso.views.picture import plot_stores
from dask_espresso.views.plot import plot_curves
from dask_espresso.views.show import print_table
from dask_espresso.views.texts import format_with_error

SURROGATE = "\ud800"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def store(tmp_path):
    """Make a store of a study with these parameters, and what a function gives as results."""

    def make(parameters, result, *, replicas=1, reference=None, **fields):
        study = Study(
            name="s",
            script="s.py",
            parameters=parameters,
            replicas=replicas,
            reference=reference,
        )
        outcomes = [
            Outcome(
                one.id,
                one.parameters,
                replica=one.replica,
                result=storable(result(one)),
                **{"engine": "python", **fields},
            )
            for one in study.simulations()
        ]
        path = tmp_path / "s.h5"
        write_hdf5(path, filled_table(outcomes), study.snapshot(), "hash")
        return path

    return make


def invoke(*arguments, status=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == status, (result.output, result.exception)
    assert isinstance(result.exception, SystemExit | None)
    return result.output


def show(path):
    return [line.split() for line in invoke("show", path).splitlines()]


def plot(path, *arguments):
    """Give the texts of a plot."""
    picture = path.with_name("plot.svg")
    invoke("plot", path, "-o", picture, *arguments)
    # the backend writes each text as paths, and the text itself as a comment before them
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    return [e.text.strip() for e in ET.parse(picture, parser).iter(ET.Comment)]


# ---- texts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["[/b]", "[bold]a", ":smile:", "[a](b)", "'x' 1 None", "$x$", "粒"]
)
def test_texts_are_shown_as_they_are(store, text):
    name = text.replace("/", "|")
    path = store({name: [1, 2], "b": [text, "other"]}, lambda _: {f"r{text}": 1.0, "e_sem": 0.1})
    output = invoke("show", path)
    header, first = output.splitlines()[:2]
    assert all(name in header for name in (name, f"r{text}"))
    assert text in first
    plot(path)


def test_status_shows_texts_as_they_are(store):
    error = f"[/e] :smile:\n{SURROGATE}[bold]"
    path = store({}, lambda _: {}, engine="my [/x] :cat:", status=Status.FAILED, error=error)
    output = invoke("status", path)
    assert "my [/x] :cat:" in output
    assert r"1 x failed: [/e] :smile:: \ud800[bold]" in output
    json.loads(invoke("status", path, "--json"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (SURROGATE, r"\ud800"),
        ("a\nb", r"a\nb"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\u202e", r"\u202e"),
    ],
)
def test_what_has_no_picture_is_escaped(store, text, shown):
    path = store({"x": [1, 2], "t": [text, "other"]}, lambda _: {text: 1.0})
    lines = show(path)
    assert lines[0] == ["x", "t", "done", shown]
    assert lines[1] == ["1", shown, "1/1", "1"]
    texts = plot(path)
    assert shown in texts
    assert f"t = {shown}" in texts
    assert invoke("plot", path, "-y", SURROGATE + "?", "-o", path.with_suffix(".svg"), status=2)


def test_formulas_and_underscores_are_texts_in_pictures(store):
    texts = plot(store({"x": [1, 2], "_c": ["$a$", r"\frac$"]}, lambda _: {"$a_$": 1.0}))
    assert "$a $" in texts
    assert {"_c = $a$", r"_c = \frac$"} <= {text.strip() for text in texts}


@pytest.mark.parametrize("values", [[1.0, 1.0000000001], [1, "1"], [None, "None"], [True, "True"]])
def test_values_that_differ_look_different(store, values):
    path = store({"x": [1, 2], "v": values}, lambda one: {"e": one.parameters["x"]})
    lines = show(path)
    assert len({line[1] for line in lines[1:]}) == 2
    assert len({text for text in plot(path, "-x", "x") if text.startswith("v = ")}) == 2


def test_swept_values_of_any_kind(store):
    values = [None, True, {"value": [1, [2, {"a": None}]]}, {"value": {"k": [1]}}, "t", "é" * 500]
    path = store({"x": [1, 2], "v": values}, lambda _: {"e": 1.0})
    output = invoke("show", path)
    assert "[1, [2, {'a': None}]]" in output
    assert "é" * 500 in output
    assert any("…" in text for text in plot(path))
    output = invoke("plot", path, "-x", "v", status=2)
    assert "no parameter 'v' to plot; there are x; no numbers: v" in output


def test_one_wide_table_in_a_file_and_what_fits_on_a_terminal(store, capsys):
    path = store({"x": [1, 2]}, lambda _: {f"result_{i}": float(i) for i in range(150)})
    lines = show(path)
    assert lines[0][2:] == [f"result_{i}" for i in range(150)]
    assert lines[2][2:5] + lines[2][-1:] == ["0", "1", "2", "149"]
    print_table(path, Console(force_terminal=True, width=40, color_system=None))
    header, *_, said = capsys.readouterr().out.splitlines()
    assert header.split() == ["x", "done", "result_0", "result_1", "result_2"]
    assert "no room for result_3, result_4" in said
    assert "and 127 more" in said
    print_table(path, Console(force_terminal=True, width=3, color_system=None))
    assert "result_0" in capsys.readouterr().out.splitlines()[0]


# ---- numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [10**400, -(10**400)])
def test_numbers_beyond_floats(store, number, tmp_path):
    path = store(
        {"x": [1, 2]}, lambda one: {"n": number if one.parameters["x"] == 1 else 5, "m": 1}
    )
    assert show(path)[1:] == [["1", "1/1", "too", "large", "1"], ["2", "1/1", "5", "1"]]
    output = invoke("plot", path, "-y", "n", "-o", tmp_path / "p.png", status=2)
    assert "result 'n' is beyond floats" in output.replace("\n", " ")
    plot(path, "-y", "m")


@pytest.mark.parametrize("sem", [-1.0, math.nan, 10**400, -(10**400), "text", None, True, [1.0]])
def test_what_is_no_standard_error_is_left_out(store, sem):
    path = store({"x": [1, 2]}, lambda _: {"e": 1.0, "e_sem": sem})
    assert show(path)[1] == ["1", "1/1", "1"]
    plot(path)


def test_an_error_belongs_to_its_own_value(store):
    """Of two replicas one has only the value, the other only the error."""
    path = store({}, lambda one: [{"e": 1.0}, {"e_sem": 0.5}][one.replica], replicas=2)
    assert show(path)[1] == ["2/2", "1"]


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (2.4183, 0.0021, "2.4183(21)"),
        (20000, 0, "20000"),
        (20000.0, 150.0, "20000(150)"),
        (1.05, 0.05, "1.050(50)"),
        (1.0, -0.1, "1"),
        (1.0, math.inf, "1"),
        (math.nan, 0.1, "-"),
        (0.0, 1e-315, "0.0(10)e-315"),
        (5e-324, 5e-324, "4.9(49)e-324"),
        (2.4183e-20, 2.1e-23, "2.4183(21)e-20"),
        (-2.4183e300, 2.1e297, "-2.4183(21)e+300"),
        (1.7e308, 1.7e308, "1.7(17)e+308"),
        (1.0, 2e20, "0.0(20)e+20"),
    ],
)
def test_numbers_are_written_with_their_errors(value, error, text):
    assert format_with_error(value, error) == text


@pytest.mark.parametrize("scale", [5e-324, 1e-315, 1e-200, 1.0, 1e200, 1e299])
def test_pictures_of_numbers_of_any_size(store, scale):
    values = [scale, 3 * scale]
    plot(store({"x": values}, lambda one: {"e": one.parameters["x"], "e_sem": scale}, replicas=2))
    plot(store({"x": values[:1]}, lambda one: {"e": -scale}))


@pytest.mark.parametrize("parameters", [{"x": [-1.7e308, 1.7e308]}, {"x": [1.0, 1.7e308]}])
def test_a_parameter_too_large_for_pictures_is_named(store, parameters, tmp_path):
    path = store(parameters, lambda _: {"e": 1.0})
    output = invoke("plot", path, "-o", tmp_path / "p.png", status=2).replace("\n", " ")
    assert "parameter 'x' is" in output
    assert "1.7e+308" in output
    assert not (tmp_path / "p.png").exists()


@pytest.mark.parametrize("sem", [0.1, 1.7e308])
def test_a_result_too_large_for_pictures_is_named(store, sem, tmp_path):
    path = store({"x": [1, 2]}, lambda _: {"e": 1.7e308 if sem < 1 else 1.0, "e_sem": sem})
    assert "result 'e' is" in invoke("plot", path, "-o", tmp_path / "p.png", status=2)


def test_means_of_the_largest_numbers(store):
    path = store({}, lambda _: {"e": 1.5e308, "t": 1e-320}, replicas=3)
    assert show(path)[1][1:] == ["1.5e+308", "9.99989e-321"]


def test_nothing_to_plot_is_said(store, tmp_path):
    path = store({"x": [1, 2]}, lambda _: {"e": 1.0}, status=Status.NOT_FINITE)
    output = invoke("plot", path, "-o", tmp_path / "p.png", status=2)
    assert (
        f"no simulation is done, so there is nothing to plot; `dask-espresso status {path}`"
        in output
    )


def test_nothing_to_plot_is_said_of_failures(store, tmp_path):
    path = store({"x": [1, 2]}, lambda _: {}, status=Status.FAILED)
    output = invoke("plot", path, "-o", tmp_path / "p.png", status=2)
    assert (
        f"no simulation is done, so there is nothing to plot; `dask-espresso status {path}`"
        in output
    )


def test_points_without_the_result_are_counted(store, tmp_path):
    path = store(
        {"x": [1, 2, 3]}, lambda one: {"e": 1.0} if one.parameters["x"] > 2 else {"t": "a"}
    )
    output = invoke("plot", path, "-o", tmp_path / "p.png")
    assert "2 of 3 points have no 'e' of a simulation that is done" in output
    assert "points have no" not in invoke("plot", store({"x": [1]}, lambda _: {"e": 1.0}))


# ---- what has no column --------------------------------------------------------------------------


def test_results_that_are_no_numbers_are_named(store):
    result = {"e": 1.0, "h": np.arange(2), "t": "text", "ok": True, "l": [1], "d": {}, "none": None,
              "z": 1j, "lonely_sem": 0.5, "e_sem": 0.1}  # fmt: skip
    path = store({"x": [1, 2]}, lambda _: result)
    assert show(path)[0] == ["x", "done", "e", "lonely_sem"]
    (said,) = [line for line in invoke("show", path).splitlines() if "not shown" in line]
    assert said == (
        "not shown: h (array), t (text), ok (true or false), l (list), d (nested), z (complex); "
        f"they are in `dask-espresso export {path} FILE.csv`"
    )
    output = invoke("plot", path, "-y", "h", status=2)
    assert (
        "no result 'h' to plot; there are e, lonely_sem; no numbers: h (array), t (text)" in output
    )
    only = store({"x": [1, 2]}, lambda _: {"h": np.arange(2)})
    assert "no numeric result to plot; no numbers: h (array)" in invoke("plot", only, status=2)


def test_what_is_a_number_here_and_none_there_is_named(store):
    path = store({"x": [1, 2]}, lambda one: {"e": 1.0 if one.parameters["x"] > 1 else "high"})
    assert "not shown: e (text)" in invoke("show", path)


def test_nothing_is_said_where_everything_is_shown(store):
    path = store({"x": [1, 2]}, lambda one: {"e": 1.0 * one.parameters["x"], "n": None})
    assert "not shown" not in invoke("show", path)


def test_simulations_that_are_not_in_the_study_now_are_counted(store):
    path = store({"x": [1, 2, 3]}, lambda one: {"e": 1.0 * one.parameters["x"]})
    contents = read_store(path)
    study = Study.from_snapshot(contents.study | {"parameters": {"x": [1, 2]}})
    write_hdf5(path, filled_table(contents.outcomes.values()), study.snapshot(), "hash")
    assert "not shown: 1 recorded simulations that are not in the study now" in invoke("show", path)


def test_nested_numbers_are_shown_and_plotted(store):
    def result(one):
        x = one.parameters["x"]
        return {"energy": {"total": 1.0 * x, "total_sem": 0.1, "parts": {"bonded": 2 * x}}, "t": 5}

    path = store({"x": [1, 2]}, result)
    header, first, *_ = show(path)
    assert header == ["x", "done", "energy.total", "energy.parts.bonded", "t"]
    assert first == ["1", "1/1", "1.00(10)", "2", "5"]
    assert "energy.parts.bonded" in plot(path, "-y", "energy.parts.bonded")


def test_names_that_look_like_the_stores_own_are_those_of_its_columns(store):
    path = store({"x": [1]}, lambda _: {"x": 1.5, "result.x": 2, "status": 3, "result.status": 4})
    header, values, *_ = show(path)
    assert dict(zip(header, values, strict=True)) == {
        "x": "1", "done": "1/1", "result.x": "1.5", "result.result.x": "2", "status": "3",
        "result.result.status": "4",
    }  # fmt: skip
    with h5py.File(path) as file:
        assert file["result.x"][0] == 1.5
        assert file["result.result.status"][0] == 4


def test_nested_results_and_dots_are_told_apart_as_in_the_store(store):
    rows = [{"a.b": 1, "status": 7}, {"a": {"b": 2}}]
    for order in (rows, rows[::-1]):
        path = store({"x": [1, 2]}, lambda one, order=order: order[one.parameters["x"] - 1])
        header, *lines = show(path)
        values = {name: {line[header.index(name)] for line in lines} for name in header[2:]}
        assert values["result.a.b"] == {"1", "-"}
        assert values["a.b"] == {"2", "-"}
        assert "result.a.b" in plot(path, "-y", "result.a.b")


@pytest.mark.parametrize(
    ("parameters", "refusal"),
    [
        ({}, ""),
        ({"kT": 1.0, "epsilon": 1, "gamma": 3.0}, ""),
        ({"kT": 0.7}, "that of wca holds for kT = 1, not for kT = 0.7"),
        ({"temperature": [1.0, 2.0]}, "holds for temperature = 1, not for temperature = 2.0"),
        ({"sigma": "1"}, "holds for sigma = 1, not for sigma = 1"),
        ({"volume_fraction": [0.1, 1.0]}, "that of wca holds for volume fractions from 0 to 1"),
    ],
)
def test_a_reference_is_drawn_where_it_holds(store, parameters, refusal):
    parameters = {"volume_fraction": [0.1, 0.3], **parameters}
    path = store(parameters, lambda _: {"pressure": 1.0}, reference="wca")
    output = invoke("plot", path, "-o", path.with_suffix(".png"))
    assert ("no reference curve" in output) == bool(refusal)
    assert refusal in output
    texts = plot(path, "-x", "volume_fraction")
    assert ("WCA equation of state" in texts) == (not refusal)
    band = "simulations, N \u2192 \u221e: up to 0.8 % higher"
    assert (band in texts) == (not refusal)


def test_a_reference_is_drawn_where_the_study_names_one(store):
    def chance(one):
        return {"pressure": 1.0 + one.seed / 7, "energy": 1.0}

    parameters = {"volume_fraction": [0.1, 0.3]}
    assert "WCA equation of state" not in plot(store(parameters, chance))
    path = store(parameters, chance, reference="wca")
    assert "WCA equation of state" not in plot(path, "-y", "energy")
    assert "no reference" not in invoke("plot", path, "-y", "energy")


# ---- reasons -------------------------------------------------------------------------------------


def test_reasons_are_all_there_or_counted(store):
    kinds = ["".join(letters) for letters in itertools.product("ghijkmnp", repeat=3)]  # no numbers

    def fail(parameters):
        path = store(parameters, lambda _: {})
        study = Study(name="s", script="s.py", parameters=parameters)
        failures = [
            Outcome(one.id, one.parameters, status=Status.FAILED, error=f"kind {kinds[i // 2]}")
            for i, one in enumerate(study.simulations())
        ]
        write_hdf5(path, filled_table(failures), study.snapshot(), "hash")
        return path

    path = fail({"x": list(range(18))})
    assert all(f"2 x failed: kind {kind}" in invoke("status", path) for kind in kinds[:9])
    path = fail({"x": list(range(600))})
    lines = invoke("status", path).splitlines()
    assert sum("2 x failed: kind" in line for line in lines) == 20
    assert lines[-2] == "560 x 280 more kinds: --json lists them"
    assert lines[-1] == f"which, where and why: dask-espresso failures {path}"
    reasons = json.loads(invoke("status", path, "--json"))["reasons"]
    assert set(reasons.values()) == {2}
    assert len(reasons) == 300


# ---- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "curve", ".png", "curve.", "curve.nonsense", "s.h5", "/"])
def test_a_picture_is_what_it_is_called(store, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    path = store({"x": [1, 2]}, lambda _: {"e": 1.0})
    before = path.read_bytes()
    output = invoke("plot", path, "-o", name, status=2).replace("\n", " ")
    assert ".pdf" in output
    assert [file.name for file in tmp_path.iterdir()] == ["s.h5"]
    assert path.read_bytes() == before


def test_upper_case_suffixes_are_suffixes(store, tmp_path):
    path = store({"x": [1, 2]}, lambda _: {"e": 1.0})
    invoke("plot", path, "-o", tmp_path / "A.PNG")
    assert (tmp_path / "A.PNG").read_bytes()[1:4] == b"PNG"


def test_a_picture_does_not_replace_what_is_no_picture(store, tmp_path):
    path = store({"x": [1, 2]}, lambda _: {"e": 1.0})
    (tmp_path / "d.png").mkdir()
    assert "no file" in invoke("plot", path, "-o", tmp_path / "d.png", status=2)
    path = path.rename(tmp_path / "s.png")
    assert "the store itself" in invoke("plot", path, status=2).replace("\n", " ")
    assert path.read_bytes()[1:4] == b"HDF"


def test_a_backend_that_fails_is_one_message(store, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    path = store({"x": [1, 2]}, lambda _: {"e": 1.0})
    (tmp_path / "p.pgf").write_text("old")
    output = invoke("plot", path, "-o", tmp_path / "p.pgf", status=2)
    assert "cannot be drawn" in output
    assert (tmp_path / "p.pgf").read_text() == "old"


@pytest.mark.parametrize("command", ["show", "status", "plot"])
@pytest.mark.parametrize("name", ["", ".", "/", "..", "no.h5"])
def test_what_is_no_store(command, name):
    assert re.match("Error: .*", invoke(command, name, status=2))


@pytest.mark.parametrize("command", ["show", "status", "plot"])
def test_a_study_that_cannot_be_used_names_its_store(tmp_path, command):
    path = tmp_path / "s.h5"
    write_hdf5(path, filled_table([Outcome("1", {})]), {"name": "s"}, "hash")
    output = invoke(command, path, status=2).replace("\n", "")
    assert f"Error: {path}: the stored study cannot be used" in output


# ---- many curves ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["numbers", "texts", "two"])
def test_many_curves_are_drawn_in_seconds(store, kind):
    values = {
        "numbers": {"b": list(range(400))},
        "texts": {"b": [f"text {i}" for i in range(400)]},
        "two": {"b": list(range(20)), "c": list("abcdefghijklmnopqrst")},
    }[kind]
    path = store({"x": [1, 2, 3], **values}, lambda _: {"e": 1.0, "e_sem": 0.1})
    start = time.process_time()  # whatever else the machine does
    texts = plot(path, "-x", "x")
    assert time.process_time() - start < 15
    first, last = {
        "numbers": ("0", "399"),
        "texts": ("text 0", "text 399"),
        "two": ("0, a", "19, t"),
    }[kind]
    assert first in texts
    assert last in texts


def test_a_store_with_a_plot_is_plotted_from_python(store, tmp_path):
    path = store({"x": [1, 2]}, lambda _: {"e": 1.0})
    plot_stores([path], tmp_path / "p.pdf")
    assert (tmp_path / "p.pdf").stat().st_size > 5000
    with pytest.raises(InputError, match="there are x"):
        plot_stores([path], tmp_path / "p.pdf", Picture(x="y", y="e"))


# ---- what brackets and bars are ------------------------------------------------------------------


@pytest.fixture
def with_errors(store):
    """A store of two points, each of two replicas that scatter less than their own errors."""

    def result(one):
        return {"e": 2.0 + 0.01 * one.replica, "e_sem": 0.1, "e_dof": 4, "n": 5}

    return store({"x": [1, 2]}, result, replicas=2)


def test_brackets_say_what_they_are(with_errors):
    output = invoke("show", with_errors)
    assert "2.005(67)" in output
    assert "brackets: one standard error\n" in output
    assert not any("bars" in text for text in plot(with_errors, "-y", "n"))
    assert "bars: one standard error" in plot(with_errors)


@pytest.mark.parametrize("percent", ["95", "95 %", "95.0"])
def test_brackets_of_a_confidence(with_errors, percent):
    output = invoke("show", with_errors, "--confidence", percent)
    # nine degrees of freedom: one of the scatter, four of each error; Student's t is 2.262
    assert "2.00(15)" in output
    assert "brackets: 95 % confidence\n" in output
    assert "bars: 95 % confidence" in plot(with_errors, "--confidence", percent)


def test_an_old_error_without_degrees_of_freedom_has_seven(store):
    path = store({"x": [1, 2]}, lambda _: {"e": 2.0, "e_sem": 0.1})
    assert "2.00(24)" in invoke("show", path, "--confidence", "95")  # t is 2.365


def test_bars_are_as_long_as_they_say(with_errors, monkeypatch):
    drawn = []

    def spy(ax, curves, label, **more):
        drawn.extend(curves)
        return plot_curves(ax, curves, label, **more)

    monkeypatch.setattr("dask_espresso.views.picture.plot_curves", spy)
    plot_stores([with_errors], with_errors.with_suffix(".svg"))
    plot_stores([with_errors], with_errors.with_suffix(".svg"), Picture(confidence=95))
    one, wide = (np.array(curve.y_err) for curve in drawn)
    own, scatter = 0.1**2 / 2, 0.005**2
    assert one == pytest.approx(math.sqrt((8 * own + scatter) / 9))  # by degrees of freedom
    assert wide == pytest.approx(2.262157 * one)


def test_nothing_is_said_of_brackets_where_there_are_none(store):
    path = store({"x": [1, 2]}, lambda _: {"e (kT)": 1.0})
    assert "brackets" not in invoke("show", path)


@pytest.mark.parametrize("command", ["show", "plot"])
@pytest.mark.parametrize("percent", ["0", "100", "-95", "nan", "inf", "1 sigma", "", "49"])
def test_a_confidence_is_a_percentage(with_errors, command, percent):
    output = invoke(command, with_errors, "--confidence", percent, status=2).replace("\n", " ")
    assert f"confidence {percent}: give a percentage from 50 to below 100, such as 95" in output


def test_a_confidence_as_a_fraction_is_told_from_a_percentage(with_errors):
    output = invoke("show", with_errors, "--confidence", ".95", status=2).replace("\n", " ")
    assert "such as 95; write 95 for 95 %" in output


# ---- errors that are not known, and replicas that differ -----------------------------------------

FEW = "200 samples are worth about {} that are independent, but an error needs at least 12"


def notes(path, *arguments):
    """Give what show says beside its table, and plot beside its picture, of errors."""
    shown = invoke("show", path).splitlines()
    assert not any("_reason" in line for line in shown)
    plotted = invoke("plot", path, "-o", path.with_suffix(".svg"), *arguments).splitlines()
    said = [line for line in shown if line.startswith(("e: ", "warning: e"))]
    assert said == [line for line in plotted if line.startswith(("e: ", "warning: e"))]
    return said


def test_why_an_error_is_not_known_is_summed_up(store):
    def result(one):
        x = one.parameters["x"]
        if x == 1:
            why = FEW.format(8 + one.replica) if one.replica < 3 else "sample 3 is nan"
            return {"e": 1.0, "e_sem": None, "e_dof": None, "e_n_eff": None, "e_reason": why}
        return {"e": 1.0, "e_sem": 0.1, "e_dof": 9.0, "e_n_eff": 50.0}

    path = store({"x": [1, 2]}, result, replicas=4)
    lines = show(path)
    assert lines[:2] == [["x", "done", "e"], ["1", "4/4", "1"]]
    assert notes(path) == [f"e: no error in 4 of 8 simulations: {FEW.format(8)}; "
                           "1 more reason in others"]  # fmt: skip
    assert "not shown" not in invoke("show", path)


def test_a_reason_beside_an_error_is_said(store):
    why = "plain mean: the control's mean is 1.2 with a standard error of 0.01, not 1"

    def result(one):
        said = {"e_reason": why} if one.parameters["x"] == 1 else {}
        return {"e": 1.0, "e_sem": 0.1, **said}

    assert notes(store({"x": [1, 2]}, result)) == [f"e: 1 of 2 simulations say: {why}"]


def test_errors_that_are_not_known_without_a_reason_are_counted(store):
    path = store({"x": [1, 2]}, lambda one: {"e": 1.0, "e_sem": [math.nan, 0.1][one.replica]},
                 replicas=2)  # fmt: skip
    assert notes(path) == ["e: no error in 2 of 4 simulations"]
    assert notes(store({"x": [1, 2]}, lambda _: {"e": 1.0, "e_sem": 0.1})) == []
    assert notes(store({"x": [1, 2]}, lambda _: {"e": 1.0})) == []


def test_reasons_are_texts_of_anything(store):
    path = store({"x": [1, 2]}, lambda _: {"e": 1.0, "e_reason": f"[b]{SURROGATE}", "o_reason": ""})
    output = invoke("show", path)
    assert "e: no error in 2 of 2 simulations: [b]\\ud800\n" in output
    assert "not shown: o_reason (text)" in output  # there is no o
    path = store({"x": [1, 2]}, lambda _: {"e": 1.0, "e_sem": 0.1, "e_reason": [1, None]})
    assert "no error" not in invoke("show", path)


@pytest.mark.parametrize("nothing", [{}, {"e": None}, {"e": "none"}])
def test_replicas_without_a_result_that_others_have_are_counted(store, nothing):
    def result(one):
        there = {"e": 1.0, "e_sem": 0.1}
        x = one.parameters["x"]
        return {"n": 1, **(nothing if x == 3 or (x == 1 and one.replica > 0) else there)}

    said = notes(store({"x": [1, 2, 3]}, result, replicas=4), "-y", "e")
    assert said == [
        "warning: e: 3 of 4 simulations of a point are done and do not have it: the mean there is "
        "that of the others"
    ]


def test_replicas_that_differ_are_warned_of(store):
    def result(one):
        x, away = one.parameters["x"], (-1) ** one.replica
        return {"e": 1.0 + 0.01 * away * (1 if x < 3 else x), "e_sem": 0.01, "e_dof": 50.0}

    (said,) = notes(store({"x": [1, 2, 6, 5, 7, 8]}, result, replicas=4))
    assert said.startswith(
        "warning: e: in 4 of 6 points the replicas differ by more than their own errors, "
        "most at x = 8; x = 7; x = 6: "
    )
    assert "dask-espresso export" in said
    (said,) = notes(store({"x": [1, 2, 6]}, result, replicas=4))
    assert "in 1 of 3 points the replicas differ by more than their own errors at x = 6: " in said
    assert notes(store({"x": [1, 2]}, result, replicas=4)) == []


def offsets_of(offset, n_points=42, n_replicas=4, dof=14.0):
    """Give a function for results whose replicas are off by so much of their own errors."""
    random = np.random.default_rng(1)
    means = random.normal(size=(n_points, n_replicas)) * math.hypot(1.0, offset)
    errors = np.sqrt(random.chisquare(dof, means.shape) / dof)

    def result(one):
        at = one.parameters["x"], one.replica
        return {"e": 5.0 + 0.1 * means[at], "e_sem": 0.1 * errors[at], "e_dof": dof}

    return {"x": list(range(n_points))}, result


def test_replicas_that_differ_everywhere_by_little_are_warned_of(store):
    (said,) = notes(store(*offsets_of(1.0), replicas=4))
    found = re.match(
        r"warning: e: in 42 points together the replicas differ by more than their own errors, "
        r"with a chi squared of (\d+) in place of 126: those are about ([\d.]+) times too small",
        said,
    )
    chi_squared, factor = map(float, found.groups())
    assert chi_squared == pytest.approx(2 * 126, rel=0.3)
    assert factor == pytest.approx(math.sqrt(chi_squared / 126), abs=0.1)
    assert "simulate longer" in said
    assert "more replicas" in said


@pytest.mark.parametrize("n_replicas", [1, 2, 4])
def test_replicas_that_agree_everywhere_are_not_warned_of(store, n_replicas):
    assert notes(store(*offsets_of(0.0), replicas=n_replicas)) == []


def test_a_point_that_is_named_does_not_count_again(store):
    parameters, agree = offsets_of(0.0)

    def result(one):
        found = agree(one)
        is_odd = one.parameters["x"] == 7 and one.replica == 0
        return {**found, "e": 50.0} if is_odd else found

    (said,) = notes(store(parameters, result, replicas=4))
    assert "in 1 of 42 points the replicas differ by more than their own errors at x = 7: " in said
    parameters, differ = offsets_of(1.2)

    def result_of_both(one):
        found = differ(one)
        is_odd = one.parameters["x"] == 7 and one.replica == 0
        return {**found, "e": 50.0} if is_odd else found

    odd, all_others = notes(store(parameters, result_of_both, replicas=4))
    assert "at x = 7: " in odd
    assert "in 41 other points together" in all_others


def test_errors_that_are_a_few_per_cent_too_small_are_no_matter(store):
    def result(one):
        return {"e": float((-1) ** one.replica), "e_sem": 1.0, "e_dof": 200.0}

    # chi squared is 4 in place of 3, a factor of 1.15 squared; then 12 in place of 11, 1.04 squared
    assert len(notes(store({"x": list(range(300))}, result, replicas=4))) == 1
    assert notes(store({"x": list(range(400))}, result, replicas=12)) == []


def test_points_without_own_errors_have_no_chi_squared(store):
    parameters, differ = offsets_of(1.2)

    def result(one):
        x = one.parameters["x"]
        return {**differ(one), "e_sem": None} if x < 10 and one.replica == x % 4 else differ(one)

    said = notes(store(parameters, result, replicas=4))
    assert "in 32 points together" in said[-1]
    assert "in place of 96" in said[-1]


def put_study(path, **changed):
    """Change the study that a store is of, as if it had been run with nothing left to do."""
    contents = read_store(path)
    study = Study.from_snapshot(contents.study | changed)
    table = filled_table(contents.outcomes.values())
    table.sort(study)
    write_hdf5(path, table, study.snapshot(), "hash")


def result_of(one):
    return {"e": 10.0 * one.parameters["x"] + one.replica}


def test_all_shows_what_is_not_in_the_study_now(store):
    path = store({"x": [1, 2, 3], "a": 5}, result_of, replicas=2)
    put_study(path, parameters={"x": [1, 2], "a": 5})
    assert "not in the study now; --all shows them" in invoke("show", path)
    lines = invoke("show", path, "--all").split("\n")
    at = lines.index("recorded, but not in the study now:")
    assert lines[at + 1].split() == ["x", "done", "e"]
    assert lines[at + 2].split() == ["3", "2/2", "30.50(50)"]
    assert lines[1].split() == ["1", "2/2", "10.50(50)"]
    assert "not shown" not in invoke("show", path, "--all")


def test_all_shows_replicas_that_the_study_no_longer_has_by_themselves(store):
    path = store({"x": [1, 2]}, result_of, replicas=3)
    put_study(path, replicas=1)
    text = invoke("show", path, "--all").partition("now:\n")
    assert [line.split()[:3] for line in text[0].split("\n")[1:3]] == [
        ["1", "1/1", "10"], ["2", "1/1", "20"]]  # fmt: skip
    assert [line.split()[:3] for line in text[2].split("\n")[1:3]] == [
        ["1", "2/2", "11.50(50)"], ["2", "2/2", "21.50(50)"]]  # fmt: skip


def test_all_shows_other_constants_and_other_sets_of_parameters(store):
    path = store({"x": [1, 2], "a": 5, "m": {"value": {"k": [1, 2]}}}, result_of)
    put_study(path, parameters={"x": [1, 2], "a": 6, "b": 1})
    text = invoke("show", path, "--all").partition("recorded, but ")[2].split("\n")
    assert text[0] == "not in the study now, without b:"
    assert text[1].split() == ["x", "a", "m", "done", "e"]
    assert text[2].split()[:2] == ["1", "5"]
    assert text[3].split()[-2:] == ["1/1", "20"]


def test_all_changes_nothing_where_all_is_in_the_study(store):
    path = store({"x": [1, 2]}, result_of)
    assert invoke("show", path, "--all") == invoke("show", path)


def test_a_parameter_in_its_logarithm_has_such_an_axis_and_short_labels(store):
    log = {"start": 0.1, "stop": 10, "num": 20, "scale": "log"}
    path = store(
        {"kappa": log, "beta": {**log, "num": 6}}, lambda one: {"y": one.parameters["kappa"] ** 2}
    )
    texts = plot(path, "-x", "kappa")
    labels = [text for text in texts if text.startswith("beta = ")]
    assert [label[7:] for label in labels] == ["0.1", "0.251", "0.631", "1.58", "3.98", "10"]
    assert {"0.1", "1", "10"} <= {*texts}
    linear = store({"kappa": [0.1, 1.0, 10.0]}, lambda one: {"y": 1.0})
    assert not any("10^" in text for text in plot(linear, "-x", "kappa"))
