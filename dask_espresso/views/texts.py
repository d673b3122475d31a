"""Texts for people: of users, so that a terminal shows them as they are, and of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console

_MAX_NAMES = 20  # that a message lists
_LONG_NUMBER = 5  # digits that nobody minds


def literal(text: str) -> str:
    """Write what has no picture, or acts on terminals, as backslash escapes.

    Examples
    --------
    >>> literal(chr(0xD800)) == chr(92) + "ud800"
    True
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def say(console: Console, text: str) -> None:
    """Print a line, without colours."""
    console.out(literal(text), highlight=False)


def some_of(names: Sequence[str]) -> str:
    """List names, up to a few."""
    more = len(names) - _MAX_NAMES
    listed = literal(", ".join(names[:_MAX_NAMES]))
    return f"{listed} and {more} more" if more > 0 else listed


def told_apart(values: Sequence[Any]) -> list[str]:
    """Write values with as few digits as tell them apart, and in quotes where 1 and "1" differ."""
    if set(map(type, values)) == {int}:
        return list(map(str, values))
    distinct = len(set(map(repr, values)))
    for digits in (6, 9, 12, 15):
        texts = [f"{v:.{digits}g}" if isinstance(v, float) else str(v) for v in values]
        if len(set(texts)) == distinct:
            return [literal(text) for text in texts]
    return [literal(repr(value)) for value in values]


def short(values: Sequence[Any]) -> list[str]:
    """Write values as :func:`told_apart`, long decimals with three digits if these do.

    Examples
    --------
    >>> short([0.1, 0.426973, 10.125])
    ['0.1', '0.427', '10.125']
    """
    exact = told_apart(values)
    for digits in (3, 4, 5):
        texts = [
            f"{value:.{digits}g}" if isinstance(value, float) and _is_long(text) else text
            for value, text in zip(values, exact, strict=True)
        ]
        if len(set(texts)) == len(set(exact)):
            return texts
    return exact


def _is_long(text: str) -> bool:
    return len(text.partition("e")[0].lstrip("-0.").replace(".", "")) > _LONG_NUMBER


def format_with_error(value: float, error: float) -> str:
    """Write a value with its standard error in the last two digits.

    Examples
    --------
    >>> format_with_error(2.4183, 0.0021)
    '2.4183(21)'
    >>> format_with_error(20000, 0)
    '20000'
    """
    if math.isnan(value):
        return "-"
    if math.isinf(value):  # a whole number; other infinite ones are no success
        return "too large"
    if not math.isfinite(error) or error <= 1e-12 * abs(value):
        return f"{value:.6g}"
    # decimals, since a float cannot hold 10**digits for the smallest errors
    exponent = _place(max(abs(value), error))
    power = "" if -6 < exponent < 16 else f"e{exponent:+03d}"
    shift = exponent if power else 0
    digits = max(0, 1 + shift - _place(error))
    shown, uncertainty = Decimal(value).scaleb(-shift), Decimal(error).scaleb(digits - shift)
    return f"{shown:.{digits}f}({uncertainty:.0f}){power}"


def _place(number: float) -> int:
    """Give the power of ten of the first of a number's two leading digits, rounded."""
    return Decimal(f"{number:.1e}").adjusted()
