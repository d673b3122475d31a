"""The mean square displacement of Langevin particles, by a correlator in the core."""

import espressomd
import espressomd.accumulators
import espressomd.observables
import numpy as np

import dask_espresso

params = dask_espresso.get_data_from_stdin()

system = espressomd.System(box_l=3 * [10.0])
system.time_step = 0.01
system.cell_system.skin = 0.4
np.random.seed(params["seed"])
system.part.add(pos=np.random.random((20, 3)) * system.box_l)
system.thermostat.set_langevin(kT=1.0, gamma=1.0, seed=params["seed"])
positions = espressomd.observables.ParticlePositions(ids=range(20))
correlator = espressomd.accumulators.Correlator(
    obs1=positions,
    tau_lin=16,
    tau_max=5.0,
    delta_N=1,
    corr_operation="square_distance_componentwise",
    compress1="discard1",
)
system.auto_update_accumulators.add(correlator)
system.integrator.run(2000)
correlator.finalize()
msd = correlator.result().sum(axis=-1).mean(axis=-1)
print(dask_espresso.encode_transport_data({"lag": correlator.lag_times(), "msd": msd}))
