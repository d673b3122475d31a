"""What a run has to do, in which order: of points with targets, as much as results ask for."""

import pytest

from dask_espresso.inputs.study import Study
from dask_espresso.outcome import Outcome, Status
from dask_espresso.plan import TargetPlan
from dask_espresso.record import pack
from dask_espresso.store.store import Entry
from dask_espresso.targets import Standing


@pytest.fixture
def study():
    return Study(
        name="s", script="s.py", parameters={"x": [1, 2, 3], "c": 0.5}, seed=7,
        until={"y": {"absolute": 1.0}, "replicas": {"minimum": 2, "maximum": 40}},
    )  # fmt: skip


def entry(order, error, status=Status.DONE):
    result = {"y": 0.0, "y_sem": error, "y_dof": 100.0} if status is Status.DONE else None
    outcome = Outcome(order.id, order.parameters, order.replica, status=status, result=result)
    return Entry(order.id, status, pack(outcome))


def test_first_the_minimum_of_all_then_the_points_that_are_farthest(study):
    plan = TargetPlan(study, Standing(study.targets, study.n_points))
    orders = plan.take(100)
    simulations = list(study.simulations())
    assert [o.id for o in orders] == [s.id for s in simulations[:6]]
    assert [o.seed for o in orders] == [s.seed for s in simulations[:6]]
    assert (plan.count, plan.total, list(plan.take(5))) == (6, 6, [])
    errors = {1: 1.0, 2: 2.0, 3: 5.0}
    plan.note([entry(order, errors[order.parameters["x"]]) for order in orders])
    more = plan.take(100)
    assert [(o.parameters["x"], o.replica) for o in more] == [(3, 2), (3, 3), (2, 2), (2, 3)]
    known = {s.id: s for s in simulations}
    assert all(known[o.id].seed == o.seed and known[o.id].replica == o.replica for o in more)
    assert (plan.count, plan.total) == (10, 10)
    assert "1 of 3 points" in plan.describe()
    assert "x=3" in plan.describe()


def test_a_stage_waits_for_its_last_replica(study):
    plan = TargetPlan(study, Standing(study.targets, study.n_points))
    first, second = (o for o in plan.take(100) if o.parameters["x"] == 1)
    plan.note([entry(first, 3.0)])
    assert plan.count == 6
    plan.note([entry(second, 3.0, Status.FAILED)])
    assert plan.count == 8
    plan.note([])
    assert plan.total == 8
