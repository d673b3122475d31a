"""The HDF5 file of a store: all outcomes as columns, written and read as a whole."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import h5py
import numpy as np

from .. import __version__
from ..errors import InputError
from ..files import close_file, open_file, replace_file
from ..identity import IDS, simulation_id
from ..outcome import DEFAULTS, Outcome, Status
from .arrays import Column, column_of, is_plain_text, read_array, read_texts
from .columns import ABSENT, DIMENSION, find_columns, read_column
from .columns import Path as ColumnPath
from .contents import Head
from .index import coded, read_codes, read_places
from .nested import untabulate
from .provenance import Provenance, checked
from .seal import check_seal, seal_of
from .table import OUTCOME_FIELDS, Table
from .variables import write_columns

_T = TypeVar("_T")
# in the first, other programs found zeros and empty texts where nothing was; in the second, rows of
# several lengths stood one behind the other
FORMAT = 3
_MANY = 10  # times as long takes a text that is read alone
_ONCE_ZERO = ("outcome", ("peak_memory",))  # in stores of before, where it was not known
_NEEDED = ("status", "sequence")  # fields that every store has
_VERSIONS = "_code/versions"  # in a group, so that it is no variable
_PROVENANCE = "_code/provenance"
_NAMES_OF_STUDY = "parameters_of_study"


class Published:
    """An HDF5 file of a store, open for reading.

    Its methods raise InputError if it is damaged.

    Attributes
    ----------
    study : dict
        The study as it was when this was published.
    script_hash, code_hash, versions, provenance
        As in :class:`~dask_espresso.store.contents.StoreContents`, then.
    size : int
        The number of rows.
    has_names_of_study : bool
        Whether parameters are not as they were recorded, but as they were in the study then.
    """

    def __init__(self, path: Path, file: h5py.File, is_sealed: bool = False) -> None:
        self._path, self._file, self._is_sealed = path, file, is_sealed
        with self._reading():
            self.study = json.loads(file.attrs["study"])
            self.script_hash = str(file.attrs["script_hash"])
            self.code_hash = str(file.attrs.get("code_hash", ""))
            self.versions = json.loads(file[_VERSIONS][()]) if _VERSIONS in file else {}
            known = json.loads(file[_PROVENANCE][()]) if _PROVENANCE in file else {}
            self.provenance = checked(known)
            self.size = len(file[DIMENSION])
            self._names = find_columns(file)
            self.has_names_of_study = bool(file.attrs.get(_NAMES_OF_STUDY, False))
            self._has_old_ids = file.attrs.get("ids", 1) < IDS

    @functools.cached_property
    def ids(self) -> list[str]:
        """The simulations' ids, one a row."""
        with self._reading():
            ids = [text.decode() for text in self._file[DIMENSION][:]]
        return self._ids_of_now(ids) if self._has_old_ids else ids

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # h5py raises all kinds for what it cannot read
            raise InputError(
                f"{self._path}: damaged, or changed by another program "
                f"({type(error).__name__}: {error}); restore it, or name another --store"
            ) from error

    def paths(self, role: str) -> Collection[ColumnPath]:
        """Give the paths of the columns of one role."""
        return self._names.get(role, {}).keys()

    def column(self, role: str, path: ColumnPath) -> list[Any]:
        """Read a column: one value a simulation, or ABSENT."""
        with self._reading():
            values = read_column(self._file, self._names[role][path])
            if len(values) != self.size:
                raise ValueError(f"{'.'.join(path)} has {len(values)} values")
            return [value or ABSENT for value in values] if (role, path) == _ONCE_ZERO else values

    def array(self, role: str, path: ColumnPath, unread: Sequence[str] = ()) -> Column:
        """Read a column as an array, with what is missing beside it.

        Only the latter if it is of the kinds that are left unread.
        """
        if (role, path) == _ONCE_ZERO:
            return column_of(self.column(role, path))
        with self._reading():
            column = read_array(self._file, self._names[role][path], unread)
            if len(column.states) != self.size:
                raise ValueError(f"{'.'.join(path)} has {len(column.states)} values")
            return column

    def is_number(self, role: str, path: ColumnPath) -> bool:
        """Say whether a column is of numbers."""
        with self._reading():
            return self._file[self._names[role][path]].attrs["kind"] in ("float", "int")

    def field(self, name: str) -> np.ndarray[Any, Any]:
        """Read a field of all outcomes that is a number; its default where it is not known."""
        if (name,) in self.paths("outcome"):
            column = self.array("outcome", (name,))
            if column.values.dtype.kind in "if" and not column.states.any():
                return column.values
            if self.size and (column.states == 1).all():
                return np.array([DEFAULTS[name]] * self.size)
        return np.array(self.plain_field(name))

    def coded_field(self, name: str) -> tuple[list[Any], np.ndarray[Any, Any]]:
        """Read a field that has few values: these, and for each row which it has."""
        with self._reading():
            found = read_codes(self._file, name) if self._is_sealed else None
            if found is None:
                return coded(self.plain_field(name))
            values, codes = found
            if codes.shape != (self.size,) or codes.max(initial=0) >= max(len(values), 1):
                raise ValueError(f"the index of {name} is wrong")
            return [DEFAULTS[name] if value is None else value for value in values], codes

    def texts(self, name: str, rows: Sequence[int]) -> dict[int, str]:
        """Read a field that is a text, of some rows, by these."""
        wanted = sorted(set(rows))
        column = self._names.get("outcome", {}).get((name,), "")
        with self._reading():
            if wanted and _MANY * len(wanted) < self.size and is_plain_text(self._file, column):
                return dict(zip(wanted, read_texts(self._file, column, wanted), strict=True))
        values = self.plain_field(name) if wanted else []
        return {row: values[row] for row in wanted}

    def places(self) -> np.ndarray[Any, Any] | None:
        """Read each row's place in :attr:`study`, -1 for none; None if that is not known."""
        with self._reading():
            places = read_places(self._file) if self._is_sealed else None
            return places if places is None or places.shape == (self.size,) else None

    def _ids_of_now(self, before: list[str]) -> list[str]:
        """Give the ids that the simulations have now; of equal ones the second keeps its old id."""
        replicas = self.column("outcome", ("replica",))
        taken, ids = set(before), []
        for old, parameters, replica in zip(
            before, self._dicts("parameter"), replicas, strict=True
        ):
            new = simulation_id(parameters, replica)
            ids.append(old if new in taken else new)
            taken.add(new)
        return ids

    def heads(self) -> dict[str, Head]:
        """Read what a driver has to know of the outcomes."""
        statuses = self.field("status").tolist()
        hashes = [
            map(values.__getitem__, codes.tolist())
            for values, codes in map(self.coded_field, ("script_hash", "code_hash"))
        ]
        with self._reading():
            heads = map(Head.made, statuses, *hashes)
            return dict(zip(self.ids, heads, strict=True))

    def outcomes(self) -> dict[str, Outcome]:
        """Read all outcomes."""
        names = [name for name in OUTCOME_FIELDS if (name,) in self.paths("outcome")]
        fields = [self.plain_field(name) for name in names]
        parameters, results = self._dicts("parameter"), self._dicts("result")
        outcomes = {}
        with self._reading():
            for i, name in enumerate(self.ids):
                values = {field: column[i] for field, column in zip(names, fields, strict=True)}
                values["status"] = Status(values["status"])
                result = results[i] if values["status"].has_result else None
                outcomes[name] = Outcome(id=name, parameters=parameters[i], result=result, **values)
        return outcomes

    def plain_field(self, name: str) -> list[Any]:
        """Read a field of all outcomes; its default where it is not known."""
        default = DEFAULTS[name]
        if name not in _NEEDED and (name,) not in self.paths("outcome"):  # in stores of before
            return [default] * self.size
        values = self.column("outcome", (name,))
        return [default if value is ABSENT else value for value in values]

    def _dicts(self, role: str) -> list[dict[str, Any]]:
        columns = ((path, self.column(role, path)) for path in self.paths(role))
        with self._reading():
            return untabulate(columns, self.size)


@contextlib.contextmanager
def open_hdf5(path: Path) -> Iterator[Published | None]:
    """Open what has been published; None where there is no file.

    Raises
    ------
    InputError
        If the file is no store, a newer one, or damaged.
    OSError
        If it cannot be read.
    """
    stream = _opened(path)
    if stream is None:
        yield None
        return
    # one open file for all of it: at the path there may soon be a new one
    with stream:
        is_sealed = check_seal(path, stream)
        try:
            file = h5py.File(stream, "r")
        except OSError as error:
            if error.errno:  # of the stream
                raise
            raise InputError(
                f"{path}: not an HDF5 file ({error}); name a store, such as NAME.h5"
            ) from error
        with file:
            _check_format(path, file.attrs.get("dask_espresso_format"), file.attrs.get("source"))
            yield Published(path, file, is_sealed)


def _opened(path: Path) -> BinaryIO | None:
    try:
        return open_file(path)
    except FileNotFoundError:
        return None


def _check_format(path: Path, version: Any, source: Any) -> None:
    if not isinstance(version, int | np.integer):
        raise InputError(f"{path}: an HDF5 file, but no store of dask_espresso")
    if version > FORMAT:
        raise InputError(
            f"{path}: written by a newer dask_espresso ({source}); update this one ({__version__})"
        )


def write_hdf5(
    path: Path,
    table: Table,
    *described: Any,
    may_replace: Callable[[], bool] | None = None,
) -> None:
    """Replace the HDF5 file by one with what a table holds, at once and as a whole.

    Parameters
    ----------
    path : Path
        The file.
    table, *described
        As of :func:`write_content`.
    may_replace : callable, optional
        Asked at the last moment.

    Raises
    ------
    OSError
        If it cannot be written, or may not be replaced; the old file is then untouched.
    """
    close_file(replace_hdf5(path, lambda s: write_content(s, table, *described), may_replace)[0])


def replace_hdf5(
    path: Path, write: Callable[[BinaryIO], _T], may_replace: Callable[[], bool] | None
) -> tuple[int, _T]:
    """Replace the HDF5 file by what something writes, sealed.

    Returns
    -------
    (int, object)
        Descriptor of the new file, which the caller closes, and what `write` gave.
    """
    image = io.BytesIO()  # in memory, since HDF5 crashes on a full disk
    written = write(image)
    parts = [image.getbuffer()]
    return replace_file(path, [*parts, seal_of(parts)], may_replace), written


def write_content(
    stream: BinaryIO,
    table: Table,
    study: dict[str, Any],
    script_hash: str,
    code_hash: str = "",
    versions: dict[str, dict[str, str]] | None = None,
    provenance: Provenance | None = None,
) -> None:
    """Write what a table holds as an HDF5 file, without its seal.

    Parameters
    ----------
    stream : file object
        Where to.
    table : Table
        All outcomes that it is to hold.
    study, script_hash, code_hash, versions, provenance
        As in :class:`~dask_espresso.store.contents.StoreContents`.
    """
    with h5py.File(stream, "w", track_order=True) as file:
        _write_attributes(file, study, script_hash)
        file.attrs["code_hash"] = code_hash
        file[_VERSIONS] = json.dumps(versions or {})
        if provenance:
            file[_PROVENANCE] = json.dumps(provenance)
        if table.has_names_of_study:
            file.attrs[_NAMES_OF_STUDY] = True
        write_columns(file, table, study)


def _write_attributes(file: h5py.File, study: dict[str, Any], script_hash: str) -> None:
    file.attrs["Conventions"] = "CF-1.11"
    file.attrs["title"] = study["name"]
    file.attrs["source"] = f"dask_espresso {__version__}"
    file.attrs["dask_espresso_format"] = FORMAT
    file.attrs["study"] = json.dumps(study)
    file.attrs["script_hash"] = script_hash
    file.attrs["ids"] = IDS
    file.attrs["published"] = time.time()
