"""Does the worker see this directory and the script, and where simulations run."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import uuid
from pathlib import Path

from dask.utils import format_bytes

from ..errors import DaskEspressoError
from ..files import describe_error
from ..inputs.keep import Keep
from ..inputs.program import engine_of
from ..kept import kept_files, prepared, what_is_wrong
from ..process.modules import find_code
from ..store.claim import Claim
from ..store.journal import Journal, journal_path
from ..store.reading import claim_path
from . import on_worker
from .findings import FaultError
from .worker import Worker

_LITTLE_SPACE = 100 << 20  # bytes for one simulation
_NETWORK_FILE_SYSTEM = re.compile(
    r"nfs|lustre|gpfs|beegfs|cifs|smb|afs|ceph|.*gluster|panfs|pvfs|orangefs|weka|fuse\.sshfs"
)
_IN_MEMORY = ("tmpfs", "ramfs")


def check_directory(worker: Worker) -> None:
    """See that a store can be kept here, and that the worker sees this directory."""
    directory, content = Path.cwd(), uuid.uuid4().hex
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(
                tempfile.NamedTemporaryFile("w", dir=directory, prefix=".dask-espresso-check-")
            )
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # to where other machines see it
        except OSError as error:
            raise FaultError(
                f"nothing can be written into {directory} ({error.strerror}), where the store "
                "goes; work in another directory"
            ) from error
        found = worker.call(on_worker.read_text, file.name)
    _try_store(directory)
    if found == content:
        worker.case.findings.ok(f"the worker sees this directory, {directory}")
    elif worker.case.is_batch:
        raise FaultError(
            f"the worker does not see this directory, {directory} ({found}); work in one that all "
            "nodes share"
        )
    else:
        worker.case.findings.note(
            f"the worker does not see this directory, {directory} ({found}); scripts must lie "
            "where it sees them"
        )


def _try_store(directory: Path) -> None:
    """Do what a driver does to its store, in the directory of the run."""
    path = directory / f".dask-espresso-check-{uuid.uuid4().hex[:8]}.h5"
    try:
        claim = Claim(claim_path(path))
        try:
            journal = Journal(journal_path(path), b"check", lambda: claim.is_ours)
            journal.append([(b"check",)])
            journal.remove()
        finally:
            claim.release()
    except (OSError, DaskEspressoError) as error:
        raise FaultError(
            f"a store cannot be kept in {directory} ({error}); work in a directory on another "
            "file system"
        ) from error


def check_script(worker: Worker) -> None:
    """See that the worker has the study's script, and its modules, as they are here."""
    study = worker.case.study
    if study is None:
        return
    path = study.script_path
    code = find_code(study, engine_of(study, worker.case.profile))
    modules = [module for module in code if module.path]
    if path.is_absolute():
        _check_code_file(worker, str(path), study.script_hash)
    else:
        worker.case.findings.note(
            f"program {str(path)!r}: is not where this runs, so that its version cannot be told; "
            "write a `command` into the profile that is the same file here and on the workers"
        )
    for module in modules:
        _check_code_file(worker, module.path, module.hash)
    imported = f", and what it imports: {', '.join(m.name for m in modules)}" if modules else ""
    worker.case.findings.ok(f"the worker sees the script, {path}{imported}")


def _check_code_file(worker: Worker, path: str, expected: str) -> None:
    found = worker.call(on_worker.hash_of, path)
    if found == expected:
        return
    if re.fullmatch("[0-9a-f]{64}", found):
        raise FaultError(
            f"{path}: is another one on the worker than the study was loaded with; leave it alone "
            "while this runs, or keep it on a file system that all nodes share, without copies"
        )
    raise FaultError(
        f"{path}: the worker cannot read it ({found}); keep study and script on a file system "
        "that all nodes share"
    )


def check_keeping(worker: Worker) -> None:
    """See that files of simulations come from the worker to where they are to stay."""
    study = worker.case.study
    if study is None or study.keep is None:
        return
    place = Path.cwd() / f".dask-espresso-check-{uuid.uuid4().hex[:8]}.files"
    keep = Keep(("check",), 1 << 10, str(place), "check", uuid.uuid4().hex)
    try:
        with prepared(place, keep.mark):
            kept, said = worker.call(on_worker.try_keeping, keep)
            wrong = [what_is_wrong(place / keep.name, file) for file in kept_files(kept)]
    except OSError as error:
        said, wrong = f"{place}: {describe_error(error)}", []
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if said or any(wrong):
        said = said or f"{place}: what the worker has written there {wrong[0]}"
        raise FaultError(f"files that are to stay cannot be kept: {said}")
    worker.case.findings.ok(f"the worker can keep files in {Path.cwd()}, beside the store")


def check_scratch(worker: Worker) -> None:
    """See that simulations get directories to run in, and of what kind."""
    scratch, findings = worker.call(on_worker.try_scratch), worker.case.findings
    elsewhere = (
        "`export TMPDIR=/DIRECTORY` under `job_script_prologue` in the profile's `options` takes "
        "another one"
    )
    if scratch.error:
        raise FaultError(
            f"simulations cannot run in {scratch.path or 'any directory'} ({scratch.error}); "
            f"{elsewhere}"
        )
    findings.ok(
        f"simulations run in {scratch.path} ({scratch.file_system}), "
        f"which has {format_bytes(scratch.free)} free"
    )
    slots = worker.cluster.client.nthreads()[worker.address]
    if scratch.free < slots * _LITTLE_SPACE:
        findings.note(
            f"{format_bytes(scratch.free)} is little for {slots} simulations at a time; {elsewhere}"
        )
    if _NETWORK_FILE_SYSTEM.match(scratch.file_system):
        findings.note(
            f"{scratch.path} is on a network file system ({scratch.file_system}): many short "
            f"simulations are slow there, and slow others down; {elsewhere}"
        )
    if scratch.file_system in _IN_MEMORY:
        findings.note(
            f"{scratch.path} is in memory ({scratch.file_system}): what simulations write there "
            f"counts against the memory of the job; {elsewhere}"
        )
