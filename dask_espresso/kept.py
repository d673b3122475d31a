"""Files that simulations have left, and that stay beside the store: names, sizes, hashes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from .errors import InputError
from .files import (
    LARGE,
    close_file,
    file_hash,
    open_file,
    remove_leftovers,
    replace_file,
    write_all,
)

if TYPE_CHECKING:
    from .inputs.keep import Keep

logger = logging.getLogger(__name__)

_GOING = ".forgotten"  # ids of simulations whose files are to go, a line each


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


@contextlib.contextmanager
def prepared(place: Path, mark: str) -> Iterator[None]:
    """Have the directory for all files, marked, without what killed workers have left in it.

    It is made by the driver alone: a worker that does not see it, with its mark, has another file
    system there.

    Raises
    ------
    InputError
        If it cannot be a directory.
    """
    if place.exists() and not place.is_dir():
        raise InputError(f"{place}: is no directory; move it away, or name another --store")
    place.mkdir(exist_ok=True)
    _remove(place.glob(".*.tmp"))
    _marked(place, mark).mkdir()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # the next driver removes it
            _marked(place, mark).rmdir()


def prepared_for(place: Path, keep: Keep) -> contextlib.AbstractContextManager[None]:
    """Have the directory for files that stay, where any do, or did."""
    is_needed = keep.patterns or place.is_dir()
    return prepared(place, keep.mark) if is_needed else contextlib.nullcontext()


def _marked(place: Path, mark: str) -> Path:
    return place / f".{mark}.tmp"


def is_marked(place: Path, mark: str) -> bool:
    """Say whether this is the directory that a driver has prepared, as seen from here."""
    return (_marked(place, mark) if mark else place).is_dir()


def announce_removal(place: Path, ids: Iterable[str]) -> None:
    """Write down of which simulations files are to go, when their outcomes are gone.

    Raises
    ------
    OSError
        If that cannot be written.
    """
    there = [name for name in ids if is_plain(name) and (place / name).is_dir()]
    if there:
        close_file(replace_file(place / _GOING, ["\n".join(there).encode()]))


def is_removal_announced(place: Path) -> bool:
    """Say whether files are to go still, of what was forgotten before."""
    return (place / _GOING).exists()


def remove_announced(place: Path, recorded: Container[str]) -> None:
    """Remove files that were to go, unless their simulations are still recorded.

    Whoever wrote down that they are to go may have been killed before. What cannot be removed is
    told.
    """
    remove_leftovers(place / _GOING)
    try:
        names = (place / _GOING).read_text().split("\n")
    except (FileNotFoundError, NotADirectoryError):
        return
    _remove(place / name for name in names if is_plain(name) and name not in recorded)
    (place / _GOING).unlink(missing_ok=True)


def is_plain(name: str) -> bool:
    """Say whether an id, of a store that anybody may have written, is a name in a directory."""
    return name not in ("", "..") and PurePath(name).name == name


def _remove(directories: Iterable[Path]) -> None:
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)
        if os.path.lexists(directory):
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


def copy_file(source: Path, target: Path, name: str) -> KeptFile:
    """Copy a file from one directory to another, where there is none of this name, and sync it."""
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with open_file(source / name) as file:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            while piece := file.read(LARGE):
                digest.update(piece)
                size += len(piece)
                write_all(fd, piece)
            os.fsync(fd)
        finally:
            close_file(fd)
    return KeptFile(name, size, digest.hexdigest())


def bring_file(source: Path, target: Path, file: KeptFile) -> str:
    """Have a file in another directory as well: as a hard link where there may be one, or copied.

    Returns
    -------
    str
        In which way it is not as recorded; then it is not there. Empty if all is well.

    Raises
    ------
    OSError
        If nothing can be written there.
    """
    path = PurePath(file.name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        return "is no file of a simulation: its name leads elsewhere"
    if wrong := what_is_wrong(source, file):
        return wrong
    (target / file.name).parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source / file.name, target / file.name)
    except OSError:  # another file system, or one without links
        if copy_file(source, target, file.name) != file:
            (target / file.name).unlink()
            return "was changed meanwhile"
    return ""


def as_text(files: Iterable[KeptFile]) -> str:
    """Write files as JSON text, as an outcome has them; empty if there are none."""
    listed = {file.name: {"size": file.size, "sha256": file.sha256} for file in files}
    return json.dumps(listed) if listed else ""


def kept_files(text: str) -> list[KeptFile]:
    """Read what :func:`as_text` wrote."""
    listed = json.loads(text) if text else {}
    return [KeptFile(name, about["size"], about["sha256"]) for name, about in listed.items()]
