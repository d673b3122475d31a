"""Points that are drawn from a space: the same ones on every machine, and in every version.

What is drawn is taken as it comes from generators whose bits are documented not to change: Philox
of numpy, and Sobol's sequence, which scipy has. Each parameter has a seed of its own, made of its
name, so that it is drawn in the same way beside others.
"""

from __future__ import annotations

import decimal
import functools
import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import BadValueError, describe, unknown
from .overlap import Places
from .ranges import EXACT, check_number, rounded

_KEYS = ("method", "num", "parameters", "seed")
_METHODS = ("lhs", "random", "sobol")
_RANGE_KEYS = ("high", "integer", "low", "scale")
_FORMS = "{low: 0.1, high: 10, scale: log}, {low: 1, high: 9, integer: true} or {choices: [a, b]}"
_PIECE = 1 << 10  # points that are drawn together: a power of two, as Sobol's sequence wants it
_KEPT = 64  # pieces whose values are kept, of each parameter
_SOBOL_BITS = 30  # of which scipy's has that many points


def checked_sample(given: Any) -> Any:
    """Give what stands under ``sample`` with all of its keys.

    Raises
    ------
    BadValueError
        Says what cannot be used, and what to write.
    """
    if not isinstance(given, dict):
        form = "{method: sobol, num: 64, parameters: {x: {low: 0, high: 1}}}"
        raise BadValueError(f"is {describe(given)} but must be a mapping; write {form}")
    for key in given:
        if key not in _KEYS:
            raise BadValueError(unknown("key", str(key), _KEYS), key)
    method = given.get("method", "sobol")
    if method not in _METHODS:
        said = f"is {describe(method)} but must be {', '.join(_METHODS)}; write one of them"
        raise BadValueError(said, "method")
    for key, least in (("num", 1), ("seed", 0)):
        if key not in given and key == "num":
            raise BadValueError("needs `num`; write how many points, such as num: 64")
        number = given.get(key, 0)
        if type(number) is not int or not least <= number < 2**63:
            said = f"is {describe(number)} but must be a whole number from {least}; write one"
            raise BadValueError(said, key)
    parameters = given.get("parameters")
    if not isinstance(parameters, dict) or not parameters:
        raise BadValueError(f"needs `parameters`; write under it NAME: {_FORMS}")
    for name, space in parameters.items():
        try:
            _check_space(space)
        except BadValueError as error:
            raise BadValueError(str(error), "parameters", name, *error.at) from None
    return {"method": method, "num": given["num"], "seed": given.get("seed", 0),
            "parameters": parameters}  # fmt: skip


def _check_space(space: Any) -> None:
    if not isinstance(space, dict):
        raise BadValueError(f"is {describe(space)} but must be a mapping; write {_FORMS}")
    if "choices" in space:
        if not isinstance(space["choices"], list) or not space["choices"]:
            raise BadValueError("must be a list of values; write {choices: [a, b]}", "choices")
        if len(space) > 1:
            raise BadValueError("has keys beside `choices`; remove them")
        return
    for key in space:
        if key not in _RANGE_KEYS:
            raise BadValueError(unknown("key", str(key), (*_RANGE_KEYS, "choices")), key)
    for key in ("low", "high"):
        if key not in space:
            raise BadValueError(f"has no `{key}`; write {_FORMS}")
        check_number(space[key], key)
    _check_range(space)


def _check_range(space: dict[str, Any]) -> None:
    low, high, is_log = space["low"], space["high"], space.get("scale") == "log"
    if type(space.get("integer", False)) is not bool:
        raise BadValueError("must be true or false; write one of them", "integer")
    if space.get("scale", "linear") not in ("linear", "log"):
        said = f"is {describe(space['scale'])} but must be log or linear; write one of these"
        raise BadValueError(said, "scale")
    if space.get("integer") and not (isinstance(low, int) and isinstance(high, int)):
        raise BadValueError("needs whole numbers as `low` and `high`; write them", "integer")
    if not low < high:
        raise BadValueError(f"is {high}, not above `low`, which is {low}; raise it", "high")
    if is_log and low <= 0:
        raise BadValueError(f"is {low} but must be above 0 with `scale: log`; raise it", "low")
    if not math.isfinite(float(high) - float(low)):
        raise BadValueError("is too far above `low`; lower it", "high")


def columns_of(sample: dict[str, Any]) -> dict[str, Sequence[Any]]:
    """Give the values of each parameter of a sample, drawn when they are asked for."""
    draws = {"sobol": _sobol, "random": _random, "lhs": _latin}[sample["method"]](sample)
    return {
        name: _Drawn(sample["num"], _value_of(sample["parameters"][name]), draw)
        for name, draw in draws.items()
    }


def may_repeat(sample: dict[str, Any]) -> bool:
    """Say whether points may be there twice."""
    spaces = sample["parameters"].values()
    fine = sum("choices" not in space and not space.get("integer") for space in spaces)
    return bool(fine < 1 + (sample["method"] == "random"))


class _Drawn(Sequence[Any]):
    """Values that are made of numbers from 0 to 1, in pieces."""

    def __init__(self, count: int, value: Callable[[float], Any], draw: Any) -> None:
        self._count, self._value = count, value
        self._draw = draw
        self._piece = functools.lru_cache(maxsize=_KEPT)(self._drawn)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        places = range(self._count)[index]
        if isinstance(places, range):
            return [self[place] for place in places]
        piece, place = divmod(places, _PIECE)
        return self._piece(piece)[place]

    def _drawn(self, piece: int) -> list[Any]:
        size = min(_PIECE, self._count - piece * _PIECE)
        return [self._value(at) for at in self._draw(piece)[:size].tolist()]


def _value_of(space: dict[str, Any]) -> Callable[[float], Any]:
    """Give what makes a value of a number from 0 to 1."""
    if "choices" in space:
        choices = [_plain(value) for value in space["choices"]]
        return lambda at: choices[int(at * len(choices))]
    low, high = space["low"], space["high"]
    if space.get("integer"):
        if space.get("scale") == "log":
            return lambda at: min(int(_log_between(low, high + 1, at)), high)
        return lambda at: low + int(at * (high - low + 1))
    if space.get("scale") == "log":
        return lambda at: float(_log_between(low, high, at))
    return lambda at: float(rounded(decimal.Decimal(low + at * (high - low))))


def _plain(value: Any) -> Any:
    return value["value"] if isinstance(value, dict) and value.keys() == {"value"} else value


@functools.lru_cache(maxsize=64)
def _logs(low: float, high: float) -> tuple[decimal.Decimal, decimal.Decimal]:
    ends = [EXACT.ln(decimal.Decimal(str(end))) for end in (low, high)]
    return ends[0], EXACT.subtract(ends[1], ends[0])


def _log_between(low: float, high: float, at: float) -> decimal.Decimal:
    first, span = _logs(low, high)
    return rounded(EXACT.exp(EXACT.fma(span, decimal.Decimal(at), first)))


# ---- what is drawn -------------------------------------------------------------------------------


def _key(sample: dict[str, Any], *what: str) -> int:
    text = "\0".join([str(sample["seed"]), *what])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")


def _uniform(key: int, start: int, count: int) -> Places:
    """Give random numbers from 0 to 1, those from a place on that is a multiple of four."""
    generator = np.random.Philox(key=key).advance(start // 4)
    return (generator.random_raw(count) >> np.uint64(11)) * 2.0**-53


def _random(sample: dict[str, Any]) -> dict[str, Any]:
    """Each number by chance."""

    def draws(name: str) -> Any:
        key = _key(sample, "random", name)
        return lambda piece: _uniform(key, piece * _PIECE, _PIECE)

    return {name: draws(name) for name in sample["parameters"]}


def _sobol(sample: dict[str, Any]) -> dict[str, Any]:
    """Points that fill the space evenly: Sobol's, with random bits turned over in each."""
    names = list(sample["parameters"])
    sequence = functools.lru_cache(maxsize=4)(functools.partial(_sobol_bits, len(names)))

    def draws(number: int, name: str) -> Any:
        turned = _key(sample, "sobol", name) % 2**_SOBOL_BITS
        # in the middle of its cell
        return lambda piece: ((sequence(piece)[:, number] ^ turned) + 0.5) * 2.0**-_SOBOL_BITS

    return {name: draws(number, name) for number, name in enumerate(names)}


def _sobol_bits(n_dimensions: int, piece: int) -> Places:
    """Give a piece of Sobol's sequence: the first one, with all bits turned that its number turns.

    The point of number 5 is, bit by bit, that of 4 or else that of 1: so is each of higher numbers.
    """
    bits = _sobol_from(n_dimensions, 0)
    for power in range(piece.bit_length()):
        if piece >> power & 1:
            bits = bits ^ _sobol_from(n_dimensions, _PIECE << power)[0]
    return bits


@functools.lru_cache(maxsize=64)
def _sobol_from(n_dimensions: int, number: int) -> Places:
    """Give the points from a number on, which is 0 or a power of two."""
    from scipy.stats import qmc  # which takes long to import

    engine = qmc.Sobol(n_dimensions, scramble=False)
    if number:
        engine.fast_forward(number)
    points = engine.random(1 if number else _PIECE)
    return np.asarray(np.floor(points * 2.0**_SOBOL_BITS), np.int64)


def _latin(sample: dict[str, Any]) -> dict[str, Any]:
    """As many layers as points, each with one point, for each parameter in an order of its own."""
    count = sample["num"]

    def draws(name: str) -> Any:
        @functools.cache
        def layers() -> Places:
            order = np.argsort(_uniform(_key(sample, "order", name), 0, count), kind="stable")
            return order.astype(np.uint32)

        key = _key(sample, "place", name)

        def draw(piece: int) -> Places:
            inside = _uniform(key, piece * _PIECE, _PIECE)
            mine = layers()[piece * _PIECE : (piece + 1) * _PIECE]
            return np.asarray((mine + inside[: len(mine)]) / count)

        return draw

    return {name: draws(name) for name in sample["parameters"]}
