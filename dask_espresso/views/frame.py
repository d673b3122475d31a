"""A store as a pandas table: a row a simulation, the columns that an export has."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..store.arrays import Column, objects
from ..store.reading import look_at_rows
from .export import export_table

if TYPE_CHECKING:
    import pandas


def pandas_or_error() -> Any:
    """Give pandas.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise InputError(
            "needs pandas; install it: pip install 'dask_espresso[analysis]'"
        ) from None
    return pandas


def dataframe(path: str | os.PathLike[str]) -> pandas.DataFrame:
    """Read a store into a table with a row a simulation, as `dask-espresso export` writes it.

    Parameters
    ----------
    path : path
        The store; a driver may be writing it.

    Returns
    -------
    pandas.DataFrame
        Whole numbers stay whole where some are missing, with pandas' own types for that; arrays
        are objects.

    Raises
    ------
    InputError
        If there is no store, or no pandas.
    """
    pandas = pandas_or_error()
    table = look_at_rows(path, export_table)
    columns = {name: _values(pandas, column) for name, column in table.items()}
    return pandas.DataFrame(columns)


def _values(pandas: Any, column: Column) -> Any:
    """Give the values for pandas, which has a sign of its own for what is missing."""
    kind, values, missing = column.kind, column.values, column.states != 0
    if kind in ("float", "complex"):
        return np.where(missing, math.nan, values)
    if kind in ("int", "bool"):
        masked = {"int": pandas.arrays.IntegerArray, "bool": pandas.arrays.BooleanArray}[kind]
        return masked(values, missing) if missing.any() else values
    rows = zip(values, missing.tolist(), strict=True)
    return objects([None if is_missing else value for value, is_missing in rows])
