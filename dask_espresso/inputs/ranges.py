"""Ranges of numbers, evenly spaced or so in their logarithm, each number as one would write it."""

from __future__ import annotations

import decimal
import math
from abc import abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, overload

from ..errors import BadValueError, describe, unknown

DIGITS = 12  # significant ones of what is computed: the last of a float differ between machines
EXACT = decimal.Context(prec=25, Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX)
_MOST_WHOLE = 64  # numbers of 64 bits, each at least twice the one before
_KEYS = ("start", "stop", "step", "num", "scale")
RANGE_FORMS = (
    "{start: 0.1, stop: 0.5, step: 0.1}, {start: 0.1, stop: 0.5, num: 5} "
    "or {start: 0.1, stop: 10, num: 3, scale: log}"
)

Number = int | float


class Numbers(Sequence[Number]):
    """Numbers that are computed when they are asked for.

    Parameters
    ----------
    count : int
        How many.
    """

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Number: ...
    @overload
    def __getitem__(self, index: slice) -> list[Number]: ...
    def __getitem__(self, index: int | slice) -> Number | list[Number]:
        if isinstance(index, int) and 0 <= index < self._count:
            return self._number(index)
        places = range(self._count)[index]
        if isinstance(places, range):
            return [self._number(i) for i in places]
        return self._number(places)

    @abstractmethod
    def _number(self, place: int) -> Number:
        """Give the number at a place from 0."""


class Range(Numbers):
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
        super().__init__(count)
        self._whole = whole
        # of whole numbers, over one denominator: the quotient of two is the float that is nearest
        self._over = math.lcm(start.denominator, step.denominator)
        self._first, self._by = int(start * self._over), int(step * self._over)

    def _number(self, place: int) -> Number:
        value = self._first + place * self._by
        return value // self._over if self._whole else value / self._over


class LogRange(Numbers):
    """Numbers of which each is the same multiple of the one before, rounded to 12 digits.

    The first and the last are exact. They are computed in decimals, which are the same everywhere.

    Parameters
    ----------
    start, stop : int or float
        Above 0.
    count : int
        How many numbers.
    """

    def __init__(self, start: Number, stop: Number, count: int) -> None:
        super().__init__(count)
        self._ends = start, stop
        logs = [EXACT.ln(_decimal(end)) for end in self._ends]
        self._log = logs[0]
        self._step = EXACT.divide(EXACT.subtract(logs[1], logs[0]), decimal.Decimal(count - 1 or 1))
        self._whole = self._are_whole()

    @property
    def ratio(self) -> float:
        """Logarithm of the ratio of two neighbours."""
        return float(self._step)

    def _number(self, place: int) -> Number:
        value = self._ends[place > 0] if place in (0, self._count - 1) else self._between(place)
        return int(value) if self._whole else float(value)

    def _between(self, place: int) -> decimal.Decimal:
        log = EXACT.fma(self._step, decimal.Decimal(place), self._log)
        return rounded(EXACT.exp(log))

    def _are_whole(self) -> bool:
        """Say whether all of them are integers, which they are if the ends and the second are."""
        start, stop = self._ends
        if not isinstance(start, int) or not isinstance(stop, int) or self._count > _MOST_WHOLE:
            return False
        second = Fraction(self._between(1)) if self._count > 2 else Fraction(start)
        exact = self._count <= 2 or start * (second / start) ** (self._count - 1) == stop
        return exact and second.denominator == 1


def rounded(value: decimal.Decimal) -> decimal.Decimal:
    """Give the decimal with as many digits as are the same on every machine."""
    return decimal.Context(prec=DIGITS).plus(value)


def _decimal(number: Number) -> decimal.Decimal:
    return decimal.Decimal(str(number))


def many(count: int) -> str:
    """Write a number that may be beyond all measure."""
    return f"{count:,}" if count < 10**18 else "more than 10^18"


def range_of(given: dict[str, Any], most: int) -> Numbers:
    """Give the range that a mapping in a study describes.

    Parameters
    ----------
    given : dict
        With numbers under its keys.
    most : int
        How many values it may have.

    Raises
    ------
    BadValueError
        Says what is wrong with it, and what to write.
    """
    _check_keys(given)
    for key in given.keys() - {"scale"}:
        check_number(given[key], key)
    if given.get("scale", "linear") == "log":
        return _log_range(given, most)
    exact = {key: Fraction(str(given[key])) for key in given.keys() - {"scale"}}
    start, span = exact["start"], exact["stop"] - exact["start"]
    if "num" in given:
        step, count = _spacing(span, given["num"])
    else:
        step = exact["step"]
        count = _steps(span, step)
    _check_count(count, most)
    whole = all(isinstance(given[key], int) for key in exact) and step.denominator == 1
    ends = (abs(float(start)), abs(float(start + (count - 1) * step)))
    if not whole and count > 1 and abs(step) < math.ulp(max(ends)):
        raise BadValueError("has steps too small to tell its values apart; make them larger")
    return Range(start, step, count, whole)


def _check_keys(given: dict[str, Any]) -> None:
    if "value" in given:
        raise BadValueError("has keys beside `value`; remove them, or put them under `value`")
    for key in given:
        if key not in _KEYS:
            said = unknown("key", str(key), (*_KEYS, "value"))
            raise BadValueError(f"{said}; write {RANGE_FORMS}, or {{value: …}} for a constant", key)
    if given.get("scale", "linear") not in ("linear", "log"):
        raise BadValueError(
            f"is {describe(given['scale'])} but must be log or linear; write one of these", "scale"
        )
    if "step" in given and given.get("scale") == "log":
        raise BadValueError("has no meaning with `scale: log`; write `num` in its place", "step")
    if {"start", "stop"} - given.keys() or ("step" in given) == ("num" in given):
        has = ", ".join(given) or "nothing"
        raise BadValueError(f"is a mapping with {has}, which is no range; write {RANGE_FORMS}")


def check_number(number: Any, key: str) -> None:
    """Refuse what is no finite number of a size that simulations can have."""
    if not isinstance(number, int | float) or isinstance(number, bool):
        raise BadValueError(f"is {describe(number)} but must be a number; write one", key)
    check_size(number, key)


def check_size(value: Number, *at: str | int) -> None:
    """Refuse numbers that no simulation can be given."""
    if isinstance(value, float) and not math.isfinite(value):
        raise BadValueError(f"is {value}; write a finite number", *at)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise BadValueError("has more than 64 bits; write it as a float or as text in quotes", *at)


def _check_count(count: int, most: int) -> None:
    if count > most:
        raise BadValueError(f"is a range of {many(count)} values; use fewer, at most {most:,}")


def _log_range(given: dict[str, Any], most: int) -> LogRange:
    for key in ("start", "stop"):
        if given[key] <= 0:
            raise BadValueError(
                f"is {given[key]} but must be above 0 with `scale: log`; write such a number", key
            )
    _, count = _spacing(Fraction(str(given["stop"])) - Fraction(str(given["start"])), given["num"])
    _check_count(count, most)
    found = LogRange(given["start"], given["stop"], count)
    if count > 2 and abs(found.ratio) < 10.0 ** (1 - DIGITS):
        raise BadValueError("has steps too small to tell its values apart; make them larger")
    return found


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
