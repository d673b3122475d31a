"""Nested dicts as leaves: each leaf of a result becomes a column, by its path."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .columns import ABSENT, REST, Path

_MAX_LEAVES = 100  # a dict with more of them is JSON rather than so many columns


def flatten(values: dict[str, Any]) -> dict[Path, Any]:
    """Give the leaves of nested dicts by their path."""
    leaves: dict[Path, Any] = {}
    for name, value in values.items():
        inner = _inner_leaves(value)
        if inner:
            leaves.update({(name, *path): leaf for path, leaf in inner.items()})
        else:
            leaves[name,] = value
    return leaves


def _inner_leaves(value: Any) -> dict[Path, Any]:
    """Give the leaves of a dict that is to be columns; empty for every other value."""
    if not isinstance(value, dict) or not value or not all(type(k) is str for k in value):
        return {}
    leaves = flatten(value)
    return leaves if len(leaves) <= _MAX_LEAVES else {}


def unflatten(leaves: dict[Path, Any]) -> dict[str, Any]:
    """Undo :func:`flatten`."""
    values: dict[str, Any] = {}
    for path, leaf in leaves.items():
        place = values
        for name in path[:-1]:
            place = place.setdefault(name, {})
        place[path[-1]] = leaf
    return values


def untabulate(columns: Iterable[tuple[Path, list[Any]]], size: int) -> list[dict[str, Any]]:
    """Put the rows of a :class:`~dask_espresso.store.table.Table` together again."""
    rows: list[dict[Path, Any]] = [{} for _ in range(size)]
    for path, values in columns:
        for row, value in zip(rows, values, strict=True):
            if value is ABSENT:
                continue
            if path == REST:
                row.update((tuple(names), leaf) for names, leaf in value)
            else:
                row[path] = value
    return [unflatten(row) for row in rows]
