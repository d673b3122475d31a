"""A store as a table for other programs: CSV, JSON or Parquet."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..files import replace_file
from ..outcome import Outcome, Status
from ..store.arrays import Column, Values, column_of, objects
from ..store.columns import ABSENT, DIMENSION, EXACT, REST
from ..store.columns import Path as ColumnPath
from ..store.contents import StoreContents
from ..store.index import CODED
from ..store.leaves import Leaves
from ..store.names import column_names
from ..store.reading import look_at_rows
from ..store.rows import Rows
from ..store.table import OUTCOME_FIELDS, UNKNOWN, own_columns
from .parquet import parquet
from .plain_values import json_text, plain, plain_values, without_nan

if TYPE_CHECKING:
    from typing_extensions import Buffer

logger = logging.getLogger(__name__)

_Table = dict[str, Column]
_TO_QUOTE = re.compile(r'[,"\r\n]')
_PIECE = 10_000  # rows that are written together
_TEXTS = {"error", "kept_files"}  # fields that are no numbers, and of many values
_NUMBERS = ("float", "int", "bool")


def export_store(path: Path, file: Path) -> int:
    """Write one row a simulation.

    Parameters
    ----------
    path : Path
        The store.
    file : Path
        What to write: ``.csv``, ``.json`` or ``.parquet``.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    InputError
        If the kind of file is unknown, or cannot be written.
    """
    writers = {".csv": _csv, ".json": _json, ".parquet": parquet}
    writer = writers.get(file.suffix.lower())
    if writer is None:
        raise InputError(f"{file}: write to one of {', '.join(writers)}")
    check_free(file, path)
    table = look_at_rows(path, export_table)
    write_output(file, writer(table))
    for name in _inexact(table):
        logger.warning(
            "%s: has gaps, and whole numbers beyond 2**53; pandas makes them floats, and so "
            "others, but not with dtype_backend='numpy_nullable'",
            name,
        )
    return _size(table)


def _inexact(table: _Table) -> list[str]:
    """Name the columns of whole numbers that floats would change, and that have gaps."""
    return [name for name, column in table.items() if column.states.any() and _is_beyond(column)]


def _is_beyond(column: Column) -> bool:
    """Say whether floats would change one of the whole numbers."""
    if column.kind not in ("int", "object"):
        return False
    values = column.values[column.states == 0].tolist()
    return any(type(value) is int and abs(value) > EXACT for value in values)


def check_free(file: Path, store: Path) -> None:
    """Refuse to write where something else is that the user wants to keep.

    Parameters
    ----------
    file : Path
        What is to be written, and may be there from the last time.
    store : Path
        What it is made from.

    Raises
    ------
    InputError
        If that is the store itself, a directory, a device, or read-only.
    """
    try:
        if not file.exists():
            return
        is_store = store.exists() and file.samefile(store)
        is_writable = os.access(file, os.W_OK) and file.stat().st_mode & 0o222
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    if is_store:
        raise InputError(f"{file}: is the store itself; write to another file")
    if not file.is_file():
        raise InputError(f"{file}: is there, and is no file; write to another one")
    if not is_writable:
        raise InputError(f"{file}: read-only; make it writable, or write to another file")


def write_output(file: Path, content: Iterable[Buffer]) -> None:
    """Write a file at once; if that fails, what was there before still is.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    try:
        os.close(replace_file(file, content))
    except (OSError, RuntimeError) as error:  # links that lead in a circle are the latter
        raise InputError(f"{file}: {getattr(error, 'strerror', None) or error}") from error


def export_table(rows: Rows, _contents: StoreContents[Outcome]) -> _Table:
    """Give named columns with one value an outcome: what it is, gave, and how it went.

    Names are those of the store, with blanks and the like as they are.
    """
    order = rows.latest()
    leaves = {role: _leaves(rows, role, order) for role in ("parameter", "result")}
    paths = {"outcome": [(name,) for name in OUTCOME_FIELDS]}
    names = column_names({**paths, **leaves}, plain)
    table = {DIMENSION: Column("str", objects(rows.ids)[order], np.zeros(len(order), np.uint8))}
    for role, columns in leaves.items():
        table |= {names[role, path]: _with_plain_texts(c) for path, c in columns.items()}
    return table | {name: _field(rows, name, order) for name in OUTCOME_FIELDS if name != "log"}


def _leaves(rows: Rows, role: str, order: Values) -> dict[ColumnPath, Column]:
    """Give the columns of parameters or results, as they come in the rows."""
    leaves = Leaves(rows, role, order)
    columns = leaves.columns
    there = leaves.in_order(lambda path: columns[path].states != 1)
    own = own_columns(there, lambda path: int((columns[path].states != 1).sum()))
    found = {path: columns[path] for path in own if path != REST}
    if REST in own:
        shared = [path for path in there if path not in found]
        found[REST] = _shared([(path, columns[path].plain()) for path in shared], len(order))
    return found


def _shared(columns: list[tuple[ColumnPath, list[Any]]], size: int) -> Column:
    """Give what has no column of its own: a list of paths and leaves a row."""
    shared: list[list[Any]] = [[] for _ in range(size)]
    for path, values in columns:
        for row, value in enumerate(values):
            if value is not ABSENT:
                shared[row].append([list(path), value])
    return column_of([leaves or ABSENT for leaves in shared])


def _field(rows: Rows, name: str, order: Values) -> Column:
    """Give a field of the outcomes; None where it is not known, in every row."""
    unknown = UNKNOWN.get(name, ABSENT)
    if name == "status":
        labels = [status.label for status in Status]  # their numbers are their places
        return column_of(labels).take(rows.field(name)[order].astype(np.intp))
    if name in CODED:
        few, codes = rows.coded(name)
        column = _with_plain_texts(column_of([None if v == unknown else v for v in few]))
        return column.take(codes[order])
    if name in _TEXTS:
        values = rows.objects(name)[order].tolist()
    else:
        numbers = rows.field(name)[order]
        if numbers.dtype.kind == "i" and name not in UNKNOWN:
            return Column("int", numbers, np.zeros(len(numbers), np.uint8))
        values = numbers.tolist()
    return _with_plain_texts(column_of([None if v == unknown or v != v else v for v in values]))


def _with_plain_texts(column: Column) -> Column:
    """Give a column with plain texts, those that are equal as one object."""
    if column.kind not in ("str", "object"):
        return column
    known: dict[str, str] = {}
    values = [
        known.get(value) or known.setdefault(value, plain(value)) if type(value) is str
        else plain(value)
        for value in column.plain()
    ]  # fmt: skip
    return column._replace(values=objects(values))


def _size(table: _Table) -> int:
    return len(table[DIMENSION].states)


def _pieces(table: _Table) -> Iterator[_Table]:
    """Give the table a piece at a time."""
    for start in range(0, _size(table), _PIECE):
        rows = np.arange(start, min(start + _PIECE, _size(table)))
        yield {name: column.take(rows) for name, column in table.items()}


def _csv(table: _Table) -> Iterator[bytes]:
    yield (",".join(map(_cell, table)) + "\r\n").encode()
    for piece in _pieces(table):
        rows = zip(*map(_cells, piece.values()), strict=True)
        yield "".join([",".join(row) + "\r\n" for row in rows]).encode()


def _cells(column: Column) -> list[str]:
    """Write a column of cells: nothing for what is missing."""
    values = plain_values(column)
    if column.kind in _NUMBERS:
        cells = list(map(str, values))
    else:
        written: dict[int, str] = {}  # by the identity of what is mostly one object in many rows
        cells = [written.get(id(v)) or written.setdefault(id(v), _cell(v)) for v in values]
    for row in np.flatnonzero(column.states).tolist():
        cells[row] = ""
    return cells


def _cell(value: Any) -> str:
    """Write one cell, and an empty text in quotes."""
    text = json_text(value) if isinstance(value, list | dict) else str(value)
    return text if text and not _TO_QUOTE.search(text) else '"' + text.replace('"', '""') + '"'


def _json(table: _Table) -> Iterator[bytes]:
    before = "["
    for piece in _pieces(table):
        rows = zip(*map(plain_values, piece.values()), strict=True)
        found = [
            {name: without_nan(v) for name, v in zip(table, row, strict=True) if v is not ABSENT}
            for row in rows
        ]
        yield (before + json.dumps(found, indent=1, allow_nan=False)[1:-2]).encode()
        before = ","
    yield b"\n]" if before == "," else b"[]"
