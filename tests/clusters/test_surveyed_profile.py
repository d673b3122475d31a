"""What `init --profile` finds out of a real batch system, and that jobs of this size run there."""

import yaml
from processes import call, wait_for

FOUND = {
    "slurm": {"queue": "debug", "cores": 2, "memory": "4 GiB", "walltime": "01:00:00"},
    "htcondor": {"cores": 4, "memory": "4 GiB", "disk": "2 GiB"},
}


def test_a_surveyed_profile_has_jobs_that_run(batch, tmp_path):
    init = ["dask-espresso", "init", "new", "--template", "sweep", "--profile", batch.cluster]
    said = call(*init, cwd=tmp_path)
    assert f"\nprofile   {batch.cluster}: cores {FOUND[batch.cluster]['cores']}, " in said
    here = tmp_path / "new"
    text = (here / "profile.yaml").read_text()
    options = yaml.safe_load(text)["options"]
    assert {name: options.get(name) for name in FOUND[batch.cluster]} == FOUND[batch.cluster]
    if batch.cluster == "slurm":
        assert '\n  # queue: "urgent"\n' in text
        assert "# accounts were not found out (sacctmgr: " in text
    else:
        assert "1 of 1 slot; the pool has 1 slot with 4 cores, 4 GiB" in text
        assert "Not defined: GROUP_NAMES" in text
    call("dask-espresso", "job-script", "profile.yaml", cwd=here)
    call("dask-espresso", "check", "study.yaml", "--profile", "profile.yaml", cwd=here)
    wait_for("the end of the worker job", lambda: not batch.jobs())
