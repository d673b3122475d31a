"""Lengths of time, as people and batch systems write them."""

from __future__ import annotations

import math
import re
from typing import Any

from dask.utils import parse_timedelta

from .errors import BadValueError, describe

_DURATION = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*([a-z]*)\s*", re.I | re.A)
_CLOCK = re.compile(r"\s*(\d+):([0-5]\d):([0-5]\d)\s*", re.A)
# batch systems whose last field is minutes, where there are so few fields
_MINUTES = {"slurm": 1, "lsf": 2}
# how batch systems themselves write a walltime
_OWN_FORM = {
    **dict.fromkeys(("pbs", "oar", "moab"), re.compile(r"\d+(:\d+){0,2}")),
    "slurm": re.compile(r"(\d+-)?\d+(:\d+){0,2}"),
    "sge": re.compile(r"\d+(:\d+:\d+)?"),
    "lsf": re.compile(r"\d+(:\d+)?"),
}
_UNLIMITED = ("INFINITE", "UNLIMITED", "-1")  # for Slurm, as is 0
_UNITS = {"min": "minutes", "mins": "minutes", "sec": "s", "secs": "s", "hr": "h", "hrs": "h"}


def parse_duration(value: Any) -> float:
    """Read a length of time.

    Parameters
    ----------
    value : str, int or float
        Such as ``"10 min"``, ``"1.5 h"`` or ``"HH:MM:SS"``; a bare number is in seconds.

    Returns
    -------
    float
        In seconds, more than zero.

    Raises
    ------
    ValueError
        If it is no such length.

    Examples
    --------
    >>> parse_duration("10 min"), parse_duration("01:30:00"), parse_duration(90)
    (600.0, 5400.0, 90.0)
    """
    seconds = _seconds(value)
    if seconds is None or not 0 < seconds < math.inf:
        raise BadValueError(
            f"is {describe(value)}, which is no length of time; "
            "write one such as 90 s, 10 min, 1.5 h, 2 days or 01:30:00"
        )
    return seconds


def is_bare(value: Any) -> bool:
    """Say whether a length of time is a bare number, which is read in seconds."""
    found = _DURATION.fullmatch(str(value))
    return found is not None and not found[2]


def _seconds(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    if not isinstance(value, str):
        return None
    if clock := _CLOCK.fullmatch(value):
        hours, minutes, seconds = map(float, clock.groups())
        return 3600 * hours + 60 * minutes + seconds
    if not (match := _DURATION.fullmatch(value)):
        return None
    number, unit = match.groups()
    try:
        scale: float = parse_timedelta(f"1 {_UNITS.get(unit.lower(), unit or 's')}")
        return float(number) * scale
    except KeyError:
        return None


def parse_walltime(text: str | None, cluster: str) -> float | None:
    """Read a walltime as the batch system does.

    Parameters
    ----------
    text : str or None
        Such as ``01:30:00``, and for Slurm also ``90``, ``90:00`` or ``1-12``.
    cluster : str
        The batch system; they differ in what ``90`` and ``01:30`` mean.

    Returns
    -------
    float or None
        In seconds; None if it is not understood.

    Examples
    --------
    >>> parse_walltime("01:30:00", "pbs"), parse_walltime("1-12", "slurm")
    (5400.0, 129600.0)
    """
    days, dash, clock = (text or "").strip().rpartition("-")
    if not re.fullmatch(r"\d+" if dash else "", days):
        return None
    if not re.fullmatch(r"\d+(:\d+){0,3}", clock):
        return None
    fields = [int(field) for field in clock.split(":")]
    if dash or cluster == "oar":  # days-hours:minutes:seconds
        fields = [*fields, *[0] * (3 - len(fields))]
    elif cluster in _MINUTES and len(fields) <= _MINUTES[cluster]:  # minutes, or hours:minutes
        fields = [*fields, 0]
    seconds = 0
    for field, unit in zip(reversed(fields), (1, 60, 3600, 86400), strict=False):
        seconds += field * unit
    return float(seconds + int(days or 0) * 86400)


def format_walltime(value: Any, cluster: str) -> str:
    """Write a walltime the way the batch system reads it.

    Parameters
    ----------
    value : str
        As a person writes it, such as ``2 h``, or as the batch system does already.
    cluster : str
        The batch system.

    Raises
    ------
    ValueError
        If it is no length of time.

    Examples
    --------
    >>> format_walltime("2 h", "slurm"), format_walltime("01:30:00", "lsf")
    ('02:00:00', '01:30')
    """
    text = str(value).strip()
    seconds = parse_walltime(text, cluster)
    if cluster == "slurm" and (seconds == 0 or text.upper() in _UNLIMITED):
        return "UNLIMITED"
    if seconds and _OWN_FORM[cluster].fullmatch(text):
        return text
    whole = math.ceil(seconds or parse_duration(text))
    if cluster == "lsf":
        return f"{-(-whole // 60) // 60:02}:{-(-whole // 60) % 60:02}"
    days = whole // 86400 if cluster == "slurm" else 0
    clock = f"{whole // 3600 - days * 24:02}:{whole % 3600 // 60:02}:{whole % 60:02}"
    return f"{days}-{clock}" if days else clock


def format_duration(seconds: float) -> str:
    """Write a duration the short way, such as ``3 min 20 s``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"
