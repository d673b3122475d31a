"""What a real ESPResSo gives is taken as it is."""

import numpy as np
import pytest
from simulators import simulate

from dask_espresso.engines import Engine
from dask_espresso.files import file_hash
from dask_espresso.outcome import Status
from dask_espresso.process.order import Order, Workload
from dask_espresso.record import pack, unpack

pytestmark = pytest.mark.espresso

SCRIPT = """
import numpy as np
import dask_espresso, espressomd, espressomd.accumulators, espressomd.observables
dask_espresso.get_data_from_stdin()
system = espressomd.System(box_l=[10.0] * 3)
system.time_step, system.cell_system.skin = 0.01, 0.4
lj = system.non_bonded_inter[0, 0].lennard_jones
lj.set_params(epsilon=1.0, sigma=1.0, cutoff=2.0, shift="auto")
grid = np.arange(0, 10, 2.5)
system.part.add(pos=np.stack(np.meshgrid(grid, grid, grid), -1).reshape(-1, 3))
observable = espressomd.observables.ParticlePositions(ids=range(3))
mean = espressomd.accumulators.MeanVarianceCalculator(obs=observable, delta_N=1)
correlator = espressomd.accumulators.Correlator(
    obs1=observable, tau_lin=4, tau_max=1.0, delta_N=1,
    corr_operation="square_distance_componentwise", compress1="discard1",
)
for accumulator in (mean, correlator):
    system.auto_update_accumulators.add(accumulator)
system.integrator.run(20)
analysis, particles = system.analysis, system.part.all()
result = {
    "energy": analysis.energy(),
    "pressure": analysis.pressure(),
    "tensor": analysis.pressure_tensor(),
    "gyration": analysis.gyration_tensor(p_type=[0]),
    "structure": analysis.structure_factor(sf_types=[0], sf_order=2),
    "positions": particles.pos,
    "one": system.part.by_id(0).pos,
    "particle": system.part.by_id(0).to_dict(),
    "box": system.box_l,
    "observable": observable.calculate(),
    "mean": mean.mean(),
    "correlation": correlator.result(),
    "lag": correlator.lag_times(),
    "cells": system.cell_system.get_state(),
    "lj": lj.get_params(),
}
"""


@pytest.fixture
def outcome(pypresso, script):
    def run(end):
        path = script(SCRIPT + end)
        engine = Engine("espresso", command=tuple(pypresso), module="espressomd")
        workload = Workload(engine, str(path), file_hash(path), 100.0)
        return simulate(workload, Order("a", {}, 0, 1, 1))

    return run


def test_they_are_recorded(outcome):
    done = outcome("print(dask_espresso.encode_transport_data(result))")
    assert (done.status, done.error) == (Status.DONE, "")
    result = unpack(b"".join(pack(done))).result
    assert result["energy"]["non_bonded.0.0"] == result["energy"]["non_bonded"]
    assert result["positions"].shape == (64, 3)
    assert type(result["box"]) is np.ndarray


def test_they_may_be_the_whole_result(outcome):
    done = outcome("dask_espresso.send_result(system.analysis.energy())")
    assert (done.status, done.error) == (Status.DONE, "")
    assert "coulomb.0" in done.result


def test_particles_themselves_are_refused_by_name(outcome):
    failed = outcome("print(dask_espresso.encode_transport_data({'all': particles}))")
    assert "the data['all'] is a espressomd.particle_data.ParticleSlice" in failed.error
