"""Which simulations of a study are meant: by their ids, by conditions, by how they ended."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BadValueError, InputError
from ..identity import matching, not_one
from ..outcome import Status
from .expression import Expression
from .overlap import Places

if TYPE_CHECKING:
    from .simulations import Simulations

_REPLICA = "replica"  # a name in conditions, where no parameter has it
_PIECE = 1 << 18  # places that are looked at together
_MOST_TO_COMPARE = 1_000_000  # ids, when the nearest one to a wrong one is looked for


@dataclass(frozen=True)
class Asked:
    """Simulations of a study that are asked for.

    Attributes
    ----------
    places : array of int, shape (n,)
        In the study.
    ids : list of str
    left_out, left_out_done : int
        Simulations that are not asked for, and how many of them are done; of a study with targets,
        recorded ones.
    """

    places: Places
    ids: list[str]
    left_out: int
    left_out_done: int


@dataclass(frozen=True)
class Choice:
    """Says which simulations are asked for; without anything, all are.

    Attributes
    ----------
    only : tuple of str
        Their ids, or the beginnings of these.
    where : tuple of str
        Conditions that they meet, as in a study, of parameters and ``replica``.
    statuses : tuple of Status
        Those that are recorded with one of these.
    spread : int
        So many, spread over the points; see :func:`spread_places`.
    """

    only: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    statuses: tuple[Status, ...] = ()
    spread: int = 0

    def __bool__(self) -> bool:
        return bool(self.only or self.where or self.statuses or self.spread)

    def check_rerun(self, study: Simulations, changed_script: str | None) -> None:
        """Refuse what would run more again than is asked for.

        Raises
        ------
        InputError
        """
        if changed_script == "rerun" and self and (self.statuses or study.targets):
            what = "--status" if self.statuses else "--only and --where, of a study with targets,"
            raise InputError(
                f"{what} run again what is recorded and not done: with --changed-script rerun that "
                "is everything; write --changed-script keep"
            )

    def ask(self, study: Simulations, recorded: Mapping[str, Status]) -> Asked:
        """Give the simulations that are asked for.

        Of a study with targets these are recorded ones: its targets say which new ones there are.

        Parameters
        ----------
        study : Simulations
        recorded : mapping of str to Status
            By their ids.

        Raises
        ------
        InputError
            If there is no such id, or a condition cannot be read.
        """
        places = self.places(study)
        is_asked = np.zeros(study.count, bool)
        is_asked[places] = True
        ids = list(itertools.compress(study.ids(), is_asked))
        if self.statuses or (study.targets and not self.spread):
            are_meant = np.array([self._is_meant(recorded.get(name)) for name in ids], bool)
            places, ids = places[are_meant], list(itertools.compress(ids, are_meant))
        asked = set(ids)
        others = [recorded[i] for i in study.ids() if i in recorded and i not in asked]
        count = len(others) if study.targets else study.count - len(ids)
        return Asked(places, ids, count, others.count(Status.DONE))

    def _is_meant(self, status: Status | None) -> bool:
        return status is not None and (not self.statuses or status in self.statuses)

    def places(self, study: Simulations) -> Places:
        """Give the places in the study of what is asked for, however it ended.

        Raises
        ------
        InputError
            If there is no such id, or a condition cannot be read.
        """
        if self.spread:
            return spread_places(study, self.spread)
        chosen = np.concatenate([*_meeting(study, self.where), np.zeros(0, np.int64)])
        if self.only:
            chosen = chosen[np.isin(chosen, _places_of(study, self.only))]
        if self.where and not len(chosen):
            raise InputError(
                f"--where {' and '.join(map(repr, self.where))}: is true of none of the "
                f"{len(self.only) or study.count:,} simulations; `dask-espresso points` shows the "
                "values that there are"
            )
        return chosen


EVERYTHING = Choice()


def spread_places(study: Simulations, count: int) -> Places:
    """Choose simulations over all points, so that what they take on average is that of all.

    The study's seed says which: the same each time, and of a larger number those of a smaller one
    are a part. Where there are fewer points, each has more replicas.

    Parameters
    ----------
    study : Simulations
    count : int
        How many; no more than there are, with targets no more than the minimum of each point.

    Returns
    -------
    array of int
        Their places, in order.
    """
    points, replicas = study.n_points, study.targets.minimum if study.targets else study.replicas
    rounds, more = divmod(min(count, points * int(replicas)), points)
    drawn = _drawn(points, more, np.random.default_rng(study.seed))
    return np.concatenate([np.arange(rounds * points), rounds * points + np.sort(drawn)])


def _drawn(points: int, count: int, generator: np.random.Generator) -> Places:
    """Draw some of all points: of the order's halves, quarters and so on, one each."""
    drawn, pieces = np.zeros(0, np.int64), 1
    while len(drawn) < count:
        edges = np.arange(pieces + 1) * points // pieces
        taken = np.searchsorted(edges, drawn, side="right") - 1
        empty = generator.permutation(np.setdiff1d(np.flatnonzero(np.diff(edges)), taken))
        drawn = np.concatenate([drawn, generator.integers(edges[empty], edges[empty + 1])])
        pieces *= 2
    return drawn[:count]


def _meeting(study: Simulations, where: Sequence[str]) -> Iterator[Places]:
    """Give the places where all conditions are met, in order."""
    names = [*study.names, *({_REPLICA} - {*study.names})]
    conditions = [_read(text, names) for text in where]
    of_points = [condition for condition in conditions if {*condition.names} <= {*study.names}]
    others = [condition for condition in conditions if condition not in of_points]
    points = np.arange(study.n_points)
    for condition in of_points:
        points = _narrowed(condition, study, points)
    for replica in range(study.replicas):
        places = points + replica * study.n_points
        for condition in others:
            places = _narrowed(condition, study, places)
        yield places


def _narrowed(condition: Expression, study: Simulations, places: Places) -> Places:
    """Give those of some places at which a condition holds."""
    pieces = (places[start : start + _PIECE] for start in range(0, len(places), _PIECE))
    kept = [piece[_holds(condition, study, piece)] for piece in pieces]
    return np.concatenate([*kept, np.zeros(0, np.int64)])


def _read(text: str, names: Sequence[str]) -> Expression:
    try:
        return Expression(text, names)
    except BadValueError as error:
        raise InputError(f"--where {text!r}: {error}") from error


def _holds(condition: Expression, study: Simulations, places: Places) -> Places:
    """Say at which places a condition holds; it is computed once for equal values."""
    columns: list[tuple[list[Any], Places]] = []
    alike = np.zeros(len(places), np.int64)
    for name in condition.names:
        if name in study.names:
            values, codes = study.coded(name, places)
        else:
            values, codes = [*range(study.replicas)], places // study.n_points
        # renumbered each time, so that the product stays small
        _, alike = np.unique(alike * len(values) + codes, return_inverse=True)
        columns.append((values, codes))
    _, firsts, numbers = np.unique(alike, return_index=True, return_inverse=True)
    rows = [[values[codes[at]] for values, codes in columns] for at in firsts.tolist()]
    try:
        holds = [condition.holds(row) for row in rows]
    except BadValueError as error:
        raise InputError(f"--where {condition.text!r}: {error}") from error
    return np.asarray(np.array(holds, bool)[numbers])


def _places_of(study: Simulations, names: Sequence[str]) -> list[int]:
    """Give the places of simulations by their ids, or the beginnings of these."""
    found: dict[str, list[int]] = {name: [] for name in names}
    beginnings = tuple(name.strip().lower() for name in names)
    for place, simulation_id in enumerate(study.ids()):
        if simulation_id.startswith(beginnings):
            for name in names:
                if matching([simulation_id], name):
                    found[name].append(place)
    for name, places in found.items():
        if len(places) != 1:
            ids = list(study.ids()) if study.count <= _MOST_TO_COMPARE else []
            said = not_one(ids, name, places) if ids else f"{name} is the id of {len(places)}"
            raise InputError(f"{said}; of the {study.count:,} of this study")
    return [place for places in found.values() for place in places]
