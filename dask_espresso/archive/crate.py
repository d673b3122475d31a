"""Write a store with all that belongs to it as an RO-Crate: a folder, or a .zip, at once."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ..errors import InputError
from ..files import aside_of, describe_error, open_file, sync_directory
from ..outcome import Outcome
from ..process.order import Workload
from ..process.provenance import code_of
from ..store.claim import describe_owner, holder
from ..store.contents import StoreContents
from ..store.journal import journal_path
from ..store.reading import claim_path, read_store, store_path
from ..store.store import mend_store
from .content import Content, fill, take_code
from .metadata import About, write_metadata

if TYPE_CHECKING:
    from ..inputs.profile import Profile
    from ..inputs.study import Study

METADATA = "ro-crate-metadata.json"


def write_crate(
    store: Path,
    output: Path,
    about: About,
    *,
    study: Study | None = None,
    profile: Profile | None = None,
    force: bool = False,
) -> list[str]:
    """Write a store as a crate.

    Parameters
    ----------
    store : Path
        No driver may be at work on it.
    output : Path
        A folder, or a .zip.
    about : About
        What only people know.
    study : Study, optional
        Has the code, where the store does not hold it; `profile` says how it was run.
    force : bool
        Whether a crate that is there already is replaced.

    Returns
    -------
    list of str
        What is missing in it.

    Raises
    ------
    InputError
        If it cannot be written; nothing has changed then.
    """
    store = store_path(store)
    _check_output(output, store, force)
    # no `..` behind a folder that is renamed, such as the one in which we are
    place = output.absolute().parent.resolve() / output.name
    aside = aside_of(place)
    aside_zip = aside.with_name(f"{aside.name}.zip")
    try:
        aside.mkdir()
        content = Content(aside, store.name, _copied(store, aside / store.name))
        content.files[store.name] = "the store: parameters and results of all simulations, as HDF5"
        if study and profile:
            workload = Workload.of(study, profile)
            take_code(study, content.contents, code_of(workload), workload.code_hash)
        fill(content, store)
        write_metadata(content, about)
        made = _zipped(aside, aside_zip) if output.suffix == ".zip" else aside
        _publish(made, place)
        return [*content.notes, *about.missing()]
    except OSError as error:
        at = error.filename or output
        raise InputError(f"{at}: {describe_error(error)}; nothing was written") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        with contextlib.suppress(OSError):  # as where nothing can be written
            aside_zip.unlink()


def _copied(store: Path, target: Path) -> StoreContents[Outcome]:
    """Copy a store as it is, or with what its journal holds; read the copy.

    No driver changes it meanwhile: where there is a journal, this holds the store as a driver does.
    """
    if owner := holder(claim_path(store)):
        raise InputError(
            f"{store}: the {describe_owner(owner)} is at work on it; archive it when that has ended"
        )
    with _folded(store), open_file(store) as source, target.open("wb") as copy:
        shutil.copyfileobj(source, copy)
        copy.flush()
        os.fsync(copy.fileno())
    return read_store(target)


@contextlib.contextmanager
def _folded(store: Path) -> Iterator[None]:
    """Have all in the file: what is in a journal goes into it."""
    if not journal_path(store).exists():
        if not store.exists():
            raise InputError(f"{store}: there is no such store; `dask-espresso run` makes it")
        yield
        return
    with mend_store(store) as mended:
        mended.publish()
        yield


def _check_output(output: Path, store: Path, force: bool) -> None:
    if output.suffix not in (".crate", ".zip"):
        raise InputError(f"{output}: name a folder that ends in .crate, or a .zip")
    if not output.absolute().parent.is_dir():
        raise InputError(f"{output}: its directory does not exist")
    if not os.path.lexists(output):
        return
    if not force:
        raise InputError(f"{output}: is there already; name another one, or replace it by --force")
    if not _is_crate(output):
        raise InputError(f"{output}: is no crate, and --force replaces only these; move it away")
    if output.is_dir() and (strange := _strange_file(output)):
        raise InputError(
            f"{output}: holds {strange}, which is not of the crate, and --force would remove it; "
            "move it away"
        )


def _is_crate(path: Path) -> bool:
    if path.is_symlink():
        return False
    if path.is_dir():
        return (path / METADATA).is_file()
    try:
        with zipfile.ZipFile(path) as file:
            return METADATA in file.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def _strange_file(crate: Path) -> str:
    """Name a file in the folder of a crate that is not of it, such as results of a run in there."""
    try:
        graph = json.loads((crate / METADATA).read_text(encoding="utf-8"))["@graph"]
        known = {unquote(str(entity.get("@id"))) for entity in graph} | {METADATA}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return METADATA  # which we did not write
    for path in sorted(path for path in crate.rglob("*") if not path.is_dir()):
        name = path.relative_to(crate)
        is_kept = len(name.parts) > 1 and f"{name.parts[0]}/" in known
        if not is_kept and str(name) not in known and path.suffix != ".pyc":
            return str(name)
    return ""


def _zipped(folder: Path, target: Path) -> Path:
    """Pack a folder; metadata first, so that programs that read a stream find them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    files.sort(key=lambda path: path.name != METADATA)
    with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED) as file:
        for path in files:
            file.write(path, path.relative_to(folder))
    with target.open("rb") as stream:
        os.fsync(stream.fileno())
    return target


def _publish(made: Path, output: Path) -> None:
    """Give it its name; what was there before goes when the new one is there."""
    if not os.path.lexists(output):
        made.rename(output)
    elif made.is_file() and output.is_file():
        made.replace(output)
    else:
        before = aside_of(output)
        output.rename(before)
        try:
            made.rename(output)
        except BaseException:
            before.rename(output)
            raise
        if before.is_dir():
            shutil.rmtree(before)
        else:
            before.unlink()
    sync_directory(output.parent)
