"""The simulations that a study comes to, of its parameters, and their ids."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import BadValueError
from ..identity import canonical_json, id_of, simulation_id, simulation_seed
from .parameters import MAX_SIMULATIONS, constant, swept_values
from .ranges import many
from .until import Until, until_of

_T = TypeVar("_T")


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
    """

    id: str
    parameters: dict[str, Any]
    replica: int
    study_seed: int

    @property
    def seed(self) -> int:
        """From 1 to 900,000,000; worked out when asked for, since that takes long."""
        return simulation_seed(self.study_seed, self.parameters, self.replica)


def _member(name: str, value: Any) -> str:
    """Give one member of an object in canonical JSON."""
    return canonical_json({name: value})[1:-1]


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
        replicas: Any
        until: Any
        seed: Any

    def check_size(self) -> None:
        """Refuse lists that do not belong together, and more than can be run.

        Raises
        ------
        BadValueError
        """
        lengths = {name: len(values) for name, values in self._sweeps.items()}
        if self.sweep == "zip" and len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise BadValueError(
                f"is zip, but the parameters are not equally long: {listed} values; "
                "make them equally long, or write `sweep: product`",
                "sweep",
            )
        if self.count > MAX_SIMULATIONS:
            raise BadValueError(
                f"makes {many(self.count)} simulations, replicas included, more than the "
                f"{MAX_SIMULATIONS:,} possible; use fewer values or replicas",
                "parameters",
            )

    @functools.cached_property
    def _sweeps(self) -> dict[str, Sequence[Any]]:
        every = {name: swept_values(value) for name, value in self.parameters.items()}
        return {name: values for name, values in every.items() if values is not None}

    @property
    def _constants(self) -> dict[str, Any]:
        every = self.parameters.items()
        return {name: constant(value) for name, value in every if name not in self._sweeps}

    @property
    def swept(self) -> list[str]:
        """Names of the parameters that take more than their one value, in the study's order."""
        return list(self._sweeps)

    def values(self, name: str) -> Sequence[Any]:
        """Give the values that a parameter takes, one if it is constant."""
        return self._sweeps[name] if name in self._sweeps else [self._constants[name]]

    def value_number(self, name: str, place: Any) -> Any:
        """Give the number of the value that a parameter has at a place, or at each of an array."""
        if name not in self._sweeps:
            return place * 0
        point = place % self.n_points
        if self.sweep == "zip":
            return point
        inner = math.prod(len(self.values(n)) for n in self.swept[self.swept.index(name) + 1 :])
        return point // inner % len(self.values(name))

    @property
    def targets(self) -> Until | None:
        """When a point has enough replicas; None where their number is given."""
        return None if self.until is None else until_of(self.until)

    @functools.cached_property
    def n_points(self) -> int:
        """Number of points; a simulation is of point ``place % n_points``."""
        lengths = [len(values) for values in self._sweeps.values()]
        return math.prod(lengths) if self.sweep == "product" else max(lengths, default=1)

    @property
    def count(self) -> int:
        """Number of simulations, with all replicas that there may be."""
        return self.n_points * int(self.replicas)

    def __len__(self) -> int:
        return self.count

    def simulations(self) -> Iterator[Simulation]:
        """Give the simulations: first all points as replica 0, the last parameter fastest."""
        sweeps = self._sweeps
        constants = dict.fromkeys(self.parameters) | self._constants  # in the order of the study
        ids = self.ids()
        for replica in range(self.replicas):
            for point in self._points(list(sweeps.values())):
                parameters = {**constants, **dict(zip(sweeps, point, strict=True))}
                yield Simulation(next(ids), parameters, replica, self.seed)

    def simulation(self, place: int) -> Simulation:
        """Give the simulation at a place, as :meth:`simulations` does in its turn."""
        replica, point = divmod(place, self.n_points)
        parameters = {
            name: self.values(name)[self.value_number(name, point)] for name in self.parameters
        }
        return Simulation(simulation_id(parameters, replica), parameters, replica, self.seed)

    def ids(self) -> Iterator[str]:
        """Give the ids of the simulations, in their order, at a fraction of the cost of these.

        They are those that :func:`~dask_espresso.identity.simulation_id` gives.
        """
        constants, sweeps = self._constants, self._sweeps
        fixed = [_member(name, value) for name, value in constants.items()]
        swept = [[_member(name, value) for value in values] for name, values in sweeps.items()]
        names = [*constants, *sweeps]
        in_order = sorted(range(len(names)), key=names.__getitem__)
        for replica in range(self.replicas):
            end = f'}},"replica":{replica}}}'
            for point in self._points(swept):
                members = (*fixed, *point)
                text = '{"parameters":{' + ",".join([members[i] for i in in_order]) + end
                yield id_of(text)

    def _points(self, values: Sequence[Sequence[_T]]) -> Iterator[tuple[_T, ...]]:
        """Combine the values of the swept parameters, or what stands for them."""
        if self.sweep == "product":
            return itertools.product(*values)
        return zip(*values, strict=True) if values else iter([()])
