"""What a store holds, as far as it was read."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Generic, NamedTuple, TypeVar

from ..outcome import Outcome, Status
from .provenance import Provenance


class Head(NamedTuple):
    """As much of an outcome as a driver has to know; equal ones are one object."""

    status: Status
    script_hash: str
    code_hash: str

    @classmethod
    def of(cls, outcome: Outcome) -> Head:
        """Give what a driver has to know of an outcome."""
        return cls.made(int(outcome.status), outcome.script_hash, outcome.code_hash)

    @classmethod
    @functools.lru_cache(maxsize=1024)
    def made(cls, status: int, script_hash: str, code_hash: str) -> Head:
        """Make one."""
        return cls(Status(status), script_hash, code_hash)


Row = TypeVar("Row", Outcome, Head)


@dataclasses.dataclass
class StoreContents(Generic[Row]):
    """All that a store holds.

    Attributes
    ----------
    study : dict
        The study as it was run last; see :meth:`dask_espresso.inputs.study.Study.from_snapshot`.
    script_hash : str
        SHA-256 of the script as it was run last.
    outcomes : dict of str to Outcome, or to Head
        By the simulation's id; in the order of the study where published.
    owner : dict
        The driver that is at work on it now: host, pid, job_id; empty where none is.
    code_hash : str
        Version of the script and the modules that it imports as they were run last; empty where
        that was before modules were recorded.
    versions : dict of str to dict
        The files of each version of the code, and their hashes.
    provenance : dict
        Where these came from, see :mod:`.provenance`; empty in stores of before it was recorded.
    published_as : dict or None
        What the HDF5 file says of all this, as :func:`~dask_espresso.store.hdf5.write_hdf5`
        takes it; None where there is no
        file.
    n_published, n_unpublished : int
        Outcomes in the HDF5 file, and records of outcomes in the journal.
    last_sequence : int
        The largest number of an outcome.
    """

    study: dict[str, Any]
    script_hash: str
    outcomes: dict[str, Row]
    code_hash: str = ""
    versions: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    provenance: Provenance = dataclasses.field(default_factory=dict)
    owner: dict[str, Any] = dataclasses.field(default_factory=dict)
    published_as: dict[str, Any] | None = None
    n_published: int = 0
    n_unpublished: int = 0
    last_sequence: int = 0
