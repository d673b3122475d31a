"""Pressure of hard spheres at kT = 1, by Carnahan and Starling."""

import math


def pressure(phi):
    """Give it in units of the cube of the diameter."""
    return 6 * phi / math.pi * (1 + phi + phi**2 - phi**3) / (1 - phi) ** 3
