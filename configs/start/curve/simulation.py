"""Pair correlation g(r) of hard discs, by Monte Carlo: a result that is a curve."""

import numpy as np

import dask_espresso

params = dask_espresso.get_data_from_stdin()  # the study's parameters, with replica and seed
n, density = params["n_discs"], params["density"]
rng = np.random.default_rng(params["seed"])

# a square lattice, with a place or more for each disc
rows, box = int(np.ceil(np.sqrt(n))), np.sqrt(n / density)
spacing = box / rows
positions = spacing * np.stack(np.divmod(np.arange(n), rows), axis=1)
longest = spacing - 0.9  # of a move: about the gap between discs
edges = np.linspace(0, 3, 61)
counts = np.zeros(len(edges) - 1)


def distances(i):
    """Give the distances of a disc from all others, across the borders of the box, too."""
    others = np.delete(positions, i, axis=0) - positions[i]
    return np.hypot(*(others - box * np.round(others / box)).T)


for done in range(params["n_sweeps"]):
    for i in rng.integers(n, size=n):
        before = positions[i].copy()
        positions[i] = (before + rng.uniform(-longest, longest, 2)) % box
        if distances(i).min() < 1:
            positions[i] = before  # it would overlap
    if done >= 50:  # before, it has not forgotten the lattice
        counts += sum(np.histogram(distances(i), edges)[0] for i in range(n))

areas, samples = np.pi * np.diff(edges**2), params["n_sweeps"] - 50
of_ideal_gas = samples * n * (n - 1) * areas / box**2
g = counts / of_ideal_gas
curve = dask_espresso.curve(g, r=(edges[:-1] + edges[1:]) / 2)  # the middles of the bins
print(dask_espresso.encode_transport_data({"g": curve}))
