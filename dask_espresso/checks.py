"""Checks of parameters, under the name that scripts use: ``dask_espresso.checks``."""

import sys

from .script import checks

sys.modules[__name__] = checks
