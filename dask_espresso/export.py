"""A store as a table for other programs: CSV, JSON or Parquet."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from .columns import flatten
from .errors import InputError
from .outcome import FIELDS, Outcome
from .store import read_store

_OUTCOME_FIELDS = [name for name in FIELDS if name not in ("parameters", "result", "log")]


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
    writers = {".csv": _write_csv, ".json": _write_json, ".parquet": _write_parquet}
    if file.suffix not in writers:
        raise InputError(f"{file}: write to one of {', '.join(writers)}")
    rows = [_row(outcome) for outcome in read_store(path).outcomes.values()]
    try:
        writers[file.suffix](rows, file)
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    return len(rows)


def _row(outcome: Outcome) -> dict[str, Any]:
    """Give an outcome as one flat row: parameters, results, then how it went."""
    row: dict[str, Any] = {"simulation": outcome.id}
    for role, values in (
        ("parameter", outcome.parameters),
        ("result", outcome.result or {}),
        ("outcome", {name: getattr(outcome, name) for name in _OUTCOME_FIELDS if name != "id"}),
    ):
        for parts, value in flatten(values).items():
            name = ".".join(parts)
            row[f"{role}.{name}" if name in row else name] = _plain(value)
    row["status"] = outcome.status.label
    return row


def _plain(value: Any) -> Any:
    """Give a value in the types that JSON has."""
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, complex):
        return [value.real, value.imag]
    return value


def _names(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _write_csv(rows: list[dict[str, Any]], file: Path) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, _names(rows))
        writer.writeheader()
        for row in rows:
            nested = {k: json.dumps(v) for k, v in row.items() if isinstance(v, list | dict)}
            writer.writerow(row | nested)


def _write_json(rows: list[dict[str, Any]], file: Path) -> None:
    with file.open("w", encoding="utf-8") as stream:
        json.dump([_without_nan(row) for row in rows], stream, indent=1, allow_nan=False)


def _without_nan(value: Any) -> Any:
    """Replace what JSON has no number for by null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return value


def _write_parquet(rows: list[dict[str, Any]], file: Path) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(
            "parquet needs pyarrow: pip install 'dask-espresso[analysis]', or write .csv"
        ) from error
    columns = {name: [row.get(name) for row in rows] for name in _names(rows)}
    arrays = {name: _arrow_array(pyarrow, values) for name, values in columns.items()}
    pyarrow.parquet.write_table(pyarrow.table(arrays), file)


def _arrow_array(pyarrow: Any, values: list[Any]) -> Any:
    try:
        return pyarrow.array(values)
    except (pyarrow.ArrowException, OverflowError):  # values of several kinds: as JSON text
        return pyarrow.array([None if v is None else json.dumps(v) for v in values])
