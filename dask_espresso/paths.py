"""Paths, as people write them in files that no shell reads."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import BadValueError

_VARIABLE = re.compile(r"\$(?:\$|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::-([^{}]*))?\})", re.ASCII)
_AS_IT_IS = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH")  # whose entries need not be there


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
    """Replace ``~``, and ``$NAME``, ``${NAME}`` and ``${NAME:-default}``, as a shell; ``$$`` is $.

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
        if found[0] == "$$":
            return "$"
        known = variables.get(found[1] or found[2])
        known = found[3] if known is None or (found[3] is not None and not known) else known
        if known is None:
            raise BadValueError(
                f"is {text!r}, but {found[0]} is not set here; set it, write the path out, or "
                "$$ for a dollar sign"
            )
        return known

    return _VARIABLE.sub(value, expand_home(text))


def expand_setting(name: str, value: str, environment: Mapping[str, str]) -> str:
    """Replace ``~`` and variables in an environment variable of the user's.

    Parameters
    ----------
    name, value : str
        The variable; ``$NAME`` in it is what it was before, if it was set at all.
    environment : mapping
        The other ones.

    Raises
    ------
    ValueError
        If one is not set.
    """
    is_extended = re.search(rf"\$(\{{{name}\}}|{name}\b)", value)
    text = expand("./" + value, {name: "", **environment})[2:]
    entries = [os.path.expanduser(entry) for entry in text.split(os.pathsep)]  # noqa: PTH111
    joined = os.pathsep.join(entries)
    return joined.strip(os.pathsep) if is_extended else joined


def absolute_entries(name: str, value: str, directory: str) -> str:
    """Give a list of paths, such as ``PYTHONPATH``, that means the same in any directory.

    Parameters
    ----------
    name, value : str
        An environment variable. An empty entry of PYTHONPATH is the directory.
    directory : str
        Where its relative entries begin.
    """
    entries = value.split(os.pathsep)
    if name == "PYTHONPATH":
        entries = [entry or "." for entry in entries] if value else []
    for i, entry in enumerate(entries):
        path = os.path.normpath(Path(directory) / entry)
        if entry and not Path(entry).is_absolute() and (name in _AS_IT_IS or Path(path).exists()):
            entries[i] = path
    return os.pathsep.join(entries)


def located(word: str, directories: Sequence[str | Path]) -> str:
    """Give a word of a command absolute, if it is a path from one of these directories.

    Parameters
    ----------
    word : str
        May have a path behind ``=``, or be ``path:more``.
    directories : sequence of path
        The first one that has it counts.
    """
    option, sign, path = word.rpartition("=") if word.startswith("-") else ("", "", word)
    first, colon, rest = path.partition(":")
    if first and not Path(first).is_absolute():
        for directory in directories:
            found = Path(directory) / first
            if found.exists() if "/" in first or first in (".", "..") else found.is_file():
                return f"{option}{sign}{os.path.normpath(found.absolute())}{colon}{rest}"
    return word
