import math

import pytest

from dask_espresso.systems.table import system_of
from dask_espresso.walltime import Clock, format_duration, parse_duration


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (600, 600.0),
        (0.5, 0.5),
        ("10 min", 600.0),
        ("10min", 600.0),
        ("2 mins", 120.0),
        ("90 s", 90.0),
        ("1.5 h", 5400.0),
        ("2 days", 172800.0),
        ("1e3 s", 1000.0),
        (" 5 Minutes ", 300.0),
        ("600", 600.0),
        ("01:30:00", 5400.0),
        ("100:00:01", 360001.0),
        ("500 ms", 0.5),
    ],
)
def test_durations(value, seconds):
    assert parse_duration(value) == pytest.approx(seconds, rel=1e-15)


@pytest.mark.parametrize(
    "value",
    [
        *(0, -1, math.nan, math.inf, 10**400, True, None, [], {}),
        *("", "h", "-3 s", "0 s", "nan s", "inf", "10 months", "10:00", "1:60:00", "00:00:00"),
        *("1h30m", "1e999 s", "1_0 s", "１ s", "ten minutes", "10 min 5"),
    ],
)
def test_no_durations(value):
    with pytest.raises(ValueError, match=r"is no length of time; write one such as 90 s, 10 min"):
        parse_duration(value)


@pytest.mark.parametrize(
    ("text", "cluster", "seconds"),
    [
        ("01:30:00", "slurm", 5400),
        ("90", "slurm", 5400),
        ("90:30", "slurm", 5430),
        ("1-12", "slurm", 36 * 3600),
        ("1-12:30", "slurm", 36.5 * 3600),
        ("2-00:00:05", "slurm", 172805),
        ("01:30:00", "pbs", 5400),
        ("5400", "pbs", 5400),
        ("2:00:00:00", "pbs", 172800),
        ("01:30", "lsf", 5400),
        ("90", "lsf", 5400),
        ("-1", "slurm", None),
        ("1:00:00:00", "oar", 86400),
        ("90", "oar", 90 * 3600),
        ("01:30", "oar", 5400),
        (None, "slurm", None),
        ("UNLIMITED", "slurm", None),
        ("", "slurm", None),
    ],
)
def test_walltimes_are_read_as_the_batch_system_does(text, cluster, seconds):
    assert system_of(cluster).clock.parse(text) == seconds


@pytest.mark.parametrize(
    ("text", "cluster", "written"),
    [
        ("2h", "slurm", "02:00:00"),
        ("1d", "slurm", "1-00:00:00"),
        ("1:00:00:00", "slurm", "1-00:00:00"),
        *[(text, "slurm", "UNLIMITED") for text in ("0", "00:00:00", "-1", "infinite")],
        ("02:00", "slurm", "02:00"),
        ("02:00", "pbs", "02:00"),
        ("02:00", "sge", "00:02:00"),
        ("02:00", "oar", "02:00"),
        ("1:00:00:00", "pbs", "24:00:00"),
        ("1:00:00:00", "oar", "24:00:00"),
        ("1-00:00:00", "sge", "24:00:00"),
        ("90 s", "lsf", "00:02"),
    ],
)
def test_walltimes_are_written_as_the_batch_system_reads_them(text, cluster, written):
    assert system_of(cluster).clock.format(text) == written


@pytest.mark.parametrize("text", ["0", "00:00:00", "-1", "UNLIMITED", "1h30m"])
def test_no_walltimes(text):
    with pytest.raises(ValueError, match="is no length of time"):
        Clock().format(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.21, "3.2 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7260, "2 h 1 min"), (90000, "1 d 1 h")],
)
def test_durations_are_written_short(seconds, text):
    assert format_duration(seconds) == text
