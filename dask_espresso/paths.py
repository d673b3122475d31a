"""Paths, as people write them in files that no shell reads."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from .document import BadValueError

_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::-([^{}]*))?\})", re.ASCII)
_PATH_LISTS = re.compile(r"PATH|\w*(_PATH|PYTHONPATH)|LD_PRELOAD", re.ASCII)


def expand_home(text: str) -> str:
    """Replace ``~`` and ``~user`` at the beginning of a path.

    Raises
    ------
    ValueError
        If there is no such home.
    """
    home = os.path.expanduser(text)  # noqa: PTH111  which takes no text but a path's
    if text.startswith("~") and home == text:
        name = text.partition("/")[0]
        raise BadValueError(
            f"is {text!r}, but {name} is the home of nobody here; write the directory out, or "
            f"./{text} for one of that name"
        )
    return home


def expand(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Replace ``~``, and ``$NAME``, ``${NAME}`` and ``${NAME:-default}``, as a shell does.

    Parameters
    ----------
    text : str
        A path.
    environment : mapping, optional
        By default this process's own.

    Raises
    ------
    ValueError
        If there is no such home or variable.
    """
    variables = os.environ if environment is None else environment

    def value(found: re.Match[str]) -> str:
        known = variables.get(found[1] or found[2])
        known = found[3] if known is None or (found[3] is not None and not known) else known
        if known is None:
            raise BadValueError(
                f"is {text!r}, but {found[0]} is not set here; set it, or write the path out"
            )
        return known

    return _VARIABLE.sub(value, expand_home(text))
