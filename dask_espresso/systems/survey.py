"""What worker jobs can ask for on a cluster, as far as its own programs say it."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from .batch import BatchError

PATIENCE = 20.0  # seconds for an answer: somebody waits for it

T = TypeVar("T")


@dataclass(frozen=True)
class Choice:
    """What was found for one option of a profile.

    Attributes
    ----------
    value : int or str or None
        What to write; None where nothing was found, or one of several has to be chosen.
    note : str
        Where the value comes from, or why there is none.
    others : tuple of (int or str, str)
        What else could stand there, each with a note.
    """

    value: int | str | None
    note: str
    others: tuple[tuple[int | str, str], ...] = ()


async def answer(question: Coroutine[Any, Any, T]) -> T | BatchError:
    """Wait for an answer, and give it, or why there is none."""
    try:
        return await question
    except BatchError as error:
        return error


def size(mebibytes: int) -> str:
    """Write an amount of memory that is not more than so much.

    >>> size(191000), size(512)
    ('186 GiB', '512 MiB')
    """
    return f"{mebibytes // 1024} GiB" if mebibytes >= 1024 else f"{mebibytes} MiB"


def plural(count: int, noun: str) -> str:
    """Write a number of things.

    >>> plural(1, "node"), plural(2, "node")
    ('1 node', '2 nodes')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"
