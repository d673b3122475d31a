"""Magnetisation of a two-dimensional Ising model, by Metropolis' algorithm, in plain Python."""

import math
import random

import dask_espresso

# the parameters of the study, one value each, and beside them the replica and its seed
params = dask_espresso.get_data_from_stdin()
size, temperature = params["size"], params["temperature"]
rng = random.Random(params["seed"])  # the only randomness: replicas differ by their seed alone

spins = [[1] * size for _ in range(size)]  # all up: ordered


def sweep():
    """Try to turn as many spins as there are."""
    for _ in range(size * size):
        i, j = rng.randrange(size), rng.randrange(size)
        neighbours = spins[i - 1][j] + spins[(i + 1) % size][j]
        neighbours += spins[i][j - 1] + spins[i][(j + 1) % size]
        cost = 2 * spins[i][j] * neighbours
        if cost <= 0 or rng.random() < math.exp(-cost / temperature):
            spins[i][j] *= -1


for _ in range(params["n_sweeps"]):  # first to equilibrate
    sweep()
total = 0.0
for _ in range(params["n_sweeps"]):
    sweep()
    total += abs(sum(map(sum, spins))) / size**2

# the result, printed once and at the end: numbers, texts, lists, arrays, dicts of these
result = {"magnetisation": total / params["n_sweeps"]}
print(dask_espresso.encode_transport_data(result))
