"""Files that simulations have left, and that stay beside the store: names, sizes, hashes."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .errors import InputError
from .files import file_hash

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeptFile:
    """One file of a simulation.

    Attributes
    ----------
    name : str
        Its path in the simulation's directory.
    size : int
        In bytes.
    sha256 : str
        Of what is in it, as hexadecimal digits.
    """

    name: str
    size: int
    sha256: str


def files_path(store: Path) -> Path:
    """Give the directory beside a store that has a directory for each simulation."""
    return store.with_suffix(".files")


def prepare(place: Path) -> None:
    """Make the directory for all files, and remove what killed workers have left in it.

    It is made by the driver alone: a worker that does not see it has another file system there.

    Raises
    ------
    InputError
        If it cannot be a directory.
    """
    if place.exists() and not place.is_dir():
        raise InputError(f"{place}: is no directory; move it away, or name another --store")
    place.mkdir(exist_ok=True)
    _remove(place.glob(".*.tmp"))


def remove_files(place: Path, ids: Iterable[str]) -> None:
    """Remove what stays of simulations; what cannot be removed is told."""
    _remove(place / name for name in ids if (place / name).exists())


def _remove(directories: Iterable[Path]) -> None:
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)
        if directory.exists():
            logger.warning("%s: is of no use any more, but cannot be removed; remove it", directory)


def what_is_wrong(place: Path, file: KeptFile) -> str:
    """Say in which way a file in a simulation's directory is not as recorded; empty if it is."""
    try:
        if file_hash(place / file.name) == file.sha256:
            return ""
    except FileNotFoundError:
        return "is gone: it was removed or moved after the simulation; put it back"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "is not what was recorded: it has been changed, or is of another attempt"


def as_text(files: Iterable[KeptFile]) -> str:
    """Write files as JSON text, as an outcome has them; empty if there are none."""
    listed = {file.name: {"size": file.size, "sha256": file.sha256} for file in files}
    return json.dumps(listed) if listed else ""


def kept_files(text: str) -> list[KeptFile]:
    """Read what :func:`as_text` wrote."""
    listed = json.loads(text) if text else {}
    return [KeptFile(name, about["size"], about["sha256"]) for name, about in listed.items()]
