"""Warm start with a real ESPResSo."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from simulators import close_all, probe, run_process

from dask_espresso.identity import LARGEST_SEED
from dask_espresso.inputs.engine_settings import EngineSettings
from dask_espresso.inputs.profile import Profile
from dask_espresso.inputs.shipped import SIMULATIONS

pytestmark = pytest.mark.espresso

PARAMETERS = {"n_particles": 100, "n_steps": 50, "volume_fraction": 0.3}


@pytest.fixture
def espresso(pypresso):
    # one of these tests' own: of another's, it is known already what it was with other variables
    own = {"WHOSE": "warm start"}
    settings = {"espresso": EngineSettings(command=pypresso, environment=own)}
    yield Profile(engines=settings).engine("espresso")
    close_all()


def run(engine, seed):
    report = run_process(engine, SIMULATIONS / "lj_pressure.py", {**PARAMETERS, "seed": seed})
    assert report.failure() == ""
    return report.output.payload()


def test_it_is_forked(espresso):
    assert (probe(espresso).start, probe(espresso).reason) == ("fork", "")


def test_bit_for_bit_as_fresh_also_several_at_a_time(espresso):
    with ThreadPoolExecutor(4) as pool:
        forked = list(pool.map(lambda seed: run(replace(espresso, start="fork"), seed), range(8)))
    fresh = [run(replace(espresso, start="spawn"), seed) for seed in range(8)]
    assert forked == fresh
    assert len({result["pressure"] for result in forked}) == 8


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.parametrize("seed", [1, LARGEST_SEED])
def test_seeds_are_taken_as_they_are(espresso, script, start, seed):
    path = script("""
        import dask_espresso, espressomd
        import numpy as np
        params = dask_espresso.get_data_from_stdin()
        np.random.seed(params["seed"])
        system = espressomd.System(box_l=[9.0, 9.0, 9.0])
        system.time_step, system.cell_system.skin = 0.01, 0.4
        system.part.add(pos=9 * np.random.random((9, 3)))
        system.thermostat.set_langevin(kT=1.0, gamma=1.0, seed=params["seed"])
        system.integrator.run(3)
        print(dask_espresso.encode_transport_data({"seed": system.thermostat.langevin.seed}))
    """)
    report = run_process(replace(espresso, start=start), path, {"seed": seed})
    assert report.output.payload() == {"seed": seed}


def test_crash_of_the_engine_is_that_of_a_fresh_process(espresso, script):
    path = script("""
        import espressomd, os, signal
        system = espressomd.System(box_l=[1.0, 1.0, 1.0])
        os.kill(os.getpid(), signal.SIGSEGV)
    """)
    reports = [run_process(replace(espresso, start=s), path, {}) for s in ("fork", "spawn")]
    assert reports[0].exit_code == reports[1].exit_code == -11
    assert run(replace(espresso, start="fork"), 1) == run(replace(espresso, start="spawn"), 1)


@pytest.mark.parametrize("part", ["observables", "accumulators", "version", "interactions"])
def test_part_that_the_script_has_not_imported(espresso, script, part):
    """It is there, or not, as in a fresh process."""
    path = script(f"import espressomd; print(hasattr(espressomd, {part!r}))\nespressomd.{part}")
    reports = [run_process(replace(espresso, start=s), path, {}) for s in ("fork", "spawn")]
    assert reports[0].log == reports[1].log
    assert reports[0].exit_code == reports[1].exit_code


ABORT = """
    import ctypes, espressomd
    mpi = ctypes.CDLL(None)
    mpi.MPI_Abort(ctypes.byref(ctypes.c_char.in_dll(mpi, "ompi_mpi_comm_world")), 3)
"""


def test_mpi_abort_ends_it_at_once(espresso, script):
    for start in ("fork", "spawn"):
        report = run_process(replace(espresso, start=start), script(ABORT), {}, time_limit=60)
        assert report.exit_code == 3
        assert "MPI_ABORT was invoked on rank 0" in report.stderr


def test_mpi_that_does_not_abort_is_not_forked(espresso):
    """Open MPI waits for a daemon of its own, if it has one."""
    engine = replace(espresso, environment=(("OMPI_MCA_ess_singleton_isolated", "0"),))
    found = probe(engine)
    assert (found.start, found.reason) == ("spawn", "MPI_Abort does not end a forked process")
