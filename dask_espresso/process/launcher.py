"""The program that starts the MPI ranks of one simulation, and whether it fits the engine's MPI."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# what starts processes that find each other, as they and their library call themselves
_KINDS = {
    "Open MPI": r"open[ -]?mpi|openrte|open rte|prte",
    "MPICH": r"mpich|hydra|intel\(r\) mpi|mvapich",
}
_NAMES = ("mpirun", "mpiexec", "mpirun.openmpi", "mpirun.mpich", "mpiexec.hydra")
_REMEDIES = {
    "not enough slots": "--oversubscribe",
    "attempt to run as root": "--allow-run-as-root",
}
_ANSWER = 20.0  # seconds for `mpirun --version`

# Ranks of the default launcher start on this machine, whatever the batch system has told of the
# job, and as many at a time as the worker has cores for.
LOCAL_SETTINGS = {
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
}


def kind(text: str) -> str:
    """Say which MPI a library or a launcher is of, by the version that it tells; empty if unknown.

    Examples
    --------
    >>> kind("mpirun (Open MPI) 4.1.4")
    'Open MPI'
    >>> kind("MPI VERSION    : CRAY MPICH version 8.1.29.8")
    'MPICH'
    """
    return next((name for name, words in _KINDS.items() if re.search(words, text, re.I)), "")


def kind_of_program(program: str) -> str:
    """Say which MPI a launcher is of; empty for others, such as Slurm's srun."""
    try:
        answer = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ANSWER,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return kind(answer.stdout + answer.stderr)


def does_fit(launcher: str, mpi: Mapping[str, Any] | None) -> bool:
    """Say whether a launcher may be one for an MPI library, as far as both are known."""
    kinds = {kind_of_program(launcher), kind(str(mpi["version"])) if mpi else ""} - {""}
    return len(kinds) < 2


def remedy(failure: str, launcher: str) -> str:
    """Say what to do where several ranks do not start although one does."""
    options = (option for words, option in _REMEDIES.items() if words in failure)
    if option := next(options, ""):
        return f"write `launcher: {launcher} {option} -n {{ranks}}` under the engine in the profile"
    return "one rank works: correct the `launcher` under the engine in the profile"


def fitting(mpi: Mapping[str, Any] | None, program: str, path: str | None) -> str:
    """Find the launcher that fits an engine.

    Parameters
    ----------
    mpi : mapping or None
        The engine's MPI library, as the probe has found it: its path and version.
    program : str
        The engine's own.
    path : str or None
        Where programs are looked for, as in PATH.

    Returns
    -------
    str
        Its path; where none is known to fit, the first one that there is, or empty.
    """
    found = list(dict.fromkeys(_launchers(mpi, program, path)))
    wanted = kind(str(mpi["version"])) if mpi else ""
    fits = (launcher for launcher in found if wanted and kind_of_program(launcher) == wanted)
    return next(fits, shutil.which("mpirun", path=path) or next(iter(found), ""))


def _launchers(mpi: Mapping[str, Any] | None, program: str, path: str | None) -> Iterator[str]:
    """Give the launchers beside the library, beside the engine, and in the PATH."""
    library = Path(str(mpi["path"])) if mpi else Path()
    above = [*library.parents[:-1], *library.resolve().parents[:-1]] if mpi else []
    directories = [str(directory / "bin") for directory in above]
    for directory in [*directories, str(Path(program).parent), *(path or "").split(":")]:
        if directory.startswith("/"):
            yield from filter(None, (shutil.which(name, path=directory) for name in _NAMES))
