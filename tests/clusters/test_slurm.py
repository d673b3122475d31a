"""What only Slurm has."""

import re

import yaml
from processes import call, wait_for


def test_the_walltime_of_the_driver_is_shorter_than_the_study(batch, make_study):
    study = make_study(count=200)
    # it is asked to stop when 40 s are left, or at Slurm's next look within 30 s
    study.submit("--time=1", "--signal=B:USR1@10")
    study.wait_for_work()
    study.fault("walltime of the driver over")
    wait_for("its next start", lambda: int(batch.describe(study.driver.id)["Restarts"]) >= 1)
    study.recovers()
    study.hurry()
    study.completes()


def test_driver_and_workers_are_preempted(batch, make_study):
    study = make_study(count=100)
    study.submit()
    study.wait_for_work()
    study.fault("driver and all worker jobs preempted by a job of 5 s")
    batch.preempt()
    study.recovers()
    study.hurry()
    study.completes()


def test_a_worker_in_the_allocation_of_the_driver_is_lost(batch, make_study):
    study = make_study(count=200, cluster="slurm-allocation")
    allocation = study.submit_by_command()
    study.wait_for_work()
    study.fault("a worker step of the driver's own allocation cancelled")
    batch.cancel(f"{allocation}.0")
    study.recovers()
    study.hurry()
    study.completes()


def test_several_ranks_started_by_srun(batch, tmp_path):
    """Of LAMMPS, whose MPI finds its ranks by Slurm's pmi2."""
    launcher = "srun --overlap --mem=0 --mpi=pmi2 -n {ranks}"
    path = batch.profile(tmp_path, jobs=1, cores=2)
    profile = yaml.safe_load(path.read_text())
    profile["engines"] = {"lammps": {"ranks": 2, "launcher": launcher}}
    path.write_text(yaml.safe_dump(profile))
    study = {
        "name": "ranks",
        "engine": "lammps",
        "script": "lj_pressure_lammps",
        "parameters": {"n_particles": 100, "n_steps": 10, "volume_fraction": [0.2, 0.3]},
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    call("dask-espresso", "run", "study.yaml", "--profile", path, cwd=tmp_path)
    status = call("dask-espresso", "status", "ranks.h5", cwd=tmp_path)
    assert re.search(r"^done +2$", status, re.MULTILINE)
