"""Where results come from, of a script that does not hand them over itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from ..errors import BadValueError, describe, unknown
from .templates import names_in

_KINDS = ("file", "stdout", "log")
_KEYS = {"file": ("columns", "axis", "texts", "pattern"), "stdout": ("texts",), "log": ("texts",)}
_WITH_TEXTS = (".json", ".yaml", ".yml")
_DATA = (".json", ".yaml", ".yml", ".npz", ".npy")
_TABLES = (".csv", ".tsv", ".dat", ".txt", ".xvg", ".out", "")
_FORM = (
    "write a file such as result.json, {file: rdf.dat, columns: [r, g]}, {stdout: last}, "
    "{log: 'energy = (?P<energy>.*)'}, or several of these, each with a name"
)


@dataclass(frozen=True)
class Source:
    """One place that results come from.

    Attributes
    ----------
    name : str
        What a value is called that has no name itself; empty where that is not said.
    kind : str
        ``file``; ``stdout``, the last line on it; ``log``, what a pattern finds in all that is
        printed.
    file : str
        Its path in the simulation's directory, with names in braces.
    columns : tuple of str
        Of a table: which of those in its header, or names for all.
    axis : str
        The column along which the others stand; empty where there is none.
    texts : tuple of str
        Results that are no numbers, whatever they look like.
    pattern : str
        A regular expression with named groups, for one line.
    """

    name: str
    kind: str
    file: str = ""
    columns: tuple[str, ...] = ()
    axis: str = ""
    texts: tuple[str, ...] = ()
    pattern: str = ""

    @property
    def suffix(self) -> str:
        """What the file's name ends in, in small letters."""
        return PurePath(self.file).suffix.lower()

    @property
    def known_names(self) -> tuple[str, ...]:
        """The names of results, as far as the study says them."""
        return self.columns or tuple(re.compile(self.pattern).groupindex)

    def __str__(self) -> str:
        if self.kind == "stdout":
            return "last line of standard output"
        return self.file if self.kind == "file" else f"{self.kind} of {self.pattern!r}"


def sources_of(collect: Any) -> tuple[Source, ...]:
    """Give the places that results come from, as a study says them.

    Raises
    ------
    BadValueError
        Says which cannot be used, and why.
    """
    if isinstance(collect, dict) and not set(_KINDS) & set(collect):
        if not collect:
            raise BadValueError(f"names nothing; {_FORM}")
        sources = tuple(_named(name, given) for name, given in collect.items())
    else:
        sources = (_source("", collect),)
    first: dict[str, str] = {}
    for source in sources:
        for name in source.known_names:
            if name in first:
                raise BadValueError(
                    f"has the result {name!r} twice; name it otherwise in one place",
                    *((source.name,) if source.name else ()),
                )
            first[name] = source.name
    return sources


def _named(name: Any, given: Any) -> Source:
    if not isinstance(name, str) or not name:
        raise BadValueError(f"has the key {name!r}, which is no name; put it in quotes")
    try:
        return _source(name, given)
    except BadValueError as error:
        raise BadValueError(str(error), name, *error.at) from None


def _source(name: str, given: Any) -> Source:
    """Make one source of what a study says."""
    if isinstance(given, str):
        given = {"file": given}
    if not isinstance(given, dict):
        raise BadValueError(f"is {describe(given)}; {_FORM}")
    kinds = [kind for kind in _KINDS if kind in given]
    if len(kinds) != 1:
        raise BadValueError(f"names {' and '.join(kinds) or 'no file'}; {_FORM}")
    kind = kinds[0]
    for key in given:
        if key not in (kind, *_KEYS[kind]):
            raise BadValueError(unknown("key", str(key), (kind, *_KEYS[kind])), str(key))
    lists = {key: _names(given[key], key) for key in ("columns", "texts") if key in given}
    text = {key: _text(given[key], key) for key in (kind, "pattern", "axis") if key in given}
    if kind == "log":
        text["pattern"] = text.pop("log")
    file, pattern, axis = (text.get(key, "") for key in ("file", "pattern", "axis"))
    source = Source(name, kind, file, axis=axis, pattern=pattern, **lists)
    _check(source, text)
    return source


def _check(source: Source, text: dict[str, str]) -> None:
    """Refuse a source that nothing can come of."""
    if source.kind == "stdout" and text["stdout"] != "last":
        raise BadValueError(
            f"is {describe(text['stdout'])} but must be last, for the last line; a pattern for "
            "what is printed goes into {log: PATTERN}",
            "stdout",
        )
    if "pattern" in text:
        _check_pattern(source.pattern, "log" if source.kind == "log" else "pattern")
        if source.columns:
            raise BadValueError("is of tables; a pattern names its groups; remove it", "columns")
    elif source.kind == "file":
        _check_format(source)
    if source.axis and source.axis not in source.columns:
        said = unknown("column", source.axis, source.columns)
        raise BadValueError(
            f"{said}; write `columns: […]` with the axis and what is along it", "axis"
        )
    if source.kind == "file":
        _check_path(source.file)
    if source.known_names and not set(source.texts) <= set(source.known_names):
        name = next(name for name in source.texts if name not in source.known_names)
        raise BadValueError(unknown("result", name, source.known_names), "texts")


def _check_pattern(pattern: str, key: str) -> None:
    try:
        groups = re.compile(pattern).groupindex
    except (re.error, RecursionError, OverflowError) as error:
        raise BadValueError(f"is no regular expression ({error}); correct it", key) from None
    if not groups:
        raise BadValueError("names no result; write a group such as (?P<energy>\\S+)", key)


def _check_format(source: Source) -> None:
    is_table = bool(source.columns or source.texts)
    for key in ("columns", "texts"):
        if source.suffix in _DATA and getattr(source, key):
            if key == "texts" and source.suffix in _WITH_TEXTS:
                continue
            raise BadValueError(f"are of tables, not of {source.suffix}; remove them", key)
    if source.suffix not in (*_DATA, *_TABLES) and not is_table:
        raise BadValueError(
            f"is a {source.suffix}, which is not known; write {', '.join(_DATA)}, a table such as "
            ".csv or .dat, `columns: […]` for any other table, or `pattern: …`",
            "file",
        )


def _check_path(file: str) -> None:
    for name in names_in(file):
        if name == "directory":
            raise BadValueError("is there already: files are looked for in {directory}", "file")
    path = PurePath(file)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise BadValueError(
            f"is {describe(file)}; write a path in the simulation's own directory", "file"
        )


def _names(value: Any, key: str) -> tuple[str, ...]:
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not given:
        raise BadValueError(f"is {describe(value)}; write a list of names such as [r, g]", key)
    for i, name in enumerate(given):
        if not isinstance(name, str) or not name:
            raise BadValueError(f"is {describe(name)}; write a name, in quotes", key, i)
        if name in given[:i]:
            raise BadValueError(f"has {name!r} twice; name each once", key)
    return tuple(given)


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise BadValueError(f"is {describe(value)} but must be text; put it in quotes", key)
    return value
