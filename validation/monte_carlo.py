"""The pressure of the WCA fluid by Monte Carlo, which has no time step, as golden values have none.

``python -m validation.monte_carlo 0.45 --sweeps 1000`` gives it to 0.1 %.
"""

from __future__ import annotations

from typing import Any

import click
import numpy as np
from numpy.random import Generator

from dask_espresso.views.texts import format_with_error

from .known import Value

Floats = Any  # numpy.ndarray of floats

_CHAINS = 64  # at once: numpy is slow for one, and for what no cache holds
_SQUARED_CUTOFF = 2 ** (1 / 3)
_BETWEEN_SAMPLES = 4  # sweeps
_WANTED_ACCEPTANCE = 0.35


def pressure(
    volume_fraction: float,
    n_particles: int,
    n_sweeps: int,
    seed: int = 1,
    n_chains: int = _CHAINS,
) -> Value:
    """Sample the canonical ensemble at kT = 1, by moves of one particle (Metropolis et al., 1953).

    Parameters
    ----------
    volume_fraction : float
        n_particles (pi / 6) / volume.
    n_particles : int
        In a cubic box, whose half has to exceed the cutoff of 2^(1/6).
    n_sweeps : int
        Moves of each particle in each chain, after a fifth more of them to equilibrate.
    seed : int
        All randomness comes from it.
    n_chains : int
        Independent simulations, from whose scatter the error is.

    Returns
    -------
    Value
        In units of epsilon and sigma.
    """
    random = np.random.default_rng(seed)
    box_length = (n_particles * np.pi / 6 / volume_fraction) ** (1 / 3)
    positions = _lattice(n_particles, box_length, n_chains)
    largest_move = box_length / 4
    for _ in range(max(n_sweeps // 5, 100)):
        acceptance = _sweep(positions, box_length, largest_move, random)
        largest_move *= 1.02 if acceptance > _WANTED_ACCEPTANCE else 0.98
        largest_move = min(largest_move, box_length / 2)
    virials = []
    for at in range(n_sweeps):
        _sweep(positions, box_length, largest_move, random)
        if at % _BETWEEN_SAMPLES == 0:
            virials.append(_virial(positions, box_length))
    of_chains = (n_particles + np.mean(virials, axis=0) / 3) / box_length**3
    sem = float(np.std(of_chains, ddof=1)) / n_chains**0.5
    return Value(float(np.mean(of_chains)), sem, n_chains - 1)


def _lattice(n_particles: int, box_length: float, n_chains: int) -> Floats:
    """Give positions of shape (n_chains, 3, n_particles)."""
    edge = round(np.ceil(n_particles ** (1 / 3)))
    sites = np.stack(np.unravel_index(np.arange(edge**3), (edge,) * 3))
    chosen = sites[:, np.linspace(0, edge**3 - 1, n_particles).round().astype(int)]
    return np.tile(chosen * (box_length / edge), (n_chains, 1, 1))


def _sweep(positions: Floats, box_length: float, largest_move: float, random: Generator) -> float:
    """Try to move each particle of each chain, and give the share that moved."""
    n_chains, _, n_particles = positions.shape
    n_moved = 0
    for particle in range(n_particles):
        old = positions[:, :, particle].copy()
        new = old + random.uniform(-largest_move, largest_move, old.shape)
        rise = _energy(new, positions, particle, box_length)
        rise -= _energy(old, positions, particle, box_length)
        moves = random.exponential(size=n_chains) > rise
        positions[moves, :, particle] = new[moves]
        n_moved += int(moves.sum())
    return float(n_moved / (n_chains * n_particles))


def _energy(place: Floats, positions: Floats, particle: int, box_length: float) -> Floats:
    """Give the energy that a particle has at a place, in each chain."""
    distances = positions - place[:, :, None]
    distances[:, 0, particle] = box_length / 2  # with itself: none
    chains, sixth = _near(distances, box_length)
    return np.bincount(chains, 4 * (sixth**2 - sixth) + 1, minlength=len(place))


def _virial(positions: Floats, box_length: float) -> Floats:
    """Give the sum over pairs of distance times force, in each chain."""
    one, other = np.triu_indices(positions.shape[2], 1)
    chains, sixth = _near(positions[:, :, one] - positions[:, :, other], box_length)
    return np.bincount(chains, 24 * (2 * sixth**2 - sixth), minlength=len(positions))


def _near(distances: Floats, box_length: float) -> tuple[Floats, Floats]:
    """Give chains, and distance^-6 to the nearest image, of the few pairs within the cutoff."""
    nearest = distances - box_length * np.rint(distances / box_length)
    squares = np.einsum("ijk,ijk->ik", nearest, nearest)
    chains, pairs = np.nonzero(squares < _SQUARED_CUTOFF)
    return chains, squares[chains, pairs] ** -3.0


@click.command()
@click.argument("volume_fraction", type=float)
@click.option("--particles", default=100, help="In the box.", show_default=True)
@click.option("--sweeps", default=1000, help="Of each chain.", show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(volume_fraction: float, particles: int, sweeps: int, seed: int) -> None:
    """Print the pressure of the WCA fluid at kT = 1, with its standard error."""
    found = pressure(volume_fraction, particles, sweeps, seed)
    click.echo(format_with_error(found.mean, found.sem))


if __name__ == "__main__":
    main()
