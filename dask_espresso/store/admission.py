"""Whether a study may be run into a store: where that is, what it is of, and by which code."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..inputs.interface import Interface
from ..inputs.program import program_name
from ..process.modules import Module, code_hash
from .agreement import check_rows
from .contents import Head, StoreContents
from .hdf5 import Published
from .journal import journal_path, read_journal
from .reading import read_rows, store_path
from .recorded import differences, is_same

if TYPE_CHECKING:
    from ..inputs.study import Study


def check_store(
    path: Path,
    study: Study,
    *,
    changed_script: str | None = None,
    modules: tuple[Module, ...] = (),
) -> StoreContents[Head]:
    """Check that a study may be run into a store, without touching anything.

    Parameters
    ----------
    path : Path
        The HDF5 file, which need not exist.
    study : Study
        What is to be run.
    changed_script : {None, 'keep', 'rerun'}
        What to do if the script, or a module that it imports, has changed since: refuse, keep what
        was recorded, or run everything again.
    modules : tuple of Module
        Those of the user's own that the script imports.

    Returns
    -------
    StoreContents
        What is there already.

    Raises
    ------
    InputError
        If it may not; the message says why and what the choices are.
    """
    place = check_place(path)
    return check_contents(place, study, changed_script=changed_script, modules=modules)


def check_place(path: Path) -> Path:
    """Check that a store may be at a path, whatever is in it; give the path of the file itself.

    Raises
    ------
    InputError
        If not.
    """
    if path.suffix != ".h5":
        raise InputError(f"{path}: the name of a store ends in .h5")
    path = store_path(path)
    if not path.parent.is_dir():
        raise InputError(f"{path}: its directory does not exist; name another --store")
    _check_writable(path)
    return path


def check_contents(
    path: Path,
    study: Study,
    *,
    changed_script: str | None = None,
    modules: tuple[Module, ...] = (),
) -> StoreContents[Head]:
    """Check that a study may be run into what is in a store, as :func:`check_store`."""
    if not path.exists() and not _has_journal(path):
        return StoreContents(study.snapshot(), study.script_hash, {})
    contents = read_rows(path, Head.of, Published.heads, description(study, modules))
    if not is_same(contents.study, study.snapshot()):
        how = differences(contents.study, study.snapshot(), ("there", "here"))
        raise InputError(f"{path}: the store of another study ({how}); name another --store")
    check_rows(path, study)
    if contents.outcomes and not changed_script:
        _check_same_code(path, contents, study, modules)
    return contents


def _check_same_code(
    path: Path, contents: StoreContents[Head], study: Study, modules: tuple[Module, ...]
) -> None:
    """Refuse code that has changed since the store was written last, as far as is known."""
    if is_of(contents, study, modules):
        return
    what, kind = _change(contents, study, modules)
    raise InputError(
        f"{what} since the {len(contents.outcomes)} outcomes in "
        f"{path} were recorded; put the old {kind} back, or choose --changed-script keep "
        f"(run only what is missing, with the new {kind}), --changed-script rerun "
        "(run everything again), or another --store"
    )


def is_of(recorded: StoreContents[Head] | Head, study: Study, modules: tuple[Module, ...]) -> bool:
    """Say whether something was recorded with this code; of before only the script is known."""
    if not recorded.code_hash:
        return recorded.script_hash == study.script_hash
    return recorded.code_hash == code_hash(study.script_hash, modules)


def _change(
    contents: StoreContents[Head], study: Study, modules: tuple[Module, ...]
) -> tuple[str, str]:
    """Say what has changed in which way, and what it is."""
    if contents.script_hash != study.script_hash:
        return f"{study.script_path}: has changed", "script" if study.script else "program"
    before = contents.versions.get(contents.code_hash, {})
    for module in modules:
        if module.name not in before:
            return f"{_place(module, study)}: has been added", _kind(module, study, "modules")
        if module.hash != before[module.name]:
            return f"{_place(module, study)}: has changed", _kind(module, study, "module")
    gone = sorted(before.keys() - _files(study, modules).keys())
    for name in gone:
        module = Module(name, "", "")
        if module.is_of_profile or name in Interface.model_fields:
            return f"{_place(module, study)}: is no longer there", _kind(module, study, "")
    if study.program:
        what = f"{study.path}: program: no longer names {', '.join(gone)}"
        return (what if gone else f"{study.path}: program: is another one"), "program"
    what = f"{', '.join(gone)}, which it imported, has gone" if gone else "has other modules"
    return f"{study.script_path}: {what}", "modules"


def _place(module: Module, study: Study) -> str:
    """Say where a part of the code stands."""
    if module.is_of_profile:
        return f"the profile: {module.name}"
    return module.path or f"{study.path}: {module.name}"


def _kind(module: Module, study: Study, imported: str) -> str:
    """Say what a part of the code is; a file that is `imported` is so for a script alone."""
    if module.is_of_profile:
        return "variable"
    if not module.path:
        return "way to call it"
    if not study.program:
        return imported
    return "program" if module.name == program_name(study.program) else "file"


def _has_journal(path: Path) -> bool:
    try:
        return next(read_journal(journal_path(path)), None) is not None
    except OSError as error:
        raise InputError(f"{journal_path(path)}: cannot be read: {error}") from error


def _check_writable(path: Path) -> None:
    # root may write anything, but a file made read-only is meant to stay as it is
    for place in (path, journal_path(path), path.parent):
        with contextlib.suppress(FileNotFoundError):  # an ending driver takes its files away
            is_writable = os.access(place, os.W_OK)
            if place.stat().st_mode & 0o222 == 0 or not is_writable:
                raise InputError(f"{place}: read-only; make it writable or name another --store")


def description(
    study: Study, modules: tuple[Module, ...], before: StoreContents[Head] | None = None
) -> dict[str, Any]:
    """Say what a store is of, as far as it is not in the outcomes."""
    version = code_hash(study.script_hash, modules)
    versions = {version: _files(study, modules)}
    if before:
        used = {head.code_hash for head in before.outcomes.values()}
        versions |= {name: files for name, files in before.versions.items() if name in used}
    return {
        "study": study.snapshot(),
        "script_hash": study.script_hash,
        "code_hash": version,
        "versions": versions,
    }


def _files(study: Study, modules: tuple[Module, ...]) -> dict[str, str]:
    """Give the hashes of the files that the code of a study consists of."""
    return {study.script_path.name: study.script_hash} | {m.name: m.hash for m in modules}
