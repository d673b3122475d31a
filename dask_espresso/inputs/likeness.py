"""Values of a parameter that are different ones, and were perhaps meant to be the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..identity import canonical_json
from .block import Picked
from .plain_yaml import plain_scalar

if TYPE_CHECKING:
    from .study import Study

_MOST = 200_000  # values of a parameter that are looked at
_CLOSE = 1e-12  # relative to each other: in as many digits computed values are rounded
_EXACT = 2.0**53  # below it, floats tell whole numbers apart


class Likeness(NamedTuple):
    """Two values of a parameter.

    Attributes
    ----------
    name : str
        Of the parameter.
    block : int
        The number of the block that has the second one.
    said : str
        What is so.
    """

    name: str
    block: int
    said: str


def likenesses(study: Study) -> Iterator[Likeness]:
    """Find values that make different points, and agree in 12 digits or are the same words.

    What is written down one by one is compared with everything: numbers of ranges and samples are
    rounded, and are never that close.
    """
    blocks = study.space.blocks
    for name in study.names:
        if study.space.is_computed(name):
            continue
        columns = [(block.values(name), number) for number, block in enumerate(blocks)]
        columns.sort(key=lambda column: not _is_written(column[0]))
        if len(blocks) == 1 and not _is_written(columns[0][0]):
            continue
        values = [*itertools.islice(_with_block(columns), _MOST)]
        yield from _nearly_equal(name, values)
        if name in study.named:
            yield from _same_words(name, values)


def _is_written(column: Sequence[Any]) -> bool:
    """Say whether values are written down, and not computed when they are asked for."""
    return isinstance(column, list | Picked)


def _with_block(columns: Sequence[tuple[Sequence[Any], int]]) -> Iterator[tuple[Any, int]]:
    return ((value, block) for column, block in columns for value in column)


def _nearly_equal(name: str, values: list[tuple[Any, int]]) -> Iterator[Likeness]:
    """Find the first two numbers that agree, and are not equal."""
    numbers = [pair for pair in values if type(pair[0]) in (int, float) and abs(pair[0]) < _EXACT]
    floats, firsts = np.unique([float(value) for value, _ in numbers], return_index=True)
    lower, upper = floats[:-1], floats[1:]
    are_close = upper - lower < _CLOSE * np.maximum(np.abs(lower), np.abs(upper))
    are_close &= (lower % 1 != 0) | (upper % 1 != 0)
    if not are_close.any():
        return
    at = int(np.argmax(are_close))
    pairs = [numbers[first] for first in firsts[at : at + 2].tolist()]
    (one, _), (other, block) = sorted(pairs, key=lambda pair: len(repr(pair[0])))
    more = int(are_close.sum()) - 1
    others = f", and {more} more such pairs" if more else ""
    yield Likeness(
        name,
        block,
        f"{other!r} agrees with {one!r} in 12 digits, and makes other points{others}; write "
        f"{one!r} in both places, if that is meant",
    )


def _same_words(name: str, values: list[tuple[Any, int]]) -> Iterator[Likeness]:
    """Find the first text that is a number as well, where that makes the same arguments."""
    plain = {canonical_json(value): value for value, _ in values if not isinstance(value, str)}
    for value, block in values:
        if isinstance(value, str) and (read := _read(value)) in plain:
            yield Likeness(
                name,
                block,
                f"the text {value!r} and {plain[read]!r} make two points, and the script is called "
                "the same for both; write it the same way in both places",
            )
            return


def _read(text: str) -> str:
    """Give what a text would be without quotes, in canonical JSON."""
    try:
        return canonical_json(plain_scalar(text))
    except ValueError:  # too many digits
        return ""
