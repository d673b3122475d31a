"""Where the versions of the code in a store came from: files and their texts, commit, runs.

It is plain JSON: for each version, as :func:`~dask_espresso.process.modules.code_hash` names it,
the ``folder`` of its ``script``, its ``files``, the state of the ``git`` repository that they were
in, and the ``runs`` that were unlike each other: who, where, which versions, profile and engine.
"""

from __future__ import annotations

import functools
from collections.abc import Container, Iterable
from typing import Any, TypeAlias

Version: TypeAlias = dict[str, Any]
Provenance: TypeAlias = dict[str, Version]

MOST_RUNS = 100  # of a version, that are unlike each other
_OF_RUN = ("engine", "versions", "profile")
_WHEN = "first"  # the only thing in which two runs that are alike may differ


def checked(given: Any) -> Provenance:
    """Give provenance as it was read.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not isinstance(given, dict) or not all(map(_is_version, given.values())):
        raise ValueError("it does not say where code came from")
    return given


def _is_version(given: Any) -> bool:
    if not isinstance(given, dict) or not isinstance(given.get("git", {}), dict):
        return False
    files, runs = (given.get(key, []) for key in ("files", "runs"))
    return (
        isinstance(files, list)
        and isinstance(runs, list)
        and all(isinstance(file, dict) and {"name", "sha256"} <= file.keys() for file in files)
        and all(
            isinstance(run, dict) and all(_has_dict(run, key) for key in _OF_RUN) for run in runs
        )
    )


def _has_dict(run: dict[str, Any], key: str) -> bool:
    return isinstance(run.get(key, {}), dict)


def news(known: Provenance, provenance: Provenance) -> Provenance:
    """Give what of provenance is not known yet."""
    new = {name: _news(known.get(name, {}), version) for name, version in provenance.items()}
    return {name: version for name, version in new.items() if version}


def _news(known: Version, version: Version) -> Version:
    room = MOST_RUNS - len(known.get("runs", []))
    before = [_told(run) for run in known.get("runs", [])]
    runs = [run for run in version.get("runs", []) if _told(run) not in before][:room]
    code = {} if known.get("files") else {k: v for k, v in version.items() if k != "runs"}
    return code | ({"runs": runs} if runs else {})


def _told(run: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in run.items() if key != _WHEN}


def united(known: Provenance, other: Provenance) -> Provenance:
    """Give what both say; of files, what the first says."""
    both = dict(known)
    for name, new in news(known, other).items():
        before = both.get(name, {})
        both[name] = {**before, **new, "runs": [*before.get("runs", []), *new.get("runs", [])]}
    return both


def all_of(known: Iterable[Provenance]) -> Provenance:
    """Give what all say."""
    return functools.reduce(united, known, {})


def of_versions(provenance: Provenance, versions: Container[str]) -> Provenance:
    """Give the provenance of some versions of the code."""
    return {name: version for name, version in provenance.items() if name in versions}
