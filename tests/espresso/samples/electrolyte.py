"""Charged spheres with P3M, whose parameters are given: tuning depends on the machine's load."""

import espressomd
import espressomd.electrostatics
import numpy as np

import dask_espresso

params = dask_espresso.get_data_from_stdin()
random = np.random.default_rng(params["seed"])

system = espressomd.System(box_l=3 * [10.0])
system.time_step = 0.005
system.cell_system.skin = 0.4
system.non_bonded_inter[0, 0].wca.set_params(epsilon=1.0, sigma=1.0)
system.part.add(pos=random.random((40, 3)) * system.box_l, q=np.tile([1.0, -1.0], 20))
system.integrator.set_steepest_descent(f_max=0, gamma=1e-2, max_displacement=0.05)
system.integrator.run(200)
system.integrator.set_vv()
p3m = espressomd.electrostatics.P3M(
    prefactor=2.0, accuracy=1e-3, mesh=3 * [16], cao=5, r_cut=3.0, alpha=1.0, tune=False
)
system.electrostatics.solver = p3m
system.thermostat.set_langevin(kT=1.0, gamma=1.0, seed=params["seed"])
system.integrator.run(100)
energy = system.analysis.energy()
print("note: printed to standard output, as samples do")
result = {"coulomb": energy["coulomb"], "total": energy["total"], "forces": system.part.all().f}
print(dask_espresso.encode_transport_data(result))
