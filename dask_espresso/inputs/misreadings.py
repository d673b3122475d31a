"""Values of YAML files that look like something else than what they are read as."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from ..errors import BadValueError

_TRUTHS = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false",
           "false": "false", "null": "null", "none": "null"}  # fmt: skip
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?", re.ASCII)
_OTHER_NUMBERS = re.compile(r"\d+(:[0-5]?\d)+(\.\d+)?|0[bBoOxX][\da-fA-F]+|[-+]?[\d.]+ ?%", re.A)
_FORMULA = re.compile(r"(?=.*\d)[-+.\d\seE()]+[*/^][-+.\d\seE()*/^]+", re.ASCII)
# as in Python, MATLAB, Fortran and shells
_RANGE = re.compile(
    r"(np\.|numpy\.)?(range|arange|linspace|logspace|geomspace)\(.*\)"
    r"|[-+.\deE]+(:[-+.\deE]+){1,2}|[-+.\deE]*\d\.\.\.?[-+.]?\d[-+.\deE]*",
    re.ASCII,
)
_LONG = 200  # characters of what is no number any more
_RANGE_FORM = "{start: 0.1, stop: 0.5, step: 0.1}"
_LOG_FORM = "{start: 0.1, stop: 10, num: 3, scale: log}"
# [0,5, 1,5]: commas that are no decimal ones in YAML, but may have been meant so
_ITEM = r"[-+]?(?:\d+,\d+|[\d._]+)(?:[eE][-+]?\d+)?"
_DECIMAL_COMMAS = re.compile(rf"\[\s*{_ITEM}(,\s+{_ITEM})+\s*\]", re.ASCII)


def misreading(text: str, value: Any) -> str:
    """Say how a value without quotes was read, where its writer may have meant another one.

    Parameters
    ----------
    text : str
        As it stands in the file.
    value
        What it was read as.

    Returns
    -------
    str
        With how to write the other one; empty where nobody would be surprised.

    Examples
    --------
    >>> misreading("0,5", "0,5")
    "is read as the text '0,5'; write 0.5 for the number, or '0,5' in quotes for the text"
    """
    if isinstance(value, str) and len(text) <= _LONG:
        if meant := _TRUTHS.get(text.lower()):
            return _said(f"the text {text!r}", f"{meant} for the value", text)
        if meant := _number(text):
            return _said(f"the text {text!r}", f"{meant} for the number", text)
        if meant := _list(text):
            return _said(f"the text {text!r}", f"{meant} for the list", text)
        if _RANGE.fullmatch(text):
            form = _LOG_FORM if re.search("(log|geom)space", text) else _RANGE_FORM
            return _said(f"the text {text!r}", f"{form} for such a range", text)
        if _FORMULA.fullmatch(text):
            return _said(f"the text {text!r}", "what it comes to for the number", text)
    elif value is None and text in ("", "~"):
        return _said("nothing", "null if that is meant", text)
    elif isinstance(value, list):
        return _several(text, value)
    elif _is_another_number(text, value):
        return _said(f"the number {value!r}", f"{value!r} for the number", text)
    return ""


def _is_another_number(text: str, value: Any) -> bool:
    """Say whether a number may be meant otherwise, or is not the one that is written there."""
    if isinstance(value, float):
        try:
            return math.isfinite(value) and Decimal(text) != Decimal(repr(value))
        except ArithmeticError:  # an exponent of 20 digits
            return value != 0 or bool(re.search("[1-9]", text.lower().partition("e")[0]))
    return type(value) is int and bool(re.fullmatch(r"[-+]?0\d+", text))


def _several(text: str, values: list[Any]) -> str:
    if not _DECIMAL_COMMAS.fullmatch(text) or not re.search(r"\d,\d", text):
        return ""
    decimal = re.sub(r"(?<=\d),(?=\d)", ".", text)
    apart = ", ".join(map(str, values))
    return f"is read as {len(values)} values; write {decimal} for decimals, or [{apart}] for these"


def _said(what: str, other: str, text: str) -> str:
    quoted = f", or '{text}' in quotes for the text" if text else ", or a value"
    return f"is read as {what}; write {other}{quoted}"


def _list(text: str) -> str:
    """Say how a list of numbers would have to be written; empty for what is none."""
    inside = text[1:-1] if text[0] + text[-1] == "()" else text
    for separator in (",", ";", None):  # None is blanks
        words = [word.strip() for word in inside.split(separator)]
        try:
            [float(word) for word in words]
        except ValueError:
            continue
        return f"[{', '.join(words)}]" if len(words) > 1 else ""
    return ""


def _number(text: str) -> str:
    """Say how a number would have to be written; empty for what is no number."""
    if not re.search(r"\d", text):
        return "a finite one" if re.fullmatch(r"[-+]?(inf|infinity|nan)", text.lower()) else ""
    if _OTHER_NUMBERS.fullmatch(text):
        return "a decimal one"
    text = "".join(str(unicodedata.decimal(c, c)) for c in text.replace("\u2212", "-"))
    plain = re.sub(r"_|(?<=\d)[' ](?=\d{3}(?!\d))", "", text)
    plain = re.sub(r"(?<=[\d.]) ?[dDeE] ?(?=[-+]?\d+$)", "e", plain)
    if _THOUSANDS.fullmatch(plain) and "." not in plain.partition(",")[0]:
        both = plain.replace(",", ""), plain.replace(",", ".", 1)
        return " or ".join(both if plain.count(",") == 1 and "." not in plain else both[:1])
    plain = plain.replace(",", ".", 1)
    try:
        float(plain)
    except ValueError:
        return ""
    return plain


def check_words(formula: str, names: Iterable[str]) -> None:
    """Refuse names in a formula that would be read as something else, as `n-steps` as a difference.

    Raises
    ------
    BadValueError
        Says how to call it.
    """
    outside = re.sub(r"'[^']*'|\"[^\"]*\"", "''", formula)
    for name in names:
        is_readable = not re.search(r"\W", name) or not re.search(r"[^\W\d_]", name)
        if not is_readable and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", outside):
            word = re.sub(r"\W+", "_", name)
            blanks = "; for a difference, put blanks around the minus" if "-" in name else ""
            raise BadValueError(
                f"has the parameter `{name}`, which cannot stand in a formula, as it is no word; "
                f"call it {word}, here and in the script{blanks}"
            )
