"""Diffusion coefficient of Langevin particles, free or as a WCA fluid, with ESPResSo.

Units: epsilon = sigma = m = 1. Works with ESPResSo 4.2, 4.3 and 5.0.

Parameters: ``n_particles``; ``n_steps``, the number of positions that are kept of each, one every
``sample_every`` integration steps (20); optionally ``kT`` (1), ``gamma`` (1), ``time_step``
(0.01), ``volume_fraction`` in [0, 0.5], 0 for free particles (0), ``n_equilibration``,
integration steps before (2000), and ``seed``, from which all randomness comes.

Result: ``diffusion``, from the slope of the mean squared displacement between the lags 10 / gamma
and 20 / gamma, with ``diffusion_sem`` and ``diffusion_dof`` from the scatter of the particles;
``msd``, the mean squared displacement at 50 lags up to 20 / gamma, with ``msd_time`` and
``msd_sem``; ``temperature``; ``engine_version``. A free particle has D = kT / gamma.
"""

import logging

import espressomd
import espressomd.accumulators
import espressomd.observables
import numpy as np

import dask_espresso
from dask_espresso.checks import positive_number, whole_number
from dask_espresso.statistics import mean_error

CUTOFF = 2 ** (1 / 6)
SKIN = 0.4
N_LAGS = 50
FIRST, LAST = 10.0, 20.0  # lags of the slope, in units of 1 / gamma: what is ballistic is over
SAMPLES_PER_CHUNK = 10  # the temperature is sampled between chunks
FORCE_WITHOUT_OVERLAP = 50.0

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger("diffusion")


def displacements(positions, lags):
    """Give squared displacements, averaged over all times, of shape (lags, particles)."""
    return np.array(
        [np.sum((positions[lag:] - positions[:-lag]) ** 2, axis=2).mean(axis=0) for lag in lags]
    )


def mean_of_particles(values):
    """Give the mean over particles (the last axis), and its standard error."""
    return values.mean(axis=-1), values.std(axis=-1, ddof=1) / np.sqrt(values.shape[-1])


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

system = espressomd.System(box_l=[box_length] * 3)
system.time_step = time_step
system.cell_system.skin = SKIN
particles = system.part.add(pos=random.uniform(0.0, box_length, (n_particles, 3)))
if volume_fraction:
    system.non_bonded_inter[0, 0].lennard_jones.set_params(
        epsilon=1.0, sigma=1.0, cutoff=CUTOFF, shift="auto"
    )
    remove_overlaps(system)
particles.v = np.sqrt(kt) * random.normal(size=(n_particles, 3))
# ESPResSo takes seeds of 31 bits
thermostat_seed = int(for_thermostat.generate_state(1)[0] & 0x7FFFFFFF)
system.thermostat.set_langevin(kT=kt, gamma=gamma, seed=thermostat_seed)
system.integrator.run(n_equilibration)
logger.info("equilibrated %d particles in a box of length %.3f", n_particles, box_length)

accumulator = espressomd.accumulators.TimeSeries(
    obs=espressomd.observables.ParticlePositions(ids=particles.id), delta_N=sample_every
)
system.auto_update_accumulators.add(accumulator)
temperatures = []
for start in range(0, n_samples, SAMPLES_PER_CHUNK):
    system.integrator.run(min(SAMPLES_PER_CHUNK, n_samples - start) * sample_every)
    temperatures.append(2 * system.analysis.energy()["kinetic"] / (3 * n_particles))
positions = np.reshape(accumulator.time_series(), (n_samples, n_particles, 3))

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
    "engine_version": engine_version(),
}
print(dask_espresso.encode_transport_data(result))
