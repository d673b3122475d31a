"""A page that says what a study was, what came out and what it cost, for people without a terminal.

It is one inert file: nothing in it is loaded from elsewhere, and no text of the user's is run.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from .. import __version__
from ..errors import InputError
from ..outcome import Outcome, Status
from ..store.arrays import Values
from ..store.contents import StoreContents
from ..store.reader import Reader
from ..store.reading import look
from ..walltime import format_duration
from .causes import groups_of
from .doubts import doubts
from .export import check_free, write_output
from .intervals import meaning
from .numbers import Numbers
from .points import Points
from .provenance import facts_of, texts_of
from .report_figures import Histogram, Work, drawn, histogram
from .report_results import MAX_ROWS, Table, curves_of, spreads_of, table_of
from .show import result_names
from .standing import find_warnings
from .texts import literal, some_of
from .versions import Versions

_MAX_TEXTS = 500_000  # characters of scripts and profiles
_MAX_NAMED = 8  # hosts that the timeline tells apart
_MEBIBYTE = 2**20


def write_report(path: Path, output: Path, confidence: float | None = None) -> list[str]:
    """Write a page about a store.

    Parameters
    ----------
    path : Path
        The store; a driver may be writing it.
    output : Path
        The page, an .html.
    confidence : float, optional
        In percent, of the intervals; by default these are one standard error.

    Returns
    -------
    list of str
        What is to be said beside it.

    Raises
    ------
    InputError
        If there is no such store, or the page cannot be written.
    """
    if output.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{output}: a report is a page; name a file that ends in .html")
    check_free(output, path)
    found = look(path, functools.partial(_content, path, confidence))
    write_output(output, [_page(found).encode("utf-8", "backslashreplace")])
    return list(found["left_out"])


def _page(content: dict[str, Any]) -> str:
    """Put everything into the page; what is a text stays one."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    there = PackageLoader("dask_espresso.views", "")
    pages = Environment(loader=there, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    head, figures = drawn(content["figures"])
    return pages.get_template("report.html").render(content | {"head": head, "figures": figures})


def _content(
    path: Path, confidence: float | None, reader: Reader, contents: StoreContents[Outcome]
) -> dict[str, Any]:
    """Give all that is on the page, by its place there."""
    study, versions = reader.study, Versions(reader, contents.versions)
    points, numbers = Points(reader, versions), Numbers(reader)
    names = result_names(reader, numbers)
    pooled = {name: points.pooled(numbers, name) for name in names}
    warnings = [*versions.describe(), *find_warnings(reader, numbers, None)]
    for name in names:
        warnings += doubts(path, points, numbers, name, pooled[name])
    curves, left_out = curves_of(reader, points, numbers, pooled, confidence)
    table, more = table_of(reader, points, numbers, pooled, confidence)
    others = numbers.others(points.rows)
    if others:
        left_out.append(f"{some_of(others)}: not numbers; the store has them")
    return {
        "title": study.name,
        "program": f"dask_espresso {__version__}",
        "made": _date(datetime.datetime.now(datetime.timezone.utc).timestamp()),
        "store": str(path.absolute()),
        "facts": _facts(reader, points, versions),
        "warnings": [literal(text) for text in warnings],
        "bars": meaning(confidence),
        "table": table,
        "left_out": [literal(text) for text in [*left_out, *more]],
        "failures": _failures(reader),
        "figures": {
            "curves": curves,
            "spread": spreads_of(points, numbers, names),
            "cost": _costs(reader),
            "work": [work] if (work := _work(reader)) else [],
        },
        "study": _text_of(contents.study),
        "provenance": [_literal(facts_of(contents, version)) for version in contents.provenance],
        "texts": _texts(contents),
    }


def _text_of(study: dict[str, Any]) -> str:
    given = {key: value for key, value in study.items() if value is not None}
    return str(yaml.safe_dump(given, sort_keys=False, allow_unicode=True, width=100))


def _literal(facts: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(literal(name), literal(text)) for name, text in facts]


def _texts(contents: StoreContents[Outcome]) -> list[tuple[str, str]]:
    """Give texts of scripts and profiles with their titles, as far as a page has room for them."""
    shown, room = [], _MAX_TEXTS
    for title, text in texts_of(contents):
        room -= len(text)
        lines = text.expandtabs().splitlines() if room >= 0 else ["`show --provenance` has it"]
        shown.append((title, "\n".join(map(literal, lines))))
    return shown


def _date(seconds: float) -> str:
    when = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return when.strftime("%Y-%m-%d %H:%M UTC")


# ---- facts and failures --------------------------------------------------------------------------


def _facts(reader: Reader, points: Points, versions: Versions) -> list[tuple[str, str]]:
    """Say in a line each what ran, where, when, and at which cost."""
    statuses = reader.field("status")
    counts = {status: int((statuses == int(status)).sum()) for status in Status}
    ended = ", ".join(f"{n:,} {status.label}" for status, n in counts.items() if n)
    started, elapsed = reader.field("started"), reader.field("elapsed_time")
    cpu = reader.field("cpu_time")
    hosts = sorted(filter(None, _used(reader, "host")))
    facts = [
        ("simulations", f"{ended or 'none recorded'} of {reader.study.count:,}"),
        (
            "points",
            f"{len(points):,} recorded, by {some_of(reader.study.swept) or 'nothing swept'}",
        ),
        ("engine", some_of(sorted(versions.engine)) or "not known"),
        ("code", ", ".join(version[:8] for version in versions.code) or "not known"),
    ]
    if np.isfinite(started).any():
        ends = started + np.where(np.isfinite(elapsed), elapsed, 0)
        facts.append(("when", f"{_date(np.nanmin(started))} to {_date(np.nanmax(ends))}"))
    if hosts:
        facts.append(("where", f"{len(hosts)} machine{'s'[: len(hosts) > 1]}: {some_of(hosts)}"))
    hours = float(np.nansum(cpu)) / 3600
    facts.append(
        ("cost", f"{hours:.3g} core hours of CPU, {format_duration(float(np.nansum(elapsed)))} of"
                 " simulations one after the other")
    )  # fmt: skip
    return [(name, literal(text)) for name, text in facts]


def _used(reader: Reader, name: str) -> list[str]:
    values, codes = reader.coded(name)
    return [str(values[code]) for code in np.unique(codes).tolist()]


def _failures(reader: Reader) -> Table | None:
    """Give what is not done, a row a cause."""
    rows = np.flatnonzero(reader.field("status") != int(Status.DONE))
    if not len(rows):
        return None
    hosts, of_rows = reader.coded("host")
    ids = reader.ids
    cells = []
    for group in groups_of(reader, rows)[:MAX_ROWS]:
        where = sorted({str(hosts[code]) for code in of_rows[group.rows].tolist()} - {""})
        cells.append([
            (f"{len(group.rows):,}", len(group.rows)), (group.status.label, group.status.label),
            (literal(group.cause), group.cause), (some_of(where), some_of(where)),
            (ids[group.rows[0]], ids[group.rows[0]]),
        ])  # fmt: skip
    return Table(["simulations", "status", "cause", "machines", "the first one"], cells)


# ---- work ----------------------------------------------------------------------------------------


def _costs(reader: Reader) -> list[Histogram]:
    """Give how long simulations took, and how much memory."""
    done = reader.field("status") == int(Status.DONE)
    memory = np.asarray(reader.field("peak_memory"), float) / _MEBIBYTE
    kinds = [
        ("wall time of a simulation that is done", "s", reader.field("elapsed_time")),
        ("largest memory of one of its processes", "MiB", np.where(memory > 0, memory, np.nan)),
    ]
    chosen = ((title, unit, values[done & np.isfinite(values)]) for title, unit, values in kinds)
    return [histogram(*kind) for kind in chosen if len(kind[-1])]


def _work(reader: Reader) -> Work | None:
    """Give how many simulations ran at a time on each machine."""
    started, elapsed = reader.field("started"), reader.field("elapsed_time")
    known = np.isfinite(started) & np.isfinite(elapsed)
    if not known.any():
        return None
    hosts, codes = reader.coded("host")
    counts = np.bincount(codes[known], minlength=len(hosts))
    named = [code for code in np.argsort(-counts, kind="stable").tolist() if counts[code]]
    edges = np.linspace(started[known].min(), (started + elapsed)[known].max(), 401)

    def running(rows: Values) -> Values:
        begins, ends = np.sort(started[rows]), np.sort((started + elapsed)[rows])
        later = np.searchsorted(ends, edges, "right")
        return np.asarray(np.searchsorted(begins, edges, "right") - later)

    lines = {
        literal(str(hosts[code])) or "?": running(known & (codes == code))
        for code in named[:_MAX_NAMED]
    }
    if others := named[_MAX_NAMED:]:
        lines[f"{len(others)} more"] = running(known & np.isin(codes, others))
    return Work("simulations that ran at a time", edges, lines)
