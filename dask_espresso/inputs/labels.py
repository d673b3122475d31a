"""What parameters and results are called in figures: words, symbols, units."""

from __future__ import annotations

from typing import Any

from ..errors import BadValueError, describe

_FORM = "write what figures are to show, as in {phi: 'volume fraction $\\phi$', p: P σ³/ε}"
_LONGEST = 100  # characters, of which a figure has room for fewer


def checked_labels(given: Any) -> dict[str, str] | None:
    r"""Give labels by the names of parameters and results.

    Raises
    ------
    BadValueError
        Says which cannot be used, and why.

    Examples
    --------
    >>> checked_labels({"phi": r"volume fraction $\phi$"})
    {'phi': 'volume fraction $\\phi$'}
    """
    if given is None:
        return None
    if not isinstance(given, dict) or not given:
        raise BadValueError(f"is {describe(given)}; {_FORM}")
    for name, text in given.items():
        if not isinstance(text, str) or not text.strip():
            raise BadValueError(f"is {describe(text)}; {_FORM}", name)
        if not text.isprintable():
            raise BadValueError(
                "holds a character that cannot be printed: in double quotes a backslash begins an "
                "escape; use single quotes, as in '$\\nu$'",
                name,
            )
        if len(text) > _LONGEST:
            raise BadValueError(f"has more than {_LONGEST} characters; shorten it", name)
    return given
