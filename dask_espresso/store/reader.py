"""Outcomes of a study by columns, read when they are asked for.

There is a row for each outcome of the study as it was run last, in the order of the study.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..inputs.axes import Axes, axes_of
from .arrays import Column, Values
from .columns import Path
from .leaves import Leaves
from .rows import Rows
from .selection import meeting
from .silence import silent_names

if TYPE_CHECKING:
    from ..inputs.stored_study import StoredStudy

# of a study: what makes its ids, and their order
_ORDER = (
    "parameters",
    "sweep",
    "points",
    "sample",
    "blocks",
    "where",
    "exclude",
    "derived",
    "defaults",
    "rename",
    "replicas",
)


class Reader:
    """Outcomes of a study, by columns.

    Parameters
    ----------
    study : StoredStudy
        As it was run last.
    rows : Rows
        Of the file and the journal.
    only : array of int, optional
        Those rows that count; by default the latest of each simulation.
    places : array of int, optional
        Their places in the study; by default those of their ids.

    Attributes
    ----------
    places : array of int, shape (n,)
        The place in the study of each row.
    others : array of int
        Rows, of file and journal, of simulations that are not in the study.
    """

    def __init__(
        self,
        study: StoredStudy,
        rows: Rows,
        only: Values | None = None,
        places: Values | None = None,
    ) -> None:
        self.study = study
        self._all = rows
        latest = rows.latest() if only is None else only
        places = self._places_of(latest) if places is None else places
        inside = np.flatnonzero(places >= 0)
        inside = inside[np.argsort(places[inside], kind="stable")]
        self._rows, self.places = latest[inside], places[inside]
        self.others: Values = latest[places < 0]

    @property
    def n_others(self) -> int:
        """Outcomes of simulations that are not in the study."""
        return len(self.others)

    def __len__(self) -> int:
        return len(self.places)

    @property
    def ids(self) -> list[str]:
        """The simulations' ids, one a row."""
        return [self._all.ids[row] for row in self._rows.tolist()]

    def _places_of(self, rows: Values) -> Values:
        """Give the places of rows in the study, -1 for none."""
        if (places := self._published_places()) is not None:
            return places[rows]
        ids = self._all.ids
        return self.study.places_of([ids[row] for row in rows.tolist()])

    def _published_places(self) -> Values | None:
        published = self._all.published
        if published is None:
            return None
        before, now = published.study, self.study
        if any(json.dumps(before.get(key)) != json.dumps(getattr(now, key)) for key in _ORDER):
            return None
        return published.places()

    def meeting(self, where: Sequence[str]) -> Reader:
        """Look at those rows alone that meet all conditions, as those of `failures --where`."""
        if not where:
            return self
        chosen = meeting(where, self._all, self._rows, self.study.lineage)
        is_chosen = np.isin(self._rows, chosen)
        return Reader(self.study, self._all, self._rows[is_chosen], self.places[is_chosen])

    # ---- what is not in the study ----

    def only(self, study: StoredStudy, rows: Values, places: Values) -> Reader:
        """Look at some of all rows, as of these places in another study."""
        return Reader(study, self._all, rows, places)

    @property
    def all_parameters(self) -> list[str]:
        """Names of the parameters that any simulation in the store has."""
        return list(dict.fromkeys(path[0] for path in self._all.paths("parameter")))

    def all_values(self, name: str, rows: Values) -> list[Any]:
        """Give a parameter in some of all rows; ABSENT where there is none."""
        return self._all.values("parameter", name, rows)

    def all_replicas(self, rows: Values) -> Values:
        """Give the number of the replica in some of all rows."""
        return self._all.field("replica")[rows]

    # ---- fields of the outcome ----

    def field(self, name: str) -> Values:
        """Give a field that is a number; its default where it is not known."""
        return self._all.field(name)[self._rows]

    def coded(self, name: str) -> tuple[list[Any], Values]:
        """Give the different values of a field that has few, and for each row which it has."""
        values, codes = self._all.coded(name)
        return values, codes[self._rows]

    def texts(self, name: str, rows: Values) -> list[str]:
        """Give a field that is a text, of some rows."""
        return self._all.texts(name, self._rows[rows].tolist())

    # ---- parameters and results ----

    @functools.cached_property
    def axes(self) -> Axes:
        """Along which results others stand, as study and scripts say."""
        said, codes = self.coded("result_axes")
        silent = silent_names(said, codes, self._has)
        return axes_of({"axes": self.study.axes, "collect": self.study.collect}, said, silent)

    def _has(self, name: str) -> Values:
        """Say which rows have a result; nothing of it is read but that."""
        if (name,) not in self.results.get(name, ()):
            return np.zeros(len(self), bool)
        there: Values = self.result((name,), ("str", "array", "axis")).states == 0
        return there

    def parameter(self, name: str) -> Column | None:
        """Read a parameter, None where it is nested."""
        if (name,) not in self._all.paths("parameter"):
            return None
        return self._all.column("parameter", (name,)).take(self._rows)

    def result(self, path: Path, unread: Sequence[str] = ("str",)) -> Column:
        """Read the column of a result; of texts, or other kinds, only where there are any."""
        return self._all.column("result", path, unread).take(self._rows)

    @functools.cached_property
    def results(self) -> dict[str, list[Path]]:
        """The paths of the columns of each result, more than one where it is nested."""
        names: dict[str, list[Path]] = {}
        for path in self._all.paths("result"):
            names.setdefault(path[0], []).append(path)
        return names

    def numbers(self) -> Leaves:
        """Give all results, of which only numbers are read, and lists that may be anything."""
        return Leaves(self._all, "result", self._rows, ("str", "array"))

    def is_quick(self, name: str) -> bool:
        """Say whether a result is a plain number in the file: it is read in no time."""
        (path, *others) = self.results[name]
        return not others and self._all.is_number("result", path)
