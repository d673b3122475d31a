"""What is to be published of a store: all outcomes of its HDF5 file and its journal."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ..errors import ResumableError
from ..outcome import Outcome
from .hdf5 import Published
from .journal import journal_path
from .recorded import Description, check_same_study, read_records
from .table import Table


def all_recorded(path: Path, published: Published | None, wanted: Collection[str]) -> Table:
    """Give all outcomes of file and journal.

    Raises
    ------
    ResumableError
        If one of those that are wanted is not there any more.
    """
    table = Table(published)
    for record in read_records(path):
        if isinstance(record, Outcome):
            table.add(record)
        elif published and isinstance(record, Description):
            check_same_study(path, published.study, record)
    if missing := set(wanted) - table.ids:
        raise ResumableError(
            f"{journal_path(path)}: {len(missing)} outcomes that were recorded cannot be "
            "read back: it was damaged during the run; nothing was published; run again to "
            "run those again"
        )
    return table
