"""Pressure of a purely repulsive Lennard-Jones (WCA) fluid at kT = 1, with ESPResSo."""

import espressomd
import numpy as np

import dask_espresso
from dask_espresso.statistics import mean_error

params = dask_espresso.get_data_from_stdin()  # the study's parameters, with replica and seed
n_particles, seed = params["n_particles"], params["seed"]
box = (n_particles / params["density"]) ** (1 / 3)
rng = np.random.default_rng(seed)

system = espressomd.System(box_l=[box] * 3)
system.time_step = 0.005
system.cell_system.skin = 0.4
system.part.add(pos=rng.uniform(0, box, (n_particles, 3)))
system.non_bonded_inter[0, 0].wca.set_params(epsilon=1.0, sigma=1.0)

system.integrator.set_steepest_descent(f_max=0, gamma=0.1, max_displacement=0.05)
system.integrator.run(1000)  # moves apart what overlaps
system.integrator.set_vv()
system.thermostat.set_langevin(kT=1.0, gamma=1.0, seed=seed)
system.integrator.run(2000)  # to equilibrate

samples = []
for _ in range(params["n_samples"]):
    system.integrator.run(10)
    samples.append(float(system.analysis.pressure()["total"]))

# the pressure, and its error of correlated samples as pressure_sem
print(dask_espresso.encode_transport_data(mean_error(samples).results("pressure")))
