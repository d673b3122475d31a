"""Python programs that do not take modules from the directory that they are started in.

Jobs run where a study is, and beside it there may be a `random.py`, which is the user's own and
not what Dask means by that name. ``python -m`` and ``python -c`` put that directory in front of the
module path. What keeps them from it, PYTHONSAFEPATH, comes with Python 3.11, and simulations would
inherit it.
"""

from __future__ import annotations

import os
import sys

# the directory is there as "", and by its name, which goes last, where PYTHONPATH has an empty item
NO_DIRECTORY = (
    "import os, sys; sys.path[:] = sorted(filter(None, sys.path), key=os.getcwd().__eq__); "
)


def safe_code(module: str, function: str) -> str:
    """Give what is to follow ``python -c`` to call a function of this package; without quotes."""
    return f"{NO_DIRECTORY}from {__package__}.{module} import {function}; {function}()"


def leave_directory_to_the_end() -> None:
    """Have this process look for modules in its directory last.

    It may be there by an empty item of PYTHONPATH, or because this package itself is in it.
    """
    here = os.path.realpath(".")
    is_here = [os.path.realpath(path) == here for path in sys.path]
    first, last = (
        [path for path, found in zip(sys.path, is_here, strict=True) if found is wanted and path]
        for wanted in (False, True)
    )
    sys.path[:] = first + last
