"""A profile for the cluster at hand: a template, with what was found out filled in."""

from __future__ import annotations

import re
import textwrap
from datetime import date

from ..systems.survey import Choice
from ..systems.table import system_of
from .shipped import template
from .yaml_text import value_text

_WIDTH = 100
_COMMENT = 30  # the column where the templates' comments begin
_SHOWN = 20  # of the values that could stand in a place


def surveyed_profile(cluster: str) -> tuple[str, str]:
    """Make a profile for a batch system, of what its own programs say of it.

    Parameters
    ----------
    cluster : str
        What profiles call the batch system: one whose `System` has a ``survey``.

    Returns
    -------
    tuple of str
        The text of the profile, in which what was found, and what was not, are comments; and what
        was chosen, in a line.
    """
    text = template("configs", cluster).read_text(encoding="utf-8")
    found = system_of(cluster).survey()
    for option, choice in found.items():
        text = _filled(text, option, choice)
    first, _, rest = text.partition("\n")
    when = f"# What was found out on {date.today()} stands above each option.\n"
    chosen = [f"{option} {choice.value}" for option, choice in found.items() if _is_set(choice)]
    missing = [option for option, choice in found.items() if not _is_set(choice)]
    summary = f"{cluster}: {', '.join(chosen) or 'nothing was found out'}"
    if missing:
        summary += f"; not found out, or to be chosen: {', '.join(missing)}"
    return f"{first}\n{when}{rest}", summary


def _is_set(choice: Choice) -> bool:
    return choice.value is not None


def _filled(text: str, option: str, choice: Choice) -> str:
    """Put a choice in the place of what the template has for the option."""
    line = re.compile(
        rf"^(?P<indent> +)(?:# )?{re.escape(option)}: *(?P<value>[^#\n]*[^#\s])? *"
        r"(?P<comment>#.*\n(?: {20,}#.*\n)*|\n)",
        re.MULTILINE,
    )
    filled, count = line.subn(lambda there: _lines(there, option, choice), text, count=1)
    if not count:
        raise ValueError(f"the template has no {option}")
    return filled


def _lines(there: re.Match[str], option: str, choice: Choice) -> str:
    indent = there["indent"]
    lines = _comment(choice.note, indent)
    if choice.value is None:
        lines += there[0]
    else:
        setting = f"{indent}{option}: {value_text(choice.value)}"
        lines += f"{setting:{_COMMENT - 1}} {there['comment']}".rstrip(" ")
    for value, note in choice.others[:_SHOWN]:
        lines += f"{indent}# {option}: {value_text(value)}\n"
        lines += _comment(note, f"{indent}#   ") if note else ""
    if more := len(choice.others) - _SHOWN:
        lines += _comment(f"and {more} more", indent) if more > 0 else ""
    return lines


def _comment(note: str, indent: str) -> str:
    """Write a text, which may be another program's, as lines of comment."""
    printable = "".join(c if c.isprintable() else " " for c in note)
    start = indent if indent.endswith("#   ") else f"{indent}# "
    return textwrap.fill(
        printable, _WIDTH, initial_indent=start, subsequent_indent=start,
        break_long_words=False, break_on_hyphens=False,
    ) + "\n"  # fmt: skip
