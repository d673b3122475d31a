"""Reading a store: its journal first, then its HDF5 file, so that nothing is missed.

What is published while somebody reads is then in the file.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ..errors import InputError
from ..files import aside_of, followed
from ..inputs.stored_study import stored_study
from ..outcome import Outcome
from .claim import holder
from .contents import Row, StoreContents
from .hdf5 import Published, open_hdf5
from .journal import journal_path
from .provenance import united
from .reader import Reader
from .recorded import Description, Recorded, check_same_study
from .rows import Rows

T = TypeVar("T")


def claim_path(path: Path) -> Path:
    """Give the path of the claim beside a store."""
    return path.with_suffix(path.suffix + ".claim")


def read_store(path: str | os.PathLike[str]) -> StoreContents[Outcome]:
    """Read a store, also while a driver is writing it.

    Parameters
    ----------
    path : path
        The HDF5 file. It need not exist yet where its journal does.

    Returns
    -------
    StoreContents

    Raises
    ------
    InputError
        If there is no store, or the file is none or of a newer format.

    Examples
    --------
    >>> store = read_store("lj_pressure.h5")                       # doctest: +SKIP
    >>> [o.result["pressure"] for o in store.outcomes.values()]    # doctest: +SKIP
    """
    return read_rows(store_path(path), lambda outcome: outcome, Published.outcomes)


def store_path(path: str | os.PathLike[str]) -> Path:
    """Give the file itself where a store is named by a link: journal and claim are beside it.

    Raises
    ------
    InputError
        If no file of a store can be there.
    """
    path = Path(path)
    try:
        path = followed(path)
        wrong = _wrong_place(path)
    except (OSError, RuntimeError, ValueError) as error:  # a name too long, links in a circle
        wrong = getattr(error, "strerror", None) or str(error)
    if wrong:
        raise InputError(f"{path}: {wrong}; name another store")
    return path


def _wrong_place(path: Path) -> str:
    if not path.name or path.is_dir():
        return "a directory"
    if path.exists() and not path.is_file():
        return "not a regular file"
    longest = len(os.fsencode(aside_of(claim_path(path)).name))
    if path.parent.is_dir() and longest > (most := os.pathconf(path.parent, "PC_NAME_MAX")):
        room = most - longest + len(os.fsencode(path.name))
        return f"its name is too long: at most {room} bytes, since other files have longer ones"
    return ""


def read_rows(
    path: Path,
    keep: Callable[[Outcome], Row],
    published_rows: Callable[[Published], dict[str, Row]],
    description: dict[str, Any] | None = None,
) -> StoreContents[Row]:
    """Read a store, or as much of each outcome as is to be kept.

    If none of its descriptions can be read, it has the given one.
    """
    return _again_if_stale(path, lambda: _read_once(path, keep, published_rows, description))


def look(path: str | os.PathLike[str], view: Callable[[Reader, StoreContents[Outcome]], T]) -> T:
    """Look at as much of a store as is asked for, also while a driver is writing it.

    Parameters
    ----------
    path : path
        The HDF5 file. It need not exist yet where its journal does.
    view : callable
        Gets a reader, and what the store says of itself, without outcomes.

    Raises
    ------
    InputError
        If there is no store, or the file is none or of a newer format.
    """

    def read(rows: Rows, contents: StoreContents[Outcome]) -> T:
        try:
            study = stored_study(contents.study)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        return view(Reader(study, rows), contents)

    return look_at_rows(path, read)


def look_at_rows(
    path: str | os.PathLike[str], view: Callable[[Rows, StoreContents[Outcome]], T]
) -> T:
    """Look at a store as :func:`look`, at all that is there, whatever the study is."""
    place = store_path(path)
    return _again_if_stale(place, lambda: _look_once(place, view))


def _again_if_stale(path: Path, read: Callable[[], T]) -> T:
    for attempt in range(5):
        try:
            return read()
        except OSError as error:
            # on NFS a file replaced while it is read goes stale: read the new one
            if error.errno != errno.ESTALE or attempt == 4:
                raise InputError(f"{path}: cannot be read: {error}") from error
    raise AssertionError


def _look_once(path: Path, view: Callable[[Rows, StoreContents[Outcome]], T]) -> T:
    recorded = Recorded(path, lambda outcome: outcome)
    with open_hdf5(path) as published:
        contents = _contents_of(path, published, {}, recorded, None)
        return view(Rows(published, recorded.rows.values()), contents)


def _read_once(
    path: Path,
    keep: Callable[[Outcome], Row],
    published_rows: Callable[[Published], dict[str, Row]],
    description: dict[str, Any] | None,
) -> StoreContents[Row]:
    # the journal first: what is published meanwhile is then in the file
    recorded = Recorded(path, keep)
    with open_hdf5(path) as published:
        outcomes = published_rows(published) if published else {}
        contents = _contents_of(path, published, outcomes, recorded, description)
        for name, row in recorded.latest(published):
            outcomes[name] = row
    return contents


def _contents_of(
    path: Path,
    published: Published | None,
    outcomes: dict[str, Row],
    recorded: Recorded[Row],
    description: dict[str, Any] | None,
) -> StoreContents[Row]:
    """Say what the file holds, and what the journal says of the store."""
    descriptions = recorded.descriptions
    if published is not None:
        contents = _published_contents(published, outcomes)
    elif descriptions or (recorded.count and description):
        described = descriptions[0] if descriptions else Description(**description or {})
        contents = StoreContents(described.study, described.script_hash, outcomes)
    elif recorded.count:
        raise InputError(
            f"{journal_path(path)}: what it says of its study is damaged; "
            "`dask-espresso run` with that study mends it"
        )
    else:
        raise InputError(f"{path}: there is no such store; `dask-espresso run` makes it")
    for described in descriptions:
        check_same_study(path, contents.study, described)
        contents.study, contents.script_hash = described.study, described.script_hash
        contents.code_hash = described.code_hash
        contents.versions = {**contents.versions, **described.versions}
    contents.provenance = united(contents.provenance, recorded.provenance)
    contents.n_unpublished = recorded.count
    contents.last_sequence = max(contents.last_sequence, recorded.last_sequence)
    contents.owner = holder(claim_path(path))
    return contents


def _published_contents(published: Published, outcomes: dict[str, Row]) -> StoreContents[Row]:
    return StoreContents(
        published.study,
        published.script_hash,
        outcomes,
        published.code_hash,
        published.versions,
        published_as={
            "study": published.study,
            "script_hash": published.script_hash,
            "code_hash": published.code_hash,
            "versions": published.versions,
        },
        provenance=published.provenance,
        n_published=published.size,
        last_sequence=int(published.field("sequence").max(initial=0)),
    )
