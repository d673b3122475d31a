"""A FENE chain: radius of gyration and end-to-end distance."""

import espressomd
import espressomd.interactions
import espressomd.polymer
import numpy as np

import dask_espresso

params = dask_espresso.get_data_from_stdin()

system = espressomd.System(box_l=3 * [30.0])
system.time_step = 0.005
system.cell_system.skin = 0.4
system.non_bonded_inter[0, 0].wca.set_params(epsilon=1.0, sigma=1.0)
fene = espressomd.interactions.FeneBond(k=10, d_r_max=2)
system.bonded_inter.add(fene)
(positions,) = espressomd.polymer.linear_polymer_positions(
    n_polymers=1, beads_per_chain=20, bond_length=1.0, min_distance=0.9, seed=params["seed"]
)
previous = None
for position in positions:
    bead = system.part.add(pos=position)
    if previous is not None:
        bead.add_bond((fene, previous))
    previous = bead
system.thermostat.set_langevin(kT=1.0, gamma=1.0, seed=params["seed"])
gyration, distance = [], []
for _ in range(10):
    system.integrator.run(50)
    chain = {"chain_start": 0, "number_of_chains": 1, "chain_length": 20}
    gyration.append(system.analysis.calc_rg(**chain)[0])
    distance.append(system.analysis.calc_re(**chain)[0])
result = {"gyration": np.array(gyration), "end_to_end": float(np.mean(distance))}
print(dask_espresso.encode_transport_data(result))
