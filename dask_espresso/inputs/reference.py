"""What the results of a study are compared with: a known curve, one in a file, or a function."""

from __future__ import annotations

from typing import Any

from ..errors import BadValueError, describe, unknown

FORM = (
    "write wca, theory.py:FUNCTION of one parameter, or {file: theory.csv, x: PARAMETER, y: RESULT}"
)
_KEYS = ("file", "function", "x", "y", "label")
_TABLE = ("at", "values")


def checked_reference(given: Any) -> Any:
    """Give ``wca``, or a mapping with the keys ``file`` or ``function``, ``x``, ``y``, ``label``.

    Raises
    ------
    BadValueError
        Says what cannot be used, and what to write.

    Examples
    --------
    >>> checked_reference("theory.py:pressure")
    {'function': 'theory.py:pressure'}
    """
    if given in (None, "wca"):
        return given
    if isinstance(given, str) and ".py:" in given:
        return {"function": given}
    if not isinstance(given, dict):
        raise BadValueError(f"is {describe(given)}; {FORM}")
    for key, value in given.items():
        if key in _TABLE:
            continue
        if key not in _KEYS:
            raise BadValueError(f"{unknown('key', str(key), _KEYS)}; {FORM}")
        if not isinstance(value, str) or not value.strip():
            raise BadValueError(f"is {describe(value)}; {FORM}", key)
    if ("file" in given) == ("function" in given):
        raise BadValueError(f"has to have either `file` or `function`; {FORM}")
    if "file" in given and not {"x", "y"} <= given.keys():
        raise BadValueError(
            "says not which columns; write x: and y:, each the name of a column, and of the "
            "parameter and the result that it is compared with"
        )
    return given
