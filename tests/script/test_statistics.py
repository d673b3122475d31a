import math

import numpy as np
import pytest

from dask_espresso.statistics import blocking_error, pool


def autoregressive_series(n_samples, correlation, seed):
    """Give x[t] = correlation x[t-1] + noise of unit variance, stationary from the start."""
    noise = np.random.default_rng(seed).normal(size=n_samples)
    noise[0] /= math.sqrt(1 - correlation**2)
    series = np.empty(n_samples)
    value = 0.0
    for index, kick in enumerate(noise):
        value = correlation * value + kick
        series[index] = value
    return series


@pytest.mark.parametrize("correlation", [0.5, 0.9, 0.97])
def test_error_of_an_autoregressive_series_is_the_known_one(correlation):
    n_samples = 20000
    # for n much longer than the correlation time: sigma / (1 - correlation) / sqrt(n)
    known = 1 / (1 - correlation) / math.sqrt(n_samples)
    estimates = [
        blocking_error(autoregressive_series(n_samples, correlation, seed)) for seed in range(20)
    ]
    assert np.mean(estimates) == pytest.approx(known, rel=0.08)
    # at 0.97 there are 20 to 40 blocks, and the estimate itself is good to about 15 %
    assert np.std(estimates) < 0.2 * known


def test_error_of_white_noise_is_the_plain_one():
    noise = np.random.default_rng(1).normal(scale=3.0, size=10000)
    assert blocking_error(noise) == pytest.approx(3.0 / 100, rel=0.1)


def test_error_covers_the_true_mean():
    deviations = []
    for seed in range(200):
        series = autoregressive_series(2000, 0.8, seed)
        deviations.append(abs(series.mean()) / blocking_error(series))
    within_one = np.mean(np.array(deviations) < 1)
    assert 0.58 < within_one < 0.76  # 68 % are expected, here give or take 3.3 %


def test_trend_is_not_taken_for_a_small_error():
    series = np.linspace(0.0, 1.0, 1000)
    assert blocking_error(series) > 5 * series.std() / math.sqrt(len(series))


@pytest.mark.parametrize("value", [0.0, 0.1, -3.0])
@pytest.mark.parametrize("n_samples", [2, 3, 1000])
def test_constant_series_has_no_error(value, n_samples):
    assert blocking_error(np.full(n_samples, value)) == 0.0


@pytest.mark.parametrize("samples", [[], [1.0], [1.0, math.nan], [math.inf, 1.0]])
def test_error_is_nan_where_nothing_can_be_said(samples):
    assert math.isnan(blocking_error(samples))


@pytest.mark.parametrize("n_samples", [2, 3, 5, 7, 9, 31])
def test_short_series_have_an_error(n_samples):
    assert blocking_error(np.arange(n_samples)) > 0


@pytest.mark.parametrize("exponent", [-1070, -600, 600, 1020])
def test_numbers_of_any_size_have_the_same_errors(exponent):
    samples = np.random.default_rng(3).integers(0, 8, size=64).astype(float)
    scale = 2.0**exponent
    assert blocking_error(samples * scale) == pytest.approx(blocking_error(samples) * scale)
    for errors in ([1.0, 2.0, 3.0], [9.0, 9.0, 9.0]):
        means = np.array([1.0, 3.0, 7.0])
        expected = [value * scale for value in pool(means, errors)]
        assert pool(means * scale, np.array(errors) * scale) == pytest.approx(expected)
    assert pool([1.0, 1.0], [scale, scale])[1] == pytest.approx(scale / math.sqrt(2))


def test_samples_of_more_dimensions_are_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
        blocking_error(np.zeros((2, 3)))


def test_one_replica_keeps_its_own_error():
    assert pool([2.0], [0.1]) == (2.0, 0.1)


def test_scatter_between_replicas_counts():
    mean, error = pool([1.0, 2.0, 3.0, 4.0], [0.1, 0.1, 0.1, 0.1])
    assert mean == 2.5
    assert error == pytest.approx(np.std([1, 2, 3, 4], ddof=1) / 2)


def test_replicas_that_agree_by_chance_keep_their_own_errors():
    mean, error = pool([2.0, 2.0], [0.3, 0.4])
    assert mean == 2.0
    assert error == pytest.approx(0.25)


def test_unknown_errors_leave_the_scatter():
    assert pool([2.0, 4.0], [math.nan, 0.1]) == (3.0, 1.0)


@pytest.mark.parametrize(("n_replicas", "excess"), [(2, 1.17), (4, 1.12), (8, 1.09), (32, 1.05)])
def test_pooled_error_is_as_conservative_as_documented(n_replicas, excess):
    means = np.random.default_rng(2).normal(size=(4000, n_replicas))
    pooled = [pool(row, np.ones(n_replicas))[1] for row in means]
    assert np.mean(pooled) * math.sqrt(n_replicas) == pytest.approx(excess, abs=0.02)


def test_no_replicas_give_nan():
    assert all(math.isnan(value) for value in pool([], []))


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="same length"):
        pool([1.0, 2.0], [0.1])
