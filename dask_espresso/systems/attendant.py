"""The parent of one command of a batch system: nothing of it outlives the driver that waits for it.

A driver that is told to stop, or is killed, may have an `sbatch` under way that submits its job
only later, when nobody knows of it any more. End of file on standard input means that nobody waits
for the command any more: it is killed then, with everything that it has started. What a command
that has ended by itself leaves running is its own affair.

Usage: ``python -I -S attendant.py COMMAND…``. Needs the standard library only.
"""

# ruff: noqa: PTH109, PTH120
import os
import select
import sys

# behind the standard library
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))

from dask_espresso.script import supervisor

_NOT_STARTED = 127


def main() -> int:
    """Run the command, and give its exit code."""
    lifeline = os.dup(0)  # not inherited
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    wakeup, _ = supervisor.become_supervisor()
    request = {"command": sys.argv[1:], "environment": dict(os.environ), "directory": os.getcwd()}
    try:
        child = supervisor.start(request)
    except OSError as error:
        print(error.strerror, file=sys.stderr)
        return _NOT_STARTED
    for fd in (1, 2):  # whoever reads them is to see their end
        os.close(fd)
    code: int = supervisor.watch(child, lifeline, wakeup, None)["exit_code"]
    if select.select([lifeline], [], [], 0)[0]:
        supervisor.kill_everything()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    os._exit(main())
