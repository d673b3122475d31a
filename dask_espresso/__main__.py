"""The command line as a process of its own: ``dask-espresso``, or ``python -m dask_espresso``."""

import gc
import sys

from .safe_path import leave_directory_to_the_end

leave_directory_to_the_end()  # before anything is imported that may have a namesake there

from .signals import StoppedError, orderly_end  # noqa: E402
from .streams import guard_streams  # noqa: E402

_NAME = "dask-espresso"


def program() -> None:
    """Run the command line, and end in order whatever signal comes when."""
    guard_streams()
    gc.set_threshold(50_000)  # what is imported stays: looking through it takes a tenth of a start
    try:
        with orderly_end():
            from .cli import main  # it takes a moment, in which a signal may come too

            main(prog_name=_NAME if sys.argv[0] == "-c" else None)
    except StoppedError as stopped:
        print(f"Interrupted by {stopped.signal}.", file=sys.stderr)
        raise


if __name__ == "__main__":
    program()
