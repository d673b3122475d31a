"""The simulations that a study comes to, of its parameters, and their ids."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..errors import BadValueError
from ..identity import id_of, simulation_id, simulation_seed
from .blocks import space_of
from .lineage import Lineage
from .overlap import Places
from .parameters import MAX_SIMULATIONS
from .ranges import many
from .space import Space
from .until import Until, until_of

_T = TypeVar("_T")
_PIECE = 1 << 14  # points whose parameters are there at a time
_ID_LENGTH = 16
_ID_TYPE = f"S{_ID_LENGTH}"  # of ids in an array


@dataclass(frozen=True, slots=True)
class Simulation:
    """One set of parameters, one replica, one seed.

    Attributes
    ----------
    id : str
        16 hexadecimal digits, a hash of the parameters and the replica.
    parameters : dict
        In the order of the study.
    replica : int
        From 0.
    study_seed : int
        What the simulation's own seed is derived from, together with parameters and replica.
    identity : dict
        The parameters as id and seed are made of them: under the names that they had first, without
        those that are as in simulations that were run without them.
    """

    id: str
    parameters: dict[str, Any]
    replica: int
    study_seed: int
    identity: dict[str, Any]

    @property
    def seed(self) -> int:
        """From 1 to 900,000,000; worked out when asked for, since that takes long."""
        return simulation_seed(self.study_seed, self.identity, self.replica)


class Simulations:
    """What a study comes to.

    It is a part of classes that have these attributes: :class:`~dask_espresso.inputs.study.Study`,
    and :class:`~dask_espresso.inputs.stored_study.StoredStudy`, which does without its checks.

    Attributes
    ----------
    parameters : dict
        Scalars and ``{value: …}`` are constant, lists and ranges are swept.
    sweep : str
        ``product``: every value with every other; ``zip``: the first with the first, and so on.
    points, sample, blocks : dict, dict, list of dict, or None
        Other points, as :mod:`~dask_espresso.inputs.blocks` has checked them.
    where, exclude : list of str or None
        Conditions of points that there are, and of such that there are not.
    derived : dict of str to str or None
        Formulas of what is computed of parameters.
    defaults : dict or None
        What simulations had that were run without a parameter.
    rename : dict of str to str or None
        The new names of parameters, by the old ones.
    replicas : int
        How often every point is simulated, each time with another seed; with `until`, at most.
    until : dict or None
        How well results are to be known.
    seed : int
        What all seeds are derived from.
    """

    if TYPE_CHECKING:
        parameters: Any
        sweep: Any
        points: Any
        sample: Any
        blocks: Any
        where: Any
        exclude: Any
        derived: Any
        defaults: Any
        rename: Any
        replicas: Any
        until: Any
        seed: Any

    def check_size(self) -> None:
        """Refuse what does not belong together, and more than can be run.

        Raises
        ------
        BadValueError
        """
        _ = self.lineage
        if self.count > MAX_SIMULATIONS:
            raise BadValueError(
                f"makes {many(self.count)} simulations, replicas included, more than the "
                f"{MAX_SIMULATIONS:,} possible; use fewer values or replicas",
                "parameters",
            )

    @functools.cached_property
    def space(self) -> Space:
        """The points."""
        return space_of(self)

    @functools.cached_property
    def lineage(self) -> Lineage:
        """How parameters are recorded."""
        return Lineage.of(self)

    @property
    def names(self) -> list[str]:
        """Names of all parameters that a script gets, in the study's order."""
        return self.space.names

    @property
    def swept(self) -> list[str]:
        """Names of the parameters that take more than their one value, in the study's order."""
        return self.space.swept

    def values(self, name: str) -> Iterator[Any]:
        """Give the values that a parameter takes, as they are written."""
        return self.space.values(name)

    def coded(self, name: str, places: Places) -> tuple[list[Any], Places]:
        """Give the different values of a parameter at places, and which each place has."""
        return self.space.coded(name, places % self.n_points)

    @property
    def targets(self) -> Until | None:
        """When a point has enough replicas; None where their number is given."""
        return None if self.until is None else until_of(self.until)

    @functools.cached_property
    def n_points(self) -> int:
        """Number of points; a simulation is of point ``place % n_points``."""
        return len(self.space)

    @property
    def count(self) -> int:
        """Number of simulations, with all replicas that there may be."""
        return self.n_points * int(self.replicas)

    def __len__(self) -> int:
        return self.count

    def simulations(self) -> Iterator[Simulation]:
        """Give the simulations: first all points as replica 0, the last parameter fastest."""
        ids = self.ids()
        for replica in range(self.replicas):
            for points in self._pieces():
                columns = [self.space.column(name, points) for name in self.names]
                for values in _rows(columns, points):
                    parameters = dict(zip(self.names, values, strict=True))
                    identity = self.lineage.identity(parameters)
                    yield Simulation(next(ids), parameters, replica, self.seed, identity)

    def simulation(self, place: int) -> Simulation:
        """Give the simulation at a place, as :meth:`simulations` does in its turn."""
        replica, point = divmod(place, self.n_points)
        parameters = self.space.point(point)
        identity = self.lineage.identity(parameters)
        return Simulation(
            simulation_id(identity, replica), parameters, replica, self.seed, identity
        )

    def ids(self) -> Iterator[str]:
        """Give the ids of the simulations, in their order, at a fraction of the cost of these.

        They are those that :func:`~dask_espresso.identity.simulation_id` gives.
        """
        for start in range(0, self.count, _PIECE):
            yield from self._piece_of_ids(start).astype(str).tolist()

    @functools.cached_property
    def id_array(self) -> np.ndarray[Any, Any]:
        """The ids in an array, as text of one length: a tenth of the memory of strings."""
        for start in range(0, self.count, _PIECE):
            self._piece_of_ids(start)
        return self._ids

    @functools.cached_property
    def _ids(self) -> np.ndarray[Any, Any]:
        """The ids that have been worked out; others are empty, and take no memory yet."""
        return np.zeros(self.count, _ID_TYPE)

    def _piece_of_ids(self, start: int) -> np.ndarray[Any, Any]:
        """Give the ids of some places, which are worked out once."""
        piece = self._ids[start : start + _PIECE]
        if not piece[-1]:
            places = np.arange(start, start + len(piece))
            piece[:] = np.fromiter(self._hashed_ids(places), _ID_TYPE, len(piece))
        return piece

    def places_of(self, ids: Collection[str]) -> Places:
        """Give the places of simulations by their ids, -1 for those that are not in the study."""
        if not self.count:
            return np.full(len(ids), -1)
        # others are of no study; cut to that length they might be taken for some of it
        whole = (one if len(one) == _ID_LENGTH and one.isascii() else "" for one in ids)
        there = np.fromiter(whole, _ID_TYPE, len(ids))
        numbers, wanted = _numbers(self.id_array), _numbers(there)
        by_number = np.argsort(numbers)
        found = by_number[np.searchsorted(numbers, wanted, sorter=by_number) % self.count]
        return np.where(self.id_array[found] == there, found, -1)

    def _hashed_ids(self, places: Places) -> Iterator[str]:
        """Work out the ids of places, one after the other."""
        replicas, points = np.divmod(places, self.n_points)
        columns = [self.space.texts(name, points, write) for name, write in self._writers]
        for members, replica in zip(_rows(columns, points), replicas.tolist(), strict=True):
            end = f'}},"replica":{replica}}}'
            yield id_of('{"parameters":{' + ",".join(filter(None, members)) + end)

    @functools.cached_property
    def _writers(self) -> list[tuple[str, Callable[[Any], str]]]:
        """The parameters in the order in which they are written, and what writes their values."""
        names = sorted(self.names, key=self.lineage.first)
        return [(name, self.lineage.writer(name)) for name in names]

    def _pieces(self) -> Iterator[Places]:
        """Give the numbers of the points, some at a time."""
        for start in range(0, self.n_points, _PIECE):
            yield np.arange(start, min(start + _PIECE, self.n_points))


def _numbers(ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Give whole numbers for ids, which are sorted faster; different ones for different ids.

    They are hexadecimal; of others, which no study has, the number may be that of another.
    """
    letters = ids.view(np.uint8).reshape(len(ids), ids.itemsize)
    digits = np.where(letters >= ord("a"), letters - (ord("a") - 10), letters - ord("0"))
    numbers = np.zeros(len(ids), np.uint64)
    for digit in digits.T:
        numbers = (numbers << np.uint64(4)) | (digit & 15)
    return numbers


def _rows(columns: list[list[_T]], points: Places) -> Iterator[tuple[_T, ...]]:
    return zip(*columns, strict=True) if columns else iter([()] * len(points))
