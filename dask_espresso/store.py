"""The store: every outcome of a study, in one HDF5 file and a journal beside it.

``NAME.h5`` is only ever replaced as a whole. Outcomes go to ``NAME.journal``
first, fsynced; publishing builds a new HDF5 file aside, out of the old one and
the journal, and renames it. A reader takes both, journal first, so that it
misses nothing that is published while it reads.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import struct
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py

from . import __version__
from .claim import Claim, holder
from .columns import ABSENT, DIMENSION, ColumnWriter, read_columns, tabulate, unflatten
from .errors import InputError, ResumableError
from .journal import Journal, read_journal, sync_directory
from .outcome import FIELDS, Outcome, Status, unpack

if TYPE_CHECKING:
    from .study import Study

FORMAT = 1
# a journal record begins with one of these; an outcome's sequence number follows
_DESCRIPTION, _OUTCOME = b"D", b"O"
_SEQUENCE = struct.Struct("<Q")
# What every simulation of one store has in common; the script's hash is compared separately.
_IDENTITY = ("name", "engine", "seed")
_MIN_PUBLISH = 64  # records below which a running driver does not publish
_COLUMNS = tuple(name for name in FIELDS if name not in ("id", "parameters", "result"))
_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "status": {
        "flag_values": [int(status) for status in Status],
        "flag_meanings": " ".join(status.label.replace(" ", "_") for status in Status),
    },
    "replica": {"long_name": "number of the replica"},
    "seed": {"long_name": "the simulation's own seed"},
    "attempts": {"long_name": "number of times it was started"},
    "exit_code": {"long_name": "exit code, or minus the number of a signal"},
    "started": {"units": "seconds since 1970-01-01", "calendar": "standard"},
    "elapsed_time": {"units": "s"},
    "cpu_time": {"units": "s"},
    "peak_memory": {"units": "B", "long_name": "largest resident memory of one process"},
    "script_hash": {"long_name": "SHA-256 of the script"},
    "sequence": {"long_name": "order of recording"},
}


@dataclasses.dataclass
class StoreContents:
    """All that a store holds.

    Attributes
    ----------
    study : dict
        The study as it was run last; see :meth:`dask_espresso.study.Study.from_snapshot`.
    script_hash : str
        SHA-256 of the script as it was run last.
    outcomes : dict of str to Outcome
        By the simulation's id; in the order of the study where published.
    owner : dict
        The driver that is at work on it now: host, pid, job_id; empty where none is.
    """

    study: dict[str, Any]
    script_hash: str
    outcomes: dict[str, Outcome]
    owner: dict[str, Any] = dataclasses.field(default_factory=dict)


def journal_path(path: Path) -> Path:
    """Give the path of the journal beside a store."""
    return path.with_suffix(".journal")


def claim_path(path: Path) -> Path:
    """Give the path of the claim beside a store."""
    return path.with_suffix(path.suffix + ".claim")


def read_store(path: str | os.PathLike[str]) -> StoreContents:
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
    path = Path(path)
    for attempt in range(5):
        try:
            return _read(path)
        except OSError as error:
            # on NFS a file replaced while it is read goes stale: read the new one
            if error.errno != errno.ESTALE or attempt == 4:
                raise InputError(f"{path}: cannot be read: {error}") from error
    raise AssertionError


def _read(path: Path) -> StoreContents:
    records, _ = read_journal(journal_path(path))
    contents = _read_published(path)
    if contents is None and not records:
        raise InputError(f"{path}: there is no such store; `dask-espresso run` makes it")
    for record in records:
        kind, body = record[:1], record[1:]
        if kind == _DESCRIPTION:
            description = json.loads(body)
            if contents is None:
                contents = StoreContents(outcomes={}, **description)
            if not _is_same(description["study"], contents.study):
                raise InputError(f"{journal_path(path)}: belongs to another study than {path}")
            contents.study = description["study"]
            contents.script_hash = description["script_hash"]
        elif kind == _OUTCOME and contents is not None:
            outcome = unpack(body[_SEQUENCE.size :])
            (outcome.sequence,) = _SEQUENCE.unpack_from(body)
            before = contents.outcomes.get(outcome.id)
            if before is None or before.sequence <= outcome.sequence:
                contents.outcomes[outcome.id] = outcome
    if contents is None:
        raise InputError(f"{journal_path(path)}: its first record is damaged; move it away")
    contents.owner = holder(claim_path(path))
    return contents


def _is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one.get(key) == other.get(key) for key in _IDENTITY)


def _read_published(path: Path) -> StoreContents | None:
    try:
        file = h5py.File(path, "r", locking=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ESTALE:
            raise
        raise InputError(f"{path}: not an HDF5 file ({error}); name another --store") from error
    with file:
        version = file.attrs.get("dask_espresso_format")
        if version is None:
            raise InputError(f"{path}: an HDF5 file, but no store of dask_espresso")
        if int(version) > FORMAT:
            raise InputError(
                f"{path}: written by a newer dask_espresso ({file.attrs.get('source')}); "
                f"update this one ({__version__})"
            )
        return StoreContents(
            study=json.loads(file.attrs["study"]),
            script_hash=str(file.attrs["script_hash"]),
            outcomes=_read_outcomes(file),
        )


def _read_outcomes(file: h5py.File) -> dict[str, Outcome]:
    ids = [text.decode() for text in file[DIMENSION][:]]
    fields = dict(_outcome_columns(file))
    parameters = _rows(file, "parameter", len(ids))
    results = _rows(file, "result", len(ids))
    outcomes = {}
    for i, name in enumerate(ids):
        values = {field: column[i] for field, column in fields.items()}
        values["status"] = Status(values["status"])
        result = results[i] if values["status"].has_result else None
        outcomes[name] = Outcome(id=name, parameters=parameters[i], result=result, **values)
    return outcomes


def _outcome_columns(file: h5py.File) -> Iterable[tuple[str, list[Any]]]:
    for path, values in read_columns(file, "outcome"):
        if path[0] in _COLUMNS:
            yield path[0], values


def _rows(file: h5py.File, role: str, size: int) -> list[dict[str, Any]]:
    rows: list[dict[tuple[str, ...], Any]] = [{} for _ in range(size)]
    for path, values in read_columns(file, role):
        for row, value in zip(rows, values, strict=True):
            if value is not ABSENT:
                row[path] = value
    return [unflatten(row) for row in rows]


class Entry(NamedTuple):
    """An outcome on its way into the store, packed by the worker already."""

    id: str
    status: Status
    record: bytes


class Store:
    """A store held by this driver.

    Opened with :func:`open_store`, which refuses what must not be written to.

    Attributes
    ----------
    path : Path
        The HDF5 file.
    statuses : dict of str to Status
        What is recorded, by the simulation's id.
    """

    def __init__(self, path: Path, study: Study, claim: Claim, keep: StoreContents) -> None:
        self.path = path
        self.statuses = {name: outcome.status for name, outcome in keep.outcomes.items()}
        self._study = study
        self._claim = claim
        self._sequence = max((o.sequence for o in keep.outcomes.values()), default=0)
        self._published = len(keep.outcomes)
        self._is_changed = bool(keep.outcomes) and (
            keep.study != study.snapshot() or keep.script_hash != study.script_hash
        )
        description = {"study": study.snapshot(), "script_hash": study.script_hash}
        self._journal = Journal(journal_path(path), _DESCRIPTION + json.dumps(description).encode())
        self._unpublished = sum(r[:1] == _OUTCOME for r in read_journal(journal_path(path))[0])

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}, {len(self.statuses)} outcomes)"

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def record(self, entries: list[Entry]) -> None:
        """Write outcomes down; when this returns they are on disk.

        Raises
        ------
        ResumableError
            If they cannot be written, such as for a full disk.
        """
        if not entries:
            return
        if not self._claim.is_ours:
            raise ResumableError(f"{self.path}: another driver has taken the store over")
        records = [
            _OUTCOME + _SEQUENCE.pack(self._sequence + i) + entry.record
            for i, entry in enumerate(entries, 1)
        ]
        try:
            self._journal.append(records)
        except OSError as error:
            raise ResumableError(
                f"{self._journal.path}: {error.strerror}; make room and run again: "
                "all that was recorded before is safe"
            ) from error
        self._sequence += len(entries)
        self._unpublished += len(entries)
        self.statuses.update((entry.id, entry.status) for entry in entries)

    @property
    def should_publish(self) -> bool:
        """Whether enough is new: publishing then costs a constant share of the work."""
        return self._unpublished >= max(_MIN_PUBLISH, self._published)

    def publish(self) -> None:
        """Put everything recorded into the HDF5 file, unless it is there already.

        Raises
        ------
        ResumableError
            If it cannot be written; the journal then still holds everything.
        """
        if not self._unpublished and not self._is_changed:
            return
        contents = read_store(self.path)
        order = {s.id: i for i, s in enumerate(self._study.simulations())}
        outcomes = sorted(contents.outcomes.values(), key=lambda o: order.get(o.id, len(order)))
        try:
            write_store(self.path, outcomes, self._study.snapshot(), self._study.script_hash)
            self._journal.restart()
        except OSError as error:
            raise ResumableError(
                f"{self.path}: could not be published ({error}); {self._journal.path} holds "
                "everything, and the next run publishes it"
            ) from error
        self._published, self._unpublished, self._is_changed = len(outcomes), 0, False

    def close(self) -> None:
        """Let go of the store; a journal that holds nothing new is removed."""
        if self._unpublished or not self.path.exists():
            self._journal.close()
            if not self.statuses:
                self._journal.remove()
        else:
            self._journal.remove()
        self._claim.release()


def check_store(path: Path, study: Study, *, changed_script: str | None = None) -> StoreContents:
    """Check that a study may be run into a store, without touching anything.

    Parameters
    ----------
    path : Path
        The HDF5 file, which need not exist.
    study : Study
        What is to be run.
    changed_script : {None, 'keep', 'rerun'}
        What to do if the script has changed since: refuse, keep what was recorded, or run
        everything again.

    Returns
    -------
    StoreContents
        What is there already.

    Raises
    ------
    InputError
        If it may not; the message says why and what the choices are.
    """
    if path.suffix != ".h5":
        raise InputError(f"{path}: the name of a store ends in .h5")
    if path.is_dir() or not path.parent.is_dir():
        wrong = "a directory" if path.is_dir() else "its directory does not exist"
        raise InputError(f"{path}: {wrong}; name another --store")
    _check_writable(path)
    if not path.exists() and not read_journal(journal_path(path))[0]:
        return StoreContents(study.snapshot(), study.script_hash, {})
    contents = read_store(path)
    if not _is_same(contents.study, study.snapshot()):
        raise InputError(_other_study(path, contents.study, study.snapshot()))
    if contents.outcomes and contents.script_hash != study.script_hash and not changed_script:
        raise InputError(
            f"{study.script_path}: has changed since the {len(contents.outcomes)} outcomes in "
            f"{path} were recorded; put the old script back, or choose --changed-script keep "
            "(run only what is missing, with the new script), --changed-script rerun "
            "(run everything again), or another --store"
        )
    return contents


def _check_writable(path: Path) -> None:
    # root may write anything, but a file made read-only is meant to stay as it is
    for place in (path, journal_path(path), path.parent):
        if place.exists() and (not os.access(place, os.W_OK) or not place.stat().st_mode & 0o222):
            raise InputError(f"{place}: read-only; make it writable or name another --store")


def _other_study(path: Path, there: dict[str, Any], wanted: dict[str, Any]) -> str:
    differences = ", ".join(
        f"{key} {there.get(key)!r} there and {wanted.get(key)!r} here"
        for key in _IDENTITY
        if there.get(key) != wanted.get(key)
    )
    return f"{path}: the store of another study ({differences}); name another --store"


def open_store(path: Path, study: Study, *, changed_script: str | None = None) -> Store:
    """Claim a store for this driver and open it, making it if it is not there.

    Parameters and errors are those of :func:`check_store`; a store that another
    driver holds is refused too.
    """
    check_store(path, study, changed_script=changed_script)
    claim = Claim(claim_path(path))
    try:
        _remove_leftovers(path)
        contents = check_store(path, study, changed_script=changed_script)
        store = Store(path, study, claim, contents)
    except BaseException:
        claim.release()
        raise
    if changed_script == "rerun":
        for outcome in contents.outcomes.values():
            if outcome.script_hash != study.script_hash:
                del store.statuses[outcome.id]
    return store


def _remove_leftovers(path: Path) -> None:
    """Remove what a killed driver was building aside; this driver holds the claim."""
    for leftover in path.parent.glob(f".{path.stem}.*.tmp"):
        leftover.unlink(missing_ok=True)


def write_store(
    path: Path, outcomes: list[Outcome], study: dict[str, Any], script_hash: str
) -> None:
    """Replace the HDF5 file by one with these outcomes, at once and as a whole.

    Raises
    ------
    OSError
        If it cannot be written; the old file is then untouched.
    """
    fd, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=".tmp", dir=path.parent)
    os.close(fd)
    aside = Path(name)
    try:
        with h5py.File(aside, "w", locking=False, track_order=True) as file:
            _write_attributes(file, study, script_hash)
            _write_columns(file, outcomes, study)
        _take_permissions(aside, path)
        with aside.open("rb+") as written:
            os.fsync(written.fileno())
        aside.replace(path)
        sync_directory(path.parent)
    except RuntimeError as error:  # how h5py reports some failed writes
        raise OSError(errno.EIO, str(error)) from error
    finally:
        aside.unlink(missing_ok=True)


def _take_permissions(aside: Path, path: Path) -> None:
    """Give the new file the permissions of the old one, or those of any new file."""
    umask = os.umask(0)
    os.umask(umask)
    aside.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~umask)


def _write_attributes(file: h5py.File, study: dict[str, Any], script_hash: str) -> None:
    file.attrs["Conventions"] = "CF-1.11"
    file.attrs["title"] = study["name"]
    file.attrs["source"] = f"dask_espresso {__version__}"
    file.attrs["dask_espresso_format"] = FORMAT
    file.attrs["study"] = json.dumps(study)
    file.attrs["script_hash"] = script_hash
    file.attrs["published"] = time.time()


def _write_columns(file: h5py.File, outcomes: list[Outcome], study: dict[str, Any]) -> None:
    writer = ColumnWriter(file, [outcome.id for outcome in outcomes])
    names: dict[str, list[str]] = {"parameter": [], "result": [], "outcome": []}

    def write(role: str, path: tuple[str, ...], values: list[Any]) -> None:
        attributes = _ATTRIBUTES.get(path[0]) if role == "outcome" else None
        names[role].append(writer.write(path, values, role, attributes))

    for path, values in tabulate([outcome.parameters for outcome in outcomes]).items():
        write("parameter", path, values)
    for path, values in tabulate([outcome.result or {} for outcome in outcomes]).items():
        write("result", path, values)
    for field in _COLUMNS:
        values = [getattr(outcome, field) for outcome in outcomes]
        write("outcome", (field,), [int(v) if isinstance(v, Status) else v for v in values])
    _write_coordinates(file, names)
    _write_default_plot(file, names)


def _write_coordinates(file: h5py.File, names: dict[str, list[str]]) -> None:
    """Name the parameters as coordinates, the way CF does."""
    replica = [name for name in names["outcome"] if name.endswith("replica")]
    coordinates = [n for n in names["parameter"] if "shapes" not in file[n].attrs] + replica
    for name in names["result"] + names["outcome"]:
        along = file[name].dims[0]
        if name not in coordinates and along and along[0].name == f"/{DIMENSION}":
            file[name].attrs["coordinates"] = " ".join(coordinates)


def _write_default_plot(file: h5py.File, names: dict[str, list[str]]) -> None:
    """Tell h5web and other NeXus readers what to plot first."""

    def first(role: str) -> list[str]:
        kinds = ("float", "int")
        return [n for n in names[role] if file[n].attrs["kind"] in kinds and file[n].ndim == 1]

    axes = [n for n in first("parameter") if len(set(file[n][:].tolist())) > 1]
    signals = sorted(first("result"), key=lambda n: f"{n}_sem" not in file)
    if axes and signals:
        file.attrs.update(NX_class="NXdata", signal=signals[0], axes=axes[0])
