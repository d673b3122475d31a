"""Whether the shipped simulations' numbers are right, and their errors honest."""
