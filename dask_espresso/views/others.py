"""Simulations that a store holds, and that are not part of its study as it is now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..identity import canonical_json
from ..inputs.point_list import MAX_POINTS
from ..inputs.stored_study import StoredStudy
from ..store.columns import ABSENT
from ..store.reader import Reader


class Others(NamedTuple):
    """Simulations that have the same parameters, of other values.

    Attributes
    ----------
    reader : Reader
        Of these alone; its study has their points.
    told : list of str
        Parameters that tell their points from one another, and from those of the study.
    missing : list of str
        Parameters of the study that they do not have.
    """

    reader: Reader
    told: list[str]
    missing: list[str]


class _Part(NamedTuple):
    """Points with the same parameters, each with its number, and rows, each with its point."""

    points: dict[str, tuple[int, dict[str, Any]]]
    numbers: list[int]
    rows: list[int]


def others_of(reader: Reader) -> Iterator[Others]:
    """Give what is recorded and not in the study, in as many parts as it has sets of parameters.

    They can then be looked at like a study.
    """
    columns = {name: reader.all_values(name, reader.others) for name in reader.all_parameters}
    parts: dict[tuple[str, ...], _Part] = {}
    for row, own in zip(reader.others.tolist(), _parameters(reader, columns), strict=True):
        part = parts.setdefault(tuple(own), _Part({}, [], []))
        number, _ = part.points.setdefault(canonical_json(own), (len(part.points), own))
        part.numbers.append(number)
        part.rows.append(row)
    for key, part in parts.items():
        listed = [tuple(own.values()) for _, own in part.points.values()]
        at, rows = np.array(part.numbers), np.array(part.rows, np.intp)
        for start in range(0, len(listed), MAX_POINTS):
            study = _study_of(reader, key, listed[start : start + MAX_POINTS])
            is_here = (at >= start) & (at < start + MAX_POINTS)
            here = rows[is_here]
            places = reader.all_replicas(here) * study.n_points + at[is_here] - start
            told = [n for n in key if n in study.swept or not _is_same(n, study, reader)]
            missing = [n for n in reader.study.names if n not in key]
            yield Others(reader.only(study, here, places), told, missing)


def _parameters(reader: Reader, columns: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Give the parameters of each simulation, under the names that they have now."""
    now = reader.study.lineage.now
    order = [*dict.fromkeys([*now(dict.fromkeys(columns)), *columns])]
    for values in _rows(columns, len(reader.others)):
        recorded = zip(columns, values, strict=True)
        own = now({name: value for name, value in recorded if value is not ABSENT})
        yield {name: own[name] for name in order if name in own}


def _rows(columns: dict[str, list[Any]], size: int) -> Iterator[tuple[Any, ...]]:
    return zip(*columns.values(), strict=True) if columns else iter([()] * size)


def _study_of(reader: Reader, names: tuple[str, ...], points: list[tuple[Any, ...]]) -> StoredStudy:
    """Make a study of points that are written down one by one."""
    constants, lists = {}, {}
    for name, values in zip(names, zip(*points, strict=True), strict=True):
        if len(points) > 1 and len({canonical_json(value) for value in values}) > 1:
            lists[name] = [{"value": v} if isinstance(v, list | dict) else v for v in values]
        else:
            constants[name] = {"value": values[0]}
    replicas = 1 + int(reader.all_replicas(reader.others).max())
    now = reader.study
    return StoredStudy(
        now.name, now.script, constants, now.engine,
        points=lists or None, replicas=replicas, seed=now.seed,
    )  # fmt: skip


def _is_same(name: str, study: StoredStudy, reader: Reader) -> bool:
    """Say whether a parameter has but one value, and the same one in the study as it is now."""
    now = reader.study
    if name not in now.names or name in now.swept:
        return False
    return canonical_json([*study.values(name)]) == canonical_json([*now.values(name)])
