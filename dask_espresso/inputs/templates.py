"""Texts with names in braces, which are replaced by a simulation's own values."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..errors import BadValueError, unknown

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_LITERAL = {"{{": "{", "}}": "}"}


def names_in(text: str) -> Iterator[str]:
    """Give the names that stand in braces.

    Raises
    ------
    BadValueError
        If a brace has no other one, or there is no name in them.

    Examples
    --------
    >>> list(names_in("--pH={pH}, {{literally}} {seed}"))
    ['pH', 'seed']
    """
    for found in _PIECE.finditer(text):
        if found[0] in _LITERAL:
            continue
        if not found[1]:
            raise BadValueError(
                f"has {found[0]!r}, which names nothing; write a name in braces, such as {{seed}}, "
                "and '{{' or '}}' for a brace that is meant"
            )
        yield found[1]


def check_names(text: str, known: Collection[str]) -> set[str]:
    """Give the names in a text, all of which have to be known.

    Raises
    ------
    BadValueError
        Names the nearest right one.
    """
    names = set(names_in(text))
    for name in names - set(known):
        plain = re.split("[:!]", name)[0]
        if plain in known:
            raise BadValueError(
                f"has {{{name}}}; write {{{plain}}}: values are written so that they read back "
                "equal, and seeds are below 2**30, which everything takes"
            )
        raise BadValueError(f"{unknown('name', name, known)}; write '{{{{' for a brace")
    return names


def filled(text: str, values: Mapping[str, Any]) -> str:
    """Replace names by values.

    Parameters
    ----------
    text : str
        As :func:`check_names` has passed it.
    values : mapping
        Of all names in it.

    Examples
    --------
    >>> filled("{x} {on} {{}} {name} {list}", {"x": 0.1, "on": True, "name": "a", "list": [1]})
    '0.1 true {} a [1]'
    """
    return _PIECE.sub(lambda f: _LITERAL.get(f[0]) or as_text(values[f[1]]), text)


def as_text(value: Any) -> str:
    """Write a value: text as it is, and everything else as JSON, which reads back equal."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
