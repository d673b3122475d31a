"""What became of a simulation."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, fields
from typing import Any


class Status(enum.IntEnum):
    """How a simulation ended; the numbers are those of the store's `status` column."""

    DONE = 0
    FAILED = 1
    TIMED_OUT = 2
    LOST = 3
    NOT_FINITE = 4

    @property
    def label(self) -> str:
        """The status in words."""
        return self.name.lower().replace("_", " ")

    @property
    def has_result(self) -> bool:
        """Whether the script gave a result, good or not."""
        return self in (Status.DONE, Status.NOT_FINITE)


_FLAGS = {
    "flag_values": [int(status) for status in Status],
    "flag_meanings": " ".join(status.label.replace(" ", "_") for status in Status),
}


@dataclass
class Outcome:
    """What became of one simulation.

    A field's metadata are more HDF5 attributes of its column in the store.

    Attributes
    ----------
    id : str
        The simulation's id.
    parameters : dict
        The parameters as the study gives them.
    replica, seed : int
        Number of the replica, from 0, and the simulation's own seed.
    status : Status
        How it ended.
    result : dict or None
        What the script gave, where `status` is done or not finite.
    attempts : int
        How often it was started; losses of a worker do not count.
    exit_code : int or None
        Exit code, or minus the number of the signal that ended the process.
    error : str
        What went wrong, with the end of standard error, or which number is not finite; empty
        where done.
    log : str
        Standard error and stray standard output, shortened in the middle.
    host, job_id : str
        Where it ran.
    started : float
        Unix time of its start, in seconds.
    elapsed_time, cpu_time : float
        Wall and CPU time of the process and its children, in seconds.
    peak_memory : int or None
        Largest resident memory of one of its processes, in bytes; None where it is not known.
    n_ranks : int or None
        MPI processes of it, which are the cores that it had; None in stores of before this was
        recorded.
    memory_asked : int or None
        What the profile asks for of memory for each simulation that a worker job runs at a time, in
        bytes; None where it asks for none, or that was not recorded.
    start_method : str
        ``forked`` of a process that had done its imports, or ``fresh``; empty where it did not
        start, or that was not recorded.
    engine, engine_version : str
        What ran it.
    script_hash : str
        SHA-256 of the script that ran.
    unread : list of str or None
        Parameters, and `seed`, that the script never asked for; None if that is not known.
    code_hash : str
        16 digits for the script and the modules of the user's own that it imports; empty in
        stores of before these were recorded.
    kept_files : str
        The files that stay of it, as JSON text: for each its name, `size` in bytes and `sha256`;
        empty if there are none. They are in ``NAME.files/ID/`` beside the store.
    result_axes : str
        Along which results others stand, where the script says so, as JSON text:
        ``{"g": ["r"]}``; empty if it does not.
    analyses : str
        What `dask-espresso analyze` has added to its results, as JSON text: for each script its
        `version`, and the names of these `results`; empty if there is nothing.
    sequence : int
        The how-manieth outcome of its store this is.
    """

    id: str
    parameters: dict[str, Any]
    replica: int = field(default=0, metadata={"long_name": "number of the replica"})
    seed: int = field(default=0, metadata={"long_name": "the simulation's own seed"})
    status: Status = field(default=Status.DONE, metadata=_FLAGS)
    result: dict[str, Any] | None = None
    attempts: int = field(default=1, metadata={"long_name": "number of times it was started"})
    exit_code: int | None = field(
        default=None, metadata={"long_name": "exit code, or minus the number of a signal"}
    )
    error: str = ""
    log: str = ""
    host: str = ""
    job_id: str = ""
    started: float = field(
        default=float("nan"), metadata={"units": "seconds since 1970-01-01", "calendar": "standard"}
    )
    elapsed_time: float = field(default=float("nan"), metadata={"units": "s"})
    cpu_time: float = field(default=float("nan"), metadata={"units": "s"})
    peak_memory: int | None = field(
        default=None,
        metadata={"units": "B", "long_name": "largest resident memory of one process"},
    )
    n_ranks: int | None = field(
        default=None, metadata={"long_name": "number of MPI processes, a core each"}
    )
    memory_asked: int | None = field(
        default=None,
        metadata={"units": "B", "long_name": "memory that the profile asks for one simulation"},
    )
    start_method: str = field(
        default="", metadata={"long_name": "how its process was started: forked or fresh"}
    )
    engine: str = ""
    engine_version: str = ""
    script_hash: str = field(default="", metadata={"long_name": "SHA-256 of the script"})
    unread: list[str] | None = None
    code_hash: str = field(
        default="", metadata={"long_name": "version of the script and the modules that it imports"}
    )
    kept_files: str = field(
        default="", metadata={"long_name": "files in NAME.files/ID, with sizes and hashes, as JSON"}
    )
    result_axes: str = field(
        default="", metadata={"long_name": "axes of curves, as the script says them, as JSON"}
    )
    analyses: str = field(
        default="", metadata={"long_name": "results that analyses added, and versions, as JSON"}
    )
    sequence: int = field(default=0, metadata={"long_name": "order of recording"})

    @property
    def is_done(self) -> bool:
        """Whether the simulation gave a result, and its numbers are finite."""
        return self.status is Status.DONE


DEFAULTS = dict(vars(Outcome(id="", parameters={})))
FIELDS = tuple(DEFAULTS)
ATTRIBUTES = {column.name: dict(column.metadata) for column in fields(Outcome)}
