"""``python -m dask_espresso`` is the command line ``dask-espresso``."""

from .cli import main

main()
