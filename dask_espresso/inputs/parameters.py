"""Parameters of a study: constants, lists and ranges, and the values that they come to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import BadValueError, describe
from ..identity import canonical_json
from .ranges import Numbers, check_size, range_of

MAX_SIMULATIONS = 10_000_000
_RESERVED = {"replica": "replicas", "seed": "seed"}  # the driver hands these to every script


def swept_values(value: Any) -> Sequence[Any] | None:
    """Give the values that a parameter goes through, or None for a constant.

    Parameters
    ----------
    value
        As in a study: a list or a range is swept, anything else is constant.

    Raises
    ------
    ValueError
        If it is none of the forms that a parameter may have.
    """
    if isinstance(value, list):
        return _listed(value)
    if isinstance(value, dict) and value.keys() != {"value"}:
        return range_of(value, MAX_SIMULATIONS)
    _check_constant(value["value"] if isinstance(value, dict) else value)
    return None


def constant(value: Any) -> Any:
    """Give the value of a constant, however it is written."""
    return value["value"] if isinstance(value, dict) else value


def _listed(values: list[Any]) -> list[Any]:
    if not values:
        raise BadValueError("is an empty list; list the values, as in [0.1, 0.2]")
    return [listed_value(value, i) for i, value in enumerate(values)]


def listed_value(value: Any, *at: str | int) -> Any:
    """Give one of the values that a parameter goes through, as the script gets it."""
    if isinstance(value, list) or (isinstance(value, dict) and value.keys() != {"value"}):
        raise BadValueError(
            f"is {describe(value)} inside a list of values; write "
            "{value: …} around it if the script shall get it as it is",
            *at,
        )
    _check_constant(constant(value))
    return constant(value)


def check_different(values: Sequence[Any]) -> None:
    """Refuse a value that is there twice, where all are combined with all others."""
    if isinstance(values, Numbers):
        return
    seen = set()
    for value in values:
        if (text := canonical_json(value)) in seen:
            raise BadValueError(f"has the value {value!r} twice; list it once")
        seen.add(text)


def _check_constant(value: Any, *at: str | int) -> None:
    """Refuse what has no place in a simulation's parameters."""
    if isinstance(value, int | float):
        check_size(value, *at)
    if isinstance(value, str) and "\0" in value:
        raise BadValueError("holds a null character; remove it", *at)
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise BadValueError(f"has the key {key!r}, which is not text; put it in quotes")
            _check_constant(item, *at)
    elif isinstance(value, list):
        for item in value:
            _check_constant(item, *at)
    elif not isinstance(value, str | int | float | None):
        raise BadValueError(
            f"is a {type(value).__name__}; give numbers, text, true, false, lists and dicts", *at
        )


def checked_parameters(parameters: Any) -> Any:
    """Give parameters as they are, if all of them can be used.

    Raises
    ------
    BadValueError
        Says which cannot, and why.
    """
    if parameters is None:  # a key with everything below it commented out
        return {}
    if not isinstance(parameters, dict):
        return parameters
    for name, value in parameters.items():
        check_name(name)
        try:
            swept_values(value)
        except BadValueError as error:
            raise BadValueError(str(error), name, *error.at) from None
    return parameters


def check_name(name: Any) -> None:
    """Refuse what cannot name a parameter."""
    if not isinstance(name, str) or not name:
        raise BadValueError("has a parameter without a name; write `name: value`")
    if name in _RESERVED:
        raise BadValueError(
            "is what every script gets from the study itself; "
            f"set `{_RESERVED[name]}` beside `parameters`, not inside",
            name,
        )
    if "/" in name or not name.isprintable():
        raise BadValueError("has '/' or a control character in its name; rename it", name)
