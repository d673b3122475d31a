"""The study of a store as a file that runs in a crate."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from ..inputs.document import Document
from ..inputs.point_files import with_point_files
from ..inputs.stored_study import stored_study
from ..inputs.study import Study
from ..inputs.yaml_text import study_lines

NAME = "study.yaml"
_PLACED = ("script", "program")  # keys whose texts depend on where the files are


def write_study(
    path: Path, snapshot: dict[str, Any], script: PurePosixPath | None, program: list[str]
) -> list[str]:
    """Write a study into a crate.

    Parameters
    ----------
    path : Path
        The file.
    snapshot : dict
        The study, as the store has it.
    script : PurePosixPath or None
        Of the script, in the crate.
    program : list of str
        Its command, in the crate.

    Returns
    -------
    list of str
        What does not come back from the file as it was.
    """
    given = {"name": snapshot["name"]}
    given |= {key: value for key, value in snapshot.items() if value is not None}
    if given.get("script") and script:
        given["script"] = f"./{script}"
    if not given.get("script"):
        given.pop("script", None)
    if given.get("program"):
        given["program"] = program
    if given.get("time_limit") is not None:
        given["time_limit"] = f"{given['time_limit']} s"
    if given.get("until"):
        given.pop("replicas", None)
    path.write_text("".join(study_lines(given)), encoding="utf-8")
    return _differences(path, snapshot)


def _differences(path: Path, snapshot: dict[str, Any]) -> list[str]:
    """Read it again, as a run would, and say in which keys it is another study."""
    again = with_point_files(Document.load(path)).validate(Study)
    keys = {key for key in snapshot if key not in _PLACED}
    now = again.snapshot()
    different = sorted(key for key in keys if now.get(key) != snapshot[key])
    if different and list(again.ids()) == list(stored_study(snapshot).ids()):
        return [
            f"{NAME}: {', '.join(different)} is written otherwise than it was; ids are the same"
        ]
    if different:
        return [
            f"{NAME}: comes to another study in {', '.join(different)}; the store has the true one"
        ]
    return []
