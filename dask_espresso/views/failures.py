"""What is not done, by its cause: which simulations, where, and what they alone have in common."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from ..errors import InputError
from ..inputs.stored_study import stored_study
from ..outcome import Outcome, Status
from ..process.report import signal_name
from ..store.arrays import Values
from ..store.contents import StoreContents
from ..store.reader import Reader
from ..store.reading import look_at_rows
from ..store.selection import select
from .causes import Group, groups_of
from .region import Regions
from .texts import literal, say, told_apart

if TYPE_CHECKING:
    from ..store.rows import Rows

LISTED = 5  # simulations of a group that a person reads; programs get all
_MOST_GROUPS = 20  # likewise
_MOST_REGIONS = 100  # groups, the largest, whose regions are looked for
_PLACES = (("node", "host"), ("job", "job_id"))  # what a group may have in common, and its field


def failures_report(
    path: Path,
    where: Sequence[str] = (),
    statuses: Collection[Status] = (),
    listed: int | None = None,
) -> dict[str, Any]:
    """Say why simulations of a study are not done, grouped by cause.

    Parameters
    ----------
    path : Path
        The store.
    where : sequence of str
        Conditions that they meet, as in :func:`~dask_espresso.store.selection.select`.
    statuses : collection of Status
        How they ended; any that is not done, where empty.
    listed : int, optional
        The most simulations that a group lists; by default all.

    Returns
    -------
    dict
        ``store``, ``study``, how many simulations are ``recorded``, ``done``, and in ``groups``,
        the largest first: ``status``, ``cause`` (with … for what differs), ``example``,
        ``exit_code``, ``signal``, ``count``, the least and the most ``attempts``; in ``common`` the
        ``node`` or the ``job`` that all of them ran in, with how many are done there and elsewhere;
        in ``region`` the ``condition`` that only simulations meet that are not done, with how many
        of these are ``recorded``; and its ``simulations``.
    """
    return look_at_rows(path, functools.partial(_report, path, where, statuses, listed))


def _report(
    path: Path,
    where: Sequence[str],
    statuses: Collection[Status],
    listed: int | None,
    rows: Rows,
    contents: StoreContents[Outcome],
) -> dict[str, Any]:
    try:
        study = stored_study(contents.study)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    reader = Reader(study, rows)
    ended = reader.field("status")
    are_done = ended == int(Status.DONE)
    chosen = np.flatnonzero(~are_done)
    if where or statuses:
        ids, found = reader.ids, {*select(rows, where, statuses, study.lineage).ids}
        chosen = np.array([row for row in chosen.tolist() if ids[row] in found], int)
    facts = _Facts(reader, are_done, listed) if len(chosen) else None
    groups = groups_of(reader, chosen) if facts else []
    return {
        "store": str(path),
        "study": study.name,
        "recorded": len(reader),
        "done": int(np.count_nonzero(are_done)),
        "groups": [
            facts.describe(group, may_look=number < _MOST_REGIONS)
            for number, group in enumerate(groups) if facts
        ],
    }  # fmt: skip


class _Facts:
    """What is known of the simulations of a reader, to say what is special of some of them.

    Parameters
    ----------
    reader : Reader
    are_done : array of bool, shape (n,)
    listed : int or None
        The most simulations that are listed.
    """

    def __init__(self, reader: Reader, are_done: Values, listed: int | None) -> None:
        self._reader, self._are_done, self._listed = reader, are_done, listed
        self._ids = reader.ids
        self._attempts = reader.field("attempts")
        self._places = {field: reader.coded(field) for _, field in _PLACES}
        self._regions = Regions(reader.study, reader.places, are_done)

    def describe(self, group: Group, may_look: bool) -> dict[str, Any]:
        """Say of a group all that programs get."""
        inside = np.zeros(len(self._reader), bool)
        inside[group.rows] = True
        region = self._regions.find(inside) if may_look else None
        attempts = self._attempts[group.rows]
        code = group.exit_code
        return {
            "status": group.status.label,
            "cause": group.cause,
            "example": group.example,
            "exit_code": code,
            "signal": signal_name(-code) if code is not None and code < 0 else None,
            "count": len(group.rows),
            "attempts": [int(attempts.min()), int(attempts.max())],
            "common": [
                found for word, field in _PLACES
                if (found := self._common(word, field, group.rows))
            ],
            "region": region and {"condition": region.condition, "recorded": region.recorded},
            "simulations": list(self._simulations(group.rows[: self._listed])),
        }  # fmt: skip

    def _common(self, word: str, field: str, rows: Values) -> dict[str, Any] | None:
        """Say where all of a group ran, if that is one place, and others ran elsewhere."""
        values, codes = self._places[field]
        here = codes[rows[0]]
        if len(rows) < 2 or not values[here] or not (codes[rows] == here).all():
            return None
        done = codes[self._are_done]
        done_here = int(np.count_nonzero(done == here))
        if done_here == len(done):
            return None  # all are from there, or none is done anywhere: that tells nothing
        return {
            "what": word,
            "name": values[here],
            "done_there": done_here,
            "done_elsewhere": len(done) - done_here,
        }

    def _simulations(self, rows: Values) -> Iterator[dict[str, Any]]:
        study, places = self._reader.study, self._reader.places[rows]
        swept = [(name, *study.coded(name, places)) for name in study.swept]
        (hosts, of_host), (jobs, of_job) = (self._places[field] for _, field in _PLACES)
        for number, (row, place) in enumerate(zip(rows.tolist(), places.tolist(), strict=True)):
            replica, point = divmod(place, study.n_points)
            yield {
                "id": self._ids[row],
                "point": point,
                "replica": replica,
                "attempts": int(self._attempts[row]),
                "host": hosts[of_host[row]],
                "job_id": jobs[of_job[row]],
                "parameters": {name: values[codes[number]] for name, values, codes in swept},
            }


def print_failures(report: dict[str, Any], console: Console) -> None:
    """Print what :func:`failures_report` gives."""
    groups = report["groups"]
    count = sum(group["count"] for group in groups)
    store, done, recorded = report["store"], report["done"], report["recorded"]
    if not count:
        say(console, f"{store}: nothing that was asked for has failed; {done} of {recorded} done")
        return
    causes = f"{len(groups)} causes" if len(groups) > 1 else "1 cause"
    say(console, f"{store}: {count} of {recorded} recorded are not done, of {causes}")
    for group in groups[:_MOST_GROUPS]:
        say(console, "")
        for line in _lines(group):
            say(console, line)
    if more := groups[_MOST_GROUPS:]:
        say(console, "")
        say(console, f"{sum(g['count'] for g in more)} of {len(more)} more causes: --json has them")
    first = groups[0]["simulations"][0]["id"]
    say(console, "")
    say(console, f"its log:    dask-espresso log {store} {first}")
    say(console, f"run here:   dask-espresso try STUDY --id {first}")
    say(console, f"run again:  dask-espresso run STUDY --only {first}, or --retry-failed for all")


def _lines(group: dict[str, Any]) -> Iterator[str]:
    """Say of a group what a person wants to know."""
    count, (least, most) = group["count"], group["attempts"]
    yield f"{count} x {group['status']}: {group['cause']}"
    if group["example"] != group["cause"]:
        yield f"    such as {group['example']}"
    if region := group["region"]:
        yield f"    {_region_in_words(region, count)}"
    for common in group["common"]:
        there, elsewhere = common["done_there"], common["done_elsewhere"]
        yield (
            f"    all on {common['what']} {common['name']}, where "
            f"{there or 'nothing'} {'is' if there < 2 else 'are'} done, and {elsewhere} elsewhere"
        )
    tries = str(most) if least == most else f"{least} to {most}"
    yield f"    tried {tries} time{'s' * (most > 1)}{' each' * (count > 1)}"
    yield from _table(group["simulations"], has_place=count == 1 or not group["common"])
    if count > LISTED:
        yield f"    and {count - LISTED} more"


def _region_in_words(region: dict[str, Any], count: int) -> str:
    recorded, condition = region["recorded"], region["condition"]
    if recorded == count:
        return f"all {count} of {recorded} recorded with {condition}"
    return f"all with {condition}, where none of {recorded} recorded is done"


def _table(simulations: Sequence[dict[str, Any]], has_place: bool) -> Iterator[str]:
    """Give the lines of a table of the first simulations of a group."""
    shown = simulations[:LISTED]
    columns = [["id", *(found["id"] for found in shown)]]
    for name in shown[0]["parameters"]:
        columns.append([name, *told_apart([found["parameters"][name] for found in shown])])
    columns.append(["replica", *(str(found["replica"]) for found in shown)])
    if has_place:
        columns.append(["host", *(found["host"] for found in shown)])
    widths = [max(map(len, column)) for column in columns]
    for row in zip(*columns, strict=True):
        cells = (literal(text).rjust(width) for text, width in zip(row, widths, strict=True))
        yield f"    {'  '.join(cells)}"
