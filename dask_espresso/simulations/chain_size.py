"""Radius of gyration of one chain in a Langevin heat bath, ideal or self-avoiding, with ESPResSo.

Units: epsilon = m = kT = gamma = 1, and bonds have length 1. Works with ESPResSo 4.2, 4.3 and 5.0.

Parameters: ``n_beads``; ``self_avoiding``, true or false; ``n_steps``, the number of samples, one
every ``sample_every`` integration steps (200); optionally ``n_equilibration``, integration steps
before them (by default for several relaxation times), and ``seed``, from which all randomness
comes.

An ideal chain has harmonic bonds 3 r**2 / 2 and nothing else, so that the mean of r**2 is 1 and
that of the squared radius of gyration is exactly (n_beads**2 - 1) / (6 n_beads). A self-avoiding
one has stiff bonds of length 1, and beads that repel each other (WCA) within about 0.45: with
this ratio the corrections to scaling of short chains nearly vanish.

Result: ``radius_of_gyration``, the root of the mean square, and ``squared_radius_of_gyration``,
each with ``_sem``, ``_dof`` and ``_n_eff``; ``engine_version``.
"""

import logging

import espressomd
import espressomd.interactions
import numpy as np

import dask_espresso
from dask_espresso.checks import switch, whole_number
from dask_espresso.statistics import mean_error

DIAMETER = 0.45  # of beads, in units of bonds: there short chains scale as long ones do
STIFFNESS = 100.0  # of the bonds of a self-avoiding chain
RELAXATION_TIMES = 5

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger("chain_size")


def engine_version():
    """Give ESPResSo's version, such as 4.2.2."""
    if hasattr(espressomd, "__version__"):
        return str(espressomd.__version__)
    from espressomd import version

    return str(version.friendly())


def ideal_chain(random, n_beads):
    """Give positions of an ideal chain in equilibrium."""
    return np.cumsum(random.normal(size=(n_beads, 3)) / np.sqrt(3), axis=0)


def self_avoiding_chain(random, n_beads):
    """Give positions of a chain that nowhere overlaps, grown bead by bead."""
    chain = [np.zeros(3)]
    while len(chain) < n_beads:
        for _ in range(50):
            step = random.normal(size=3)
            bead = chain[-1] + step / np.linalg.norm(step)
            if np.all(
                np.linalg.norm(np.array(chain[:-1]).reshape(-1, 3) - bead, axis=1) > DIAMETER
            ):
                chain.append(bead)
                break
        else:  # a dead end
            del chain[len(chain) // 2 + 1 :]
    return np.array(chain)


def relaxation_time(n_beads, is_self_avoiding):
    """Give the longest relaxation time, that of Rouse's model."""
    return n_beads ** (2 * (0.588 if is_self_avoiding else 0.5) + 1) / (3 * np.pi**2)


params = dask_espresso.get_data_from_stdin()
n_beads = whole_number(params, "n_beads", None, 3)
n_samples = whole_number(params, "n_steps", None, 1)
sample_every = whole_number(params, "sample_every", 200, 1)
is_self_avoiding = switch(params, "self_avoiding", None)
time_step = 0.01 if is_self_avoiding else 0.02
relaxation = int(RELAXATION_TIMES * relaxation_time(n_beads, is_self_avoiding) / time_step)
n_equilibration = whole_number(params, "n_equilibration", relaxation, 0)
seed = None if params.get("seed") is None else whole_number(params, "seed", None, 0)

for_start, for_thermostat = np.random.SeedSequence(seed).spawn(2)
random = np.random.default_rng(for_start)
positions = (self_avoiding_chain if is_self_avoiding else ideal_chain)(random, n_beads)
velocities = random.normal(size=(n_beads, 3))

system = espressomd.System(box_l=[10.0 + 4 * n_beads] * 3)
system.time_step = time_step
system.cell_system.skin = 0.4
system.cell_system.set_n_square(use_verlet_lists=is_self_avoiding)
if is_self_avoiding:
    bond = espressomd.interactions.HarmonicBond(k=STIFFNESS, r_0=1.0)
    system.non_bonded_inter[0, 0].lennard_jones.set_params(
        epsilon=1.0, sigma=DIAMETER, cutoff=DIAMETER * 2 ** (1 / 6), shift="auto"
    )
else:
    bond = espressomd.interactions.HarmonicBond(k=3.0, r_0=0.0)
system.bonded_inter.add(bond)
beads = system.part.add(pos=positions + system.box_l / 2)
for bead in range(1, n_beads):
    system.part.by_id(bead).add_bond((bond, bead - 1))
if is_self_avoiding:
    system.integrator.set_steepest_descent(f_max=100.0, gamma=1e-3, max_displacement=0.02)
    system.integrator.run(1000)
    system.integrator.set_vv()
beads.v = velocities
# ESPResSo takes seeds of 31 bits
thermostat_seed = int(for_thermostat.generate_state(1)[0] & 0x7FFFFFFF)
system.thermostat.set_langevin(kT=1.0, gamma=1.0, seed=thermostat_seed)
system.integrator.run(n_equilibration)
logger.info("equilibrated a chain of %d beads", n_beads)

squares = np.empty(n_samples)
for sample in range(n_samples):
    system.integrator.run(sample_every)
    squares[sample] = np.var(beads.pos, axis=0).sum()

squared = mean_error(squares)
root = float(np.sqrt(squared.mean))
result = {
    **squared.results("squared_radius_of_gyration"),
    **squared._replace(mean=root, sem=squared.sem / (2 * root)).results("radius_of_gyration"),
    "engine_version": engine_version(),
}
print(dask_espresso.encode_transport_data(result))
