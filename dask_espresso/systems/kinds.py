"""Of which kind a value from a profile has to be, and what is said of one that is not."""

from __future__ import annotations

import re
from typing import Any

from ..errors import BadValueError, describe

# any of them would end a line, or what stands on it
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")

Kind = tuple[tuple[type, ...], str]  # the types that it may have, and what they are called

TEXT: Kind = ((str,), "text; put it in quotes")
SCALAR: Kind = ((str, int, float), "text or a number; write one value")
WHOLE: Kind = ((int,), "a whole number; write one such as 4")
FLAG: Kind = ((bool,), "true or false; write one of them, without quotes")
MAPPING: Kind = ((dict,), "a mapping; write `key: value` lines under it")
PRELOADS: Kind = ((str, list), "a list of texts; write it as [a, b]")
WALLTIME: Kind = ((str,), 'text; write it as "01:00:00" or 60 min')
LEVEL: Kind = ((str, int, bool), "text; write a level of messages such as warning")
ANYTHING: Kind = ((object, bool), "")  # a check of its own, with more to say, comes later


def check_collection(value: Any, kind: type, remedy: str, *at: str | int) -> None:
    """Refuse what is no list of texts, or no mapping."""
    if value is None:
        return
    called = {"list": "a list of texts", "dict": "a mapping"}[kind.__name__]
    if not isinstance(value, kind):
        raise BadValueError(f"is {describe(value)} but must be {called}; {remedy}", *at)
    for i, item in enumerate(value if isinstance(value, list) else ()):
        if not isinstance(item, str):
            message = f"is {describe(item)} but must be text; put it in quotes"
            raise BadValueError(message, *at, i)


def check_characters(value: Any, refused: re.Pattern[str], *at: str | int) -> None:
    """Refuse characters that have no place in a value, nor in what is below it."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            check_characters(item, refused, *at, key)
    elif isinstance(value, str) and (found := refused.search(value)):
        raise BadValueError(
            f"is {describe(value)} but must be one line of text; remove the {found[0]!r}", *at
        )
