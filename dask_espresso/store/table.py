"""What is to be published, as columns: those of the HDF5 file, and outcomes recorded since."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, KeysView, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..outcome import DEFAULTS, FIELDS, Outcome
from .cells import CellColumns
from .columns import ABSENT, REST, Path
from .index import coded
from .names import is_long
from .nested import flatten

if TYPE_CHECKING:
    from ..inputs.simulations import Simulations
    from .hdf5 import Published

OUTCOME_FIELDS = tuple(name for name in FIELDS if name not in ("id", "parameters", "result"))
# fields that say nothing where they have this; of an empty error or log we know that it is empty
UNKNOWN = {
    name: value
    for name, value in DEFAULTS.items()
    if (value in ("", None) or value != value) and name not in ("error", "log")
}
# HDF5 attaches no more than about 4000 columns to a dimension; those in fewest rows share one
_MAX_COLUMNS = 1000


def own_columns(there: Sequence[Path], count: Callable[[Path], int]) -> list[Path]:
    """Give the leaves that have columns of their own; with REST last, where some have none.

    That is so where there are too many of them, and for names that are too long.

    Parameters
    ----------
    there : sequence of paths
        All leaves.
    count : callable
        Says how many rows have one of them.
    """
    paths = [path for path in there if not is_long(path)]
    if len(paths) > _MAX_COLUMNS:
        counts = Counter({path: count(path) for path in paths})
        most = {path for path, _ in counts.most_common(_MAX_COLUMNS)}
        paths = [path for path in paths if path in most]
    return paths if len(paths) == len(there) else [*paths, REST]


class Table:
    """All outcomes that a store is to hold, a row each.

    A column of the HDF5 file is read when it is asked for, and kept by nobody: only the outcomes
    added are in memory.

    Parameters
    ----------
    published : Published, optional
        The HDF5 file, open as long as the table is used.

    Attributes
    ----------
    places : array of int or None
        Each row's place in the order that they were sorted by, -1 for those that have none.
    has_names_of_study : bool
        Whether parameters are as they are in the study, and not as they were recorded.
    """

    places: np.ndarray[Any, Any] | None = None
    has_names_of_study = False

    def __init__(self, published: Published | None = None) -> None:
        self._published = published
        self._sequences = array("q", published.field("sequence").tolist() if published else ())
        self._rows = {name: row for row, name in enumerate(published.ids if published else ())}
        self._added = {role: CellColumns() for role in ("parameter", "result", "outcome")}
        self._unread: dict[tuple[str, ...], list[str]] = {}
        for role, added in self._added.items():
            if published and REST in published.paths(role):
                for row, leaves in enumerate(published.column(role, REST)):
                    if leaves is not ABSENT:
                        added.put(row, ((tuple(names), leaf) for names, leaf in leaves))

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def ids(self) -> KeysView[str]:
        """The simulations' ids, in the order of the rows."""
        return self._rows.keys()

    def add(self, outcome: Outcome) -> None:
        """Add an outcome, in the place of one of the same simulation that is not a later one."""
        row, status = len(self._sequences), {("status",): int(outcome.status)}
        self._sequences.append(outcome.sequence)
        before = self._rows.get(outcome.id)
        if before is None or self._sequences[before] <= outcome.sequence:
            self._rows[outcome.id] = row
        fields = {(name,): getattr(outcome, name) for name in OUTCOME_FIELDS} | status
        if outcome.unread is not None:  # as most texts, it is that of thousands of others
            fields["unread",] = self._unread.setdefault(tuple(outcome.unread), outcome.unread)
        self._added["parameter"].put(row, flatten(outcome.parameters).items())
        self._added["result"].put(row, flatten(outcome.result or {}).items())
        self._added["outcome"].put(row, fields.items())

    def remove(self, ids: Iterable[str]) -> None:
        """Leave out the rows of these simulations."""
        for name in ids:
            self._rows.pop(name, None)

    def sort(self, study: Simulations) -> None:
        """Put the rows in the order of a study, and those that are not in it behind them."""
        ids = list(self._rows)
        places = study.places_of(ids)
        in_order = np.argsort(np.where(places < 0, study.count, places), kind="stable")
        self._rows = {ids[i]: self._rows[ids[i]] for i in in_order.tolist()}
        self.places = places[in_order]

    def take_parameters(self, study: Simulations) -> None:
        """Give the simulations of a study the parameters that they have there.

        They may have been recorded before one was added, or under other names.

        Parameters
        ----------
        study : Simulations
            In the order of which the rows were sorted.
        """
        assert self.places is not None
        rows, inside = list(self._rows.values()), np.flatnonzero(self.places >= 0)
        columns = _columns_of(study, self.places[inside])
        nothing = [ABSENT] * len(inside)
        added = CellColumns()
        for path in dict.fromkeys([*columns, *self._leaves("parameter")]):
            cells = self._column("parameter", path)
            for row, leaf in zip(inside.tolist(), columns.get(path, nothing), strict=True):
                cells[row] = leaf
            added.fill(path, rows, cells)
        self._added["parameter"], self.has_names_of_study = added, True

    def paths(self, role: str) -> list[Path]:
        """Give the paths of the columns of one role; with REST last, where some have none.

        That is so where there are too many of them, and for names that are too long.
        """
        if role == "outcome":
            return [(name,) for name in OUTCOME_FIELDS]
        there = self._leaves(role)
        if len(self._rows) < len(self._sequences):  # some are only of rows that were replaced
            rows = set(self._rows.values())
            there = [p for p in there if any(row in rows for row, _ in self._cells(role, p))]
        counts = self._counts(role, there) if len(there) > _MAX_COLUMNS else {}
        return own_columns(there, lambda path: counts[path])

    def _leaves(self, role: str) -> list[Path]:
        """Give the paths of all leaves of parameters or results, of rows that were replaced too."""
        there = dict.fromkeys([*self._published_paths(role), *self._added[role]])
        return [path for path in there if path != REST]

    def _published_paths(self, role: str) -> Collection[Path]:
        """Give the paths of the columns of the file that count."""
        if self._published is None or (role == "parameter" and self.has_names_of_study):
            return ()
        return self._published.paths(role)

    def columns(self, role: str, paths: Sequence[Path]) -> Iterator[tuple[Path, list[Any]]]:
        """Give the columns of one role.

        Where REST is among the paths, what is not in the others is one list of paths and leaves a
        row; :func:`~dask_espresso.store.nested.untabulate` puts it together again.

        Parameters
        ----------
        role : str
            ``parameter``, ``result`` or ``outcome``.
        paths : list of paths
            As :meth:`paths` gives them.

        Yields
        ------
        path : tuple of str
            The value's name.
        values : list
            One a row, or ABSENT.
        """
        for path in paths:
            if path == REST:
                yield REST, self._shared_column(role, paths)
            elif role == "outcome" and path[0] in UNKNOWN:
                unknown = UNKNOWN[path[0]]
                values = self._column(role, path)
                yield path, [ABSENT if v == unknown or v != v else v for v in values]
            else:
                yield path, self._column(role, path)

    def _column(self, role: str, path: Path) -> list[Any]:
        values = self._published_column(role, path)
        values += [ABSENT] * (len(self._sequences) - len(values))
        for row, leaf in self._added[role].get(path, ()):
            values[row] = leaf
        return list(map(values.__getitem__, self._rows.values()))

    def coded(self, name: str) -> tuple[list[Any], np.ndarray[Any, Any]]:
        """Give the different values of a field that has few, or ABSENT, and which each row has."""
        cells = self._added["outcome"].get((name,))
        before, codes = [DEFAULTS[name]], np.zeros(len(self._sequences), np.int64)
        if self._published:
            before, codes[: self._published.size] = self._published.coded_field(name)
        values = list(before)
        if cells:
            new, which = coded(cells.values())
            codes[np.fromiter(cells.rows(), np.int64)] = which + len(values)
            values += new
        rows = np.fromiter(self._rows.values(), np.int64, len(self._rows))
        found, codes = _in_order(values, codes[rows])
        unknown = UNKNOWN.get(name, ABSENT)
        return [ABSENT if value == unknown else value for value in found], codes

    def _published_column(self, role: str, path: Path) -> list[Any]:
        if self._published is None:
            return []
        if path in self._published_paths(role):
            return self._published.column(role, path)
        absent = DEFAULTS[path[0]] if role == "outcome" else ABSENT
        return [absent] * len(self._published.ids)

    def _cells(self, role: str, path: Path) -> Iterator[tuple[int, Any]]:
        """Give the rows that have this leaf, those that were replaced too."""
        yield from self._added[role].get(path, ())
        if self._published and path in self._published_paths(role):
            yield from (
                (row, leaf)
                for row, leaf in enumerate(self._published.column(role, path))
                if leaf is not ABSENT
            )

    def _counts(self, role: str, paths: Iterable[Path]) -> Counter[Path]:
        """Count the rows that have each leaf; without leaves that none has any more."""
        rows = set(self._rows.values())
        counts = {path: sum(row in rows for row, _ in self._cells(role, path)) for path in paths}
        return Counter({path: count for path, count in counts.items() if count})

    def _shared_column(self, role: str, paths: Iterable[Path]) -> list[Any]:
        """Give what is not in these columns."""
        leaves: dict[int, list[Any]] = {}
        for path in set(self._leaves(role)).difference(paths):
            for row, leaf in self._cells(role, path):
                leaves.setdefault(row, []).append([list(path), leaf])
        return [leaves.get(row, ABSENT) for row in self._rows.values()]


def _in_order(values: list[Any], codes: np.ndarray[Any, Any]) -> tuple[list[Any], Any]:
    """Give the values that are used, each once, in their order, and codes for these."""
    used, firsts, inverse = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(firsts)
    found, numbers = coded([values[code] for code in used[order].tolist()])
    of_used = np.empty(len(used), np.int64)
    of_used[order] = numbers
    return found, of_used[inverse]


def _columns_of(study: Simulations, places: np.ndarray[Any, Any]) -> dict[Path, list[Any]]:
    """Give the columns of a study's parameters at places."""
    columns: dict[Path, list[Any]] = {}
    for name in study.names:
        values, codes = study.coded(name, places)
        leaves = [flatten({name: value}) for value in values]
        for path in dict.fromkeys(path for of_value in leaves for path in of_value):
            each = [of_value.get(path, ABSENT) for of_value in leaves]
            columns[path] = [each[code] for code in codes.tolist()]
    return columns
