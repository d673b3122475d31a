"""Lengths of time, as people and batch systems write them."""

from __future__ import annotations

import math
import re
from typing import Any

from .errors import BadValueError, describe

_DURATION = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*([a-z]*)\s*", re.I | re.A)
_CLOCK = re.compile(r"\s*(\d+):([0-5]\d):([0-5]\d)\s*", re.A)
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
    from dask.utils import parse_timedelta  # which takes a while: only who reads durations pays it

    number, unit = match.groups()
    try:
        scale: float = parse_timedelta(f"1 {_UNITS.get(unit.lower(), unit or 's')}")
        return float(number) * scale
    except KeyError:
        return None


class Clock:
    """How a batch system writes walltimes; most do it as ``HH:MM:SS``.

    Attributes
    ----------
    form : re.Pattern
        What the batch system itself writes, which is left as it is.
    minutes : int
        With so many fields or fewer, the last one is minutes.
    begins_with_hours : bool
        Whether the first field is hours also where there are few.

    Examples
    --------
    >>> Clock().parse("01:30:00"), Clock().format("2 h")
    (5400.0, '02:00:00')
    """

    form = re.compile(r"\d+(:\d+){0,2}")
    minutes = 0
    begins_with_hours = False

    def parse(self, text: str | None) -> float | None:
        """Read a walltime as the batch system does.

        Returns
        -------
        float or None
            In seconds; None if it is not understood.
        """
        days, dash, clock = (text or "").strip().rpartition("-")
        if not re.fullmatch(r"\d+" if dash else "", days):
            return None
        if not re.fullmatch(r"\d+(:\d+){0,3}", clock):
            return None
        fields = [int(field) for field in clock.split(":")]
        if dash or self.begins_with_hours:  # days-hours:minutes:seconds
            fields = [*fields, *[0] * (3 - len(fields))]
        elif len(fields) <= self.minutes:
            fields = [*fields, 0]
        seconds = 0
        for field, unit in zip(reversed(fields), (1, 60, 3600, 86400), strict=False):
            seconds += field * unit
        return float(seconds + int(days or 0) * 86400)

    def format(self, value: Any) -> str:
        """Write a walltime the way the batch system reads it.

        Parameters
        ----------
        value : str
            As a person writes it, such as ``2 h``, or as the batch system does already.

        Raises
        ------
        ValueError
            If it is no length of time.
        """
        text = str(value).strip()
        seconds = self.parse(text)
        if seconds and self.form.fullmatch(text):
            return text
        return self.write(math.ceil(seconds or parse_duration(text)))

    def write(self, seconds: int) -> str:
        """Write so many seconds."""
        return f"{seconds // 3600:02}:{seconds % 3600 // 60:02}:{seconds % 60:02}"


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
