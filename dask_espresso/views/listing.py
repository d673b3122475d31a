"""The points of a study, before and after they are simulated: how many, which, and what is done."""

from __future__ import annotations

import collections
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from ..errors import InputError
from ..inputs.cells import write_cell
from ..inputs.stored_study import stored_study
from ..outcome import Outcome, Status
from ..store.arrays import Values
from ..store.contents import StoreContents
from ..store.reader import Reader
from ..store.reading import look_at_rows
from ..store.recorded import differences, is_same
from .export import check_free, write_output
from .texts import literal, say, told_apart

if TYPE_CHECKING:
    from ..inputs.simulations import Simulations
    from ..inputs.study import Study
    from ..store.rows import Rows

_ENDS = 5  # points that are shown of the beginning, and of the end
_GAP = "  "  # between columns
_PIECE = 1 << 12  # points that are written together


@dataclass(frozen=True)
class Recorded:
    """What a store has of a study.

    Attributes
    ----------
    path : Path
    done : array of int, shape (n_points,)
        Replicas of each point that are done.
    counts : Counter
        Simulations of the study by their status, in words.
    n_others : int
        Simulations in the store that are not of the study.
    """

    path: Path
    done: Values
    counts: collections.Counter[str]
    n_others: int


def recorded(path: Path, study: Study) -> Recorded:
    """Look up in a store what of a study is there.

    Raises
    ------
    InputError
        If there is no store, or it is one of another study.
    """

    def read(rows: Rows, contents: StoreContents[Outcome]) -> Recorded:
        snapshot = study.snapshot()
        if not is_same(contents.study, snapshot):
            how = differences(contents.study, snapshot, ("there", "here"))
            raise InputError(f"{path}: the store of another study ({how}); name another --store")
        reader = Reader(stored_study(snapshot), rows)
        statuses = reader.field("status")
        are_done = reader.places[statuses == int(Status.DONE)] % study.n_points
        return Recorded(
            path,
            np.bincount(are_done, minlength=study.n_points).astype(np.uint32),
            collections.Counter(Status(number).label for number in statuses.tolist()),
            reader.n_others,
        )

    return look_at_rows(path, read)


def print_points(study: Study, found: Recorded | None, console: Console) -> None:
    """Print how many points a study has, where they are from, and the first and the last of them.

    Parameters
    ----------
    study : Study
    found : Recorded or None
        What a store has of it.
    console : Console
    """
    for line in (*_summary(study), *_blocks(study), *_constants(study)):
        say(console, line)
    for line in _table(study, found):
        say(console, line)
    if found:
        say(console, _standing(study, found))


def _summary(study: Study) -> Iterator[str]:
    points = _counted(study.n_points, "point")
    most = " at most" if study.targets else ""
    replicas = f"{_counted(study.replicas, 'replica')} each{most}"
    yield f"{study.name}: {points}, {replicas}: {_counted(study.count, 'simulation')}{most}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _blocks(study: Study) -> Iterator[str]:
    """Say what of each block there is, where that is not plain."""
    blocks = study.space.blocks
    for number, block in enumerate(blocks, 1):
        if len(blocks) == 1 and not block.n_unmet:
            continue
        head = f"block {number}" if len(blocks) > 1 else "conditions"
        why = [f"{block.n_unmet:,} left out by conditions"] if block.n_unmet else []
        why += [f"{block.n_shared:,} in a block before"] if block.n_shared else []
        of_all = f" of {block.n_candidates:,}: {', '.join(why)}" if why else ""
        yield f"  {head}: {_counted(len(block), 'point')}{of_all}"


def _constants(study: Study) -> Iterator[str]:
    first = study.space.point(0)
    constants = [f"{name} = {value}" for name, value in first.items() if name not in study.swept]
    if constants:
        yield f"in all points: {', '.join(constants)}"


def _table(study: Study, found: Recorded | None) -> Iterator[str]:
    """Give the lines of a table of the first points and the last ones."""
    count = study.n_points
    shown = np.arange(count)
    if count > 2 * _ENDS:
        shown = np.concatenate([shown[:_ENDS], shown[-_ENDS:]])
    columns = [["point", *map(str, shown.tolist())]]
    for name in study.swept:
        values, codes = study.coded(name, shown)
        texts = told_apart(values)
        columns.append([literal(name), *(texts[code] for code in codes.tolist())])
    if found:
        done = found.done[shown].tolist()
        columns.append(["done", *(f"{number}/{study.replicas}" for number in done)])
    widths = [max(map(len, column)) for column in columns]
    for number, row in enumerate(zip(*columns, strict=True)):
        if number == 1 + _ENDS and count > 2 * _ENDS:
            yield _GAP.join("…".rjust(width) for width in widths)
        yield _GAP.join(text.rjust(width) for text, width in zip(row, widths, strict=True))


def _standing(study: Study, found: Recorded) -> str:
    """Say what is done, new, and no longer wanted."""
    there = sum(found.counts.values())
    said = [f"{found.counts[status.label]:,} {status.label}" for status in Status]
    said = [text for text in said if not text.startswith("0 ")]
    said.append(f"{study.count - there:,} new{' at most' * bool(study.targets)}")
    if found.n_others:
        said.append(f"{found.n_others:,} recorded are not in the study, or no longer")
    return f"{found.path}: {', '.join(said)}"


def write_points(study: Simulations, file: Path, store: Path) -> None:
    """Write all points into a .csv file, a column a parameter.

    Parameters
    ----------
    study : Simulations
    file : Path
    store : Path
        What is not to be written over.

    Raises
    ------
    InputError
        If it is no .csv, or cannot be written.
    """
    if file.suffix.lower() != ".csv":
        raise InputError(f"{file}: name a file that ends in .csv")
    check_free(file, store)
    write_output(file, _csv(study))


def _csv(study: Simulations) -> Iterator[bytes]:
    yield _lines([[*map(write_cell, study.names)]])
    for start in range(0, study.n_points, _PIECE):
        points = np.arange(start, min(start + _PIECE, study.n_points))
        columns = [map(write_cell, study.space.column(name, points)) for name in study.names]
        yield _lines(list(zip(*columns, strict=True)) if columns else [()] * len(points))


def _lines(rows: Sequence[Sequence[Any]]) -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue().encode()
