"""Parameters of a study: constants, lists and ranges, and the values that they come to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, overload

from ..errors import BadValueError, describe, unknown
from ..identity import canonical_json

MAX_SIMULATIONS = 10_000_000
_RESERVED = {"replica": "replicas", "seed": "seed"}  # the driver hands these to every script
_RANGE_FORMS = "{start: 0.1, stop: 0.5, step: 0.1} or {start: 0.1, stop: 0.5, num: 5}"


class Range(Sequence[int | float]):
    """Evenly spaced numbers, each the one nearest to its exact decimal.

    Parameters
    ----------
    start, step : Fraction
        Exact.
    count : int
        How many numbers.
    whole : bool
        Whether they are integers.
    """

    def __init__(self, start: Fraction, step: Fraction, count: int, whole: bool) -> None:
        self._count, self._whole = count, whole
        # of whole numbers, over one denominator: the quotient of two is the float that is nearest
        self._over = math.lcm(start.denominator, step.denominator)
        self._first, self._by = int(start * self._over), int(step * self._over)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> int | float: ...
    @overload
    def __getitem__(self, index: slice) -> list[int | float]: ...
    def __getitem__(self, index: int | slice) -> int | float | list[int | float]:
        places = range(self._count)[index]
        if isinstance(places, range):
            return [self[i] for i in places]
        value = self._first + places * self._by
        return value // self._over if self._whole else value / self._over


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
        return _range(value)
    _check_constant(value["value"] if isinstance(value, dict) else value)
    return None


def constant(value: Any) -> Any:
    """Give the value of a constant, however it is written."""
    return value["value"] if isinstance(value, dict) else value


def _listed(values: list[Any]) -> list[Any]:
    if not values:
        raise BadValueError("is an empty list; list the values, as in [0.1, 0.2]")
    first: dict[str, int] = {}
    for i, value in enumerate(values):
        if isinstance(value, list) or (isinstance(value, dict) and value.keys() != {"value"}):
            raise BadValueError(
                f"is {describe(value)} inside a list of values; write "
                "{value: …} around it if the script shall get it as it is",
                i,
            )
        _check_constant(constant(value))
        if first.setdefault(canonical_json(constant(value)), i) != i:
            raise BadValueError(f"has the value {constant(value)!r} twice; list it once")
    return [constant(value) for value in values]


def many(count: int) -> str:
    """Write a number that may be beyond all measure."""
    return f"{count:,}" if count < 10**18 else "more than 10^18"


def _range(given: dict[str, Any]) -> Range:
    if "value" in given:
        raise BadValueError("has keys beside `value`; remove them, or put them under `value`")
    for key in given:
        if key not in ("start", "stop", "step", "num"):
            said = unknown("key", str(key), ("start", "stop", "step", "num", "value"))
            raise BadValueError(
                f"{said}; write {_RANGE_FORMS}, or {{value: …}} for a constant", key
            )
    if {"start", "stop"} - given.keys() or ("step" in given) == ("num" in given):
        has = ", ".join(given) or "nothing"
        raise BadValueError(f"is a mapping with {has}, which is no range; write {_RANGE_FORMS}")
    for key, number in given.items():
        if not isinstance(number, int | float) or isinstance(number, bool):
            raise BadValueError(f"is {describe(number)} but must be a number; write one", key)
        _check_constant(number, key)
    exact = {key: Fraction(str(number)) for key, number in given.items()}
    start, span = exact["start"], exact["stop"] - exact["start"]
    if "num" in given:
        step, count = _spacing(span, given["num"])
    else:
        step = exact["step"]
        count = _steps(span, step)
    if count > MAX_SIMULATIONS:
        raise BadValueError(
            f"is a range of {many(count)} values; use fewer, at most {MAX_SIMULATIONS:,}"
        )
    whole = all(isinstance(given[key], int) for key in given) and step.denominator == 1
    ends = (abs(float(start)), abs(float(start + (count - 1) * step)))
    if not whole and count > 1 and abs(step) < math.ulp(max(ends)):
        raise BadValueError("has steps too small to tell its values apart; make them larger")
    return Range(start, step, count, whole)


def _spacing(span: Fraction, num: Any) -> tuple[Fraction, int]:
    if not isinstance(num, int) or num < 1:
        raise BadValueError(f"is {num} but must be a whole number from 1; write such a one", "num")
    if (num == 1) != (span == 0):
        raise BadValueError(
            "does not fit: one value needs start = stop, more need them different; change it", "num"
        )
    return (span / (num - 1) if span else Fraction(1)), num


def _steps(span: Fraction, step: Fraction) -> int:
    if step == 0:
        raise BadValueError("is 0; write how far two values are apart", "step")
    if span / step < 0:
        raise BadValueError(
            "goes away from stop, so that the range is empty; change its sign", "step"
        )
    return span // step + 1


def _check_constant(value: Any, *at: str | int) -> None:
    """Refuse what has no place in a simulation's parameters."""
    if isinstance(value, float) and not math.isfinite(value):
        raise BadValueError(f"is {value}; write a finite number", *at)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise BadValueError("has more than 64 bits; write it as a float or as text in quotes", *at)
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
        try:
            swept_values(value)
        except BadValueError as error:
            raise BadValueError(str(error), name, *error.at) from None
    return parameters
