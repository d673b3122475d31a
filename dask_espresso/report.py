"""What a store says: its status, a table of its results, and their plot."""

from __future__ import annotations

import collections
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .claim import describe_owner
from .duration import format_duration
from .engine import brief
from .errors import InputError
from .hdf5 import StoreContents
from .outcome import Outcome, Status
from .roster import JobReport, Roster, read_roster
from .statistics import pool
from .store import read_store
from .study import Study

_MAX_REASONS = 5


@dataclass(frozen=True)
class Point:
    """One set of parameters with what its replicas gave.

    Attributes
    ----------
    parameters : dict
        The same for all its replicas.
    outcomes : list of Outcome
        One a replica.
    """

    parameters: dict[str, Any]
    outcomes: list[Outcome]

    def values(self, name: str) -> list[float]:
        """Give a result of every replica that is done and has it."""
        results = [o.result for o in self.outcomes if o.is_done and o.result is not None]
        return [float(r[name]) for r in results if _is_number(r.get(name))]

    def pooled(self, name: str) -> tuple[float, float]:
        """Give a result's mean over the replicas, and its standard error."""
        values = self.values(name)
        if not values:
            return math.nan, math.nan
        errors = self.values(f"{name}_sem")
        if len(errors) != len(values):
            errors = [math.nan] * len(values)
        return pool(values, errors)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def points(contents: StoreContents) -> list[Point]:
    """Group the outcomes of the study, as it was run last, by their parameters.

    Returns
    -------
    list of Point
        In the study's order.
    """
    grouped: dict[str, Point] = {}
    for simulation in Study.from_snapshot(contents.study).simulations():
        outcome = contents.outcomes.get(simulation.id)
        if outcome is not None:
            key = repr(simulation.parameters)
            grouped.setdefault(key, Point(simulation.parameters, [])).outcomes.append(outcome)
    return list(grouped.values())


def status_report(path: Path) -> dict[str, Any]:
    """Say how far a study is.

    Parameters
    ----------
    path : Path
        The store.

    Returns
    -------
    dict
        ``total``, ``done``, ``failed``, ``timed out``, ``lost``, ``not finite`` and ``pending``
        simulations, ``cpu_time`` and ``elapsed_time`` in seconds summed over them, ``driver`` (who
        is at work on it, or None), its worker ``jobs`` and what keeps them from coming up
        (``problem``), and the most frequent ``reasons`` why simulations are not done.
    """
    contents = read_store(path)
    study = Study.from_snapshot(contents.study)
    wanted = [contents.outcomes.get(simulation.id) for simulation in study.simulations()]
    there = [outcome for outcome in wanted if outcome is not None]
    roster = read_roster(path) if contents.owner else Roster()
    statuses = collections.Counter(outcome.status for outcome in there)
    reasons = collections.Counter(
        f"{o.status.label}: {brief(o.error)}" for o in there if not o.is_done
    )
    return {
        "store": str(path),
        "study": study.name,
        "engine": sorted({f"{o.engine} {o.engine_version}".strip() for o in there}),
        "total": study.count,
        **{status.label: statuses[status] for status in Status},
        "pending": study.count - len(there),
        "not in the study now": len(contents.outcomes) - len(there),
        "cpu_time": math.fsum(o.cpu_time for o in there if o.cpu_time == o.cpu_time),
        "elapsed_time": math.fsum(
            o.elapsed_time for o in there if o.elapsed_time == o.elapsed_time
        ),
        "driver": contents.owner or None,
        "jobs": [asdict(job) for job in roster.jobs],
        "problem": roster.problem,
        "reasons": dict(reasons.most_common(_MAX_REASONS)),
    }


def print_status(report: dict[str, Any], console: Console) -> None:
    """Print what :func:`status_report` gives."""
    table = Table("", "simulations", box=None, pad_edge=False)
    labels = [status.label for status in Status]
    for label in [*labels, "pending", "total", "not in the study now"]:
        if report[label] or label in ("done", "total"):
            table.add_row(label, str(report[label]))
    table.columns[1].justify = "right"
    console.print(f"{report['study']} ({', '.join(report['engine'])})", highlight=False)
    console.print(table)
    hours = report["cpu_time"] / 3600
    console.print(
        f"{hours:.3g} core-hours, {format_duration(report['elapsed_time'])} of simulations"
    )
    if report["driver"]:
        console.print(f"running: {describe_owner(report['driver'])}")
    if report["jobs"] or report["problem"]:
        roster = Roster(tuple(JobReport(**job) for job in report["jobs"]), report["problem"])
        console.print(roster.describe(), markup=False, highlight=False, soft_wrap=True)
    for reason, count in report["reasons"].items():
        console.print(f"{count} x {reason}", markup=False, highlight=False, soft_wrap=True)


def print_table(path: Path, console: Console) -> None:
    """Print a row a point: its swept parameters and its results, replicas pooled."""
    contents = read_store(path)
    study = Study.from_snapshot(contents.study)
    rows = points(contents)
    names = result_names(rows)
    table = Table(*study.swept, "done", *names, box=None, pad_edge=False)
    for column in table.columns:
        column.justify = "right"
    for point in rows:
        done = sum(outcome.is_done for outcome in point.outcomes)
        cells = [format_with_error(*point.pooled(name)) for name in names]
        parameters = [_format(point.parameters.get(name)) for name in study.swept]
        table.add_row(*parameters, f"{done}/{study.replicas}", *cells)
    console.print(table)


def result_names(rows: list[Point]) -> list[str]:
    """Name the numbers that the simulations gave, without standard errors, which go along.

    Returns
    -------
    list of str
        Those with a standard error first: they are what the study is about.
    """
    names: dict[str, None] = {}
    for point in rows:
        for outcome in point.outcomes:
            names.update(
                (name, None) for name, v in (outcome.result or {}).items() if _is_number(v)
            )
    parameters = set(rows[0].parameters) if rows else set()
    results = [n for n in names if n not in parameters and not n.endswith("_sem")]
    return sorted(results, key=lambda name: f"{name}_sem" not in names)


def _format(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def format_with_error(value: float, error: float) -> str:
    """Write a value with its standard error in the last two digits.

    Examples
    --------
    >>> format_with_error(2.4183, 0.0021)
    '2.4183(21)'
    >>> format_with_error(20000, 0)
    '20000'
    """
    if math.isnan(value):
        return "-"
    if not math.isfinite(error) or error <= 1e-12 * abs(value):
        return f"{value:.6g}"
    digits = 1 - math.floor(math.log10(error))
    if digits <= 0:
        return f"{value:.0f}({error:.0f})"
    return f"{value:.{digits}f}({round(error * 10**digits)})"


def plot_store(path: Path, output: Path, x_name: str | None, y_name: str | None) -> None:
    """Plot a result against a parameter into a picture.

    Parameters
    ----------
    path : Path
        The store.
    output : Path
        The picture; its suffix says which kind.
    x_name, y_name : str or None
        By default the first parameter swept over numbers and the first result.

    Raises
    ------
    InputError
        If there is nothing to plot, or no such parameter or result.
    """
    from matplotlib.figure import Figure

    from .plot import plot_curve, wca_pressure

    contents = read_store(path)
    study = Study.from_snapshot(contents.study)
    rows = points(contents)
    numeric = [n for n in study.swept if all(_is_number(p.parameters[n]) for p in rows)]
    x = _choose(path, "parameter", x_name, numeric)
    y = _choose(path, "result", y_name, result_names(rows))
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.add_subplot()
    curves = _curves(rows, x, study)
    if not curves:
        raise InputError(
            f"{path}: no simulation is done, so there is nothing to plot; `dask-espresso status "
            f"{path}` says why"
        )
    reference = wca_pressure if (x, y) == ("volume_fraction", "pressure") else None
    for label, curve in curves.items():
        values = [point.pooled(y) for point in curve]
        plot_curve(
            [point.parameters[x] for point in curve],
            [mean for mean, _ in values],
            [error for _, error in values],
            x_label=x.replace("_", " "),
            y_label=y.replace("_", " "),
            label=label or study.name,
            reference=reference,
            reference_label="WCA equation of state",
            ax=axes,
        )
        reference = None  # once is enough
    try:
        figure.savefig(output, dpi=150)
    except (ValueError, OSError) as error:
        raise InputError(f"{output}: {error}") from error


def _choose(path: Path, kind: str, name: str | None, known: list[str]) -> str:
    if name in known:
        return str(name)
    if name is None and known:
        return known[0]
    wanted = f"no {kind} {name!r}" if name else f"no numeric {kind}"
    there = f"; there are {', '.join(known)}" if known else ""
    raise InputError(f"{path}: {wanted} to plot{there}")


def _curves(rows: list[Point], x: str, study: Study) -> dict[str, list[Point]]:
    """Give one curve for each setting of the other swept parameters, without empty points."""
    others = [name for name in study.swept if name != x]
    curves: dict[str, list[Point]] = {}
    for point in rows:
        if any(outcome.is_done for outcome in point.outcomes):
            label = ", ".join(f"{name} = {_format(point.parameters[name])}" for name in others)
            curves.setdefault(label, []).append(point)
    return {
        label: sorted(curve, key=lambda point: float(point.parameters[x]))
        for label, curve in curves.items()
    }
