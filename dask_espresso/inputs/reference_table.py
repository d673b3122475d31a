"""The numbers of a reference, of its file or its function.

They go into the store, so that a plot needs neither file nor function, and runs no code that
a store names.
"""

from __future__ import annotations

import csv
import importlib.util
import inspect
import math
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, unknown
from ..paths import expand
from .document import Document
from .reference import FORM

if TYPE_CHECKING:
    from .study import Study

_MOST = 10_000  # rows of a file
_STEPS = 200  # between the ends of a parameter at which a function is computed
_AT = ("reference",)


def tabulated(document: Document, study: Study) -> Any:
    """Give a reference with its numbers: ``at``, and ``values`` there, None where there is none.

    Raises
    ------
    InputError
        If the file, or the function, gives none.
    """
    given = study.reference
    if not isinstance(given, dict):
        return given
    if "file" in given:
        rows = _read(document, given)
    else:
        given, rows = _computed(document, study, given)
    finite = (value if value is not None and math.isfinite(value) else None for _, value in rows)
    return {**given, "at": [x for x, _ in rows], "values": list(finite)}


_Rows = list[tuple[float, float | None]]


def _read(document: Document, given: dict[str, str]) -> _Rows:
    """Read the columns of a file, by x."""
    path = document.path.parent / expand(given["file"])
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True, strict=True)
            columns = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            for key in ("x", "y"):
                if given[key] not in columns:
                    raise document.error(
                        (*_AT, key), f"{path}: {unknown('column', given[key], columns)}"
                    )
            rows = [
                tuple(_number(path, reader.line_num, row, given[key]) for key in ("x", "y"))
                for row in reader
            ]
    except (OSError, ValueError, csv.Error) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise document.error(
            (*_AT, "file"), f"{given['file']!r} cannot be read (looked for {str(path)!r}: {said}); "
            "write a path relative to the study file, of a .csv with a heading",
        ) from error  # fmt: skip
    rows.sort()
    if not 2 <= len(rows) <= _MOST or len({x for x, _ in rows}) < len(rows):
        raise InputError(
            f"{path}: has to have from 2 to {_MOST:,} rows, each with another {given['x']!r}"
        )
    return [(x, y) for x, y in rows]


def _number(path: Path, line: int, row: dict[str, str | None], name: str) -> float:
    text = row.get(name) or ""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{path}:{line}: {name} is {text!r}, which is no finite number")
    return number


def _computed(
    document: Document, study: Study, given: dict[str, str]
) -> tuple[dict[str, str], _Rows]:
    """Compute a function at the values of its parameter, and between them."""
    function = _function(document, given["function"])
    arguments = list(inspect.signature(function).parameters)
    x = given.get("x") or (arguments or [""])[0]
    y = given.get("y") or given["function"].rpartition(":")[2]
    if x not in study.names:
        raise document.error(
            _AT, f"{given['function']} takes {x!r}: {unknown('parameter', x, study.names)}; call "
            "it like the parameter, or write x: PARAMETER beside `function`",
        )  # fmt: skip
    rows: _Rows = []
    for place in _places(study.values(x)):
        try:
            rows.append((place, float(function(place))))
        except Exception as error:
            raise document.error(
                _AT, f"{given['function']} cannot be computed at {x} = {place:g} "
                f"({type(error).__name__}: {error}); it gets a number and has to give one",
            ) from error  # fmt: skip
    if len(rows) < 2:
        raise document.error(_AT, f"{x} has no numbers to compute {given['function']} at")
    return {**given, "x": x, "y": y}, rows


def _places(values: Iterable[Any]) -> list[float]:
    """Give the numbers among values, and steps between the least and the largest."""
    own = {float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)}
    if len(own) < 2:
        return sorted(own)
    least, most = min(own), max(own)
    steps = [*np.linspace(least, most, _STEPS).tolist()]
    if least > 0 and most > 10 * least:
        steps += np.geomspace(least, most, _STEPS).tolist()
    return sorted({*(own if len(own) <= _MOST else ()), *(s for s in steps if least < s < most)})


def _function(document: Document, text: str) -> Callable[..., Any]:
    file, _, name = text.rpartition(":")
    path = (document.path.parent / expand(file)).absolute()
    if not path.is_file():
        raise document.error(_AT, f"{text!r}: {path} is not there; {FORM}")
    spec = importlib.util.spec_from_file_location(f"_reference_{path.stem}", path)
    assert spec
    assert spec.loader  # files that end in .py have one
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
        return getattr(module, name)  # type: ignore[no-any-return]
    except Exception as error:
        raise document.error(
            _AT, f"{text!r} cannot be imported ({type(error).__name__}: {error}); {FORM}"
        ) from error
    finally:
        sys.path.remove(str(path.parent))
