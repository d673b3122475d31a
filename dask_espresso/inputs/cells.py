"""Values in the cells of a .csv file of points: written so that they read back equal."""

from __future__ import annotations

import json
import re
from typing import Any

from .plain_yaml import plain_scalar

# what spreadsheets and data frames write where nothing is; the second kind also names things
MISSING = re.compile(r"-?(?:nan|NaN|NAN)|NULL|Null|~|<NA>|#?N/A|n/a|#NA|#[A-Z0-9/]+[!?]")
MAYBE_MISSING = re.compile(r"NA|None|none|missing|[-?.]+")


def read_cell(text: str) -> Any:
    """Give what a cell means: what YAML reads, without blanks around it.

    A text that would be something else is in quotes of its own, as in JSON; a list or mapping is
    that of ``{"value": …}``.

    Raises
    ------
    ValueError
        If it is a number of too many digits.

    Examples
    --------
    >>> [read_cell(text) for text in ("1", "a", '"1"', '"a"', '{"value": [1]}', "[1]")]
    [1, 'a', '1', '"a"', {'value': [1]}, '[1]']
    """
    text = text.strip()
    if text[:1] in ('"', "{"):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return plain_scalar(text)
        if isinstance(value, str) and not _is_plain(value):
            return value
        if isinstance(value, dict) and value.keys() == {"value"}:
            return value
    return plain_scalar(text)


def write_cell(value: Any) -> str:
    """Write a value so that :func:`read_cell` gives it back."""
    if isinstance(value, str):
        return value if _is_plain(value) else json.dumps(value)
    if isinstance(value, list | dict):
        return json.dumps({"value": value})
    return json.dumps(value)


def _is_plain(text: str) -> bool:
    """Say whether a text can stand in a file as it is, and is read as itself."""
    if not text.isprintable() or MISSING.fullmatch(text) or MAYBE_MISSING.fullmatch(text):
        return False
    try:
        return bool(read_cell(text) == text)
    except ValueError:  # a number of too many digits
        return False
