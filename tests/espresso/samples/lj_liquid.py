"""A Lennard-Jones liquid: random start, steepest descent, Langevin thermostat, energies."""

import espressomd
import numpy as np

import dask_espresso

params = dask_espresso.get_data_from_stdin()
np.random.seed(params["seed"])

system = espressomd.System(box_l=3 * [6.0])
system.time_step = 0.01
system.cell_system.skin = 0.4
system.non_bonded_inter[0, 0].lennard_jones.set_params(
    epsilon=1.0, sigma=1.0, cutoff=2.5, shift="auto"
)
system.part.add(pos=np.random.random((100, 3)) * system.box_l)
system.integrator.set_steepest_descent(f_max=0, gamma=1e-3, max_displacement=0.02)
system.integrator.run(300)
system.integrator.set_vv()
system.thermostat.set_langevin(kT=1.0, gamma=1.0, seed=params["seed"])
energies = []
for _ in range(10):
    system.integrator.run(10)
    energies.append(system.analysis.energy()["total"])
print(dask_espresso.encode_transport_data({"energies": np.array(energies)}))
