"""Pressure of a WCA fluid with ESPResSo, in the steps of the original sample's script.

What it does differently from the script that the package ships, and what that costs, is what is
measured: the skin is tuned, and every sample of the pressure goes through Python.
"""

import logging

import espressomd
import numpy as np

import dask_espresso

TIME_STEP = 0.01
DISPLACED_BY_FORCE = 0.1  # in one time step; below, no particles overlap
STEPS_PER_SAMPLE = 10

logger = logging.getLogger(__name__)

params = dask_espresso.get_data_from_stdin()
n_particles = int(params["n_particles"])
volume = n_particles * np.pi / 6 / float(params["volume_fraction"])
box_length = volume ** (1 / 3)

espressomd.assert_features(["LENNARD_JONES"])
system = espressomd.System(box_l=[box_length] * 3)
system.time_step = TIME_STEP
system.cell_system.skin = 0.4
system.non_bonded_inter[0, 0].lennard_jones.set_params(
    epsilon=1.0, sigma=1.0, cutoff=2 ** (1 / 6), shift="auto"
)
random = np.random.default_rng()
system.part.add(pos=random.uniform(0, box_length, (n_particles, 3)))

logger.info("removing overlaps")
system.integrator.set_steepest_descent(f_max=0, gamma=1e-3, max_displacement=0.01)
system.integrator.run(1)
while np.abs(system.part.all().f).max() * TIME_STEP > DISPLACED_BY_FORCE:
    system.integrator.run(10)

logger.info("equilibrating")
system.integrator.set_vv()
# the sample takes 42 for all: with the same random forces, the pressures of its simulations
# deviate together, and a test for their distribution would find nothing but that
system.thermostat.set_langevin(kT=1.0, gamma=1.0, seed=int(random.integers(2**31)))
system.integrator.run(1000)
system.cell_system.tune_skin(min_skin=0.2, max_skin=1.0, tol=0.05, int_steps=100)
system.integrator.run(1000)

logger.info("sampling")
pressures = np.zeros(int(params["n_steps"]))
for i in range(len(pressures)):
    system.integrator.run(STEPS_PER_SAMPLE)
    pressures[i] = system.analysis.pressure()["total"]

result = {"pressure": np.mean(pressures), "pressure_std_dev": np.std(pressures)}
print(dask_espresso.encode_transport_data(result))
