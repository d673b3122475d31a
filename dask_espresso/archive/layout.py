"""Where files of the code are in a crate: beside each other as they were, so that they run."""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import PurePosixPath
from typing import Any

CODE = "code"  # a folder for each version
_ELSEWHERE = "modules"  # in it, what was on the module path, far from the script
_LEVELS = 3  # folders above the script's that belong to the code


def version_folder(version: str) -> PurePosixPath:
    """Give the folder of a version of the code."""
    return PurePosixPath(CODE, _plain(version))


def places_of(version: str, about: dict[str, Any]) -> dict[str, PurePosixPath]:
    """Give the place of each file of a version, by its name in the store.

    Parameters
    ----------
    version : str
    about : dict
        What the store says of it, see :mod:`dask_espresso.store.provenance`; whoever wrote that,
        no place is outside of the version's folder.
    """
    files = about.get("files", [])
    ups = {str(file["name"]): _ups(str(file.get("path", ""))) for file in files}
    depth = max((n for n in ups.values() if 0 <= n <= _LEVELS), default=0)
    above = [_plain(part) for part in PurePosixPath(str(about.get("folder", ""))).parts[-depth:]]
    folder = version_folder(version).joinpath(*(above if depth else []))
    places = {}
    for file in files:
        name = str(file["name"])
        parts = PurePosixPath(str(file.get("path", ""))).parts
        if 0 <= ups[name] <= _LEVELS:
            up = ups[name]
            base = folder.parents[up - 1] if up else folder
            places[name] = base.joinpath(*parts[up:])
        else:
            inside = [part for part in PurePosixPath(name).parts if part not in ("..", "/")]
            places[name] = version_folder(version).joinpath(_ELSEWHERE, *inside or ["module"])
    return places


def module_folders(version: str, about: dict[str, Any]) -> list[PurePosixPath]:
    """Give the folders in a crate that are to be on the module path.

    From there modules are imported by the names that they have in the store; those beside the
    script are found without.
    """
    places = places_of(version, about)
    script = places.get(str(about.get("script", "")))
    folders = []
    for name, place in places.items():
        parts = PurePosixPath(name).parts
        if place != script and parts and place.parts[-len(parts) :] == parts:
            folders.append(place.parents[len(parts) - 1])
    return [folder for folder in dict.fromkeys(folders) if not script or folder != script.parent]


def script_place(version: str, about: dict[str, Any]) -> PurePosixPath | None:
    """Give the place of a version's script; None where the store does not have one."""
    return places_of(version, about).get(str(about.get("script", "")))


def placed_command(
    words: Sequence[str], version: str, about: dict[str, Any], there: Container[str]
) -> list[str]:
    """Give the words of a program's command, in a crate.

    Parameters
    ----------
    words : sequence of str
        As the study has them.
    version : str
        Of which the files are to be.
    about : dict
        What the store says of it.
    there : container of str
        The files of the crate.
    """
    names = about.get("command", [PurePosixPath(str(word)).name for word in words])
    if not isinstance(names, list) or len(names) != len(words):
        return list(words)  # it was another command, of a profile
    places = places_of(version, about)
    found = [str(places.get(str(name), "")) for name in names]
    is_in_path = [number == 0 and "/" not in word for number, word in enumerate(words)]
    return [
        f"./{place}" if place in there and not is_found else word
        for word, place, is_found in zip(words, found, is_in_path, strict=True)
    ]


def _ups(path: str) -> int:
    """Count the folders that a path goes up before it goes down; -1 where that is not how it is."""
    parts = PurePosixPath(path).parts
    up = next((i for i, part in enumerate(parts) if part != ".."), len(parts))
    is_odd = not parts[up:] or ".." in parts[up:] or path.startswith("/")
    return -1 if is_odd else up


def _plain(part: str) -> str:
    return part if part not in ("", ".", "..", "/") and "/" not in part else "folder"
