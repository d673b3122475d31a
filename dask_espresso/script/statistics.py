"""Means of correlated series, their standard errors, and the pooling of replicas.

This module is imported inside simulation scripts too: it needs numpy only and
works on Python 3.9 and newer.
"""

from .control import control_variate, drift
from .estimate import Estimate, blocking_error, correlation_time, mean_error
from .replicas import pool, pool_replicas

__all__ = [
    "Estimate",
    "blocking_error",
    "control_variate",
    "correlation_time",
    "drift",
    "mean_error",
    "pool",
    "pool_replicas",
]
