"""The points of a study: blocks, one behind the other, of which each point is taken once."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..identity import canonical_json
from .block import Block
from .overlap import Places


class Space:
    """The points of a study, in its order.

    Parameters
    ----------
    blocks : list of Block
        All with the same parameters; those of the first come first.
    names : list of str
        These parameters, and what is computed of them, in the study's order.
    """

    def __init__(self, blocks: Sequence[Block], names: Sequence[str]) -> None:
        self.blocks, self.names = list(blocks), list(names)
        self._ends = np.cumsum([len(block) for block in blocks])
        self._candidates = [0, *itertools.accumulate(block.n_candidates for block in blocks)]

    def __len__(self) -> int:
        return int(self._ends[-1])

    @property
    def n_candidates(self) -> int:
        """Points of all blocks, before any is left out."""
        return self._candidates[-1]

    @functools.cached_property
    def swept(self) -> list[str]:
        """Names of what is not the same in all points, in the study's order."""
        computed = self.blocks[0].formulas
        swept: list[str] = []
        for name in self.names:
            if name in computed:
                is_swept = any(part in swept for part in computed[name].names)
            else:
                is_swept = any(block.is_swept(name) for block in self.blocks)
                is_swept = is_swept or len({*map(canonical_json, self.values(name))}) > 1
            if is_swept:
                swept.append(name)
        return swept

    def values(self, name: str) -> Iterator[Any]:
        """Give the values of a parameter in each block, also those that no point has."""
        return itertools.chain.from_iterable(block.values(name) for block in self.blocks)

    def _parts(self, points: Places) -> Iterator[tuple[int, Places, Places]]:
        """Give the blocks of points: which, where in `points`, and places in the block."""
        if len(self.blocks) == 1:
            yield 0, np.arange(len(points)), self.blocks[0].candidates(points)
            return
        numbers = np.searchsorted(self._ends, points, side="right")
        for number in np.unique(numbers).tolist():
            block, where = self.blocks[number], np.flatnonzero(numbers == number)
            inside = points[where] - (self._ends[number] - len(block))
            yield number, where, block.candidates(inside)

    def coded(self, name: str, points: Places) -> tuple[list[Any], Places]:
        """Give values of a parameter, and which of them it has at points.

        Returns
        -------
        values : list
            Those that are needed, each once, however it is written.
        codes : array of int, shape (n,)
        """
        found: list[Any] = []
        codes = np.zeros(len(points), np.intp)
        known: dict[str, int] = {}
        for number, where, places in self._parts(points):
            values, of_block = self.blocks[number].coded(name, places)
            if len(self.blocks) == 1 and _are_different_numbers(values):
                return values, of_block
            merged = []
            for value in values:
                at = known.setdefault(canonical_json(value), len(found))
                if at == len(found):
                    found.append(value)
                merged.append(at)
            codes[where] = np.array(merged, np.intp)[of_block]
        return found, codes

    def texts(self, name: str, points: Places, write: Callable[[Any], str]) -> list[str]:
        """Give a parameter at points as it is written; ids are made of that."""
        return self._spread(points, lambda block, places: block.coded(name, places), write)

    def column(self, name: str, points: Places) -> list[Any]:
        """Give a parameter at points."""
        return self._spread(points, lambda block, places: block.coded(name, places))

    def _spread(self, points: Places, coded: Any, make: Any = None) -> list[Any]:
        """Give what is made of values at points, once for each value."""
        found: list[Any] = []
        order: list[Places] = []
        for number, where, places in self._parts(points):
            values, codes = coded(self.blocks[number], places)
            made = list(map(make, values)) if make else values
            found += map(made.__getitem__, codes.tolist())
            order.append(where)
        if len(order) == 1:
            return found
        at = np.argsort(np.concatenate(order), kind="stable")
        return [found[i] for i in at.tolist()]

    def point(self, number: int) -> dict[str, Any]:
        """Give the parameters of a point."""
        which = int(np.searchsorted(self._ends, number, side="right"))
        block = self.blocks[which]
        inside = np.array([number - (int(self._ends[which]) - len(block))])
        (place,) = block.candidates(inside).tolist()
        return {name: block.value(name, place) for name in self.names}

    def beside(self, name: str) -> list[str]:
        """Name what tells points apart that have the same value of something swept."""
        computed = self.blocks[0].formulas
        told = [other for other in self.swept if other != name and other not in computed]
        bases = [other for other in told if name in self.computed_of([other])]
        return [other for other in told if [other] != bases]

    # ---- what varies alone ----

    @property
    def groups(self) -> list[list[str]]:
        """Names of parameters that vary together, and with nothing else in a block."""
        axes = (axis for block in self.blocks for axis in block.axes)
        return [list(names) for names in dict.fromkeys(tuple(axis.columns) for axis in axes)]

    def is_computed(self, name: str) -> bool:
        """Say whether something is computed of parameters."""
        return name in self.blocks[0].formulas

    def computed_of(self, names: Sequence[str]) -> list[str]:
        """Name what is computed of parameters, by way of others, too."""
        found: list[str] = []
        for name, formula in self.blocks[0].formulas.items():
            if {*formula.names} & {*names, *found}:
                found.append(name)
        return found

    def without(self, names: Sequence[str], points: Places) -> Places:
        """Give points that differ by parameters of one group alone the same number."""
        keys = np.zeros(len(points), np.int64)
        for number, where, places in self._parts(points):
            block = self.blocks[number]
            axes = [i for i, axis in enumerate(block.axes) if list(axis.columns) == list(names)]
            found = block.without(axes[0], places) if axes else places
            keys[where] = found + self._candidates[number]
        return keys


def _are_different_numbers(values: Sequence[Any]) -> bool:
    """Say whether these are whole numbers, each of them there once; there may be a million."""
    return set(map(type, values)) == {int} and len(set(values)) == len(values)
