"""A time limit that no worker job lasts for is refused."""

import pytest

from dask_espresso.check.limits import check_time_limit
from dask_espresso.errors import InputError
from dask_espresso.inputs.profile import Profile
from dask_espresso.inputs.study import Study

HOUR = 3600.0
LEAVES = 10.0  # seconds before the end of its job that a worker is done
SLURM = {"cores": 1, "memory": "1 GB", "walltime": "01:00:00"}


def check(limit, cluster="slurm", **options):
    study = Study(name="s", script="s.py", parameters={"x": 1}, time_limit=limit)
    check_time_limit(study, Profile(cluster=cluster, options=options))


def test_it_leaves_time_to_leave():
    check(HOUR - LEAVES - 1, **SLURM)
    for limit in (HOUR - LEAVES, HOUR, 2 * HOUR):
        with pytest.raises(InputError, match="worker jobs end after 1 h 0 min.*none could start"):
            check(limit, **SLURM)


@pytest.mark.parametrize("limit", [None, 1e6])
def test_where_nothing_ends_there_is_no_limit(limit):
    check(limit, cluster="local")
    check(None, **SLURM)
