"""Dask's own configuration files, which Dask reads when it is imported, and complains of badly."""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

_SECTIONS = ("array", "dask-espresso", "dataframe", "distributed", "jobqueue", "scheduler-info")


def malformed_file() -> str:
    """Say which file Dask cannot use, and why; empty if all of them are well."""
    for path in _files():
        try:
            found = yaml.safe_load(path.read_text())  # as Dask does
        except OSError:
            continue  # Dask goes on without it, too
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            line = f":{mark.line + 1}" if mark else ""
            said = getattr(error, "problem", None) or getattr(error, "reason", "") or "not text"
            return _said(f"{path}{line}", f"is not YAML ({said})")
        if found is not None and not isinstance(found, dict):
            return _said(path, f"holds a {type(found).__name__} where keys are expected")
        if wrong := _wrong_section(found or {}):
            return _said(path, wrong)
    return ""


def _said(place: Any, what: str) -> str:
    return f"{place}: {what}; it is one of Dask's configuration files: correct it, or move it away"


def _wrong_section(found: dict[Any, Any]) -> str:
    jobqueue = found.get("jobqueue")
    sections = [(name, found[name]) for name in _SECTIONS if found.get(name) is not None]
    if isinstance(jobqueue, dict):
        sections += [(f"jobqueue.{name}", value) for name, value in jobqueue.items()]
    for name, value in sections:
        if value is not None and not isinstance(value, dict):
            return f"{name}: is {value!r} but must be a mapping"
    return ""


def file_of(*keys: str) -> Path | None:
    """Give the file that has the last word on a setting; None where none has it."""
    last = None
    for path in _files():
        try:
            found = yaml.safe_load(path.read_text())
        except (OSError, yaml.YAMLError, ValueError):
            continue
        for key in keys:
            found = _get(found, key)
        last = path if found is not None else last
    return last


def _get(found: Any, key: str) -> Any:
    if not isinstance(found, dict):
        return None
    return next((v for k, v in found.items() if str(k).replace("_", "-") == key), None)


def _files() -> Iterator[Path]:
    for place in _places():
        if place.is_dir():
            with os.scandir(place) as entries:
                names = sorted(entry.name for entry in entries)
            yield from (place / n for n in names if Path(n).suffix in (".json", ".yaml", ".yml"))
        elif place.is_file():
            yield place


def _places() -> Sequence[Path]:
    """Name the places where Dask looks, in its order; a later one goes before."""
    prefixes = [sys.prefix, *site.PREFIXES]
    places = [
        os.environ.get("DASK_ROOT_CONFIG", "/etc/dask"),
        *(f"{prefix}/etc/dask" for prefix in dict.fromkeys(prefixes)),
        "~/.config/dask",
        *([os.environ["DASK_CONFIG"]] if os.environ.get("DASK_CONFIG") else []),
    ]
    return [Path(os.path.expanduser(place)) for place in places]  # noqa: PTH111
