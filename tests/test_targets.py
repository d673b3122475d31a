"""Which point needs how many more replicas: told from results alone, whatever their order."""

import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import stdtrit

from dask_espresso.inputs.until import Target, Until
from dask_espresso.script.replicas import pool_replicas, pool_rows
from dask_espresso.targets import Standing

NAN = math.nan


def until(error=1.0, minimum=4, maximum=64, *, is_relative=False, results=("y",)):
    targets = tuple(Target(name, error, is_relative) for name in results)
    return Until(targets, minimum, maximum)


def note(standing, point, replica, *samples):
    """Note one replica, with mean, error and degrees of freedom of each result."""
    columns = np.array([(*sample, NAN) for sample in samples])[:, :, np.newaxis]
    standing.note(np.array([point]), np.array([replica]), columns)


def run(standing, sample):
    """Run a standing of one point to its end; give what it wanted, one count after the other."""
    counts = [0]
    while counts[-1] < (count := int(standing.counts[0])):
        for replica in range(counts[-1], count):
            note(standing, 0, replica, *sample(replica))
        counts.append(count)
        standing.decide()
    return counts[1:]


def honest(error, dof):
    return error * stdtrit(dof, 0.975) / NormalDist().inv_cdf(0.975)


def error_of(own, dof, count):
    """Give the error of so many replicas that all have this one, and do not scatter."""
    return own / count**0.5 * (count * dof / (count * dof + count - 1)) ** 0.5


def expected(own, dof, target, minimum, maximum):
    """Give the counts of replicas that all have this error, and the same mean."""
    counts = [min(minimum, maximum)]
    while counts[-1] < maximum:
        there = counts[-1]
        of_one = error_of(own, dof, there) * there**0.5
        for count in range(there, 2 * there + 1):
            dofs = count - 1 + count * dof
            is_met = honest(of_one / count**0.5, dofs) <= target and dofs >= 9
            if is_met or count == 2 * there:
                break
        if count == there:
            break
        counts.append(min(count, maximum))
    return counts


@pytest.mark.parametrize("own", [0.0, 0.5, 1.9, 2.1, 3.0, 5.0, 7.9, 100.0])
@pytest.mark.parametrize("dof", [1.0, 7.0, 20.0, 1000.0])
@pytest.mark.parametrize(("minimum", "maximum"), [(1, 64), (2, 2), (4, 64), (3, 17)])
def test_no_more_are_wanted_than_errors_predict_and_at_most_twice(own, dof, minimum, maximum):
    standing = Standing(until(1.0, minimum, maximum), 1)
    counts = run(standing, lambda _: [(5.0, own, dof)])
    if own:
        assert counts == expected(own, dof, 1.0, minimum, maximum)
    dofs = counts[-1] * (1 + dof) - 1
    found = honest(error_of(own, dof, counts[-1]), dofs)
    assert standing.distances[0] == pytest.approx(found, rel=1e-5)
    assert standing.have_met[0] == (standing.distances[0] <= 1)
    assert standing.have_failed[0] != standing.have_met[0]


def test_a_relative_target_is_a_part_of_the_mean():
    for mean, count in [(100.0, 4), (-100.0, 4), (10.0, 10), (0.0, 64)]:
        standing = Standing(until(0.1, is_relative=True), 1)
        assert run(standing, lambda _, mean=mean: [(mean, 3.1, 1e9)])[-1] == count


def test_the_scatter_counts_where_errors_are_not_known_but_not_of_few():
    standing = Standing(until(1e9), 1)
    assert run(standing, lambda replica: [(replica % 2, NAN, NAN)]) == [4, 8, 10]
    standing = Standing(until(1e9, 1, 5), 1)
    assert run(standing, lambda replica: [(replica % 2, NAN, NAN)]) == [1, 2, 4, 5]
    assert standing.have_met[0]  # there is no choice, and so no bias


def test_replicas_that_are_equal_by_chance_are_not_taken_for_exact():
    """Such as counts of what is rare, which are 0 in most of them."""
    standing = Standing(until(0.5), 1)
    assert run(standing, lambda replica: [(float(replica == 20), NAN, NAN)]) == [4, 8, 16, 32]
    assert standing.have_met[0]
    standing = Standing(until(0.5), 1)
    assert run(standing, lambda _: [(0.0, NAN, NAN)])[-1] == 64
    assert standing.have_failed[0]
    standing = Standing(until(0.5), 1)
    assert run(standing, lambda _: [(0.0, 0.0, 50.0)]) == [4]
    assert standing.have_met[0]


def test_all_results_have_to_be_known():
    standing = Standing(until(results=("y", "z")), 1)
    assert run(standing, lambda _: [(0, 1.0, 100.0), (0, 2.5, 100.0)])[-1] == 7


def test_what_has_failed_is_used_up():
    standing = Standing(until(), 1)
    counts = run(standing, lambda replica: [(NAN, NAN, NAN) if replica < 3 else (0, 2.9, 1000.0)])
    assert counts[0] == 4
    assert counts[-1] == 3 + 9  # nine are needed


def test_a_result_that_nobody_gives_is_not_waited_for():
    standing = Standing(until(results=("y", "z")), 1)
    assert run(standing, lambda _: [(NAN, NAN, NAN), (0, 100.0, 100.0)]) == [4]
    assert standing.have_failed.tolist() == [True]
    assert standing.farthest == 0


def test_the_farthest_point_is_the_one_that_needs_most():
    standing = Standing(until(minimum=1), 3)
    for point, own in enumerate([0.1, 3.0, 2.0]):
        note(standing, point, 0, (0, own, 1000.0))
    assert standing.decide().tolist() == [1, 2]
    assert (standing.farthest, standing.n_wanted, standing.n_missing) == (1, 5, 2)
    assert standing.have_met.tolist() == [True, False, False]


SAMPLES = st.tuples(
    st.floats(-2, 2), st.sampled_from([NAN, 0.5, 2.0, 5.0]), st.sampled_from([NAN, 7.0, 100.0])
)


@settings(max_examples=25)
@given(st.data(), st.lists(st.just((NAN, NAN, NAN)) | SAMPLES, min_size=24, max_size=24))
def test_neither_order_nor_interruptions_nor_the_maximum_change_it(data, samples):
    rule = until(0.7, data.draw(st.integers(1, 5)), 24)
    straight = Standing(rule, 1)
    run(straight, lambda replica: [samples[replica]])
    maximum, recorded = data.draw(st.sampled_from([8, 24])), set()
    standing = Standing(until(0.7, rule.minimum, maximum), 1)
    while missing := sorted(set(range(int(standing.counts[0]))) - recorded):
        replica = data.draw(st.sampled_from(missing))
        recorded.add(replica)
        note(standing, 0, replica, samples[replica])
        standing.decide(np.array([0]))
        if data.draw(st.booleans()):  # killed, and on again, at times with another maximum
            standing = Standing(until(0.7, rule.minimum, maximum), 1)
            for there in recorded:
                note(standing, 0, there, samples[there])
            standing.decide()
        if not sorted(set(range(int(standing.counts[0]))) - recorded) and maximum < 24:
            maximum = 24
            standing = Standing(rule, 1)
            for there in recorded:
                note(standing, 0, there, samples[there])
            standing.decide()
    assert len(recorded) == straight.counts[0]
    np.testing.assert_array_equal(standing.distances, straight.distances)
    assert standing.have_met[0] == straight.have_met[0]


def test_what_is_there_for_a_target_of_before_counts():
    standing = Standing(until(), 1)
    for replica in range(16):
        note(standing, 0, replica, (0, 0.1 if replica < 4 else 7.0, 1000.0))
    standing.decide()
    assert standing.counts[0] > 16  # four alone would do
    assert standing.n_missing == standing.counts[0] - 16


def coverage(needed, dof, minimum, n_points, rng):
    """Give how often intervals of 95 % hold the truth, and the mean number of replicas."""
    most, sigma = 64, 0.01 * needed**0.5
    standing = Standing(until(0.01, minimum, most, is_relative=True), n_points)
    means = 1 + sigma * rng.standard_normal((n_points, most))
    errors = np.full(means.shape, NAN)
    dofs, n_effs = np.full(means.shape, dof or NAN), np.full(means.shape, NAN)
    if dof:
        errors = sigma * np.sqrt(rng.chisquare(dof, means.shape) / dof)
    points, done = np.arange(n_points), np.zeros(n_points, int)
    while points.size:
        pairs = [(p, r) for p in points for r in range(done[p], standing.counts[p])]
        at = tuple(np.array(pairs).T)
        standing.note(*at, np.array([[means[at], errors[at], dofs[at], n_effs[at]]]))
        done[points] = standing.counts[points]
        points = standing.decide(points)
    holds = 0
    for count in np.unique(done):
        rows = (done == count).nonzero()[0]
        columns = (column[rows, :count] for column in (means, errors, dofs, n_effs))
        found = pool_rows(*columns)
        holds += np.sum(abs(found.means - 1) <= stdtrit(found.dofs, 0.975) * found.sems)
    return holds / n_points, np.mean(done)


@pytest.mark.parametrize("dof", [None, 20])
def test_intervals_at_the_end_cover_as_often_as_they_say(dof):
    rng = np.random.default_rng(5)
    for needed, minimum in itertools.product([2, 6, 16, 40], [2, 4]):
        covered, count = coverage(needed, dof, minimum, 1500, rng)
        assert covered >= 0.93 - 0.006  # one standard error of so few
        # ten at least where there are no own errors; the larger of two errors is taken
        assert count <= max(1.4 * needed, 10) + 2


def test_rows_without_gaps_are_pooled_as_points_are():
    samples = [(1.0, 0.5, 20.0), (NAN, NAN, NAN), (1.5, 0.4, 30.0), (0.5, 0.6, 10.0)]
    standing = Standing(until(100.0, 4, 4), 1)
    run(standing, lambda replica: [samples[replica]])
    found = pool_replicas(*zip(*(s for s in samples if s[0] == s[0]), strict=True))
    assert standing.distances[0] == pytest.approx(honest(found.sem, found.dof) / 100)
