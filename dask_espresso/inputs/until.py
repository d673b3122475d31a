"""How well results are to be known: targets as a study writes them, and as the driver has them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import BadValueError, describe, unknown

_PERCENT = re.compile(r"(\d+\.?\d*(?:[eE][-+]?\d+)?) ?%", re.ASCII)
_KINDS = ("absolute", "relative")
_COUNTS = {"minimum": 4, "maximum": 64}
_FORM = "{relative: 0.5 %} or {absolute: 0.01}"


class Target(NamedTuple):
    """How well a result is to be known: one standard error of the mean of a point's replicas.

    Attributes
    ----------
    result : str
        Its name.
    error : float
        In the unit of the result, or as a part of its mean.
    is_relative : bool
        Whether it is the latter.
    """

    result: str
    error: float
    is_relative: bool


@dataclass(frozen=True)
class Until:
    """When a point has enough replicas.

    Attributes
    ----------
    targets : tuple of Target
        All of which are to be met.
    minimum, maximum : int
        Replicas of a point.
    """

    targets: tuple[Target, ...]
    minimum: int
    maximum: int


def checked_until(given: Any) -> dict[str, Any]:
    """Give targets in one way of writing, if all of them can be used.

    Parameters
    ----------
    given
        As in a study: ``{pressure: {relative: 0.5 %}, replicas: {minimum: 4, maximum: 64}}``.

    Returns
    -------
    dict
        The same with numbers for percentages and with both counts; of such a one itself.

    Raises
    ------
    BadValueError
        Says what cannot be used, and why.
    """
    if not isinstance(given, dict):
        raise BadValueError(f"is {describe(given)} but must be a mapping; write RESULT: {_FORM}")
    targets = {name: _target(name, t) for name, t in given.items() if name != "replicas"}
    if not targets:
        raise BadValueError(f"names no result; write RESULT: {_FORM} under it")
    return {**targets, "replicas": _counts(given.get("replicas", {}))}


def until_of(checked: dict[str, Any]) -> Until:
    """Give what :func:`checked_until` gave as the driver has it."""
    targets = (
        Target(name, error, kind == "relative")
        for name, target in checked.items()
        if name != "replicas"
        for kind, error in target.items()
    )
    return Until(tuple(targets), **checked["replicas"])


def _target(name: Any, given: Any) -> dict[str, float]:
    if not isinstance(name, str) or not name:
        raise BadValueError(f"has the key {name!r}, which names no result; put it in quotes")
    if not isinstance(given, dict):
        raise BadValueError(f"is {describe(given)} but must be a mapping; write {_FORM}", name)
    for kind in given:
        if kind not in _KINDS:
            raise BadValueError(f"{unknown('key', str(kind), _KINDS)}; write {_FORM}", name, kind)
    if len(given) != 1:
        raise BadValueError(f"needs one target; write {_FORM}", name)
    ((kind, error),) = given.items()
    return {kind: _error(error, name, kind)}


def _error(given: Any, name: str, kind: str) -> float:
    """Give a target as a number, whether or not it is written in percent."""
    error = given
    if kind == "relative" and isinstance(given, str) and (percent := _PERCENT.fullmatch(given)):
        error = float(percent[1]) / 100
    if not isinstance(error, int | float) or isinstance(error, bool):
        such = "0.5 % or 0.005" if kind == "relative" else "0.01, in the unit of the result"
        raise BadValueError(f"is {describe(given)} but must be a number such as {such}", name, kind)
    if not 0 < error < math.inf or (kind == "relative" and error >= 1):
        bounds = "above 0 and below 100 %" if kind == "relative" else "above 0"
        raise BadValueError(f"is {given} but must be {bounds}; write such a number", name, kind)
    return float(error)


def _counts(given: Any) -> dict[str, int]:
    if not isinstance(given, dict):
        raise BadValueError(
            f"is {describe(given)} but must be a mapping; write {{minimum: 4, maximum: 64}}",
            "replicas",
        )
    for key, count in given.items():
        if key not in _COUNTS:
            raise BadValueError(unknown("key", str(key), _COUNTS), "replicas", key)
        if not isinstance(count, int) or isinstance(count, bool):
            said = f"is {describe(count)} but must be a whole number; write one such as 4"
            raise BadValueError(said, "replicas", key)
        if count < 1:
            said = f"is {count} but must be at least 1; write such a number"
            raise BadValueError(said, "replicas", key)
    counts = {**_COUNTS, **given}
    if "minimum" not in given:
        counts["minimum"] = min(counts["minimum"], counts["maximum"])
    if counts["minimum"] > counts["maximum"]:
        said = f"is {counts['maximum']}, less than the minimum of {counts['minimum']}; raise it"
        raise BadValueError(said, "replicas")
    return counts
