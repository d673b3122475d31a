"""A batch system is one class and a line in the table: here of one that dask-jobqueue lacks."""

import sys
import types

import pytest

from dask_espresso.cluster.worker_jobs import job_script
from dask_espresso.inputs.profile import Profile
from dask_espresso.systems.directives import LOGS
from dask_espresso.systems.jobqueue import WorkerJob
from dask_espresso.systems.system import System
from dask_espresso.systems.table import SYSTEMS


class SpoolJob(WorkerJob):
    submit_command, cancel_command, config_name = "spool", "unspool", "spool"

    def __init__(self, scheduler=None, name=None, queue=None, walltime=None, **options):
        super().__init__(scheduler, name, **options)
        directives = [f"-q {queue}", f"-l walltime={walltime}", *options["job_extra_directives"]]
        self.job_header = "\n".join(f"#SPOOL {directive}" for directive in directives)


class Spool(System):
    job = SpoolJob
    submitted = (r"spooled (\d+)",)
    meanings = {"-q": "queue", "-l walltime": "walltime", "-o": LOGS}  # noqa: RUF012

    def queue(self, made, job):
        raise NotImplementedError


@pytest.fixture
def spool(tmp_path, monkeypatch):
    """Put it into the table, and give profiles for it."""
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("spool")
    module.Spool = Spool
    monkeypatch.setitem(sys.modules, "dask_espresso.systems.spool", module)
    monkeypatch.setitem(SYSTEMS, "spool", "spool.Spool")
    return lambda **options: Profile(
        cluster="spool", options={"cores": 2, "memory": "1 GB", **options}
    )


def test_it_has_job_scripts(spool):
    profile = spool(job_extra_directives=["-l walltime=90,gpu=1", "-q long"])
    script = job_script(profile)
    assert "#SPOOL -q long\n#SPOOL -l walltime=90\n#SPOOL -l gpu=1\n" in script
    assert "--nthreads 2" in script
    assert profile.walltime == 90
    assert profile.system.submitted_ids("hello\nspooled 12\n") == ["12"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"job_extra_directives": ["-o x"]}, "sets -o, where the output goes; write `log_dir"),
        ({"job_extra_directives": {"a": 1}}, "must be a list of texts; write `- text` lines for s"),
        ({"queue": "a b"}, "a directive of spool cannot hold ' '"),
        ({"quue": "a"}, "unknown option 'quue'; did you mean 'queue'"),
        ({"memory": None}, "has no memory for a worker job; add `memory: 32 GB`"),
    ],
)
def test_its_options_are_checked(spool, options, said):
    with pytest.raises(ValueError, match=".") as caught:
        spool(**options)
    assert said in str(caught.value)


def test_without_a_template_no_driver_is_submitted_to_it(spool):
    profile = spool()
    with pytest.raises(ValueError, match="no effect on cluster 'spool'.* slurm, slurm-allocation"):
        Profile(cluster="spool", options=profile.options, driver=["-q long"])
