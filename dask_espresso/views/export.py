"""A store as a table for other programs: CSV, JSON or Parquet."""

from __future__ import annotations

import io
import json
import logging
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..files import replace_file
from ..outcome import FIELDS, Outcome, Status
from ..store.columns import ABSENT, DIMENSION, EXACT
from ..store.names import ROLES, column_names
from ..store.store import read_store
from ..store.table import Table

logger = logging.getLogger(__name__)

_TO_QUOTE = re.compile(r'[,"\r\n]')


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
    writers = {".csv": _csv, ".json": _json, ".parquet": _parquet}
    writer = writers.get(file.suffix.lower())
    if writer is None:
        raise InputError(f"{file}: write to one of {', '.join(writers)}")
    check_free(file, path)
    outcomes = list(read_store(path).outcomes.values())
    table = _table(outcomes)
    write_output(file, writer(table))
    for name in _inexact(table):
        logger.warning(
            "%s: has gaps, and whole numbers beyond 2**53; pandas makes them floats, and so "
            "others, but not with dtype_backend='numpy_nullable'",
            name,
        )
    return len(outcomes)


def _inexact(table: dict[str, list[Any]]) -> list[str]:
    """Name the columns of whole numbers that floats would change, and that have gaps."""
    return [
        name
        for name, values in table.items()
        if any(value is ABSENT or value is None for value in values)
        and any(type(value) is int and abs(value) > EXACT for value in values)
    ]


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


def write_output(file: Path, content: bytes) -> None:
    """Write a file at once; if that fails, what was there before still is.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    try:
        os.close(replace_file(file, [content]))
    except (OSError, RuntimeError) as error:  # links that lead in a circle are the latter
        raise InputError(f"{file}: {getattr(error, 'strerror', None) or error}") from error


def _table(outcomes: Sequence[Outcome]) -> dict[str, list[Any]]:
    """Give named columns with one value an outcome, or ABSENT: what it is, gave, and how it went.

    Names are those of the store, with blanks and the like as they are.
    """
    table = Table.of(outcomes)
    paths = {role: table.paths(role) for role in ROLES}
    names = column_names(paths, _plain)
    columns: dict[str, list[Any]] = {DIMENSION: [outcome.id for outcome in outcomes]}
    for role in ("parameter", "result", "outcome"):
        for path, values in table.columns(role, paths[role]):
            columns[names[role, path]] = [_plain(value) for value in values]
    del columns["log"]
    columns["status"] = [Status(number).label for number in columns["status"]]
    for name in FIELDS:  # all of them there, in every row
        if name in columns:
            columns[name] = [None if value is ABSENT else value for value in columns[name]]
    return columns


def _plain(value: Any) -> Any:
    """Give a value in the types that JSON has, and text that every encoding of Unicode has."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        named = {_plain(str(key)): _plain(item) for key, item in value.items()}
        if len(named) == len(value):
            return named
        return [[_plain(key), _plain(item)] for key, item in value.items()]  # such as 1 and "1"
    if isinstance(value, complex):
        return [value.real, value.imag]
    return value


def _csv(table: dict[str, list[Any]]) -> bytes:
    stream = io.StringIO(newline="")
    for row in (table, *zip(*table.values(), strict=True)):
        stream.write(",".join(map(_cell, row)) + "\r\n")
    return stream.getvalue().encode()


def _cell(value: Any) -> str:
    """Write one cell: nothing for what is missing, and an empty text in quotes."""
    if value is ABSENT or value is None:
        return ""
    text = _json_text(value) if isinstance(value, list | dict) else str(value)
    return text if text and not _TO_QUOTE.search(text) else '"' + text.replace('"', '""') + '"'


def _json(table: dict[str, list[Any]]) -> bytes:
    rows = [
        {name: _without_nan(v) for name, v in zip(table, row, strict=True) if v is not ABSENT}
        for row in zip(*table.values(), strict=True)
    ]
    return json.dumps(rows, indent=1, allow_nan=False).encode()


def _json_text(value: Any) -> str:
    return json.dumps(_without_nan(value), allow_nan=False)


def _without_nan(value: Any) -> Any:
    """Replace what JSON has no number for by null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return value


def _parquet(table: dict[str, list[Any]]) -> bytes:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(
            "parquet needs pyarrow: pip install 'dask-espresso[analysis]', or write .csv"
        ) from error
    arrays = {name: _arrow_array(pyarrow, values) for name, values in table.items()}
    stream = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(arrays), stream)
    return stream.getvalue()


def _arrow_array(pyarrow: Any, values: list[Any]) -> Any:
    there = [None if value is ABSENT else value for value in values]
    try:
        try:
            array = pyarrow.array(there)
        except OverflowError:
            array = pyarrow.array(there, _unsigned(pyarrow, there))
        if not _has_struct(pyarrow, array.type):
            return array
    except (pyarrow.ArrowException, OverflowError):  # values of several kinds
        pass
    # dicts too: Arrow would give all of them the keys of each
    return pyarrow.array([None if v is None else _json_text(v) for v in there])


def _unsigned(pyarrow: Any, values: list[Any]) -> Any:
    """Give the type of whole numbers that int64 does not hold, in lists or not; None of others."""
    kind = pyarrow.uint64()
    items = [value for value in values if value is not None]
    while any(isinstance(item, list) for item in items):
        if not all(isinstance(item, list) for item in items):
            return None
        kind = pyarrow.list_(kind)
        items = [inner for item in items for inner in item]
    return kind if all(type(item) is int for item in items) else None


def _has_struct(pyarrow: Any, kind: Any) -> bool:
    while pyarrow.types.is_list(kind):
        kind = kind.value_type
    return bool(pyarrow.types.is_struct(kind))
