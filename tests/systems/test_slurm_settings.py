import os

import pytest

from dask_espresso.inputs.profile import Profile
from dask_espresso.systems.sbatch import clusters, options, submission_environment


@pytest.mark.parametrize(
    ("directive", "found"),
    [
        ("--clusters=other", {"--clusters": "other"}),
        ("--clusters other -p long", {"--clusters": "other", "--partition": "long"}),
        ("-M other", {"--clusters": "other"}),
        ("-Mother", {"--clusters": "other"}),
        ("#SBATCH -t 10", {"--time": "10"}),
        ("--exclusive --mem=2G", {"--exclusive": "", "--mem": "2G"}),
        ('--comment="-M other"', {"--comment": "-M other"}),
        ("--cluster=other", {"--clusters": "other"}),
    ],
)
def test_options(directive, found):
    assert options([directive]) == found


def test_clusters(monkeypatch):
    assert clusters([]) == ""
    monkeypatch.setenv("SLURM_CLUSTERS", "a")
    assert clusters(["--mem=1G"]) == "a"
    monkeypatch.setenv("SBATCH_CLUSTERS", "b")
    assert clusters([]) == "b"
    assert clusters(["-M c"]) == "c"


@pytest.fixture
def variables(monkeypatch):
    """Set variables and give those that sbatch gets of them."""

    def set_them(*names, given=()):
        for name in names:
            monkeypatch.setenv(name, "1")
        return set(names) & set(submission_environment(given))

    for name in list(os.environ):
        if name.startswith(("SLURM", "SBATCH")):
            monkeypatch.delenv(name)
    return set_them


USER = ("SBATCH_ACCOUNT", "SBATCH_PARTITION", "SBATCH_QOS", "SLURM_CONF", "SBATCH_RESERVATION")


def test_the_user_s_own_defaults_hold(variables):
    assert variables(*USER, "SBATCH_TIMELIMIT") == {*USER, "SBATCH_TIMELIMIT"}


def test_but_not_those_of_what_was_chosen_for_the_job(variables):
    chosen = {"--time", "--partition", "--mem", "--clusters"}
    names = ("SBATCH_TIMELIMIT", "SBATCH_PARTITION", "SBATCH_MEM_PER_CPU", "SBATCH_CLUSTERS")
    names += ("SLURM_CLUSTERS",)
    assert variables(*names, "SBATCH_ACCOUNT", given=chosen) == {"SBATCH_ACCOUNT"}


def test_nor_those_that_make_something_else_of_one_job(variables):
    assert variables("SBATCH_ARRAY_INX", "SBATCH_WAIT") == set()


def test_what_a_job_brings_is_dropped_inside_it(variables):
    job = ("SLURM_JOB_ID", "SLURM_MEM_PER_CPU", "SLURM_CPU_BIND", "SLURMD_NODENAME", "SRUN_DEBUG")
    sizes = ("SBATCH_TIMELIMIT", "SBATCH_MEM_BIND", "SBATCH_CPU_BIND", "SBATCH_GPUS")
    assert variables(*USER, *job, *sizes) == set(USER)


def test_the_user_s_own_walltime(variables, monkeypatch):
    def walltime(**own):
        return Profile(cluster="slurm", options={"cores": 1, "memory": "1 GB", **own}).walltime

    assert walltime() == 1800  # dask-jobqueue's default
    monkeypatch.setenv("SBATCH_TIMELIMIT", "2:00:00")
    assert walltime() == 7200
    assert walltime(walltime="1 h") == 3600
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    assert walltime() == 1800
