"""The rows of the HDF5 file and of the journal, one behind the other, by columns."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..outcome import Outcome, Status
from .arrays import Column, Values, column_of, joined, objects
from .columns import ABSENT, REST, Path
from .hdf5 import Published
from .index import coded
from .nested import flatten, unflatten, untabulate


class Rows:
    """Outcomes of the HDF5 file, and behind them those of the journal.

    Parameters
    ----------
    published : Published, optional
        The HDF5 file, open as long as the rows are used.
    recorded : iterable of Outcome
        From the journal, one a simulation.
    """

    def __init__(self, published: Published | None, recorded: Iterable[Outcome]) -> None:
        self._published, self._recorded = published, list(recorded)
        self._n_published = published.size if published else 0

    def __len__(self) -> int:
        return self._n_published + len(self._recorded)

    @property
    def published(self) -> Published | None:
        """The HDF5 file, where it holds all rows."""
        return None if self._recorded else self._published

    @functools.cached_property
    def ids(self) -> list[str]:
        """The simulations' ids, one a row."""
        ids = self._published.ids if self._published else []
        return [*ids, *(outcome.id for outcome in self._recorded)]

    def latest(self) -> Values:
        """Give the rows that no later one replaces, each where its simulation was first."""
        latest = np.arange(len(self))
        if not self._published or not self._recorded:
            return latest
        sequences = self._published.field("sequence")
        numbers = {name: row for row, name in enumerate(self._published.ids)}
        is_first = np.ones(len(self), bool)
        for row, outcome in enumerate(self._recorded, self._n_published):
            before = numbers.get(outcome.id)
            if before is not None:
                is_first[row] = False
                if sequences[before] <= outcome.sequence:
                    latest[before] = row
        return latest[is_first]

    # ---- fields of the outcome ----

    def field(self, name: str) -> Values:
        """Give a field that is a number; its default where it is not known."""
        more = np.array([getattr(outcome, name) for outcome in self._recorded])
        if not self._published or not self._n_published:
            return more
        values = self._published.field(name)
        return np.concatenate([values, more]) if len(more) else values

    def objects(self, name: str) -> Values:
        """Give a field as any objects; its default where it is not known."""
        published = self._published.plain_field(name) if self._published else []
        return objects([*published, *(getattr(outcome, name) for outcome in self._recorded)])

    def coded(self, name: str) -> tuple[list[Any], Values]:
        """Give the different values of a field that has few, and for each row which it has."""
        more, more_codes = coded([getattr(outcome, name) for outcome in self._recorded])
        if not self._published:
            return more, more_codes
        values, codes = self._published.coded_field(name)
        # what is in both has one number
        known, numbers = coded([*values, *more])
        both = np.concatenate([codes.astype(np.intp), more_codes + len(values)])
        return known, numbers[both]

    def texts(self, name: str, rows: Sequence[int]) -> list[str]:
        """Give a field that is a text, of some rows."""
        published: dict[int, str] = {}
        if self._published:
            there = [row for row in rows if row < self._n_published]
            published = self._published.texts(name, there)
        return [
            published[row] if row < self._n_published
            else getattr(self._recorded[row - self._n_published], name)
            for row in rows
        ]  # fmt: skip

    # ---- parameters and results ----

    def paths(self, role: str) -> list[Path]:
        """Give the paths of the columns of parameters or results."""
        published = self._published.paths(role) if self._published else ()
        own = [path for path in published if path != REST]
        return list(dict.fromkeys([*own, *self._shared[role], *self._leaves[role]]))

    def column(self, role: str, path: Path, unread: Sequence[str] = ()) -> Column:
        """Read a column; only the states where it is of the kinds that are left unread."""
        leaves = self._leaves[role].get(path, [ABSENT] * len(self._recorded))
        file = self._published
        if file and path in file.paths(role):
            both = joined(file.array(role, path, unread), column_of(leaves))
            # of two kinds they are but objects
            both = both or column_of([*file.column(role, path), *leaves])
        else:
            shared = self._shared[role].get(path, [ABSENT] * self._n_published)
            both = column_of([*shared, *leaves])
        return both if role == "parameter" else both.without(self._have_none)

    @functools.cached_property
    def _have_none(self) -> Values:
        """Say of the rows whether they are of outcomes that have no result, whatever is there."""
        statuses = [int(status) for status in Status if status.has_result]
        return ~np.isin(self.field("status"), statuses)

    def values(self, role: str, name: str, rows: Values) -> list[Any]:
        """Give a parameter or result of some rows as it was; ABSENT where there is none."""
        columns = [
            (path, self.column(role, path).take(rows).plain())
            for path in self.paths(role) if path[0] == name
        ]  # fmt: skip
        return [found.get(name, ABSENT) for found in untabulate(columns, len(rows))]

    def is_number(self, role: str, path: Path) -> bool:
        """Say whether a column is of plain numbers in the file: it is read in no time."""
        file = self._published
        return bool(file and path in file.paths(role) and file.is_number(role, path))

    def leaves(self, role: str, row: int, present: Iterable[Path]) -> list[Path]:
        """Give the paths that are in a row, in the order in which its dict gives them.

        Parameters
        ----------
        present : iterable of paths
            Those that are there, in the order of the columns.
        """
        if row >= self._n_published:
            return list(flatten(_values(self._recorded[row - self._n_published], role)))
        return list(flatten(unflatten(dict.fromkeys(present))))

    @functools.cached_property
    def _shared(self) -> dict[str, dict[Path, list[Any]]]:
        """By role, the leaves that share one column of the file, since there are too many."""
        return {role: self._shared_of(role) for role in ("parameter", "result")}

    def _shared_of(self, role: str) -> dict[Path, list[Any]]:
        columns: dict[Path, list[Any]] = {}
        if self._published and REST in self._published.paths(role):
            for row, leaves in enumerate(self._published.column(role, REST)):
                for names, leaf in leaves if leaves is not ABSENT else ():
                    if (path := tuple(names)) not in columns:  # not made anew for each leaf
                        columns[path] = [ABSENT] * self._n_published
                    columns[path][row] = leaf
        return columns

    @functools.cached_property
    def _leaves(self) -> dict[str, dict[Path, list[Any]]]:
        """By role, the leaves in the journal."""
        return {role: self._leaves_of(role) for role in ("parameter", "result")}

    def _leaves_of(self, role: str) -> dict[Path, list[Any]]:
        columns: dict[Path, list[Any]] = {}
        for row, outcome in enumerate(self._recorded):
            for path, leaf in flatten(_values(outcome, role)).items():
                if path not in columns:  # not made anew for each leaf
                    columns[path] = [ABSENT] * len(self._recorded)
                columns[path][row] = leaf
        return columns


def _values(outcome: Outcome, role: str) -> dict[str, Any]:
    return (outcome.parameters if role == "parameter" else outcome.result) or {}
