"""The bill: what simulations have cost, in words and numbers for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from ..walltime import format_duration
from .advice import JOBS_RULE, MEMORY_RULE, WALLTIME_RULE
from .texts import say, short

MOST_POINTS = 20  # that a person reads; programs get all
_HOW = {"forked": "forked, from a process that has done its imports", "fresh": "as fresh processes"}


def print_spending(report: dict[str, Any], console: Console) -> None:
    """Print what :func:`spending_report` gives."""
    cores = "/".join(f"{number:g}" for number in report["cores"])
    said = f"on {cores} core{'s' * (cores != '1')} each" if report["recorded"] else "nothing yet"
    known = "" if report["cores are recorded"] else ", as far as that is recorded"
    recorded = counted(report["recorded"], "simulation")
    say(console, f"{report['store']}: {recorded} recorded, {said}{known}")
    table = Table("", "", "", box=None, pad_edge=False, show_header=False)
    table.columns[1].justify = "right"
    for cells in _rows(report):
        table.add_row(*cells)
    console.print(table)
    if report["without a time"]:
        say(console, f"without a time, such as where workers died: {report['without a time']:,}")
    for line in _advice(report):
        say(console, line)
    if report["points"]:
        console.print(_table(report["points"]))
        shown = report["points"][:MOST_POINTS]
        if (more := report["points recorded"] - len(shown)) > 0:
            hours = report["core_hours"]["measured"] - sum(p["core_hours"] for p in shown)
            rest = f"{counted(more, 'more point')}, {hours_text(hours)} core hours"
            say(console, f"and {rest}: --json has all")


def _rows(report: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Give lines of what, how much, and how that is known."""
    for title, lines in (
        ("core hours", _hours_lines(report)),
        ("kWh", _energy_lines(report["energy"])),
        ("memory", _memory_lines(report["memory"])),
        ("wall time", _time_lines(report["elapsed"])),
        ("started", _start_lines(report["started"])),
    ):
        for number, line in enumerate(lines):
            yield ("" if number else title, *line)


def _hours_lines(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    hours, share, tail = report["core_hours"], report["cpu_share"], report["tail"]
    yield hours_text(hours["measured"]), "measured: wall time by cores, of the last tries"
    if failed := hours["measured, not done"]:
        yield hours_text(failed), "of these, of what is not done"
    if share is not None:
        yield hours_text(hours["measured, cpu"]), f"measured: CPU time, {share:.0%} of them"
    if jobs := report["jobs"]:
        yield (
            hours_text(jobs["core_hours_at_least"]),
            f"at least, in {counted(jobs['count'], 'job')}: from the first start to the last end, "
            f"on the cores that were busy at once; {jobs['used share'] or 0:.0%} used",
        )
    if tail and tail["seconds"] >= 1:
        yield (
            hours_text(tail["idle core_hours"]),
            f"idle in the last {format_duration(tail['seconds'])} of the last run, without work",
        )
    if tries := report["tries before the last"]:
        yield (
            hours_text(hours["estimated, tries before the last"]),
            f"an estimate, not in it: {tries:,} tries before the last, if each took as long",
        )
    if others := hours["measured, not in the study now"]:
        yield hours_text(others), "measured, not in it: simulations that are not in the study now"
    if report["to come"]:
        yield _to_come(report)


def _to_come(report: dict[str, Any]) -> tuple[str, str]:
    left = report["core_hours"]["estimated, to come"]
    unknown = report["points that nothing is known of"]
    of = f"; nothing is known of {counted(unknown, 'point')}" if unknown else ""
    return (
        "?" if left is None else hours_text(left),
        f"an estimate: {counted(report['to come'], 'simulation')} to come, as done ones of their "
        f"points{of}",
    )


def _energy_lines(energy: dict[str, float]) -> Iterator[tuple[str, str]]:
    yield (
        f"{energy['kWh']:.2g}",
        f"an estimate, of {hours_text(energy['core_hours'])} core hours at {energy['watts']:g} W "
        "a core, with memory, network and cooling (--watts)",
    )


def _memory_lines(memory: dict[str, float | None]) -> Iterator[tuple[str, str]]:
    if (largest := memory["largest"]) is not None:
        yield bytes_text(largest), "measured: the largest process"
    if (asked := memory["asked"]) is not None:
        yield bytes_text(asked), "asked for each simulation at a time"


def _time_lines(elapsed: dict[str, float | None]) -> Iterator[tuple[str, str]]:
    if (mean := elapsed["mean"]) is not None and (longest := elapsed["longest"]) is not None:
        yield duration_text(mean), "measured: one simulation, on average"
        yield duration_text(longest), "the longest"


def _start_lines(started: dict[str, int]) -> Iterator[tuple[str, str]]:
    for how, count in sorted(started.items()):
        yield f"{count:,}", _HOW.get(how, "it is not recorded how")


def _advice(report: dict[str, Any]) -> Iterator[str]:
    """Give what a profile might ask for, with the rule of each."""
    found = report["suggested"]
    if found["memory"] is None or found["walltime"] is None:
        return
    per_job = found["cores of a job"]
    of = f"a job of {per_job} cores" if per_job else "a job of one simulation at a time; --profile"
    yield f"for a profile, of {of}{'' if per_job else ' says of another one'}:"
    walltime = round(found["walltime"])
    clock = f"{walltime // 3600:02}:{walltime % 3600 // 60:02}:00"
    yield f"  memory: {found['memory'] / 1e9:.0f} GB        # {MEMORY_RULE}"
    yield f'  walltime: "{clock}"  # {WALLTIME_RULE}'
    if jobs := found.get("jobs"):
        yield f"  jobs: {jobs:<13}# {JOBS_RULE}"
    elif cores := found.get("cores"):
        yield f"  {counted(cores, 'core')} in all   # {JOBS_RULE}"


def _table(points: list[dict[str, Any]]) -> Table:
    """Give the first points as a table."""
    table = Table(box=None, pad_edge=False)
    shown = points[:MOST_POINTS]
    names = list(shown[0]["parameters"])
    for title in (*names, "done", "core hours", "share", "wall time", "memory"):
        table.add_column(title, justify="right")
    columns = [short([point["parameters"][name] for point in shown]) for name in names]
    for row, point in enumerate(shown):
        table.add_row(
            *(column[row] for column in columns),
            f"{point['done']}/{point['recorded']}",
            hours_text(point["core_hours"]),
            "-" if point["share"] is None else f"{point['share']:.1%}",
            "-" if point["elapsed"] is None else duration_text(point["elapsed"]),
            "-" if point["memory"] is None else bytes_text(point["memory"]),
        )
    return table


def counted(count: int, noun: str) -> str:
    """Count things, such as ``1,640 points``."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def hours_text(hours: float) -> str:
    """Write core hours."""
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.3g}"


def duration_text(seconds: float) -> str:
    """Write a duration."""
    return f"{seconds:.2g} s" if seconds < 1 else format_duration(seconds)


def bytes_text(size: float) -> str:
    """Write a size."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size:.0f} B"
