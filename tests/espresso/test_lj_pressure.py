"""The ESPResSo simulation script, in a real ESPResSo."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import dask_espresso
from dask_espresso.views.wca import wca_pressure
from validation.comparison import sigmas
from validation.known import GOLDEN, Value

pytestmark = pytest.mark.espresso

PACKAGE = Path(dask_espresso.__file__).parent
SMALL = {"n_particles": 50, "volume_fraction": 0.2, "n_steps": 25, "n_equilibration": 100}


@pytest.fixture
def start(pypresso):
    def start(script, params):
        return subprocess.run(
            [*pypresso, PACKAGE / "simulations" / script],
            input=dask_espresso.encode_transport_data(params),
            env=os.environ
            | {"PYTHONPATH": str(PACKAGE / "script/for_scripts"), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return start


@pytest.fixture
def run(start):
    def run(script="lj_pressure.py", **params):
        process = start(script, params)
        assert process.returncode == 0, process.stderr
        return dask_espresso.decode_transport_data(process.stdout.splitlines()[-1])

    return run


def test_probe_names_the_version(run):
    assert run("probe.py", module="espressomd")["version"][:2] in {"4.", "5."}


def test_result_is_complete(run):
    result = run(**SMALL, seed=1)
    names = {"pressure", "pressure_plain", "energy", "temperature"}
    errors = {name + suffix for name in names for suffix in ("_sem", "_dof", "_n_eff")}
    others = {"pressure_std_dev", "n_samples", "box_length", "engine_version"}
    # so few samples are worth too little for most errors, and for a correction
    unknown = {name for name in names if result[f"{name}_sem"] is None} | {"pressure"}
    assert set(result) == names | errors | others | {f"{name}_reason" for name in unknown}
    assert result["n_samples"] == SMALL["n_steps"]
    density = SMALL["n_particles"] / result["box_length"] ** 3
    assert density * np.pi / 6 == pytest.approx(SMALL["volume_fraction"])


@pytest.mark.parametrize("n_particles", [50, 250])  # all pairs, and cells
def test_same_seed_gives_the_same_result(run, n_particles):
    params = SMALL | {"n_particles": n_particles, "seed": 2**63}
    assert run(**params) == run(**params, replica=3)


def test_another_seed_gives_another_result(run):
    assert run(**SMALL, seed=1)["pressure"] != run(**SMALL, seed=2)["pressure"]


def test_no_seed_is_a_fresh_one(run):
    assert run(**SMALL)["pressure"] != run(**SMALL)["pressure"]


@pytest.mark.parametrize("gamma", [1, 5])
@pytest.mark.parametrize("volume_fraction", GOLDEN)
def test_pressure_is_the_reference(run, volume_fraction, gamma):
    params = {"n_particles": 100, "volume_fraction": volume_fraction, "gamma": gamma}
    result = run(**params, n_steps=4000, seed=1)
    pressure = Value(result["pressure"], result["pressure_sem"])
    assert abs(sigmas(pressure, GOLDEN[volume_fraction])) < 3.5
    assert result["pressure_sem"] < result["pressure_plain_sem"]
    assert abs(result["temperature"] - 1) < 3.5 * result["temperature_sem"]


def test_series_and_energy_are_those_of_the_samples(run):
    """The potential energy is the total one less the kinetic one of the same times."""
    params = {"n_particles": 100, "volume_fraction": 0.3, "seed": 1, "time_step": 0.01}
    result = run(**params, n_steps=1005, sample_every=4, series=True)
    assert np.mean(result["pressure_series"]) == pytest.approx(result["pressure_plain"])
    assert np.mean(result["temperature_series"]) == pytest.approx(result["temperature"])
    assert len(result["time_series"]) == 1005
    assert np.allclose(np.diff(result["time_series"]), 0.04)
    assert abs(result["energy"] - 0.3524) < 3.5 * result["energy_sem"]


@pytest.mark.parametrize("n_particles", [100, 500])
def test_overlaps_are_removed_at_the_highest_density(run, n_particles):
    result = run(n_particles=n_particles, volume_fraction=0.6, n_steps=5, n_equilibration=500)
    assert result["pressure"] > wca_pressure(0.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_particles": 3}, "n_particles has to be at least 11 at volume_fraction 0.2"),
        ({"n_steps": 0}, "n_steps has to be a whole number of at least 1, not 0"),
        ({"seed": -1}, "seed has to be a whole number of at least 0, not -1"),
        ({"volume_fraction": 0.61}, "volume_fraction has to be in (0, 0.6], not 0.61"),
        ({"time_step": 0.05}, "time_step has to be in (0, 0.02] at kT 1, not 0.05"),
        ({"shift": False}, "cutoff has to be at least 2 where shift is false, not 1.122"),
    ],
)
def test_bad_parameters_are_refused(start, changes, message):
    process = start("lj_pressure.py", SMALL | changes)
    assert process.returncode != 0
    assert f"ValueError: {message}" in process.stderr


def test_arrays_of_particles_come_through(pypresso, tmp_path):
    """They are of a class that only ESPResSo has."""
    script = tmp_path / "positions.py"
    script.write_text(
        "import dask_espresso, espressomd\n"
        "system = espressomd.System(box_l=[dask_espresso.get_data_from_stdin()['box']] * 3)\n"
        "particles = system.part.add(pos=[[1, 2, 3], [4, 5, 6]])\n"
        "result = {'pos': particles.pos, 'box': system.box_l}\n"
        "print(dask_espresso.encode_transport_data(result))\n"
    )
    result = dask_espresso.dask_espresso_task(pypresso[0], str(script), box=9.0).compute()
    assert type(result["box"]) is np.ndarray
    assert result["pos"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert result["box"].tolist() == [9, 9, 9]
