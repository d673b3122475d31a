"""What is to be published of a store: all outcomes of its HDF5 file and its journal."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import ResumableError
from ..outcome import Outcome
from .hdf5 import Published, open_hdf5, write_content
from .journal import journal_path
from .provenance import Provenance
from .recorded import Description, check_same_study, read_records
from .table import Table

if TYPE_CHECKING:
    from ..inputs.simulations import Simulations


@dataclasses.dataclass(frozen=True)
class Edition:
    """What the next HDF5 file of a store is made of, beside the one before and the journal.

    Attributes
    ----------
    path : Path
        The HDF5 file.
    end : int
        Where the journal ends, in bytes, as far as it counts.
    described : dict
        What the store is of, see :func:`~.admission.description`.
    provenance : dict
        Where the code came from, see :mod:`.provenance`.
    """

    path: Path
    end: int
    described: dict[str, Any]
    provenance: Provenance

    def write(
        self,
        stream: BinaryIO,
        study: Simulations,
        wanted: Iterable[str],
        forgotten: Collection[str] = (),
    ) -> int:
        """Write the HDF5 file.

        Parameters
        ----------
        stream : file object
            Where to.
        study : Simulations
            The study that the store is of.
        wanted : iterable of str
            Ids of outcomes that have to be there.
        forgotten : collection of str
            Ids of those that are left out.

        Returns
        -------
        int
            The number of rows.

        Raises
        ------
        ResumableError
            If one that is wanted is not there any more.
        """
        with open_hdf5(self.path) as published:
            table = self._all_recorded(published, wanted)
            table.remove(forgotten)
            table.sort(study)
            if study.lineage or (published and published.has_names_of_study):
                table.take_parameters(study)
            write_content(stream, table, **self.described, provenance=self.provenance)
            return len(table)

    def _all_recorded(self, published: Published | None, wanted: Iterable[str]) -> Table:
        table = Table(published)
        for record in read_records(self.path, self.end):
            if isinstance(record, Outcome):
                table.add(record)
            elif published and isinstance(record, Description):
                check_same_study(self.path, published.study, record)
        if missing := sum(name not in table.ids for name in wanted):
            raise ResumableError(
                f"{journal_path(self.path)}: {missing} outcomes that were recorded cannot be "
                "read back: it was damaged during the run; nothing was published; run again to "
                "run those again"
            )
        return table
