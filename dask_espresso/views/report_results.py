"""Results on the page of a report: a table of points, curves, and how far replicas are apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..script.replicas import PooledRows
from ..store.arrays import Values
from ..store.reader import Reader
from .intervals import half_widths
from .numbers import Numbers, is_number
from .points import Points
from .report_figures import Bars, Histogram, histogram
from .texts import format_with_error, literal, short, some_of

MAX_ROWS = 500  # of a table
_MAX_DRAWN = 20_000  # points in all figures: a page of some megabytes
_MAX_FIGURES = 12


class Table(NamedTuple):
    """A table of the page, which readers can sort by each column.

    Attributes
    ----------
    heads : list of str
    rows : list of list of (str, object)
        Each cell's text, and what it is sorted by.
    """

    heads: list[str]
    rows: list[list[tuple[str, Any]]]


def table_of(
    reader: Reader,
    points: Points,
    numbers: Numbers,
    pooled: dict[str, PooledRows],
    confidence: float | None,
) -> tuple[Table, list[str]]:
    """Give a row a point, as `show` does."""
    told = [*points.swept, *points.marks]
    shown = np.arange(min(len(points), MAX_ROWS))
    columns: list[list[tuple[str, Any]]] = []
    for name in told:
        values = points.parameter(name)[: len(shown)]
        columns.append([
            (text, value if is_number(value) else text)
            for text, value in zip(points.texts(name, shown), values, strict=True)
        ])  # fmt: skip
    done = points.count(numbers.done)[shown].tolist()
    columns.append([(str(count), count) for count in done])
    for found in pooled.values():
        widths = half_widths(found.sems, found.dofs, confidence)[shown].tolist()
        means = found.means[shown].tolist()
        columns.append([
            (format_with_error(mean, width), mean if math.isfinite(mean) else "")
            for mean, width in zip(means, widths, strict=True)
        ])  # fmt: skip
    rows = [list(row) for row in zip(*columns, strict=True)]
    heads = [literal(name) for name in (*told, "replicas", *pooled)]
    more = len(points) - len(shown)
    said = [f"{more:,} more points: `dask-espresso show` has all of them"] if more > 0 else []
    return Table(heads, rows), said


def curves_of(
    reader: Reader,
    points: Points,
    numbers: Numbers,
    pooled: dict[str, PooledRows],
    confidence: float | None,
) -> tuple[list[Bars], list[str]]:
    """Give a figure for each result, against the first parameter that is swept over numbers."""
    coded = {name: points.coded(name)[0] for name in points.swept}
    x = next((name for name, values in coded.items() if all(map(is_number, values))), None)
    if x is None or not len(points):
        return [], []
    beside = [*points.beside(x), *points.marks]
    there = {name: points.count(numbers.done & numbers.have(name)) > 0 for name in pooled}
    names = [name for name in pooled if there[name].any()]
    step = -(-len(points) // _MAX_DRAWN)
    count = max(1, min(_MAX_FIGURES, _MAX_DRAWN // -(-len(points) // step)))
    said = [f"not drawn: {some_of(names[count:])}"] if names[count:] else []
    said += [f"figures have every {step}th point"] if step > 1 and names else []
    places = np.array(points.parameter(x), float)
    figures = []
    for name in names[:count]:
        widths = half_widths(pooled[name].sems, pooled[name].dofs, confidence)
        groups = np.flatnonzero(there[name] & np.isfinite(pooled[name].means))[::step]
        is_log = reader.study.is_log(x) and bool((places[groups] > 0).all())
        means, series = pooled[name].means[groups], _series(points, groups, beside)
        title = literal(name)
        bars = (places[groups], means, widths[groups])
        figures.append(Bars(title, literal(x), title, is_log, *bars, *series))
    return figures, said


def _series(points: Points, groups: Values, beside: Sequence[str]) -> tuple[Values, list[str]]:
    """Say which series each point is of, and what these are called."""
    texts = [points.texts(name, groups, short) for name in beside]
    found: dict[tuple[str, ...], int] = {}
    codes = [found.setdefault(row, len(found)) for row in zip(*texts, strict=True)]
    codes = codes if beside else [0] * len(groups)
    labels = [
        ", ".join(f"{name} = {text}" for name, text in zip(beside, row, strict=True))
        for row in found
    ]
    return np.array(codes, int), [literal(label) for label in labels] or [""]


def spreads_of(points: Points, numbers: Numbers, names: Sequence[str]) -> list[Histogram]:
    """Give how far replicas are from the mean of their point: what is far out is seen at once.

    In units of their own errors, where they say them; otherwise of the scatter of all of them.
    """
    found, group_of = [], _group_of(points)
    for name in names[:_MAX_FIGURES]:
        rows = points.rows[(numbers.done & numbers.have(name))[points.rows]]
        rows = rows[np.isfinite(numbers.values(name)[rows])]
        groups = group_of[rows]
        counts = np.bincount(groups, minlength=len(points))[groups]
        rows, groups, counts = (each[counts > 1] for each in (rows, groups, counts))
        values, errors = numbers.values(name)[rows], numbers.errors(name)[rows]
        sums = np.bincount(groups, values, minlength=len(points))[groups]
        # a mean that the value itself is part of is nearer than that of others
        off = (values - sums / counts) / np.sqrt(1 - 1 / counts)
        has_errors = bool((errors > 0).all()) and len(errors) > 0
        unit = "their own standard errors" if has_errors else "standard deviations of all"
        scale = errors if has_errors else np.sqrt(np.mean(off**2)) if len(off) else 0
        if np.any(scale) and np.isfinite(off).all():
            title = f"{literal(name)}: replicas, from the mean of their point"
            found.append(histogram(title, unit, off / scale))
    return found


def _group_of(points: Points) -> Values:
    """Give the group of each row of the reader."""
    groups = np.empty(len(points.rows), np.intp)
    groups[points.rows] = points.groups
    return groups
