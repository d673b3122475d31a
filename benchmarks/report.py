"""Results as JSON, and as Markdown tables on a page."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures begin -->", "<!-- figures end -->"


@dataclasses.dataclass(frozen=True)
class Table:
    """What a benchmark has found.

    Attributes
    ----------
    title : str
        In a few words.
    how : str
        How it was measured.
    rows : list of dict
        A column a key, in which its unit stands. Lists are kept in JSON, and not shown.
    """

    title: str
    how: str
    rows: list[dict[str, Any]]

    def markdown(self) -> str:
        """Give it as text of a page."""
        columns = dict.fromkeys(
            name for row in self.rows for name, cell in row.items() if not isinstance(cell, list)
        )
        lines = [f"### {self.title}", "", *([self.how, ""] if self.how else [])]
        lines += [_line(columns), _line("---" for _ in columns)]
        lines += [_line(_text(row.get(name)) for name in columns) for row in self.rows]
        return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(cell: Any) -> str:
    """Write three digits of a number, of which no more can be had here."""
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:#.3g}".removesuffix(".")
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def describe_machine() -> dict[str, Any]:
    """Say on what this runs, no more than a reader needs."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory in GiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()}, {platform.machine()}",
        "Python": platform.python_version(),
        "year": datetime.date.today().year,
        # of others, mostly: they make walls long, and differences of walls wrong
        "load average before": round(os.getloadavg()[0], 1),
    }


def write_json(path: Path, found: Mapping[str, Any]) -> None:
    """Write results down."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")


def write_page(page: Path, found: Mapping[str, Any]) -> None:
    """Put tables between the two marks of a page, and all results beside it as JSON.

    Parameters
    ----------
    page : Path
        Has both marks, or does not exist yet.
    found : mapping
        By benchmark: its ``machine`` and its ``tables``. Benchmarks that are not among them keep
        what the JSON has of them.
    """
    beside = page.with_suffix(".json")
    before = json.loads(beside.read_text()) if beside.exists() else {}
    together = {**before, **found}
    text = page.read_text() if page.exists() else f"{BEGIN}\n{END}\n"
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    page.write_text(f"{head}{BEGIN}\n\n{markdown(together)}\n{END}{tail}")
    write_json(beside, together)


def markdown(found: Mapping[str, Any]) -> str:
    """Give the tables of all benchmarks."""
    parts = []
    for result in found.values():
        parts += [Table(**table).markdown() for table in result["tables"]]
        machine = ", ".join(f"{name} {value}" for name, value in result["machine"].items())
        form = " A quick form, with few simulations." if result["quick"] else ""
        parts.append(f"Measured on: {machine}.{form}\n")
    return "\n".join(parts)
