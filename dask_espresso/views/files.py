"""Files that simulations have left: which there are, where, and whether they are as recorded."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from ..errors import InputError
from ..identity import matching, not_one
from ..kept import KeptFile, files_path, kept_files, what_is_wrong
from ..outcome import Outcome, Status
from ..store.arrays import Values
from ..store.contents import StoreContents
from ..store.reader import Reader
from ..store.reading import look, store_path
from .texts import literal, say, some_of, told_apart

if TYPE_CHECKING:
    from ..inputs.stored_study import StoredStudy

_GAP = "  "  # between columns


def print_files(path: Path, name: str, console: Console) -> list[str]:
    """Print what the simulations of a study have left, or the paths of what one has left.

    Parameters
    ----------
    path : Path
        The store.
    name : str
        A simulation's id, or the beginning of it; empty for all.
    console : Console

    Returns
    -------
    list of str
        What is not as it was recorded.

    Raises
    ------
    InputError
        If there is no such simulation.
    """
    view = functools.partial(_paths, path, name) if name else functools.partial(_table, path)
    lines, notes = look(path, view)
    for line in lines:
        say(console, line)
    return notes


def _paths(
    path: Path, name: str, reader: Reader, _: StoreContents[Outcome]
) -> tuple[list[str], list[str]]:
    """Give the paths of the files of one simulation."""
    found = matching(reader.ids, name)
    if len(found) != 1:
        what = not_one(reader.ids, name, found)
        raise InputError(f"{path}: {what}; `dask-espresso files {path}` lists them")
    (row,) = found
    (text,) = reader.texts("kept_files", np.array([row]))
    place = files_path(store_path(path)) / reader.ids[row]
    files = kept_files(text)
    said = ((place / file.name, what_is_wrong(place, file)) for file in files)
    wrong = [f"{file}: {what}" for file, what in said if what]
    return [str(place / file.name) for file in files], wrong or _none(path, files)


def _none(path: Path, files: list[KeptFile]) -> list[str]:
    return [] if files else [f"{path}: no files; a study says `keep` for those that are to stay"]


def _table(path: Path, reader: Reader, _: StoreContents[Outcome]) -> tuple[list[str], list[str]]:
    """Give a table of the simulations that have left files."""
    texts = reader.texts("kept_files", np.arange(len(reader)))
    rows = np.array([row for row, text in enumerate(texts) if text], int)
    kept = [kept_files(texts[row]) for row in rows.tolist()]
    if not kept:
        return [], _none(path, [])
    place, ids = files_path(store_path(path)), reader.ids
    names = [ids[row] for row in rows.tolist()]
    columns = [
        ["id", *names],
        ["status", *(Status(n).label for n in reader.field("status")[rows].tolist())],
        *_parameters(reader.study, reader.places[rows]),
        ["files", *(str(len(files)) for files in kept)],
        ["MiB", *(f"{sum(file.size for file in files) / 2**20:.1f}" for files in kept)],
    ]
    gone = [name for name, files in zip(names, kept, strict=True) if _lacks(place / name, files)]
    notes = []
    if gone:
        notes.append(
            f"{place}: files of {len(gone)} simulations are gone: {some_of(gone)}; put them "
            "back, or `forget` these simulations, and `run` has them again"
        )
    return [f"{place}/ID/:", *_lines(columns)], notes


def _lacks(place: Path, files: list[KeptFile]) -> bool:
    """Say whether files are not there any more; one that is there may have been changed."""
    return not all((place / file.name).is_file() for file in files)


def _parameters(study: StoredStudy, places: Values) -> Iterator[list[str]]:
    for name in study.swept:
        values, codes = study.coded(name, places)
        texts = told_apart(values)
        yield [literal(name), *(texts[code] for code in codes.tolist())]
    if study.replicas > 1:
        yield ["replica", *map(str, (places // study.n_points).tolist())]


def _lines(columns: list[list[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in columns]
    for row in zip(*columns, strict=True):
        yield _GAP.join(text.rjust(width) for text, width in zip(row, widths, strict=True))
