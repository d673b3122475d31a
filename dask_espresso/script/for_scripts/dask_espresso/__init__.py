"""The ``dask_espresso`` that a simulation script imports.

The folder above this one goes on the simulation's ``PYTHONPATH``. It holds
nothing but this package, so that the script's interpreter finds
``dask_espresso`` and never the numpy, dask or anything else that is installed
beside the real package. Of the real package it has the folder ``script`` alone.
"""

import os
import sys

if sys.version_info < (3, 9):  # said before anything is imported that an older one does not take
    raise ImportError("Python 3.9 or newer is needed, not %d.%d" % sys.version_info[:2])

__path__ = [os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))]

from .curves import curve
from .transport import (
    decode_transport_data,
    encode_transport_data,
    get_data_from_stdin,
    send_result,
)

__all__ = [
    "curve",
    "decode_transport_data",
    "encode_transport_data",
    "get_data_from_stdin",
    "send_result",
]


def __getattr__(name):
    """Load the statistics, which need numpy, on first use."""
    if name != "statistics":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return import_module("." + name, __name__)
