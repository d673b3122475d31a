"""The HDF5 file of a store: all outcomes as columns, written and read as a whole."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from . import __version__
from .columns import DIMENSION, ColumnWriter, read_columns, tabulate, untabulate
from .errors import InputError
from .files import open_file, replace_file
from .outcome import FIELDS, Outcome, Status
from .seal import check_seal, seal_of

FORMAT = 1
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
    published_as : dict or None
        `study` and `script_hash` as the HDF5 file has them; None where there is no file.
    n_published, n_unpublished : int
        Outcomes in the HDF5 file, and records of outcomes in the journal.
    """

    study: dict[str, Any]
    script_hash: str
    outcomes: dict[str, Outcome]
    owner: dict[str, Any] = dataclasses.field(default_factory=dict)
    published_as: dict[str, Any] | None = None
    n_published: int = 0
    n_unpublished: int = 0


def read_hdf5(path: Path) -> StoreContents | None:
    """Read what has been published; None where there is no file.

    Raises
    ------
    InputError
        If the file is no store, a newer one, or damaged.
    OSError
        If it cannot be read.
    """
    try:
        stream = open_file(path)
    except FileNotFoundError:
        return None
    # one open file for all of it: at the path there may soon be a new one
    with stream:
        check_seal(path, stream)
        try:
            file = h5py.File(stream, "r")
        except OSError as error:
            if error.errno:  # of the stream
                raise
            raise InputError(f"{path}: not an HDF5 file ({error}); name another --store") from error
        with file:
            _check_format(path, file.attrs.get("dask_espresso_format"), file.attrs.get("source"))
            try:
                return _read_contents(file)
            except Exception as error:  # h5py raises all kinds for what it cannot read
                raise InputError(
                    f"{path}: damaged, or changed by another program "
                    f"({type(error).__name__}: {error}); restore it, or name another --store"
                ) from error


def _check_format(path: Path, version: Any, source: Any) -> None:
    if not isinstance(version, int | np.integer):
        raise InputError(f"{path}: an HDF5 file, but no store of dask_espresso")
    if version > FORMAT:
        raise InputError(
            f"{path}: written by a newer dask_espresso ({source}); update this one ({__version__})"
        )


def _read_contents(file: h5py.File) -> StoreContents:
    study, script_hash = json.loads(file.attrs["study"]), str(file.attrs["script_hash"])
    outcomes = _read_outcomes(file)
    return StoreContents(
        study=study,
        script_hash=script_hash,
        outcomes=outcomes,
        published_as={"study": study, "script_hash": script_hash},
        n_published=len(outcomes),
    )


def _read_outcomes(file: h5py.File) -> dict[str, Outcome]:
    ids = [text.decode() for text in file[DIMENSION][:]]
    fields = dict(_outcome_columns(file))
    parameters = untabulate(read_columns(file, "parameter"), len(ids))
    results = untabulate(read_columns(file, "result"), len(ids))
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


def write_hdf5(
    path: Path,
    outcomes: list[Outcome],
    study: dict[str, Any],
    script_hash: str,
    may_replace: Callable[[], bool] | None = None,
) -> int:
    """Replace the HDF5 file by one with these outcomes, at once and as a whole.

    Parameters
    ----------
    path : Path
        The file.
    outcomes : list of Outcome
        All that it is to hold, in this order.
    study, script_hash
        As in :class:`StoreContents`.
    may_replace : callable, optional
        Asked at the last moment.

    Returns
    -------
    int
        The new file's number, see :func:`~dask_espresso.files.file_number`.

    Raises
    ------
    OSError
        If it cannot be written, or may not be replaced; the old file is then untouched.
    """
    image = io.BytesIO()  # in memory, since HDF5 crashes on a full disk
    with h5py.File(image, "w", track_order=True) as file:
        _write_attributes(file, study, script_hash)
        _write_columns(file, outcomes, study)
    content = image.getbuffer()
    fd = replace_file(path, content, seal_of(content), may_replace=may_replace)
    try:
        return os.fstat(fd).st_ino
    finally:
        os.close(fd)


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
