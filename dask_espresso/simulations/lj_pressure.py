"""Pressure of a Lennard-Jones fluid, by default a purely repulsive one (WCA), with ESPResSo.

Units: epsilon = sigma = m = 1. Langevin thermostat. Works with ESPResSo 4.2, 4.3 and 5.0.

The parameters:
    ``n_particles``; ``volume_fraction`` = n_particles (pi / 6) / volume, in (0, 0.6]; ``n_steps``,
    the number of samples. Optionally
    ``sample_every``, integration steps from one sample to the next (5); ``n_equilibration``, those
    before the first (1000); ``time_step`` (0.01); ``kT`` (1); ``gamma``, the friction (1);
    ``cutoff`` (2^(1/6), the WCA fluid); ``shift``, whether the potential is shifted to zero there
    (true); if not, pressure and energy are corrected for what is beyond the cutoff;
    ``series``, whether the samples are part of the result (false);
    ``seed``, from which all randomness comes (by default a fresh one).

The result:
    ``pressure``, corrected by the fluctuation of the temperature, whose mean is known;
    ``pressure_plain``, the mean of the samples; ``energy``, the potential one per particle;
    ``temperature``, the kinetic one; each with its standard error ``_sem``, the degrees of freedom
    of that, ``_dof``, and the number of independent samples, ``_n_eff``.
    ``pressure_std_dev``, the standard deviation of the samples; ``n_samples``; ``box_length``;
    ``engine_version``; with series, ``pressure_series``, ``temperature_series`` and their times,
    ``time_series``.
"""

import logging

import espressomd
import espressomd.accumulators
import espressomd.observables
import numpy as np

import dask_espresso
from dask_espresso.checks import positive_number, switch, whole_number
from dask_espresso.statistics import control_variate, mean_error

WCA_CUTOFF = 2 ** (1 / 6)
MARGIN = 0.4  # that is left between the cutoff and half of the box
SKIN = 0.4
VELOCITIES_PER_CHUNK = 50_000  # so many are in memory
SAMPLES_PER_ENERGY = 10  # each costs as much as a step, and as forces
FORCE_WITHOUT_OVERLAP = 50.0
FORCES_EVERY = 5  # steps of the equilibration
LARGEST_EXCESS = 0.1  # of the temperature: more is a start far from equilibrium
LARGEST_N_SQUARE = 200  # up to here, trying all pairs beats sorting particles into cells

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger("lj_pressure")


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


def remove_overlaps(system):
    """Move particles apart by steepest descent until no force is extreme."""
    for attempt in range(100):
        # shorter and shorter steps, as long ones make a dense fluid oscillate
        system.integrator.set_steepest_descent(
            f_max=FORCE_WITHOUT_OVERLAP, gamma=1e-3 * 0.95**attempt, max_displacement=0.05
        )
        system.integrator.run(100)
        largest_force = np.linalg.norm(system.part.all().f, axis=1).max()
        if largest_force < FORCE_WITHOUT_OVERLAP:
            break
    else:
        raise RuntimeError(
            "overlaps are left after 10000 steps of steepest descent: "
            f"the largest force is {largest_force:.3g}"
        )
    system.integrator.set_vv()


def engine_version():
    """Give ESPResSo's version, such as 4.2.2."""
    if hasattr(espressomd, "__version__"):
        return str(espressomd.__version__)
    from espressomd import version

    return str(version.friendly())


def set_thermostat(system, kt, gamma, seeds):
    """Set a Langevin thermostat, in place of the one that there is."""
    seed = int(seeds.generate_state(1)[0] & 0x7FFFFFFF)  # ESPResSo takes seeds of 31 bits
    system.thermostat.set_langevin(kT=kt, gamma=gamma, seed=seed)


def sampled(system, observable, every):
    """Give an accumulator of an observable's samples, of which the engine takes care."""
    accumulator = espressomd.accumulators.TimeSeries(obs=observable, delta_N=every)
    system.auto_update_accumulators.add(accumulator)
    return accumulator


def mean_squares(accumulator, n_particles):
    """Give the mean square of the components of each sample's vectors, and start anew."""
    vectors = np.asarray(accumulator.time_series()).reshape(-1, 3 * n_particles)
    accumulator.clear()
    return np.einsum("ij,ij->i", vectors, vectors) / (3 * n_particles)


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

system = espressomd.System(box_l=[box_length] * 3)
system.time_step = time_step
system.cell_system.skin = SKIN  # fixed: tuning it depends on timing, and so would the result
if n_particles <= LARGEST_N_SQUARE:
    system.cell_system.set_n_square(use_verlet_lists=True)
system.non_bonded_inter[0, 0].lennard_jones.set_params(
    epsilon=1.0, sigma=1.0, cutoff=cutoff, shift="auto" if shift else 0.0
)
system.part.add(pos=positions)

remove_overlaps(system)
system.part.all().v = velocities
set_thermostat(system, kt, gamma, for_thermostats[0])
forces = espressomd.observables.ParticleForces(ids=list(range(n_particles)))
n_forces = n_equilibration // 2 // FORCES_EVERY
system.integrator.run(n_equilibration - n_forces * FORCES_EVERY)
if n_forces:
    of_forces = sampled(system, forces, FORCES_EVERY)
    system.integrator.run(n_forces * FORCES_EVERY)
    squared_forces = mean_squares(of_forces, n_particles)
    system.auto_update_accumulators.remove(of_forces)
    excess = temperature_of(kt, squared_forces, time_step, gamma) - kt
    kt_of_velocities = kt - min(excess, LARGEST_EXCESS * kt)
    set_thermostat(system, kt_of_velocities, gamma, for_thermostats[1])
logger.info("equilibrated %d particles in a box of length %.3f", n_particles, box_length)

velocities = espressomd.observables.ParticleVelocities(ids=list(range(n_particles)))
of_pressure = sampled(system, espressomd.observables.Pressure(), sample_every)
of_velocities = sampled(system, velocities, sample_every)
of_energy = sampled(system, espressomd.observables.Energy(), sample_every * SAMPLES_PER_ENERGY)
of_forces = sampled(system, forces, sample_every * SAMPLES_PER_ENERGY)
temperatures, squared_forces = [], []
n_per_chunk = max(1, VELOCITIES_PER_CHUNK // n_particles)
for start in range(0, n_samples, n_per_chunk):
    system.integrator.run(min(n_per_chunk, n_samples - start) * sample_every)
    temperatures.extend(mean_squares(of_velocities, n_particles))
    squared_forces.extend(mean_squares(of_forces, n_particles))
of_velocities = np.array(temperatures)
pressures = np.ravel(of_pressure.time_series())
energies = np.ravel(of_energy.time_series()) / n_particles
energies = energies - 1.5 * of_velocities[::SAMPLES_PER_ENERGY]  # the kinetic one
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
    "engine_version": engine_version(),
}
if with_series:
    result["pressure_series"] = pressures
    result["temperature_series"] = temperatures
    result["time_series"] = time_step * (1 + sample_every * np.arange(n_samples))
print(dask_espresso.encode_transport_data(result))
