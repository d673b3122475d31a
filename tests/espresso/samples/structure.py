"""The radial distribution function of soft spheres, averaged in the core."""

import espressomd
import espressomd.accumulators
import espressomd.observables
import numpy as np

import dask_espresso

params = dask_espresso.get_data_from_stdin()
np.random.seed(params["seed"])

system = espressomd.System(box_l=3 * [6.0])
system.time_step = 0.01
system.cell_system.skin = 0.4
system.non_bonded_inter[0, 0].soft_sphere.set_params(a=1.0, n=12, cutoff=2.0, offset=0)
system.part.add(pos=np.random.random((80, 3)) * system.box_l)
system.integrator.set_steepest_descent(f_max=0, gamma=1e-3, max_displacement=0.02)
system.integrator.run(300)
system.integrator.set_vv()
system.thermostat.set_langevin(kT=1.0, gamma=1.0, seed=params["seed"])
rdf = espressomd.observables.RDF(ids1=range(80), min_r=0.5, max_r=3.0, n_r_bins=25)
average = espressomd.accumulators.MeanVarianceCalculator(obs=rdf, delta_N=10)
system.auto_update_accumulators.add(average)
system.integrator.run(200)
result = {"r": rdf.bin_centers(), "g": average.mean(), "g_sem": average.std_error()}
print(dask_espresso.encode_transport_data(result))
