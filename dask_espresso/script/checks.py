"""Parameters as a script expects them, or one message that says which is wrong.

This module is imported inside simulation scripts, as ``dask_espresso.checks``.
"""

import math
import operator
from typing import Any, Mapping

__all__ = ["positive_number", "switch", "whole_number"]


def whole_number(params: Mapping[str, Any], name: str, default: Any, smallest: int) -> int:
    """Take a whole number from the parameters, or say what is wrong with it.

    Parameters
    ----------
    params : mapping
        As :func:`~dask_espresso.get_data_from_stdin` gives them.
    name : str
        Of the parameter.
    default : int or None
        Where it is not given; None if it has to be.
    smallest : int
        That is allowed.

    Raises
    ------
    ValueError
        If it is something else, or not given.

    Examples
    --------
    >>> whole_number({"n_steps": 200}, "n_steps", None, 1)
    200
    """
    value = params.get(name, default)
    try:
        number = operator.index(value)
    except TypeError:
        number = smallest - 1
    if number < smallest or isinstance(value, bool):
        raise ValueError(f"{name} has to be a whole number of at least {smallest}, not {value!r}")
    return number


def positive_number(
    params: Mapping[str, Any], name: str, default: Any, largest: float = math.inf, why: str = ""
) -> float:
    """Take a number above 0 from the parameters, or say what is wrong with it.

    Parameters
    ----------
    params : mapping
        As :func:`~dask_espresso.get_data_from_stdin` gives them.
    name : str
        Of the parameter.
    default : float or None
        Where it is not given; None if it has to be.
    largest : float
        That is allowed.
    why : str
        Follows in the message what is allowed, such as " at kT 1".

    Raises
    ------
    ValueError
        If it is something else, or not given.

    Examples
    --------
    >>> positive_number({}, "kT", 1.0)
    1.0
    """
    value = params.get(name, default)
    try:
        if not isinstance(value, bool) and 0 < value <= largest and value < math.inf:
            return float(value)
    except (TypeError, OverflowError):
        pass
    allowed = "a number above 0" if largest == math.inf else f"in (0, {largest:.4g}]"
    raise ValueError(f"{name} has to be {allowed}{why}, not {value!r}")


def switch(params: Mapping[str, Any], name: str, default: Any) -> bool:
    """Take true or false from the parameters, or say what is wrong with it.

    Parameters
    ----------
    params : mapping
        As :func:`~dask_espresso.get_data_from_stdin` gives them.
    name : str
        Of the parameter.
    default : bool or None
        Where it is not given; None if it has to be.

    Raises
    ------
    ValueError
        If it is something else, or not given.

    Examples
    --------
    >>> switch({"series": True}, "series", False)
    True
    """
    value = params.get(name, default)
    if not isinstance(value, bool):
        raise ValueError(f"{name} has to be true or false, not {value!r}")
    return value
