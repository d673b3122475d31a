"""What an object shows of itself in a notebook, or at a prompt: a few lines, however much it is."""

from __future__ import annotations

import html
from collections.abc import Sequence

from ..views.texts import literal

_LONGEST = 200  # characters of a line

Lines = Sequence[tuple[str, str]]


def as_text(title: str, lines: Lines) -> str:
    """Give a title and lines, each a word and what there is to say of it.

    Examples
    --------
    >>> print(as_text("Store", [("study", "s"), ("points", "3")]))
    Store
      study   s
      points  3
    """
    width = max((len(word) for word, _ in lines), default=0)
    return "\n".join([title, *(f"  {word.ljust(width)}  {_short(said)}" for word, said in lines)])


def as_html(title: str, lines: Lines) -> str:
    """Give the same as a table; what is in it stays text.

    Examples
    --------
    >>> as_html("Store", [("study", "<b>")]).endswith("&lt;b&gt;</td></tr></table>")
    True
    """
    style = 'style="text-align: left"'
    rows = [
        f"<tr><th {style}>{html.escape(word)}</th><td {style}>{html.escape(_short(said))}</td></tr>"
        for word, said in lines
    ]
    return f"<table><caption {style}>{html.escape(title)}</caption>{''.join(rows)}</table>"


def _short(said: str) -> str:
    said = literal(said)
    return said if len(said) <= _LONGEST else f"{said[: _LONGEST - 2]} …"
