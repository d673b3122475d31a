"""Pressure of a purely repulsive Lennard-Jones (WCA) fluid, with ESPResSo.

Units: epsilon = sigma = m = 1. Langevin thermostat with kT = 1 and gamma = 1,
time step 0.01. Works with ESPResSo 4.2, 4.3 and 5.0.

Parameters: ``n_particles``; ``volume_fraction`` = n_particles (pi / 6) / volume, in
(0, 0.6]; ``n_steps``, the number of pressure samples, one every 10 integration
steps; optionally ``n_equilibration``, integration steps before them (2000), and
``seed``, from which all randomness comes (by default a fresh one).

Result: ``pressure``, its mean; ``pressure_std_dev``, the standard deviation of its samples;
``pressure_sem``, the standard error of the mean from blocking; ``temperature``;
``n_samples``; ``box_length``; ``engine_version``.
"""

import logging
import operator

import espressomd
import espressomd.accumulators
import espressomd.observables
import numpy as np

import dask_espresso
from dask_espresso.statistics import blocking_error

CUTOFF = 2 ** (1 / 6)
SKIN = 0.4
STEPS_PER_SAMPLE = 10
SAMPLES_PER_CHUNK = 10  # the temperature is sampled between chunks
FORCE_WITHOUT_OVERLAP = 50.0
LARGEST_N_SQUARE = 200  # up to here, trying all pairs beats sorting particles into cells

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger("lj_pressure")


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


params = dask_espresso.get_data_from_stdin()
n_particles = whole_number(params, "n_particles", None, 1)
n_samples = whole_number(params, "n_steps", None, 1)
n_equilibration = whole_number(params, "n_equilibration", 2000, 0)
box_length = box_length_of(n_particles, params.get("volume_fraction"))
seed = None if params.get("seed") is None else whole_number(params, "seed", None, 0)

for_start, for_thermostat = np.random.SeedSequence(seed).spawn(2)
random = np.random.default_rng(for_start)

system = espressomd.System(box_l=[box_length] * 3)
system.time_step = 0.01
system.cell_system.skin = SKIN  # fixed: tuning it depends on timing, and so would the result
if n_particles <= LARGEST_N_SQUARE:
    system.cell_system.set_n_square(use_verlet_lists=True)
system.non_bonded_inter[0, 0].lennard_jones.set_params(
    epsilon=1.0, sigma=1.0, cutoff=CUTOFF, shift="auto"
)
system.part.add(pos=random.uniform(0.0, box_length, (n_particles, 3)))

remove_overlaps(system)
system.part.all().v = random.normal(size=(n_particles, 3))
# ESPResSo takes seeds of 31 bits
thermostat_seed = int(for_thermostat.generate_state(1)[0] & 0x7FFFFFFF)
system.thermostat.set_langevin(kT=1.0, gamma=1.0, seed=thermostat_seed)
system.integrator.run(n_equilibration)
logger.info("equilibrated %d particles in a box of length %.3f", n_particles, box_length)

accumulator = espressomd.accumulators.TimeSeries(
    obs=espressomd.observables.Pressure(), delta_N=STEPS_PER_SAMPLE
)
system.auto_update_accumulators.add(accumulator)
temperatures = []
for start in range(0, n_samples, SAMPLES_PER_CHUNK):
    n_in_chunk = min(SAMPLES_PER_CHUNK, n_samples - start)
    system.integrator.run(n_in_chunk * STEPS_PER_SAMPLE)
    temperatures.append(2 * system.analysis.energy()["kinetic"] / (3 * n_particles))
pressures = np.ravel(accumulator.time_series())

result = {
    "pressure": float(np.mean(pressures)),
    "pressure_std_dev": float(np.std(pressures)),
    "pressure_sem": blocking_error(pressures),
    "temperature": float(np.mean(temperatures)),
    "n_samples": len(pressures),
    "box_length": box_length,
    "engine_version": engine_version(),
}
print(dask_espresso.encode_transport_data(result))
