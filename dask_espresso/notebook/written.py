"""A study that was made in Python as a file, which the driver reads, and anybody else may."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..inputs.document import MAX_SIZE, Document
from ..inputs.point_files import with_point_files
from ..inputs.program import found_words
from ..inputs.script_file import shipped_simulations
from ..inputs.study import Study as CheckedStudy
from ..inputs.yaml_text import study_lines
from ..paths import expand
from ..views.export import write_output

_MARK = "# Written by Study.run of dask_espresso, and written anew by the next one."
_PLACED = ("script", "program")  # keys whose texts depend on where the file is


def write_study(given: dict[str, Any], checked: CheckedStudy, file: Path, *, ours: bool) -> None:
    """Write a study into a file that comes to the same one.

    Parameters
    ----------
    given : dict
        Its keys and plain values, with paths as they are seen from the file.
    checked : Study
        What they come to.
    file : Path
    ours : bool
        Whether to mark the file as written by a run, and to replace only such a one.

    Raises
    ------
    InputError
        If it would be too large, cannot be written, or would replace what is not ours.
    """
    if ours and file.exists() and not _is_ours(file):
        raise InputError(f"{file}: is there, and no run of a notebook wrote it; move it away")
    text = "".join([f"{_MARK}\n" * ours, *study_lines(given)])
    content = text.encode()
    if len(content) > MAX_SIZE:
        raise InputError(
            f"{file}: would be larger than 1 MiB; give long arrays as ranges, such as "
            "{'start': 0, 'stop': 1, 'num': 100001}, or `points` as the path of a .csv file"
        )
    write_output(file, [content])
    again = with_point_files(Document.load(file)).validate(CheckedStudy)
    one, other = (_compared(study) for study in (checked, again))
    if one != other:
        raise RuntimeError(f"{file}: comes to another study than the one in Python: a bug")


def _is_ours(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(len(_MARK)) == _MARK.encode()


def placed(given: dict[str, Any], base: Path, directory: Path) -> dict[str, Any]:
    """Give a study with paths that are seen from one directory, as they are seen from another."""

    def moved(path: str) -> str:
        found = os.path.relpath((base / expand(path)).absolute(), directory.absolute())
        return os.path.join(".", found).replace("$", "$$")  # noqa: PTH118  it would lose the dot

    def with_points(keys: Any) -> Any:
        has_file = isinstance(keys, dict) and isinstance(keys.get("points"), str)
        return {**keys, "points": moved(keys["points"])} if has_file else keys

    data: dict[str, Any] = with_points(given)
    if data.get("script") and data["script"] not in shipped_simulations():
        data = {**data, "script": moved(data["script"])}
    if isinstance(data.get("program"), list):
        data = {**data, "program": list(found_words(data["program"], base))}
    if isinstance(data.get("blocks"), list):
        data = {**data, "blocks": [*map(with_points, data["blocks"])]}
    return data


def _compared(study: CheckedStudy) -> Any:
    return {key: value for key, value in study.snapshot().items() if key not in _PLACED}
