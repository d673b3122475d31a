"""One MPI rank of a simulation, between the launcher and the engine.

Launchers hand their standard input to the first rank alone, and mix what all of them print. So
every rank takes the simulation's parameters from a file, as its standard input, and what others
than the first print goes to standard error: the result is the first one's.

Usage: ``python -I -S rank.py SCRATCH COMMAND...``. SCRATCH is the simulation's directory, where its
supervisor has left the parameters, and an ``order``. Needs the standard library only.
"""

import json
import os
import sys
from typing import List, NoReturn

# what launchers call the number of a rank; Slurm's is there behind others that it has started, too
RANK_VARIABLES = (
    "OMPI_COMM_WORLD_RANK",
    "PMIX_RANK",
    "PMI_RANK",
    "PALS_RANKID",
    "MV2_COMM_WORLD_RANK",
    "MVP_COMM_WORLD_RANK",
    "ALPS_APP_PE",
    "FLUX_TASK_RANK",
    "SLURM_PROCID",
)


def main(scratch: str, command: List[str]) -> NoReturn:
    """Become the engine's process of this rank."""
    rank = next((os.environ[name] for name in RANK_VARIABLES if name in os.environ), "")
    if not rank:
        sys.exit(
            "the launcher does not say which rank a process is (it sets none of "
            f"{', '.join(RANK_VARIABLES)}); write one that does as `launcher` in the profile, "
            "such as mpirun or srun"
        )
    try:
        with open(os.path.join(scratch, "order"), encoding="utf-8") as file:
            order = json.load(file)
        parameters = os.open(os.path.join(scratch, "parameters"), os.O_RDONLY)
        os.chdir(order["directory"])
    except OSError as error:
        sys.exit(
            f"rank {rank} on {os.uname().nodename} does not see {error.filename} "
            f"({error.strerror}); have all ranks of a simulation start on one machine, or set "
            "TMPDIR to a directory that all of them share"
        )
    os.dup2(parameters, 0)
    os.close(parameters)
    if rank != "0":
        os.dup2(2, 1)
    try:
        os.execvpe(command[0], command, {**os.environ, **order["variables"]})
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror} on {os.uname().nodename}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
