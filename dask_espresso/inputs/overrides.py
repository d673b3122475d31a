"""Parameters that are replaced for a quick look, with --set."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

from ..errors import InputError, unknown
from .document import Document
from .plain_yaml import KeyPath, dotted


def with_override(document: Document, name: str, text: str, keys: Container[str]) -> Document:
    """Give a study's document with one of its `parameters` replaced.

    Parameters
    ----------
    document : Document
    name : str
        Of the parameter.
    text : str
        Its value, as it would be written in the file.
    keys : container of str
        What a study has beside its parameters.

    Raises
    ------
    InputError
        If there is no such parameter, or it is not given under `parameters` alone.
    """
    origin = f"--set {name}={text}"
    parameters = document.data.get("parameters")
    known = parameters if isinstance(parameters, dict) else {}
    for at in _elsewhere(document.data, name):
        raise InputError(
            f"{origin}: `{name}` is given by `{dotted(at)}`, and --set replaces what stands under "
            f"`parameters`; change it there ({document.place(at)}), or in a copy"
        )
    if name in keys and name not in known:
        line = document.line_of((name,))
        place = f"{document.path}:{line}" if line else str(document.path)
        raise InputError(
            f"{origin}: `{name}` is a key of the study, not one of its parameters; "
            f"write `{name}: {text}` into {place}, or into a copy"
        )
    if name not in known:
        raise InputError(f"{origin}: {unknown('parameter', name, known)} (in {document.path})")
    if not text.strip():
        raise InputError(f"{origin}: has no value; write --set {name}=VALUE")
    return document.set(("parameters", name), text, origin)


def _elsewhere(data: dict[str, Any], name: str) -> Iterator[KeyPath]:
    """Give the places beside `parameters` that give a parameter."""
    if name in _mapping(data.get("derived")):
        yield "derived", name
    blocks = data.get("blocks")
    yield from _given_by({key: data.get(key) for key in ("points", "sample")}, name, ())
    for i, block in enumerate(blocks if isinstance(blocks, list) else ()):
        if name in _mapping(block):
            yield "blocks", i, name
        yield from _given_by(_mapping(block), name, ("blocks", i))


def _given_by(block: dict[str, Any], name: str, at: KeyPath) -> Iterator[KeyPath]:
    points = block.get("points")
    if name in _mapping(points[0] if isinstance(points, list) and points else points):
        yield *at, "points"
    if name in _mapping(_mapping(block.get("sample")).get("parameters")):
        yield *at, "sample", "parameters", name


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
