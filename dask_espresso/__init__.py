"""Run large numbers of short ESPResSo simulations on a cluster, and keep their results.

This module is imported inside simulation scripts too, by whatever interpreter
runs the simulation: it needs the standard library only, and everything that
needs more is loaded when it is first asked for.
"""

import sys

if sys.argv[:1] == ["-m"] and any(
    word.partition(".")[0] == __name__ for word in getattr(sys, "orig_argv", ())
):
    # `python -m dask_espresso`, or a module of it, which would take a typing.py from the directory
    # that it is started in
    from .safe_path import leave_directory_to_the_end

    leave_directory_to_the_end()

from .script.curves import curve
from .script.transport import (
    decode_transport_data,
    encode_transport_data,
    get_data_from_stdin,
    send_result,
)

__version__ = "0.1.0"

__all__ = [
    "Study",
    "curve",
    "dask_espresso_task",
    "dataset",
    "decode_transport_data",
    "encode_transport_data",
    "get_data_from_stdin",
    "load_profile",
    "load_study",
    "open_store",
    "pooled",
    "read_store",
    "run_study",
    "send_result",
]

_LAZY = {
    "Study": ("notebook.study", "Study"),
    "dask_espresso_task": ("process.task", "dask_espresso_task"),
    "dataset": ("views.dataset", "dataset"),
    "load_profile": ("inputs.profile", "load_profile"),
    "load_study": ("inputs.study", "load_study"),
    "open_store": ("notebook.store", "open_store"),
    "pooled": ("views.pooled", "pooled"),
    "read_store": ("store.store", "read_store"),
    "run_study": ("driver", "run_study"),
}


def __getattr__(name):  # type: ignore[no-untyped-def]
    """Load the driver's side of the package on first use."""
    from importlib import import_module

    if name == "statistics":  # which needs numpy
        return import_module("." + name, __name__)
    try:
        module, attribute = _LAZY[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    return getattr(import_module("." + module, __name__), attribute)


def __dir__():  # type: ignore[no-untyped-def]
    return sorted({*globals(), *__all__})
