"""Puts files that a simulation has left beside the store, before its directory is removed.

They are copied under a name aside, fsynced, and renamed together: under a simulation's own name
are always all files of one attempt. What workers leave aside that are killed meanwhile, the next
driver removes.
"""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from ..errors import BadValueError
from ..files import aside_of, describe_error, sync_directory
from ..inputs.keep import MOST_FILES, Keep
from ..kept import KeptFile, as_text, copy_file, is_marked

_TRIES = 10  # to be renamed, where two attempts at one simulation end together
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST)
_MOST_NAMES = 5  # that a message lists


def keep_files(keep: Keep, directory: str, *, is_complete: bool) -> str:
    """Keep what a simulation has left, in place of what was kept of it before.

    Parameters
    ----------
    keep : Keep
        What, and where.
    directory : str
        Where the simulation ran; none of its processes is left.
    is_complete : bool
        Whether it has ended well, so that for each pattern there has to be a file.

    Returns
    -------
    str
        The files, as :func:`~dask_espresso.kept.as_text` writes them.

    Raises
    ------
    BadValueError
        Says what is missing, too much, or cannot be read or written. Nothing new is kept then.
    """
    try:
        if Path(directory).is_symlink():
            raise BadValueError("keep: the script has put a link in place of its directory")
        names = _found(keep, Path(directory), is_complete=is_complete)
        _check_size(keep, Path(directory), names)
        return as_text(_put(keep, Path(directory), names)) if keep.place else ""
    except OSError as error:
        where = error.filename or keep.place
        raise BadValueError(f"keep: {where}: {describe_error(error)}") from None
    except RecursionError:
        raise BadValueError("keep: its directories are too deep in each other") from None


def _found(keep: Keep, directory: Path, *, is_complete: bool) -> list[str]:
    """Give the names of the files that match, each once."""
    names: dict[str, None] = {}
    for pattern in keep.patterns:
        found = list(_matches(directory, PurePath(pattern).parts))
        if is_complete and not found:
            raise BadValueError(f"keep: no file is {pattern!r}; {_listed(directory)}")
        names.update(dict.fromkeys(found))
    return list(names)


def _matches(directory: Path, parts: Sequence[str], inside: str = "") -> Iterator[str]:
    """Give the names of files in a directory that match; what a link leads to is not in it."""
    first, *rest = parts
    for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
        is_hidden = entry.name.startswith(".") and not first.startswith(".")
        if is_hidden or not fnmatch.fnmatchcase(entry.name, first):
            continue
        name = f"{inside}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            below = Path(directory, entry.name)
            yield from _matches(below, rest, f"{name}/") if rest else _all(below, f"{name}/")
        elif not rest and entry.is_file(follow_symlinks=False):
            yield name


def _all(directory: Path, inside: str) -> Iterator[str]:
    """Give the names of all files in a directory and below."""
    for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
        name = f"{inside}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _all(Path(directory, entry.name), f"{name}/")
        elif entry.is_file(follow_symlinks=False):
            yield name


def _listed(directory: Path) -> str:
    """Say what is in a directory."""
    names = []
    for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
        mode = entry.stat(follow_symlinks=False).st_mode
        is_plain = stat.S_ISREG(mode) or stat.S_ISDIR(mode)
        what = "" if is_plain else " (a link)" if stat.S_ISLNK(mode) else " (no regular file)"
        names.append(f"{entry.name}{'/' * stat.S_ISDIR(mode)}{what}")
    if not names:
        return "its directory is empty"
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"its directory has {', '.join(names[:_MOST_NAMES])}{more}"


def _check_size(keep: Keep, directory: Path, names: Sequence[str]) -> None:
    sizes = {name: (directory / name).lstat().st_size for name in names}
    if len(names) > MOST_FILES:
        raise BadValueError(
            f"keep: {len(names)} files match, of {MOST_FILES} that may be; keep fewer, or have the "
            "script write them into one"
        )
    if (size := sum(sizes.values())) > keep.limit:
        largest = max(names, key=lambda name: sizes[name])
        raise BadValueError(
            f"keep: {len(names)} files have {size / 2**20:.1f} MiB, of {keep.limit / 2**20:.1f} "
            f"MiB that may be (the largest is {largest}); keep less, or write "
            "`keep: {files: […], limit: …}`"
        )


def _put(keep: Keep, directory: Path, names: Sequence[str]) -> list[KeptFile]:
    """Copy files aside, and put them into the place of those that were kept before."""
    final = Path(keep.place, keep.name)
    aside = aside_of(final)
    if not is_marked(Path(keep.place), keep.mark):
        what = "another directory" if Path(keep.place).is_dir() else "not there"
        raise BadValueError(
            f"keep: {keep.place} is {what} on this machine: workers have to see the directory of "
            "the store; name another --store, on a file system that all machines share"
        )
    aside.mkdir()
    try:
        files = [copy_file(directory, aside, name) for name in names]
        for folder in {aside, *((aside / name).parent for name in names)}:
            sync_directory(folder)
        _replace(final, aside if names else None)
        return files
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _replace(final: Path, new: Path | None) -> None:
    """Have a directory in the place of another one, or none."""
    for attempt in range(_TRIES):
        retired = aside_of(final)
        with contextlib.suppress(FileNotFoundError):
            final.rename(retired)
        try:
            if new:
                new.rename(final)
            break
        except OSError as error:  # another attempt has come in between
            if error.errno not in _TAKEN or attempt == _TRIES - 1:
                raise
        finally:
            shutil.rmtree(retired, ignore_errors=True)
    sync_directory(final.parent)
