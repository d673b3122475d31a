"""Means and standard errors, under the name that scripts use: ``dask_espresso.statistics``."""

import sys

from .script import statistics

sys.modules[__name__] = statistics
