"""Columns of a store, read when they are asked for, of the HDF5 file and the journal together.

There is a row for each outcome of the study as it was run last, in the order of the study.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..outcome import Outcome
from .arrays import Column, Values, column_of, joined
from .columns import ABSENT, REST, Path, flatten
from .hdf5 import Published
from .index import coded
from .table import ID_TYPE, places_of

if TYPE_CHECKING:
    from ..inputs.study import Study

_ORDER = ("parameters", "sweep", "replicas")  # of a study: they make its ids, and their order


class Reader:
    """Outcomes of a study, by columns.

    Parameters
    ----------
    study : Study
        As it was run last.
    published : Published, optional
        The HDF5 file, open as long as the reader is used.
    recorded : iterable of Outcome
        From the journal, one a simulation.
    places : array of int, optional
        The place of each recorded outcome in the study; else they are told by their ids.

    Attributes
    ----------
    places : array of int, shape (n,)
        The place in the study of each row.
    n_others : int
        Outcomes of simulations that are not in the study.
    """

    def __init__(
        self,
        study: Study,
        published: Published | None,
        recorded: Iterable[Outcome],
        places: Values | None = None,
    ) -> None:
        self.study = study
        self._published, self._recorded = published, list(recorded)
        rows, places = self._latest() if places is None else (np.arange(len(places)), places)
        inside = np.flatnonzero(places >= 0)
        inside = inside[np.argsort(places[inside], kind="stable")]
        self._rows, self.places = rows[inside], places[inside]
        self.n_others = len(rows) - len(inside)

    @classmethod
    def of(cls, study: Study, outcomes: Sequence[Outcome | None]) -> Reader:
        """Make a reader of outcomes in the study's order; None for those that are not there."""
        places = [place for place, outcome in enumerate(outcomes) if outcome is not None]
        there = [outcome for outcome in outcomes if outcome is not None]
        return cls(study, None, there, np.array(places, np.int64))

    def __len__(self) -> int:
        return len(self.places)

    def _latest(self) -> tuple[Values, Values]:
        """Give the rows that no later one replaces, and their places in the study, -1 for none."""
        if not self._recorded and (places := self._published_places()) is not None:
            return np.arange(len(places)), places
        published = self._published.ids if self._published else []
        ids = np.array([*published, *(o.id for o in self._recorded)], ID_TYPE)
        order = np.fromiter(self.study.ids(), ID_TYPE, self.study.count)
        rows = np.flatnonzero(self._are_latest(published))
        return rows, places_of(ids[rows], order)

    def _published_places(self) -> Values | None:
        if self._published is None:
            return None
        before, now = self._published.study, self.study.snapshot()
        if any(json.dumps(before.get(key)) != json.dumps(now[key]) for key in _ORDER):
            return None
        return self._published.places()

    def _are_latest(self, published: Sequence[str]) -> Values:
        """Say of all rows whether they are the latest of their simulations."""
        latest = np.ones(len(published) + len(self._recorded), bool)
        if self._published and self._recorded:
            sequences = self._published.field("sequence")
            numbers = {name: row for row, name in enumerate(published)}
            for row, outcome in enumerate(self._recorded, len(published)):
                before = numbers.get(outcome.id)
                if before is not None:
                    is_later = sequences[before] <= outcome.sequence
                    latest[before if is_later else row] = False
        return latest

    # ---- fields of the outcome ----

    def field(self, name: str) -> Values:
        """Give a field that is a number; its default where it is not known."""
        more = np.array([getattr(outcome, name) for outcome in self._recorded])
        if not self._published:
            return more[self._rows]
        values = self._published.field(name)
        return (np.concatenate([values, more]) if len(more) else values)[self._rows]

    def coded(self, name: str) -> tuple[list[Any], Values]:
        """Give the different values of a field that has few, and for each row which it has."""
        more, more_codes = coded([getattr(outcome, name) for outcome in self._recorded])
        if not self._published:
            return more, more_codes[self._rows]
        values, codes = self._published.coded_field(name)
        codes = np.concatenate([codes.astype(np.intp), more_codes + len(values)])
        return [*values, *more], codes[self._rows]

    def texts(self, name: str, rows: Values) -> list[str]:
        """Give a field that is a text, of some rows."""
        n_published = self._published.size if self._published else 0
        wanted = self._rows[rows].tolist()
        published: dict[int, str] = {}
        if self._published:
            published = self._published.texts(name, [row for row in wanted if row < n_published])
        return [
            published[row] if row < n_published
            else getattr(self._recorded[row - n_published], name)
            for row in wanted
        ]  # fmt: skip

    # ---- parameters and results ----

    def parameter(self, name: str) -> Column | None:
        """Read a parameter, None where it is nested."""
        return self._read("parameter", (name,)) if (name,) in self._paths("parameter") else None

    def result(self, path: Path) -> Column:
        """Read the column of a result."""
        return self._read("result", path)

    @functools.cached_property
    def results(self) -> dict[str, list[Path]]:
        """The paths of the columns of each result, more than one where it is nested."""
        names: dict[str, list[Path]] = {}
        for path in self._paths("result"):
            names.setdefault(path[0], []).append(path)
        return names

    def is_quick(self, name: str) -> bool:
        """Say whether a result is a plain number in the file: it is read in no time."""
        (path, *others) = self.results[name]
        if self._published is None or others or path not in self._published.paths("result"):
            return False
        return self._published.is_number("result", path)

    def _paths(self, role: str) -> list[Path]:
        published = self._published.paths(role) if self._published else ()
        own = [path for path in published if path != REST]
        return list(dict.fromkeys([*own, *self._shared[role], *self._leaves[role]]))

    @functools.cached_property
    def _shared(self) -> dict[str, dict[Path, list[Any]]]:
        """By role, the leaves that share one column of the file, since there are too many."""
        return {role: self._shared_of(role) for role in ("parameter", "result")}

    def _shared_of(self, role: str) -> dict[Path, list[Any]]:
        columns: dict[Path, list[Any]] = {}
        if self._published and REST in self._published.paths(role):
            for row, leaves in enumerate(self._published.column(role, REST)):
                for names, leaf in leaves if leaves is not ABSENT else ():
                    column = columns.setdefault(tuple(names), [ABSENT] * self._published.size)
                    column[row] = leaf
        return columns

    @functools.cached_property
    def _leaves(self) -> dict[str, dict[Path, list[Any]]]:
        """By role, the leaves in the journal."""
        return {role: self._leaves_of(role) for role in ("parameter", "result")}

    def _leaves_of(self, role: str) -> dict[Path, list[Any]]:
        columns: dict[Path, list[Any]] = {}
        for row, outcome in enumerate(self._recorded):
            values = outcome.parameters if role == "parameter" else outcome.result
            for path, leaf in flatten(values or {}).items():
                columns.setdefault(path, [ABSENT] * len(self._recorded))[row] = leaf
        return columns

    def _read(self, role: str, path: Path) -> Column:
        leaves = self._leaves[role].get(path, [ABSENT] * len(self._recorded))
        file = self._published
        if file and path in file.paths(role):
            both = joined(file.array(role, path), column_of(leaves))
            # of two kinds they are but objects
            both = both or column_of([*file.column(role, path), *leaves])
        else:
            shared = self._shared[role].get(path, [ABSENT] * (file.size if file else 0))
            both = column_of([*shared, *leaves])
        return both.take(self._rows)
