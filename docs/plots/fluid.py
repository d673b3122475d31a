"""Numbers that look like those of a fluid, in no time: for figures, not for physics."""

import math
import random

from theory import pressure

import dask_espresso

p = dask_espresso.get_data_from_stdin()
phi, T = p["phi"], p["kT"]
chance = random.Random(p["seed"])
noise = 0.3 / p["n_particles"]
r = [0.1 * i for i in range(5, 41)]
shell = [(x, math.exp(1 - x) * math.cos(2 * math.pi * (x - 1))) for x in r]
g = [(x > 0.95) * (1 + 5 * phi * wave + chance.gauss(0, 0.05)) for x, wave in shell]
result = {
    "pressure": T * pressure(phi) * (1 - 0.2 / p["n_particles"]) * (1 + chance.gauss(0, noise)),
    "pressure_sem": T * pressure(phi) * noise,
    "energy": -6 * phi / T + chance.gauss(0, 0.02),
    "r": r,
    "g": g,
}
print(dask_espresso.encode_transport_data(result))
