"""A table as a Parquet file, by Arrow."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import InputError
from ..store.arrays import Column
from ..store.columns import ABSENT
from .plain_values import json_text, plain_values

_NUMBERS = ("float", "int", "bool")


def parquet(table: Mapping[str, Column]) -> Iterator[bytes]:
    """Give the content of a file with these columns, in pieces.

    Raises
    ------
    InputError
        If there is no pyarrow.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(
            "parquet needs pyarrow: pip install 'dask-espresso[analysis]', or write .csv"
        ) from error
    arrays = {name: _arrow_column(pyarrow, column) for name, column in table.items()}
    stream = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(arrays), stream)
    yield stream.getvalue()


def _arrow_column(pyarrow: Any, column: Column) -> Any:
    if column.kind in _NUMBERS and not column.states.all():
        return pyarrow.array(column.values, mask=column.states > 0, from_pandas=False)
    return _arrow_array(pyarrow, plain_values(column))


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
    return pyarrow.array([None if v is None else json_text(v) for v in there])


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
