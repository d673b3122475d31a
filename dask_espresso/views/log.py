"""All that is known of one simulation, and what it printed."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ..kept import files_path, kept_files
from ..process.cause import brief
from ..process.report import signal_name
from ..store.lookup import find
from ..store.reading import store_path
from ..walltime import format_duration
from .texts import say

if TYPE_CHECKING:
    from ..outcome import Outcome

_WIDTH = 12  # of the names in front


def print_log(path: Path, name: str, console: Console) -> None:
    """Print what became of a simulation, and its whole log.

    Parameters
    ----------
    path : Path
        The store.
    name : str
        The simulation's id, or the beginning of it.
    console : Console

    Raises
    ------
    InputError
        If there is no such simulation.
    """
    found = find(path, name)
    outcome = found.outcome
    for what, value in _facts(path, outcome):
        say(console, f"{what:<{_WIDTH}}{value}".rstrip())
    if not found.is_in_study:
        say(console, "it is not part of the study as it was run last")
    for parameter, value in outcome.parameters.items():
        say(console, f"  {parameter} = {value!r}")
    printed = outcome.error.partition("\n")[2]
    if printed and printed.strip() not in outcome.log:
        _print(console, "error", outcome.error)
    _print(console, "log", outcome.log or "it printed nothing")


def _print(console: Console, title: str, text: str) -> None:
    say(console, f"---- {title} ----")
    for line in text.splitlines():
        say(console, line.expandtabs())


def _facts(path: Path, outcome: Outcome) -> Iterator[tuple[str, str]]:
    yield "simulation", f"{outcome.id}, replica {outcome.replica}, seed {outcome.seed}"
    tries = f"{outcome.attempts} attempt{'s' * (outcome.attempts != 1)}"
    yield "status", f"{outcome.status.label}, {tries}{_end(outcome.exit_code)}"
    if outcome.error:
        yield "why", brief(outcome.error)
    where = ", job ".join(filter(None, (outcome.host, outcome.job_id)))
    yield "where", where or "not known"
    yield "when", _times(outcome)
    if outcome.peak_memory is not None:
        yield "memory", f"{outcome.peak_memory / 2**20:.0f} MiB"
    yield "engine", f"{outcome.engine} {outcome.engine_version}"
    yield "code", f"script {outcome.script_hash[:12]}, version {outcome.code_hash or 'not known'}"
    if outcome.unread:
        yield "never read", ", ".join(outcome.unread)
    for file in kept_files(outcome.kept_files):
        yield "file", str(files_path(store_path(path)) / outcome.id / file.name)


def _end(exit_code: int | None) -> str:
    if exit_code is None:
        return ""
    return f", {signal_name(-exit_code)}" if exit_code < 0 else f", exit code {exit_code}"


def _times(outcome: Outcome) -> str:
    if not math.isfinite(outcome.started):
        return "not known"
    begun = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(outcome.started))
    said = [begun]
    if math.isfinite(outcome.elapsed_time):
        said.append(f"for {format_duration(outcome.elapsed_time)}")
    if math.isfinite(outcome.cpu_time):
        said.append(f"CPU {outcome.cpu_time:.2f} s")
    return ", ".join(said)
