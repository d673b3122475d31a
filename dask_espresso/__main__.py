"""The command line as a process of its own: ``dask-espresso``, or ``python -m dask_espresso``."""

import sys

from .signals import StoppedError, orderly_end
from .streams import guard_streams


def program() -> None:
    """Run the command line, and end in order whatever signal comes when."""
    guard_streams()
    try:
        with orderly_end():
            from .cli import main  # it takes a moment, in which a signal may come too

            main()
    except StoppedError as stopped:
        print(f"Interrupted by {stopped.signal}.", file=sys.stderr)
        raise


if __name__ == "__main__":
    program()
