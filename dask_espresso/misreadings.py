"""Values of YAML files that look like something else than what they are read as."""

from __future__ import annotations

import re
from typing import Any

_TRUTHS = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false",
           "false": "false", "null": "null", "none": "null"}  # fmt: skip
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?", re.ASCII)
_OTHER_NUMBERS = re.compile(r"\d+(:[0-5]?\d)+(\.\d+)?|[-+]?\d+/\d+|0[bB][01]+|[-+]?[\d.]+ ?%", re.A)


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
    if isinstance(value, str):
        if meant := _TRUTHS.get(text.lower()):
            return _said(f"the text {text!r}", f"{meant} for the value", text)
        if meant := _number(text):
            return _said(f"the text {text!r}", f"{meant} for the number", text)
        if meant := _list(text):
            return _said(f"the text {text!r}", f"{meant} for the list", text)
    elif value is None and text in ("", "~"):
        return _said("nothing", "null if that is meant", text)
    elif isinstance(value, int) and re.fullmatch(r"[-+]?0\d+", text):
        return _said(f"the number {value}", f"{value} for the number", text)
    return ""


def _said(what: str, other: str, text: str) -> str:
    quoted = f", or '{text}' in quotes for the text" if text else ", or a value"
    return f"is read as {what}; write {other}{quoted}"


def _list(text: str) -> str:
    """Say how a list of numbers would have to be written; empty for what is none."""
    words = [word.strip() for word in text.split(",")]
    try:
        [float(word) for word in words]
    except ValueError:
        return ""
    return f"[{', '.join(words)}]" if len(words) > 1 else ""


def _number(text: str) -> str:
    """Say how a number would have to be written; empty for what is no number."""
    if not re.search(r"\d", text):
        return ".inf or .nan" if re.fullmatch(r"[-+]?(inf|infinity|nan)", text.lower()) else ""
    if _OTHER_NUMBERS.fullmatch(text):
        return "a decimal one"
    plain = re.sub(r"[_' ]", "", text.replace("\u2212", "-"))
    plain = re.sub(r"(?<=[\d.])[dD](?=[-+]?\d+$)", "e", plain)
    if _THOUSANDS.fullmatch(plain) and "." not in plain.partition(",")[0]:
        both = plain.replace(",", ""), plain.replace(",", ".", 1)
        return " or ".join(both if plain.count(",") == 1 and "." not in plain else both[:1])
    plain = plain.replace(",", ".", 1)
    try:
        float(plain)
    except ValueError:
        return ""
    return plain
