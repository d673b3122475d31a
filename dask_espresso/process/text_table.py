"""Tables of text, as programs write them: a row a line, with or without a header."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..errors import unknown

_NUMBER = re.compile(
    r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?|nan|inf|infinity)", re.ASCII | re.IGNORECASE
)
_FORTRAN = re.compile(r"(?<=[\d.])[dD]")
_MEANT_AS_NUMBER = re.compile(r"[-+.]?\d|\W*$|[-+]?(nan|inf|infinity)$", re.IGNORECASE)
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_COMMENTS = {".xvg": ("#", "@")}
_LONGEST = 640  # digits of a whole number, as Python writes it if told so


class TableError(ValueError):
    """A file is no table, or not the one that was meant; the message says why."""


def number(text: str) -> int | float | None:
    """Give the number that a text is; None if it is something else.

    Examples
    --------
    >>> number("-12"), number("1e-5"), number("1.0D+02"), number("1_0")
    (-12, 1e-05, 100.0, None)
    """
    if not _NUMBER.fullmatch(text):
        return None
    digits = text.lstrip("+-")
    if digits.isdigit() and len(digits) <= _LONGEST:
        return int(text)
    return float(_FORTRAN.sub("e", text))


def read_table(
    lines: Iterable[str], suffix: str, columns: tuple[str, ...] = (), texts: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Read a table.

    Parameters
    ----------
    lines : iterable of str
        Those of the file. The first one is the header, if no word in it could be meant as a number,
        such as ``****``. What begins with ``#`` is a comment; the last one above the numbers is
        the header where it has as many words as there are columns, and no other line is it.
    suffix : str
        ``.csv``: values stand between commas; ``.tsv``: between tabs; others: between blanks.
    columns : tuple of str
        Of those in the header, the ones that are wanted; or names for all columns, in their order,
        none of which is that of another one in the header.
    texts : tuple of str
        Columns that are no numbers.

    Returns
    -------
    dict of str to numpy.ndarray
        Of floats, shape (rows,), or of texts.

    Raises
    ------
    TableError
        If a line has more or fewer values than the others, a value is no number, or a column is
        not there.

    Examples
    --------
    >>> read_table(["# r g", "0.5 0", "1.5 1.25"], ".dat", ("g",))
    {'g': array([0.  , 1.25])}
    """
    comments: list[tuple[str, ...]] = []
    rows = _rows(lines, suffix, comments)
    at, first = next(rows, (0, ()))
    header: tuple[str, ...] = ()
    if _is_header(first, columns, texts):
        header = first
        at, first = next(rows, (0, ()))
    if not first:
        raise TableError("has no rows")
    if not header and comments and len(comments[-1]) == len(first):
        header = comments[-1]
    if header and len(header) != len(first):
        raise TableError(f"line {at} has {len(first)} values, the header {len(header)}")
    wanted = _places(header, columns, len(first))
    if absent := [name for name in texts if name not in wanted]:
        raise TableError(unknown("column", absent[0], wanted))
    numbers, values = [at], [first]
    for at, row in rows:
        if len(row) != len(first):
            raise TableError(f"line {at} has {len(row)} values, those above {len(first)}")
        numbers.append(at)
        values.append(row)
    return {
        name: _column([row[place] for row in values], numbers, name, is_text=name in texts)
        for name, place in wanted.items()
    }


def _is_header(words: tuple[str, ...], columns: tuple[str, ...], texts: tuple[str, ...]) -> bool:
    """Say whether the first line names columns: where all are texts, only if it has their names."""
    if not words or any(_MEANT_AS_NUMBER.match(word) for word in words):
        return False
    return bool(set(words) & set(columns)) or not columns or not set(columns) <= set(texts)


def _rows(
    lines: Iterable[str], suffix: str, comments: list[tuple[str, ...]]
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Give number and words of each line that has some; put comments aside."""
    delimiter, signs = _DELIMITERS.get(suffix), _COMMENTS.get(suffix, ("#",))
    for at, line in enumerate(lines, 1):
        text = line.strip() if delimiter != "\t" else line.strip("\r\n ")
        if not text:
            continue
        is_comment = text.startswith(signs)
        text = text.lstrip("#@ ") if is_comment else text
        if delimiter:
            try:
                found = next(csv.reader([text], delimiter=delimiter, skipinitialspace=True), [])
            except csv.Error as error:
                raise TableError(f"line {at}: {error}") from None
            words = tuple(word.strip() for word in found)
        else:
            words = tuple(text.split())
        if is_comment:
            comments.append(words)
        else:
            yield at, words


def _places(header: tuple[str, ...], columns: tuple[str, ...], count: int) -> dict[str, int]:
    """Say which column each name stands for."""
    if len(columns) == count and not _are_elsewhere(columns, header):
        _check_order(columns, header)
        return {name: place for place, name in enumerate(columns)}
    if columns and not set(columns) & set(header):
        in_header = f", with the header {', '.join(header)}" if header else ", and no header"
        raise TableError(f"has {count} columns{in_header}; `columns` names {len(columns)}")
    if not header:
        raise TableError(f"has {count} columns, and no header; name them, as `columns: […]`")
    for name in columns or header:
        if name not in header:
            raise TableError(unknown("column", name, header))
        if header.count(name) > 1 or not name:
            raise TableError(f"has {header.count(name)} columns {name!r}; name all, as `columns`")
    return {name: header.index(name) for name in columns or header}


def _check_order(columns: tuple[str, ...], header: tuple[str, ...]) -> None:
    """Refuse names of all columns that are, but for capitals, at other places in the header."""
    small = tuple(name.casefold() for name in header)
    if _are_elsewhere(tuple(name.casefold() for name in columns), small):
        raise TableError(
            f"has the header {', '.join(header)}, and `columns` are {', '.join(columns)}: write "
            "them as they are in the header, or in the order of the file"
        )


def _are_elsewhere(columns: tuple[str, ...], header: tuple[str, ...]) -> bool:
    """Say whether names of all columns stand at other places in the header."""
    places = enumerate(columns)
    return any(name in header and header[place] != name for place, name in places)


def _column(words: list[str], numbers: list[int], name: str, *, is_text: bool) -> Any:
    if is_text:
        return np.array(words)
    values = [number(word) for word in words]
    if None in values:
        place = values.index(None)
        raise TableError(
            f"line {numbers[place]}: {words[place]!r} in column {name!r} is no number; where that "
            f"is meant, write `texts: [{name}]`"
        )
    return np.array(values, float)
