"""Where what is in a store came from, to be read: code, commit, engine, who and when."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from ..outcome import Outcome
from ..store.contents import StoreContents
from ..store.reader import Reader
from ..store.reading import look
from .texts import literal, say

NOTHING = "not recorded: this store is of before that was kept, or no engine has started yet"
_WIDTH = 14  # of the names in front


def print_provenance(path: Path, console: Console) -> None:
    """Print all that is known of where the code in a store came from, texts last.

    Raises
    ------
    InputError
        If there is no such store.
    """
    look(path, functools.partial(_print, console))


def _print(console: Console, _: Reader, contents: StoreContents[Outcome]) -> None:
    for version in contents.provenance:
        for name, text in facts_of(contents, version):
            say(console, f"{name:<{_WIDTH}}{text}")
        say(console, "")
    for title, text in texts_of(contents):
        say(console, f"---- {title} ----")
        for line in text.splitlines():
            say(console, line.expandtabs())
    if not contents.provenance:
        say(console, NOTHING)


def facts_of(contents: StoreContents[Outcome], version: str) -> Iterator[tuple[str, str]]:
    """Give in a line each what is known of a version, but for texts."""
    about = contents.provenance[version]
    is_last = " (the last that was run)" if version == contents.code_hash else ""
    yield "version", f"{version}{is_last}"
    if about.get("folder"):
        yield "folder", str(about["folder"])
    for file in about.get("files", []):
        why = f" ({file['without_text']}: its text is not here)" if "without_text" in file else ""
        yield "file", f"{file.get('name')}  SHA-256 {str(file.get('sha256'))[:12]}…{why}"
    yield "commit", describe_commit(about.get("git") or {})
    for run in about.get("runs", []):
        yield from _facts_of_run(run)


def describe_commit(git: dict[str, Any]) -> str:
    """Say in words which commit it was, and what was not as in it."""
    if not git:
        return "none: not in a git repository"
    said = str(git.get("commit") or "none yet")
    if "error" in git:
        return f"{said if 'commit' in git else 'not known'} ({git['error']})"
    others = [("changed", git.get("changed", [])), ("not in it", git.get("untracked", []))]
    told = [f"{what}: {', '.join(map(str, names))}" for what, names in others if names]
    return f"{said} ({'; '.join(told) or 'nothing changed'})"


def _facts_of_run(run: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "run", f"{run.get('first')} by {run.get('user')} on {run.get('host')}"
    versions = run.get("versions", {})
    yield "with", ", ".join(f"{name} {version}" for name, version in versions.items())
    engine = run.get("engine", {})
    yield "engine", f"{engine.get('name')} {engine.get('version', '')}".strip()
    mpi = engine.get("mpi")
    if mpi:
        yield "mpi", str(mpi.get("version")).partition("\n")[0].strip()
    for name, value in (engine.get("build") or {}).items():
        yield name, " ".join(map(str, value)) if isinstance(value, list) else str(value)
    yield "tried on", f"{engine.get('host')}, {engine.get('cpu')}, {engine.get('system')}"
    if modules := engine.get("modules") or run.get("modules"):
        yield "modules", " ".join(map(str, modules))


def texts_of(contents: StoreContents[Outcome]) -> Iterator[tuple[str, str]]:
    """Give the texts of scripts, modules and profiles, each once, with what it is."""
    known = set()
    for version, about in contents.provenance.items():
        profiles = [run["profile"] for run in about.get("runs", []) if "profile" in run]
        for file in [*about.get("files", []), *profiles]:
            text = file.get("text")
            if text and (file.get("name"), text) not in known:
                known.add((file.get("name"), text))
                kind = f"version {version[:8]}" if "sha256" in file else "profile"
                yield literal(f"{file.get('name')} ({kind})"), str(text)
