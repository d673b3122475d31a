import resource

import pytest

from dask_espresso.cluster import open_files
from dask_espresso.cluster.open_files import make_room
from dask_espresso.errors import InputError
from dask_espresso.inputs.profile import load_profile


@pytest.fixture
def profile(tmp_path):
    def write(jobs, processes=1):
        path = tmp_path / "slurm.yaml"
        path.write_text(
            f"cluster: slurm\njobs: {jobs}\n"
            f"options: {{cores: 4, processes: {processes}, memory: 8 GB, walltime: '1:00:00'}}\n"
        )
        return load_profile(path)

    return write


@pytest.fixture
def limits(monkeypatch):
    """Have limits that are set here, and are not this process's own."""
    found = {"now": (1024, 4096)}
    monkeypatch.setattr(open_files.resource, "getrlimit", lambda _: found["now"])
    monkeypatch.setattr(open_files.resource, "setrlimit", lambda _, new: found.update(now=new))
    return found


@pytest.mark.parametrize(
    ("jobs", "processes", "soft"),
    [(300, 1, 1024), (500, 1, 1600), ("{minimum: 0, maximum: 500}", 1, 1600), (250, 2, 1600)],
)
def test_the_limit_is_raised_to_what_is_needed(profile, limits, jobs, processes, soft):
    make_room(profile(jobs, processes))
    assert limits["now"] == (soft, 4096)


@pytest.mark.parametrize(("processes", "fitting"), [(1, 1332), (4, 333)])
def test_more_jobs_than_files_are_refused_before_any_is_submitted(
    profile, limits, processes, fitting
):
    with pytest.raises(InputError) as caught:
        make_room(profile(1400, processes))
    said = str(caught.value)
    assert "slurm.yaml:2: jobs: the driver needs" in said
    assert f"more than 4096 here (ulimit -Hn); ask for at most {fitting} jobs" in said
    assert limits["now"] == (1024, 4096)
    make_room(profile(fitting, processes))


def test_without_limit(profile, limits):
    limits["now"] = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    make_room(profile(100_000))
