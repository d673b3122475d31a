"""What is wrong with a value, in plain words: the key, what is there, what to write."""

from __future__ import annotations

from typing import Annotated, Any, get_args, get_origin

import pydantic

from ..errors import BadValueError, describe, unknown
from .plain_yaml import KeyPath

_EXPECTED = {
    "string_type": "must be text; put it in quotes",
    "int_type": "must be a whole number; write one such as 4, without quotes and decimal point",
    "int_from_float": "must be a whole number; write one such as 4, without a decimal point",
    "float_type": "must be a number; write one such as 0.5, without quotes",
    "bool_type": "must be true or false; write one of them, without quotes",
    "list_type": "must be a list; write it as [a, b]",
    "dict_type": "must be a mapping; write `key: value` lines under it",
    "model_type": "must be a mapping; write `key: value` lines under it",
}


def explain(details: Any, model: type[pydantic.BaseModel]) -> tuple[KeyPath, str]:
    """Put one of pydantic's errors into plain words."""
    at: KeyPath = tuple(part for part in details["loc"] if part != "[key]")
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    wrong = context.get("error")
    if isinstance(wrong, BadValueError):
        return (*at, *wrong.at), str(wrong)
    if kind == "extra_forbidden":
        return at, unknown("key", str(at[-1]), _known_keys(model, at[:-1]))
    if kind == "missing":
        return at, f"is missing; add a line `{at[-1]}: …`"
    if kind in _EXPECTED:
        if kind == "int_type" and isinstance(value, str) and not value.strip().isdigit():
            return at, f"is {describe(value)} but must be a whole number; write one such as 4"
        return at, f"is {describe(value)} but {_EXPECTED[kind]}"
    if kind == "literal_error":
        return at, f"is {describe(value)} but must be {context['expected']}; write one of these"
    limits = {"greater_than_equal": ("ge", "least"), "less_than_equal": ("le", "most")}
    if kind in limits:
        name, bound = limits[kind]
        return at, f"is {value} but must be at {bound} {context[name]}; write such a number"
    return at, f"{wrong or details['msg']}; correct it"


def _known_keys(model: type[pydantic.BaseModel], at: KeyPath) -> list[str]:
    """Name the keys that the model has at a place."""
    kind: Any = model
    for part in at:
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
        elif isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
            kind = kind.model_fields[str(part)].annotation
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
    return list(kind.model_fields)
