"""Texts of the user's, written so that a terminal shows them as they are."""

from __future__ import annotations

from rich.console import Console


def literal(text: str) -> str:
    """Write what has no picture, or acts on terminals, as backslash escapes.

    Examples
    --------
    >>> literal(chr(0xD800)) == chr(92) + "ud800"
    True
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def say(console: Console, text: str) -> None:
    """Print a line, without colours."""
    console.out(literal(text), highlight=False)
