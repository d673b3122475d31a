"""``python -m dask_espresso`` is the command line ``dask-espresso``."""

from .cli import program

program()
