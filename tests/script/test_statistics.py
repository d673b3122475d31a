"""Errors cover as often as they say, or it is said that they are not known."""

import math
from unittest.mock import ANY

import numpy as np
import pytest

from dask_espresso.script.replicas import in_all_points, pool_rows
from dask_espresso.statistics import (
    blocking_error,
    control_variate,
    correlation_time,
    drift,
    mean_error,
    pool,
    pool_replicas,
)

REPETITIONS = 1000


def autoregressive(repetitions, n_samples, correlation, seed=7):
    """Give series of mean 0 and variance 1, ``x[t] = correlation x[t - 1] + noise``, a row each."""
    from scipy import signal

    noise = np.random.default_rng(seed).normal(size=(repetitions, n_samples))
    noise[:, 1:] *= math.sqrt(1 - correlation**2)
    return signal.lfilter([1], [1, -correlation], noise, axis=1)


def of_time(repetitions, n_samples, time, seed=7):
    return autoregressive(repetitions, n_samples, math.exp(-1 / time), seed)


def of_two_times(repetitions, n_samples):
    quick = of_time(repetitions, n_samples, 1)
    slow = of_time(repetitions, n_samples, 50, 8)
    return math.sqrt(0.9) * quick + math.sqrt(0.1) * slow


def oscillating(repetitions, n_samples, damping, frequency):
    """Give waves of random phases, which take themselves back."""
    from scipy import signal

    noise = np.random.default_rng(7).normal(size=(repetitions, n_samples + 500))
    poles = [1, -2 * damping * math.cos(frequency), damping**2]
    return signal.lfilter([1], poles, noise, axis=1)[:, 500:]


def covered(estimates, mean=0.0):
    """Give the coverage of intervals of 95 %, and errors, root mean square, over the true one."""
    from scipy import stats

    means, sems, dofs = np.array([estimate[:3] for estimate in estimates]).T
    deviations = np.abs(means - mean)
    is_covered = deviations <= stats.t.ppf(0.975, dofs) * sems
    return np.mean(is_covered), np.sqrt(np.mean(sems**2) / np.mean(deviations**2))


# ---- one series ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "series",
    [
        lambda: autoregressive(REPETITIONS, 200, 0.0),
        lambda: of_time(REPETITIONS, 200, 1),
        lambda: of_time(REPETITIONS, 200, 3),  # worth 33 independent samples
        lambda: of_time(REPETITIONS, 2000, 5),
        lambda: of_time(REPETITIONS, 2000, 20),
        lambda: of_time(REPETITIONS, 24, 0.1),
        lambda: of_two_times(REPETITIONS, 2000),
        lambda: autoregressive(REPETITIONS, 2000, -0.5),
        lambda: oscillating(REPETITIONS, 1000, 0.95, 0.3),
    ],
    ids=["white", "tau 1", "tau 3", "tau 5", "tau 20", "few", "two times", "alternating", "waves"],
)
def test_intervals_cover_as_often_as_they_say(series):
    found = [mean_error(row) for row in series()]
    known = [estimate for estimate in found if not estimate.reason]
    assert len(known) > 0.9 * len(found)
    coverage, ratio = covered(known)
    assert 0.93 <= coverage <= 0.98
    assert 0.92 < ratio < 1.1  # itself known to 3 %


def test_errors_of_short_series_with_something_slow_are_not_small():
    """As an energy of 200 samples: a fifth of it remembers for 12, all is worth 34 samples."""
    rows = math.sqrt(0.8) * of_time(4000, 200, 0.7) + math.sqrt(0.2) * of_time(4000, 200, 12, 8)
    coverage, ratio = covered([known for row in rows if not (known := mean_error(row)).reason])
    assert coverage > 0.94
    assert 0.95 < ratio < 1.1  # itself known to 1 %


@pytest.mark.parametrize(("n_samples", "frequency"), [(500, 0.4), (1000, 0.2), (3000, 0.4)])
def test_errors_of_waves_are_not_small(n_samples, frequency):
    """Of which windows see a part, and shorter ones a part that is not the same."""
    found = [mean_error(row) for row in oscillating(2 * REPETITIONS, n_samples, 0.95, frequency)]
    coverage, ratio = covered(found)
    assert coverage > 0.93
    assert 0.93 < ratio < 1.12  # itself known to 2 %


def test_errors_of_series_that_are_hardly_long_enough_are_not_small():
    found = [mean_error(row) for row in of_time(2 * REPETITIONS, 200, 5)]  # 20 effective samples
    known = [estimate for estimate in found if not estimate.reason]
    assert len(known) > 0.8 * len(found)
    coverage, ratio = covered(known)
    assert coverage > 0.93
    assert ratio > 0.88


@pytest.mark.parametrize(
    ("n_samples", "time", "least"), [(200, 20, 0.8), (200, 100, 0.94), (2000, 2000, 0.94)]
)
def test_what_is_too_short_for_its_time_mostly_has_no_error(n_samples, time, least):
    """Worth 5, 1 and 1 independent samples; what comes out small by chance is taken for longer."""
    found = [mean_error(row) for row in of_time(REPETITIONS, n_samples, time)]
    unknown = [estimate for estimate in found if math.isnan(estimate.sem)]
    assert len(unknown) >= least * len(found)
    assert all("an error needs at least 12" in estimate.reason for estimate in unknown)
    assert not any("about 12" in estimate.reason for estimate in unknown)
    assert all(math.isfinite(estimate.mean) and estimate.n_eff < 12 for estimate in unknown)


@pytest.mark.parametrize("time", [2, 8])
def test_errors_are_those_of_pymbar(time):
    """On long series, where both are good to some per cent."""
    from pymbar import timeseries

    ours, theirs = [], []
    for row in of_time(10, 20000, time):
        ours.append(mean_error(row).sem)
        theirs.append(np.std(row) * math.sqrt(timeseries.statistical_inefficiency(row) / len(row)))
    assert np.mean(ours) == pytest.approx(np.mean(theirs), rel=0.1)


@pytest.mark.parametrize("time", [0.2, 2, 8])
def test_correlation_time(time):
    expected = 0.5 / math.tanh(0.5 / time)  # the sum of its geometric series
    found = [correlation_time(row) for row in of_time(200, 10000, time)]
    assert np.mean(found) == pytest.approx(expected, rel=0.1)
    assert np.std(found) < 0.2 * expected


def test_a_trend_has_no_error():
    assert "samples are worth about" in mean_error(np.linspace(0.0, 1.0, 1000)).reason


@pytest.mark.parametrize("value", [0.0, 0.1, -3.0])
@pytest.mark.parametrize("n_samples", [2, 3, 1000])
def test_constant_series_has_no_error(value, n_samples):
    assert blocking_error(np.full(n_samples, value)) == 0.0


@pytest.mark.parametrize("samples", [[], [1.0], [1.0, math.nan], [math.inf, 1.0]])
def test_error_is_nan_where_nothing_can_be_said(samples):
    assert math.isnan(blocking_error(samples))


@pytest.mark.parametrize("n_samples", [2, 3, 5, 7, 9, 19])
def test_short_series_have_no_error(n_samples):
    found = mean_error(np.arange(n_samples))
    assert math.isnan(found.sem)
    assert found.mean == (n_samples - 1) / 2
    assert found.reason.startswith(f"there are {n_samples} samples")


def test_what_is_no_number_is_named():
    assert mean_error([1.0] * 30 + [math.inf]).reason == "sample 30 is inf"


def test_an_estimate_as_results_of_a_simulation():
    named = mean_error(np.random.default_rng(1).normal(size=400)).results("p")
    assert list(named) == ["p", "p_sem", "p_dof", "p_n_eff"]
    unknown = mean_error([1.0, 2.0, 3.0]).results("p")
    assert "3 samples" in unknown.pop("p_reason")
    assert unknown == {"p": 2.0, "p_sem": None, "p_dof": None, "p_n_eff": None}


@pytest.mark.parametrize("exponent", [-1070, -600, 600, 1020])
def test_numbers_of_any_size_have_the_same_errors(exponent):
    samples = np.random.default_rng(3).integers(0, 8, size=128).astype(float)
    scale = 2.0**exponent
    assert blocking_error(samples * scale) == pytest.approx(blocking_error(samples) * scale)
    for errors in ([1.0, 2.0, 3.0], [9.0, 9.0, 9.0]):
        means = np.array([1.0, 3.0, 7.0])
        expected = [value * scale for value in pool(means, errors)]
        assert pool(means * scale, np.array(errors) * scale) == pytest.approx(expected)
    assert pool([1.0, 1.0], [scale, scale])[1] == pytest.approx(scale * math.sqrt(14 / 15 / 2))


def test_samples_of_more_dimensions_are_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
        blocking_error(np.zeros((2, 3)))


# ---- a control, and halves -----------------------------------------------------------------------


def of_fluid(repetitions, n_samples, control_time=3, rest_time=2):
    """Give something like pressures and temperatures: mean 5 and mean 1, slope 2."""
    temperatures = 1 + 0.1 * of_time(repetitions, n_samples, control_time, 3)
    pressures = 5 + 2 * (temperatures - 1) + 0.05 * of_time(repetitions, n_samples, rest_time, 4)
    return pressures, temperatures


@pytest.mark.parametrize(
    ("n_samples", "times"), [(200, (10, 2)), (500, (3, 2)), (2000, (5, 5)), (2000, (2, 10))]
)
def test_a_control_makes_errors_smaller_and_no_less_honest(n_samples, times):
    """The first is as a short simulation: its control is worth ten independent samples."""
    pairs = list(zip(*of_fluid(REPETITIONS, n_samples, *times), strict=True))
    found = [control_variate(*pair, 1.0) for pair in pairs]
    used = [estimate for estimate in found if not estimate.reason]
    assert len(used) > 0.95 * len(found)
    coverage, ratio = covered(used, 5.0)
    assert 0.93 <= coverage <= 0.98
    assert 0.93 < ratio < 1.12
    plain = np.std([np.mean(pressures) for pressures, _ in pairs])
    rest = 0.05 * math.sqrt(1 / math.tanh(0.5 / times[1]) / n_samples)  # what a control leaves
    assert np.std([estimate.mean for estimate in used]) == pytest.approx(rest, rel=0.15)
    assert 1.2 * rest < plain


def test_a_control_that_has_nothing_to_do_with_it_does_no_harm():
    rows = of_time(REPETITIONS, 1000, 2, 5), of_time(REPETITIONS, 1000, 2, 6)
    coverage, ratio = covered([control_variate(*pair, 0.0) for pair in zip(*rows, strict=True)])
    assert 0.93 <= coverage <= 0.98
    assert 0.92 < ratio < 1.12


@pytest.mark.parametrize("time", [20, 50])
def test_what_a_control_leaves_may_be_slow(time):
    slow, quick = of_time(REPETITIONS, 2000, time), of_time(REPETITIONS, 2000, 2, 9)
    found = [control_variate(*pair, 0.0) for pair in zip(slow + quick, quick, strict=True)]
    known = [estimate for estimate in found if not estimate.reason]
    assert len(known) > 0.9 * len(found)
    coverage, ratio = covered(known)
    assert 0.93 <= coverage <= 0.98
    assert 0.92 < ratio < 1.12


def test_a_control_may_leave_what_has_two_time_scales():
    rows, quick = of_two_times(REPETITIONS, 2000), of_time(REPETITIONS, 2000, 2, 9)
    found = [control_variate(*pair, 0.0) for pair in zip(rows + quick, quick, strict=True)]
    coverage, ratio = covered([estimate for estimate in found if not estimate.reason])
    assert 0.93 <= coverage <= 0.98
    assert 0.92 < ratio < 1.12


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_a_control_does_not_mind_units(scale):
    (pressures,), (temperatures,) = of_fluid(1, 1000)
    found, as_before = (
        control_variate(by * pressures, by * temperatures, by) for by in (scale, 1.0)
    )
    assert found.mean == pytest.approx(scale * as_before.mean, rel=1e-9)
    assert found.sem == pytest.approx(scale * as_before.sem, rel=1e-9)


@pytest.mark.parametrize(
    ("change", "expected", "reason"),
    [
        (lambda p, t: (p, t + 0.2), 1.0, "plain mean: the control's mean is 1.2"),
        (
            lambda p, t: (p, np.ones_like(t)),
            1.0,
            "plain mean: no error of the control's mean: it is",
        ),
        (
            lambda p, t: (np.resize(p[::25], 63), np.resize(t[::25], 63)),
            1.0,
            "plain mean: a control needs at least 64 samples",
        ),
        (
            lambda p, t: (p, np.linspace(0.5, 1.5, len(t))),
            1.0,
            "plain mean: the control.s samples are worth 5 ",
        ),
        (lambda p, t: (p, t), math.nan, "plain mean: the control's mean is 1.0.*not nan"),
    ],
)
def test_a_control_that_cannot_be_used_leaves_the_plain_mean(change, expected, reason):
    pressures, temperatures = change(*(rows[0] for rows in of_fluid(1, 1000)))
    found = control_variate(pressures, temperatures, expected)
    assert found[:4] == mean_error(pressures)[:4]
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(found.reason)


def test_samples_and_control_are_of_the_same_times():
    with pytest.raises(ValueError, match="of the same times, they are 3 and 2"):
        control_variate([1.0, 2.0, 3.0], [1.0, 2.0], 1.0)


def test_a_drift_is_seen_over_replicas_that_is_not_in_one():
    steady = of_time(40, 400, 2)
    drifting = steady + np.linspace(0.0, 0.4, 400)
    assert abs(drift(steady).mean) < 3 * drift(steady).sem
    assert drift(drifting).mean > 4 * drift(drifting).sem
    one = drift(drifting[0])
    assert abs(one.mean) < 3 * one.sem
    with pytest.raises(ValueError, match="shape"):
        drift(np.zeros((2, 2, 2)))


# ---- replicas ------------------------------------------------------------------------------------


@pytest.mark.parametrize("time", [1, 5])
def test_pooled_intervals_cover_as_often_as_they_say(time):
    found = [mean_error(row)[:4] for row in of_time(2 * REPETITIONS, 100 * time, time)]
    for n_replicas in (1, 2, 4, 8, 16):
        groups = np.reshape(found, (-1, n_replicas, 4)).transpose(0, 2, 1)
        pooled = [pool_replicas(*group) for group in groups]
        known = [estimate for estimate in pooled if not math.isnan(estimate.sem)]
        assert len(known) > 0.95 * len(pooled)
        slack = 1.5 * math.sqrt(0.95 * 0.05 / len(known))
        assert 0.93 - slack <= covered(known)[0] <= 0.98 + slack, n_replicas


@pytest.mark.parametrize("n_replicas", [2, 4])
def test_pooled_intervals_of_replicas_that_are_too_short_cover_as_often(n_replicas):
    """Each is worth 16: those whose errors came out too small are those that have one."""
    quick, slow = of_time(8 * REPETITIONS, 200, 0.1), of_time(8 * REPETITIONS, 200, 15, 8)
    found = [mean_error(row)[:4] for row in math.sqrt(0.6) * quick + math.sqrt(0.4) * slow]
    groups = np.reshape(found, (-1, n_replicas, 4)).transpose(0, 2, 1)
    assert covered([pool_replicas(*group) for group in groups])[0] >= 0.93


def test_errors_of_few_effective_samples_count_less_beside_the_scatter():
    given = [1.0, 1.5], [0.5, 0.5], [7, 7]
    within, between = 0.5**2 / 2, 0.25**2
    for n_effs, dof in (([12, 12], 1.4), ([12, 21], 4.2), ([30, 500], 14), ([math.nan] * 2, 14)):
        found = pool_replicas(*given, n_effs)
        assert found.dof == pytest.approx(1 + dof)
        assert found.sem**2 == pytest.approx((dof * within + between) / (dof + 1))
    assert pool_replicas(*given) == found
    assert pool_replicas([1.0], [0.5], [7], [12])[:3] == (1.0, 0.5, 7.0)


def test_replicas_that_differ_say_so_and_only_their_scatter_counts():
    found = pool_replicas([1.0, 2.0, 3.0, 4.0], [0.1] * 4, [50] * 4)
    assert found.dof == 3
    assert found.reason == "its 4 replicas differ by more than their own errors"
    assert pool_replicas([1.0, 1.1, 0.9, 1.0], [0.1] * 4, [50] * 4)[2:] == (203, ANY, "")


@pytest.mark.parametrize("dof", [7, 14, 50])
@pytest.mark.parametrize("n_replicas", [2, 4, 8])
@pytest.mark.parametrize("n_points", [8, 100])
def test_all_points_say_by_chance_alone_as_often_as_they_should_that_replicas_differ(
    n_points, n_replicas, dof
):
    random = np.random.default_rng(1)
    shape = (40_000 // n_points, n_points, n_replicas)
    means, dofs = random.normal(size=shape), np.full(shape, float(dof))
    errors = np.sqrt(random.chisquare(dof, shape) / dof)
    columns = means, errors, dofs, np.full(shape, math.nan)
    sigmas = pool_rows(*(values.reshape(-1, n_replicas) for values in columns)).sigmas
    degrees = np.full(n_points, n_replicas - 1.0)
    found = [in_all_points(row, degrees) for row in sigmas.reshape(shape[:2])]
    chi_squared, dof_of_all, of_all = np.transpose(found)
    assert (dof_of_all == n_points * (n_replicas - 1)).all()
    assert np.mean(chi_squared / dof_of_all) == pytest.approx(1, abs=0.03)
    assert np.mean(of_all) == pytest.approx(0, abs=0.15)
    assert np.std(of_all) == pytest.approx(1, abs=0.15)
    assert np.mean(of_all > 3) <= 5e-3


def test_chi_squared_is_the_textbooks_where_errors_are_known():
    means = np.random.default_rng(1).normal(size=(20, 5))
    known = np.ones((20, 5))
    sigmas = pool_rows(means, known, 1e9 * known, 1e9 * known).sigmas
    right = np.sum((means - means.mean(axis=1, keepdims=True)) ** 2)
    found = in_all_points(np.append(sigmas, math.nan), np.full(21, 4.0))
    assert found[:2] == (pytest.approx(right), 80)
    assert in_all_points(np.full(2, math.nan), np.full(2, 4.0))[:2] == (0, 0)


@pytest.mark.parametrize("own", [0.0, 1e-300])
@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e300])
def test_replicas_without_fluctuations_that_differ_have_the_scatter_alone(own, scale):
    """What is constant in each replica, and another constant in the next."""
    found = pool_replicas(scale * np.array([1.0, 2.0, 3.0]), [own * scale] * 3, [99] * 3)
    assert found.sem == pytest.approx(scale / math.sqrt(3))
    assert (found.dof, found.reason) == (2, "its 3 replicas differ by more than their own errors")


def test_replicas_that_are_equal_but_for_rounding_do_not_differ():
    found = pool_replicas([0.1 + 0.2, 0.3, 0.3], [0.0] * 3, [99] * 3)
    assert found.sem < 1e-15
    assert (found.dof, found.reason) == (299, "")
    assert pool_replicas([3.0] * 3, [0.0] * 3, [99] * 3)[1:] == (0.0, 299, ANY, "")


def test_replicas_that_are_equal_without_errors_of_their_own_have_none():
    """Such as counts of what is rare, which are 0 in all of few."""
    for values in ([0.0] * 4, [0.1 + 0.2, 0.3, 0.3, 0.3]):
        found = pool_replicas(values, [math.nan] * 4)
        assert found.mean == pytest.approx(values[-1])
        assert math.isnan(found.sem)
        assert found.reason == ("its 4 replicas are equal, and do not all have errors of their own")


@pytest.mark.parametrize("dof", [0, -1])
def test_degrees_of_freedom_that_are_none_count_as_unknown(dof):
    of_unknown = pool_replicas([1.0, 1.1], [0.1, 0.1], [math.nan] * 2)
    assert pool_replicas([1.0, 1.1], [0.1, 0.1], [dof] * 2) == (*of_unknown[:3], ANY, "")


def test_one_replica_keeps_its_own_error():
    assert pool([2.0], [0.1]) == (2.0, 0.1)


def test_scatter_between_replicas_counts():
    mean, error = pool([1.0, 2.0, 3.0, 4.0], [0.1, 0.1, 0.1, 0.1])
    assert mean == 2.5
    assert error == pytest.approx(np.std([1, 2, 3, 4], ddof=1) / 2)


@pytest.mark.parametrize(("sigmas", "counts"), [(2.25, False), (2.45, True)])
def test_scatter_counts_where_chance_seldom_gives_as_much(sigmas, counts):
    """Of two replicas with errors that are well known: where they are 2.33 of them apart."""
    apart = sigmas * math.sqrt(2)
    found = pool_replicas([0.0, apart], [1.0, 1.0], [1e6, 1e6]).sem
    assert found == pytest.approx(apart / 2 if counts else math.sqrt(0.5), rel=1e-5)


def test_a_mean_that_is_not_known_has_no_error():
    assert all(math.isnan(value) for value in pool([math.nan, 1.0], [0.1, 0.1]))


def test_replicas_that_agree_by_chance_have_little_less_than_their_own_errors():
    mean, error = pool([2.0, 2.0], [0.3, 0.4])
    assert mean == 2.0
    assert error == pytest.approx(0.25 * math.sqrt(14 / 15))


def test_unknown_errors_leave_the_scatter():
    assert pool([2.0, 4.0], [math.nan, 0.1]) == (3.0, 1.0)


@pytest.mark.parametrize(("n_replicas", "excess"), [(2, 1.06), (4, 1.03), (8, 1.02), (32, 1.01)])
@pytest.mark.parametrize("dof", [8, 17])
def test_pooled_error_is_as_conservative_as_documented(n_replicas, excess, dof):
    random, shape = np.random.default_rng(2), (100_000, n_replicas)
    errors = np.sqrt(random.chisquare(dof, shape) / dof)
    dofs, n_effs = np.full(shape, float(dof)), np.full(shape, math.nan)
    sems = pool_rows(random.normal(size=shape), errors, dofs, n_effs).sems
    assert np.mean(sems**2) ** 0.5 * math.sqrt(n_replicas) == pytest.approx(excess, abs=0.01)


def test_no_replicas_give_nan():
    assert all(math.isnan(value) for value in pool([], []))


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="same length"):
        pool([1.0, 2.0], [0.1])
