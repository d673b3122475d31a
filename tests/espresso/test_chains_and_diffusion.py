"""Chains and diffusing particles of a real ESPResSo give what is known exactly."""

import numpy as np
import pytest
from simulators import run_process

from dask_espresso.engines import Engine
from dask_espresso.inputs.shipped import SIMULATIONS

pytestmark = pytest.mark.espresso


@pytest.fixture
def run(pypresso):
    def run(script, **params):
        engine = Engine("espresso", tuple(pypresso), module="espressomd", start="spawn")
        report = run_process(engine, SIMULATIONS / script, params, time_limit=300)
        return report.output.payload()

    return run


def test_a_free_particle_diffuses_as_einstein_says(run):
    params = {"n_particles": 100, "n_steps": 600, "n_equilibration": 100, "kT": 1.5, "gamma": 2.0}
    result = run("diffusion.py", **params, seed=1)
    assert abs(result["diffusion"] - 1.5 / 2.0) < 3.5 * result["diffusion_sem"]
    assert abs(result["temperature"] - 1.5) < 4 * result["temperature_sem"]
    time = result["msd_time"]
    known = 6 * 1.5 / 2.0 * (time - (1 - np.exp(-2.0 * time)) / 2.0)
    assert np.all(np.abs(result["msd"] - known) < 4.5 * result["msd_sem"])


def test_particles_are_in_each_others_way(run):
    params = {"n_particles": 100, "n_steps": 500, "volume_fraction": 0.3}
    assert 0.05 < run("diffusion.py", **params, seed=1)["diffusion"] < 0.3


def test_the_size_of_chains(run):
    params = {"n_beads": 12, "n_steps": 1500}
    ideal = run("chain_size.py", **params, self_avoiding=False, seed=3)
    known = (12**2 - 1) / (6 * 12)
    mean, error = (ideal[f"squared_radius_of_gyration{suffix}"] for suffix in ("", "_sem"))
    assert abs(mean - known) < 3.5 * error < 0.4 * known
    other = run("chain_size.py", **params, self_avoiding=True, seed=3)
    assert other["radius_of_gyration"] > 1.03 * ideal["radius_of_gyration"]


def test_equal_seeds_give_equal_results(run):
    one, other = (
        run("chain_size.py", n_beads=8, n_steps=50, self_avoiding=True, seed=7) for _ in "ab"
    )
    assert one == other
    assert one["radius_of_gyration"] == pytest.approx(1.2, abs=0.4)
