"""A crate that somebody else may have made: its files are looked at before anything is used."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import unquote

from ..errors import InputError
from ..files import LARGE, open_file
from .content import make_runnable
from .crate import METADATA
from .metadata import SCRIPT
from .study_file import NAME as STUDY

_MOST_METADATA = 64 << 20  # bytes
_DIGITS = 64  # of a SHA-256


class OpenedCrate:
    """A folder of its own with the files of a crate that have the hashes that this names.

    Attributes
    ----------
    path : Path
        The crate.
    folder : Path
        Where study, code and store have been copied to.
    hashes : dict of str to str
        SHA-256 of each file of the crate that has one, by its path.
    scripts : dict of str to str
        The paths of scripts, by the version of the code.
    store : Path
        The store, in the folder.
    """

    def __init__(self, path: Path, folder: Path, graph: list[dict[str, Any]]) -> None:
        self.path, self.folder = path, folder
        self._sizes: dict[str, int] = {}
        self.hashes: dict[str, str] = {}
        self.scripts: dict[str, str] = {}
        for entity in graph:
            if "File" in _listed(entity.get("@type")) and "sha256" in entity:
                self._take(entity)
        stores = [name for name in self.hashes if "/" not in name and name.endswith(".h5")]
        if len(stores) != 1 or STUDY not in self.hashes:
            raise InputError(
                f"{path}: no crate of dask_espresso: {METADATA} names no {STUDY}, or no store, "
                "with its sha256; name one that `dask-espresso archive` has written"
            )
        self.store = folder / stores[0]

    def _take(self, entity: dict[str, Any]) -> None:
        name, sha256 = unquote(str(entity.get("@id"))), str(entity["sha256"])
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts or not inside.parts or "\0" in name:
            raise InputError(
                f"{self.path}: {METADATA} names {name!r}, which is outside of the crate"
            )
        self.hashes[str(inside)] = sha256
        with contextlib.suppress(ValueError):
            self._sizes[str(inside)] = int(str(entity.get("contentSize")))
        identifier = str(entity.get("identifier", ""))
        if identifier.startswith(SCRIPT):
            self.scripts[identifier.removeprefix(SCRIPT)] = str(inside)

    def check(self, opened: Callable[[str], IO[bytes]]) -> None:
        """Look at each file, and copy those that are needed.

        Raises
        ------
        InputError
            Names the first file that is not as it should be; nothing was run.
        """
        for name, sha256 in sorted(self.hashes.items()):
            is_needed = name == STUDY or name.startswith("code/") or name == self.store.name
            try:
                with opened(name) as source:
                    found = self._copied(source, name, is_needed)
            except KeyError:
                found = "gone"
            except (OSError, zipfile.BadZipFile, EOFError, RuntimeError) as error:
                found = (
                    "gone" if isinstance(error, FileNotFoundError) else f"not readable ({error})"
                )
            if found != sha256:
                what = "has been changed" if len(found) == _DIGITS else f"is {found}"
                raise InputError(
                    f"{self.path}: {name} {what}: {METADATA} has another SHA-256 for it; nothing "
                    "was run. Get the crate anew from where it was published"
                )

    def _copied(self, source: IO[bytes], name: str, is_needed: bool) -> str:
        """Give the hash of a file, which may be copied meanwhile; it is read no further than said.

        What claims to be small and is not, as in an archive that bursts, is not unpacked.
        """
        digest, left = hashlib.sha256(), self._sizes.get(name, 0)
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") if is_needed else contextlib.nullcontext() as copy:
            while piece := source.read(min(LARGE, left + 1)):
                left -= len(piece)
                if left < 0:
                    return "larger than it says"
                digest.update(piece)
                if copy:
                    copy.write(piece)
        if is_needed:
            with target.open("rb") as copied:
                make_runnable(target, copied.read(4))
        return digest.hexdigest()


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@contextlib.contextmanager
def opened_crate(path: Path) -> Iterator[OpenedCrate]:
    """Check a crate, and have what is needed of it in a folder that is gone afterwards.

    Parameters
    ----------
    path : Path
        A folder, or a .zip.

    Raises
    ------
    InputError
        If it is no crate of ours, or a file in it is not as its hash says.
    """
    if path.name == METADATA:
        path = path.parent
    with tempfile.TemporaryDirectory(prefix="dask-espresso-") as scratch, _source(path) as opened:
        try:
            with opened(METADATA) as file:
                text = file.read(_MOST_METADATA)
            graph = json.loads(text)["@graph"]
            entities = [entity for entity in graph if isinstance(entity, dict)]
        except (KeyError, OSError) as error:
            raise InputError(f"{path}: no RO-Crate: it has no {METADATA} ({error})") from error
        except (ValueError, TypeError, RecursionError) as error:
            raise InputError(f"{path}: {METADATA} is no metadata of a crate: {error}") from error
        crate = OpenedCrate(path, Path(scratch).resolve(), entities)
        crate.check(opened)
        yield crate


@contextlib.contextmanager
def _source(path: Path) -> Iterator[Callable[[str], IO[bytes]]]:
    """Give what opens a file in a crate for reading."""
    if path.is_dir():
        yield lambda name: open_file(path / name)
        return
    try:
        file = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: no crate ({error}); name a folder, or a .zip, with a {METADATA} in it"
        ) from error
    with file:
        # of a folder that was packed as a whole, too
        inside = [name for name in file.namelist() if name.split("/")[-1] == METADATA]
        base = min(inside, key=len, default=METADATA).removesuffix(METADATA)
        yield lambda name: file.open(f"{base}{name}")
