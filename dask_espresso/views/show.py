"""A table of the results of a store: a row a point, its replicas pooled."""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment

from ..outcome import Outcome
from ..script.estimate import OF_ERRORS
from ..script.replicas import PooledRows
from ..store.contents import StoreContents
from ..store.reader import Reader
from ..store.reading import look
from ..targets import Standing
from .doubts import doubts
from .intervals import half_widths, meaning
from .numbers import Numbers
from .others import Others, others_of
from .points import Points
from .standing import find_warnings, standing_of
from .texts import format_with_error, literal, say, some_of
from .versions import Versions

if TYPE_CHECKING:
    from ..inputs.stored_study import StoredStudy

_GAP = "  "  # between columns
_PIECE = 1000  # lines that are printed together


class _Table(NamedTuple):
    """What is shown.

    Attributes
    ----------
    columns : list of list of str
        Each with its heading, those of the results last.
    results : list of str
        Their names.
    notes : list of str
        What is to be said beside them.
    heading : str
        What is to be said above them; empty for the study itself.
    """

    columns: list[list[str]]
    results: list[str]
    notes: list[str]
    heading: str = ""


def print_table(
    path: Path, console: Console, confidence: float | None = None, is_all: bool = False
) -> list[str]:
    """Print a row a point: its swept parameters and its results, replicas of a version pooled.

    A terminal gets the columns that it has room for, and is told of the others.

    Parameters
    ----------
    path : Path
        The store.
    console : Console
    confidence : float, optional
        In percent, of the intervals in brackets; by default these are one standard error.
    is_all : bool, optional
        Whether what is not in the study now has tables, too.

    Returns
    -------
    list of str
        What is to be said beside it.
    """
    said = []
    for table in look(path, functools.partial(_tables, path, confidence, is_all)):
        if table.heading:
            console.out(f"\n{table.heading}", highlight=False)
        _print(table, console)
        said += table.notes
    return list(dict.fromkeys(said))


def _print(table: _Table, console: Console) -> None:
    columns, results = table.columns, table.results
    first = len(columns) - len(results)
    shown = columns[: max(_how_many_fit(columns, console), first + 1)]
    lines = _lines(shown)
    console.out(next(lines), style="bold", highlight=False)
    console.print(_Lines(lines), end="", crop=False)
    if left_out := results[len(shown) - first :]:
        say(console, f"no room for {some_of(left_out)}; widen the terminal, or write into a file")


def _tables(
    path: Path,
    confidence: float | None,
    is_all: bool,
    reader: Reader,
    contents: StoreContents[Outcome],
) -> list[_Table]:
    table = _table(path, confidence, reader, contents)
    if not is_all:
        if reader.n_others:
            table.notes.append(
                f"not shown: {reader.n_others} recorded simulations that are not in the study now; "
                "--all shows them"
            )
        return [table]
    found = others_of(reader) if reader.n_others else ()
    return [table, *(_of_others(path, confidence, others, contents) for others in found)]


def _of_others(
    path: Path, confidence: float | None, others: Others, contents: StoreContents[Outcome]
) -> _Table:
    """Make a table of what is not in the study now; it has as many replicas as are recorded."""
    reader, told, missing = others
    versions = Versions(reader, contents.versions)
    points, numbers = Points(reader, versions), Numbers(reader)
    names = result_names(reader, numbers)
    pooled = {name: points.pooled(numbers, name) for name in names}
    recorded = points.count(np.ones(len(reader), bool)).tolist()
    counts = zip(points.count(numbers.done).tolist(), recorded, strict=True)
    columns = [
        *([literal(name), *points.texts(name)] for name in [*told, *points.marks]),
        ["done", *(f"{done}/{all_}" for done, all_ in counts)],
        *_result_columns(reader, pooled, confidence),
    ]
    notes = [note for name in names for note in doubts(path, points, numbers, name, pooled[name])]
    without = f", without {some_of(missing)}" if missing else ""
    return _Table(columns, names, notes, f"recorded, but not in the study now{without}:")


def _table(
    path: Path, confidence: float | None, reader: Reader, contents: StoreContents[Outcome]
) -> _Table:
    versions = Versions(reader, contents.versions)
    points, numbers = Points(reader, versions), Numbers(reader)
    names = result_names(reader, numbers)
    pooled = {name: points.pooled(numbers, name) for name in names}
    standing = standing_of(reader.study, reader, numbers) if reader.study.targets else None
    columns = _columns(reader, points, numbers, pooled, confidence, standing)
    notes = versions.describe()
    if standing and points.marks:
        notes.append("error/target: that of all versions of a point together")
    for name in names:
        notes += doubts(path, points, numbers, name, pooled[name])
    notes += note(path, reader, numbers, standing)
    if any("(" in text for column in columns[len(columns) - len(names) :] for text in column[1:]):
        notes.insert(0, f"brackets: {meaning(confidence)}")
    if others := numbers.others(points.rows):
        notes.append(
            f"not shown: {some_of(others)}; they are in `dask-espresso export {path} FILE.csv`"
        )
        curves = [name for name, along in reader.axes.items() if len(along) == 1]
        if there := [name for name in curves if f"{name} (array)" in others]:
            also = f", and so on with {some_of(there[1:])}" if there[1:] else ""
            notes.append(f"`dask-espresso plot {path} -y {literal(there[0])}` draws it{also}")
    return _Table(columns, names, notes)


def _columns(
    reader: Reader,
    points: Points,
    numbers: Numbers,
    pooled: dict[str, PooledRows],
    confidence: float | None = None,
    standing: Standing | None = None,
) -> list[list[str]]:
    study = reader.study
    told = [*study.swept, *points.marks]
    parameters = [[literal(name), *points.texts(name)] for name in told]
    done = _done(reader, points, numbers, standing)
    return [*parameters, *done, *_result_columns(reader, pooled, confidence)]


def _result_columns(
    reader: Reader, pooled: dict[str, PooledRows], confidence: float | None
) -> list[list[str]]:
    return [
        [_heading(reader.study, name), *_results(found, confidence)]
        for name, found in pooled.items()
    ]


def _done(
    reader: Reader, points: Points, numbers: Numbers, standing: Standing | None
) -> list[list[str]]:
    """Give the replicas that are done, of those that are wanted, and how far from targets it is."""
    study, done = reader.study, points.count(numbers.done).tolist()
    if not standing:
        return [["done", *(f"{count}/{study.replicas}" for count in done)]]
    at = reader.places[points.firsts] % study.n_points
    wanted = np.maximum(standing.counts[at], done).tolist()
    distances = [f"{d:.2f}" if d < math.inf else "-" for d in standing.distances[at].tolist()]
    counts = (f"{count}/{most}" for count, most in zip(done, wanted, strict=True))
    return [["done", *counts], ["error/target", *distances]]


def _results(pooled: PooledRows, confidence: float | None) -> Iterable[str]:
    widths = half_widths(pooled.sems, pooled.dofs, confidence)
    return map(format_with_error, pooled.means.tolist(), widths.tolist())


def note(
    path: Path, reader: Reader, numbers: Numbers, standing: Standing | None = None
) -> list[str]:
    """Give the warnings in one line."""
    first, *others = find_warnings(reader, numbers, standing) or [""]
    more = f"; {len(others)} more: dask-espresso status {path}" if others else ""
    return [f"warning: {first}{more}"] if first else []


def _heading(study: StoredStudy, name: str) -> str:
    """Name a result's column as the store does."""
    return literal(f"result.{name}" if name in study.names else name)


def result_names(reader: Reader, numbers: Numbers) -> list[str]:
    """Name the numbers that the simulations gave, without what is said of another's error.

    Parameters that a script merely gives back are left out too.

    Returns
    -------
    list of str
        Those with a standard error first: they are what the study is about.
    """
    names = numbers.names(Points(reader).rows)
    results = [name for name in names if not _is_given_back(reader, numbers, name)]
    of_errors = {f"{name}{suffix}" for name in results for suffix in OF_ERRORS}
    alone = [name for name in results if name not in of_errors]
    return sorted(alone, key=lambda name: f"{name}_sem" not in names)


def _is_given_back(reader: Reader, numbers: Numbers, name: str) -> bool:
    """Say whether a result is no more than the parameter of that name."""
    if name not in reader.study.names:
        return False
    values, codes = reader.study.coded(name, reader.places[numbers.have(name)])
    given = (values[code] for code in codes.tolist())
    return all(map(operator.eq, numbers.plain(name), given))


def _how_many_fit(columns: Sequence[Sequence[str]], console: Console) -> int:
    if not console.is_terminal:
        return len(columns)
    room = console.width + len(_GAP)
    for i, column in enumerate(columns):
        room -= max(map(_width, column)) + len(_GAP)
        if room < 0:
            return i
    return len(columns)


def _lines(columns: Sequence[Sequence[str]]) -> Iterator[str]:
    """Give the lines of a table, the heading first; numbers are right-justified."""
    for row in zip(*map(_justified, columns), strict=True):
        yield _GAP.join(row)


def _justified(column: Sequence[str]) -> Iterator[str]:
    """Give the cells of a column, all as wide as the widest."""
    if all(map(str.isascii, column)):
        width = max(map(len, column))
        return (text.rjust(width) for text in column)
    width = max(map(_width, column))
    return (" " * (width - _width(text)) + text for text in column)


def _width(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


class _Lines:
    """Lines that are printed as they are, without a look at each of their characters."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for lines in iter(lambda: list(itertools.islice(self._lines, _PIECE)), []):
            yield Segment("\n".join(lines) + "\n")
