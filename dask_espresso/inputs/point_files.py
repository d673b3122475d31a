"""Points that stand in a file beside the study: .csv or .parquet."""

from __future__ import annotations

import csv
import io
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, describe
from ..files import open_file
from ..paths import expand
from .cells import MAYBE_MISSING, MISSING, read_cell
from .document import Document
from .misreadings import misreading
from .plain_yaml import KeyPath
from .point_list import FORM, MAX_POINTS, Columns

logger = logging.getLogger(__name__)

_MAX_SIZE = 64 << 20  # bytes
_INDEX = re.compile(r"__index_level_\d+__")  # of pandas


def with_point_files(document: Document) -> Document:
    """Give a study's document with what stands in the files of points that it names.

    Raises
    ------
    InputError
        Names the file and the line that are wrong.
    """
    places: list[KeyPath] = [("points",)]
    blocks: Any = document.data.get("blocks")
    if isinstance(blocks, list):
        places += [("blocks", i, "points") for i in range(len(blocks))]
    for at in places:
        inside = document.data if len(at) == 1 else blocks[at[1]]
        given = inside.get("points") if isinstance(inside, dict) else None
        if isinstance(given, str):
            columns = _read(document, at, given)
            document = document.replace(at, columns, document.place(at))
    return document


def _read(document: Document, at: KeyPath, given: str) -> Columns:
    readers = {".csv": _csv, ".parquet": _parquet}
    path = Path(given)
    if path.suffix not in readers:
        raise document.error(at, f"is {describe(given)}; write {FORM}")
    try:
        path = document.path.parent / expand(given)
        with open_file(path) as file:
            content = file.read(_MAX_SIZE + 1)
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise document.error(
            at, f"{given!r} cannot be read (looked for {str(path)!r}: {reason}); "
            f"write a path relative to {document.base}",
        ) from error  # fmt: skip
    if len(content) > _MAX_SIZE:
        raise InputError(f"{path}: is larger than 64 MiB; write ranges, or a `sample`, instead")
    return readers[path.suffix](path, content)


def _csv(path: Path, content: bytes) -> Columns:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{line}: is not UTF-8; save the file as UTF-8 text") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = ((reader.line_num, row) for row in reader if any(map(str.strip, row)))
        names = _heading(path, *next(lines, (1, [])))
        return _cells(path, names, lines)
    except csv.Error as error:
        raise InputError(
            f"{path}:{reader.line_num}: is no line of a table ({error}); correct it"
        ) from error


def _heading(path: Path, line: int, row: list[str]) -> list[str]:
    for other, what in {";": "semicolons", "\t": "tabs"}.items():
        if len(row) == 1 and other in row[0].strip():
            raise InputError(f"{path}:{line}: has {what} between columns; write commas")
    names = [_cell(path, line, "the heading", text) for text in row]
    for text, name in zip(map(str.strip, row), names, strict=True):
        is_text = isinstance(name, str)
        if not is_text or names.count(name) > 1:
            what = "is there twice" if is_text else "is no name" if text else "is empty"
            raise InputError(
                f"{path}:{line}: the heading {text!r} {what}; write names of parameters into the "
                "first line, each once"
            )
    if not names:
        raise InputError(f"{path}: is empty; write names of parameters, and points below them")
    return names


def _cells(path: Path, names: list[str], rows: Iterator[tuple[int, list[str]]]) -> Columns:
    columns: Columns = {name: [] for name in names}
    lines: list[int] = []
    texts: dict[str, list[str]] = {name: [] for name in names}
    for number, (line, row) in enumerate(rows, 1):
        if len(row) > len(names):
            raise InputError(
                f"{path}:{line}: has {len(row)} cells, more than the {len(names)} names above; "
                "put texts with commas in quotes"
            )
        if number > MAX_POINTS:
            raise InputError(f"{path}:{line}: has more than {MAX_POINTS:,} points; write ranges")
        for i, name in enumerate(names):
            text = row[i].strip() if i < len(row) else ""
            texts[name].append(text)
            columns[name].append(_cell(path, line, f"`{name}`", text))
        lines.append(line)
    for name in names:
        _check_there(path, name, lines, texts[name], columns[name])
        _note_misreadings(path, name, lines, texts[name], columns[name])
    if not next(iter(columns.values())):
        raise InputError(f"{path}: has no points below its heading; write one a line")
    return columns


def _check_there(
    path: Path, name: str, lines: list[int], texts: list[str], values: list[Any]
) -> None:
    """Refuse a column in which cells are missing, by whatever sign."""
    has_numbers = any(type(value) in (int, float) for value in values)
    absent = [
        (line, text)
        for line, text in zip(lines, texts, strict=True)
        if not text or MISSING.fullmatch(text) or (has_numbers and MAYBE_MISSING.fullmatch(text))
    ]
    if absent:
        line, text = absent[0]
        sign = f" ({text!r})" if text else ""
        raise InputError(
            f"{path}:{line}: `{name}` is missing{sign}{_more(absent)}; write a value for it, or "
            "leave the point out"
        )


def _note_misreadings(
    path: Path, name: str, lines: list[int], texts: list[str], values: list[Any]
) -> None:
    found = [
        (line, said)
        for line, text, value in zip(lines, texts, values, strict=True)
        if value == text and (said := misreading(text, value))
    ]
    if found:
        line, said = found[0]
        logger.warning("%s:%s: %s: %s%s", path, line, name, said, _more(found))


def _more(cells: Sequence[Any]) -> str:
    """Count the others."""
    return f" (and {len(cells) - 1} more in this column)" if len(cells) > 1 else ""


def _cell(path: Path, line: int, name: str, text: str) -> Any:
    try:
        return read_cell(text)
    except ValueError:
        raise InputError(f"{path}:{line}: {name} has too many digits; shorten it") from None


def _parquet(path: Path, content: bytes) -> Columns:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            f"{path}: parquet needs pyarrow: pip install 'dask-espresso[analysis]', or write a .csv"
        ) from None
    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(content))
        if file.metadata.num_rows > MAX_POINTS:
            raise InputError(f"{path}: has more than {MAX_POINTS:,} points; write ranges")
        columns: Columns = file.read().to_pydict()
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        said = str(error).partition("\n")[0]
        raise InputError(f"{path}: cannot be read as parquet ({said}); write it again") from error
    for name in [name for name in columns if _INDEX.fullmatch(name)]:
        del columns[name]
        logger.warning(
            "%s: %s is the index of a pandas data frame, and no parameter: it is left out; "
            "`to_parquet(…, index=False)` leaves it out of the file",
            path, name,
        )  # fmt: skip
    for name, values in columns.items():
        absent = [row for row, value in enumerate(values, 1) if value is None or value != value]
        if absent:
            raise InputError(
                f"{path}: row {absent[0]}: `{name}` is missing ({values[absent[0] - 1]})"
                f"{_more(absent)}; write a value for it, or leave the point out"
            )
        for row, value in enumerate(values, 1):
            if not isinstance(value, str | int | float):
                what = f"is a {type(value).__name__}"
                raise InputError(f"{path}: row {row}: `{name}` {what}; write a number or a text")
    if not columns or not next(iter(columns.values())):
        raise InputError(f"{path}: has no points; write some")
    return columns
