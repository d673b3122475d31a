"""The equation of state of the WCA fluid: a line to compare pressures with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["WCA_HIGHER", "wca_band", "wca_pressure"]

WCA_HIGHER = 0.008  # by which share simulations are above wca_pressure at most, as measured
_FLUID = 0.48  # volume fraction up to which the WCA fluid is one

# effective packing fractions of the uv-theory at T* = 1, as polynomials in phi, lowest order first
_ETA_A = np.polynomial.Polynomial([0.0, 0.8793979794, -0.0808892890, -0.4027249990, 0.3623386774])
_ETA_B = np.polynomial.Polynomial([0.0, 0.8825779836, -0.1174618909, -0.1930003167])


def wca_pressure(volume_fraction: ArrayLike) -> NDArray[np.float64]:
    """Pressure of the WCA fluid at kT = epsilon, from the uv-theory's reference fluid.

    Parameters
    ----------
    volume_fraction : array_like, any shape
        n_particles (pi / 6) sigma**3 / volume, dimensionless, below 1. The fluid freezes near 0.48;
        what is given above continues the fluid.

    Returns
    -------
    numpy.ndarray, same shape
        Pressure in units of epsilon / sigma**3.

    Notes
    -----
    Source: T. van Westen and J. Gross, J. Chem. Phys. 155, 244501 (2021),
    doi 10.1063/5.0073572, at T* = 1 and for the Mie 12-6 potential, where the effective diameter
    is sigma. It is a little low: molecular dynamics of infinitely many particles is 0.1 % higher at
    0.1, 0.3 % at 0.2, 0.5 % at 0.3, 0.7 % from 0.35 to 0.45 and 0.4 % at 0.48, each with a standard
    error of 0.04 to 0.08 %. It comes from 100 and 400 particles, extrapolated in 1 / N, with LAMMPS
    and a time step of 0.0025. 100 particles give 0.3 % less than infinitely many at 0.3, 1.0 % at
    0.45 and 1.4 % at 0.48.

    Examples
    --------
    >>> print(wca_pressure([0.1, 0.3]).round(4))
    [0.2968 2.4107]
    """
    phi = np.asarray(volume_fraction, dtype=float)
    # derivative of the residual Helmholtz energy per particle, hard spheres first
    hard_spheres = (4 - 2 * phi) / (1 - phi) ** 3
    at_a, at_b = _ETA_A(phi), _ETA_B(phi)
    softness = 0.3615884504 * _contact(at_a) - 0.4142135624 * _contact(at_b)
    slope_a = _contact_slope(at_a) * _ETA_A.deriv()(phi)
    slope_b = _contact_slope(at_b) * _ETA_B.deriv()(phi)
    softness_slope = 0.3615884504 * slope_a - 0.4142135624 * slope_b
    slope = hard_spheres - 4 * (softness + phi * softness_slope)
    return np.asarray(6 * phi / np.pi * (1 + phi * slope))


def wca_band(volume_fraction: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Say between which pressures simulations of infinitely many WCA particles are.

    Parameters
    ----------
    volume_fraction : array_like, any shape
        As in :func:`wca_pressure`, which is the lower end.

    Returns
    -------
    low, high : numpy.ndarray, same shape
        In units of epsilon / sigma**3; nan where the fluid may freeze, above 0.48.
    """
    is_fluid = np.asarray(volume_fraction) <= _FLUID
    low = np.where(is_fluid, wca_pressure(volume_fraction), np.nan)
    return low, low * (1 + WCA_HIGHER)


def _contact(eta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the Carnahan-Starling contact value (1 - eta / 2) / (1 - eta)**3."""
    return (1 - eta / 2) / (1 - eta) ** 3


def _contact_slope(eta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the derivative of the contact value."""
    return (2.5 - eta) / (1 - eta) ** 4
