"""What formulas and conditions of a study compute, without surprises: numbers are real and finite.

Numbers that agree in 12 digits are equal: whether a condition holds does not depend on the last bit
of a float, which differs between machines, 0.1 + 0.2 is 0.3, and floor(0.3 / 0.1) is 3. Whole
numbers are exact.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

from ..errors import describe
from .ranges import DIGITS

_SAME = 10.0**-DIGITS  # relative
_MOST_BITS = 1024  # of a power
_MOST_PLACES = 300  # that a number can be rounded to
_NUMBERS = (int, float)


class UndefinedError(Exception):
    """There is no such value; the message says why."""


def number(value: Any) -> Any:
    """Expect a number."""
    if type(value) not in _NUMBERS:
        raise UndefinedError(f"needs a number where it has {describe(value)}")
    return value


def truth(value: Any) -> bool:
    """Expect true or false."""
    if value is True or value is False:
        return bool(value)
    raise UndefinedError(f"gives {describe(value)} where true or false is needed")


def plain_value(value: Any) -> Any:
    """Give a value that a simulation can be given, floats with as many digits as are sure.

    Examples
    --------
    >>> plain_value(0.1 + 0.2)
    0.3
    """
    if isinstance(value, float):
        return finite(float(f"{value:.{DIGITS}g}"))
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise UndefinedError("is a whole number of more than 64 bits")
    return value


def finite(value: Any) -> Any:
    """Expect a number that is real and finite."""
    if isinstance(value, complex):
        raise UndefinedError("is no real number")
    if isinstance(value, float) and not math.isfinite(value):
        raise UndefinedError("is too large a number")
    return value


def _arithmetic(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def checked(one: Any, other: Any) -> Any:
        if type(one) not in _NUMBERS or type(other) not in _NUMBERS:
            number(one), number(other)
        return finite(operation(one, other))

    return checked


def _power(base: Any, exponent: Any) -> Any:
    """Give a power, as a float where the whole number is beyond all measure."""
    if type(exponent) is int and type(base) is int and base.bit_length() * exponent > _MOST_BITS:
        return float(base) ** exponent
    return base**exponent


def _whole(value: Any, rounded: Callable[[Any], int]) -> int:
    """Round to a whole number, but for what is one already as far as that is sure."""
    nearest = round(value)
    return nearest if math.isclose(value, nearest, rel_tol=_SAME) else rounded(value)


def _floor_division(one: Any, other: Any) -> Any:
    if type(one) is int and type(other) is int:
        return one // other
    return float(_whole(finite(one / other), math.floor))


def _rest(one: Any, other: Any) -> Any:
    """Give what a division leaves, which is 0 where it comes out even as far as that is sure."""
    if type(one) is int and type(other) is int:
        return one % other
    quotient = finite(one / other)
    return 0.0 if math.isclose(quotient, round(quotient), rel_tol=_SAME) else one % other


# ---- comparisons ---------------------------------------------------------------------------------


def _are_same(one: Any, other: Any) -> bool:
    """Say whether numbers, or texts, are equal as far as that is sure; whole numbers are exact."""
    if type(one) is int and type(other) is int:
        return one == other
    if type(one) in _NUMBERS and type(other) in _NUMBERS:
        return one == other or math.isclose(one, other, rel_tol=_SAME)
    return bool(one == other)


def equal(one: Any, other: Any) -> bool:
    """Say whether values are equal; values of different kinds are not."""
    if type(one) is not type(other) and (type(one) not in _NUMBERS or type(other) not in _NUMBERS):
        return False
    return _are_same(one, other)


def _ordered(is_so: Callable[[Any, Any], bool], if_same: bool) -> Callable[[Any, Any], bool]:
    def compare(one: Any, other: Any) -> bool:
        if not (isinstance(one, str) and isinstance(other, str)):
            number(one), number(other)
        if is_so(one, other) is if_same:  # as it would be if they were the same
            return if_same
        return if_same if _are_same(one, other) else not if_same

    return compare


def _rounded(value: Any, places: Any = None) -> Any:
    if places is None:
        return round(value)
    if type(places) is not int or abs(places) > _MOST_PLACES:
        raise UndefinedError(f"rounds to {describe(places)} of places")
    return round(value, places)


# ---- tables --------------------------------------------------------------------------------------

SIGNS: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: _arithmetic(operator.add),
    ast.Sub: _arithmetic(operator.sub),
    ast.Mult: _arithmetic(operator.mul),
    ast.Div: _arithmetic(operator.truediv),
    ast.FloorDiv: _arithmetic(_floor_division),
    ast.Mod: _arithmetic(_rest),
    ast.Pow: _arithmetic(_power),
}
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: equal,
    ast.NotEq: lambda one, other: not equal(one, other),
    ast.Lt: _ordered(operator.lt, False),
    ast.LtE: _ordered(operator.le, True),
    ast.Gt: _ordered(operator.gt, False),
    ast.GtE: _ordered(operator.ge, True),
}
_ANY = 100  # arguments
# the function, and how many arguments it has
FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "sqrt": (math.sqrt, 1, 1),
    "exp": (math.exp, 1, 1),
    "log": (math.log, 1, 1),
    "log10": (math.log10, 1, 1),
    "sin": (math.sin, 1, 1),
    "cos": (math.cos, 1, 1),
    "abs": (abs, 1, 1),
    "min": (min, 2, _ANY),
    "max": (max, 2, _ANY),
    "round": (_rounded, 1, 2),
    "floor": (lambda value: _whole(value, math.floor), 1, 1),
    "ceil": (lambda value: _whole(value, math.ceil), 1, 1),
}
