"""What a crate says of itself for programs: RO-Crate 1.1, as a Process Run Crate."""

from __future__ import annotations

import datetime
import mimetypes
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..errors import InputError
from ..files import file_hash
from ..outcome import Outcome

if TYPE_CHECKING:
    from .content import Content

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
SHA256 = "https://schema.org/sha256"
SCRIPT = "script of "  # identifies it, with the version behind
_URLS = {
    "espresso": "https://espressomd.org",
    "lammps": "https://www.lammps.org",
    "python": "https://www.python.org",
}
_TYPES = {".h5": "application/x-hdf5", ".yaml": "application/yaml", ".md": "text/markdown"}
_NO_LICENSE = "No license was given: ask the authors before you use it."


@dataclass(frozen=True)
class About:
    """What only people know of a crate.

    Attributes
    ----------
    authors : sequence of str
        ``Name``, or ``Name <https://orcid.org/…>``.
    license : str
        An SPDX identifier, such as ``CC-BY-4.0``, or an address; may be empty.
    title, description : str
        May be empty.
    """

    authors: Sequence[str] = ()
    license: str = ""
    title: str = ""
    description: str = ""

    def missing(self) -> list[str]:
        """Say what is not there, and how to give it."""
        said = []
        if not self.authors:
            said.append('no author: add --author "Name <https://orcid.org/…>"')
        if not self.license:
            said.append("no license, so that nobody may use it: add --license CC-BY-4.0")
        return said


def write_metadata(content: Content, about: About) -> None:
    """Write the metadata of a folder that is otherwise complete.

    Raises
    ------
    InputError
        If the package for that is not installed, or an author cannot be read.
    """
    try:
        from rocrate.rocrate import ROCrate
    except ImportError as error:
        raise InputError(
            "an archive needs rocrate; install it: pip install 'dask_espresso[archive]'"
        ) from error
    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms["sha256"] = SHA256
    study = content.contents.study
    crate.name = about.title or f"Simulations of the study {study['name']}"
    crate.description = about.description or (
        f"{len(content.contents.outcomes):,} simulations of the study {study['name']} with "
        f"{study.get('engine')}: parameters, results, scripts, and where they ran."
    )
    crate.datePublished = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    crate.license = _license(crate, about.license)
    if about.authors:
        crate.root_dataset["author"] = _one_or_all([_author(crate, text) for text in about.authors])
    crate.root_dataset["conformsTo"] = _add(
        crate, PROFILE, "CreativeWork", name="Process Run Crate", version="0.5"
    )
    _add_files(crate, content)
    _add_actions(crate, content)
    crate.metadata.write(content.folder)


def _add(crate: Any, identifier: str, kind: str | list[str], **properties: Any) -> Any:
    from rocrate.model.contextentity import ContextEntity

    return crate.add(ContextEntity(crate, identifier, properties={"@type": kind, **properties}))


def _one_or_all(values: list[Any]) -> Any:
    """Give a value alone where it is one, as RO-Crate recommends."""
    return values[0] if len(values) == 1 else values


def _license(crate: Any, text: str) -> Any:
    if not text:
        return _add(
            crate, "#no-license", "CreativeWork", name="no license", description=_NO_LICENSE
        )
    is_address = re.match(r"https?://", text)
    address = text if is_address else f"https://spdx.org/licenses/{text}"
    return _add(crate, address, "CreativeWork", name=text, description=f"The license {text}.")


def _author(crate: Any, text: str) -> Any:
    found = re.fullmatch(r"\s*([^<>]+?)\s*(?:<\s*([^<>\s]+)\s*>)?\s*", text)
    if not found:
        raise InputError(f'--author {text}: write "Name", or "Name <https://orcid.org/…>"')
    name, address = found.groups()
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    is_address = address and re.match(r"https?://", address)
    more = {"email": address} if address and not is_address else {}
    return _add(crate, address if is_address else f"#author-{slug}", "Person", name=name, **more)


def _add_files(crate: Any, content: Content) -> None:
    """Name each file, with its hash and size."""
    versions = {place: version for version, place in content.scripts.items()}
    for place, what in sorted(content.files.items()):
        path = content.folder / place
        suffix = Path(place).suffix
        kind = _TYPES.get(suffix) or mimetypes.guess_type(place)[0] or "text/plain"
        properties: dict[str, Any] = {
            "name": place,
            "description": what,
            "encodingFormat": kind,
            "contentSize": str(path.stat().st_size),
            "sha256": file_hash(path),
        }
        if place.startswith("code/"):
            properties["@type"] = ["File", "SoftwareSourceCode"]
            properties["version"] = PurePosixPath(place).parts[1]
        if place in versions:
            properties["identifier"] = f"{SCRIPT}{versions[place]}"
        crate.add_file(path, place, properties=properties)
    if content.kept:
        crate.add_directory(
            content.folder / content.kept, content.kept,
            properties={
                "name": "files that simulations have left",
                "description": "A folder for each simulation, named by its id; sizes and hashes "
                f"are in the column kept_files of {content.store}.",
            },
        )  # fmt: skip


def _add_actions(crate: Any, content: Content) -> None:
    """Say what made the store: a run of each version of the code, by whom, with which engine."""
    own = _add(
        crate, f"#dask_espresso-{__version__}", "SoftwareApplication",
        name="dask_espresso", softwareVersion=__version__,
    )  # fmt: skip
    actions = []
    for version, outcomes in _by_version(content).items():
        script = content.scripts.get(version)
        about = content.contents.provenance.get(version, {})
        objects = [place for place in content.files if place == "study.yaml" or script == place]
        properties: dict[str, Any] = {
            "name": f"{len(outcomes):,} simulations, version {version[:8] or 'unknown'}",
            "instrument": _engine(crate, outcomes),
            "object": [crate.dereference(place) for place in objects],
            "result": crate.dereference(content.store),
            "actionStatus": "http://schema.org/CompletedActionStatus",
            "softwareRequirements": own,
        }
        properties |= _times(outcomes)
        runs = about.get("runs", [])
        if runs:
            user = str(runs[0].get("user"))
            properties["agent"] = _add(crate, f"#user-{user}", "Person", name=user)
            properties["description"] = _described(runs[0])
        actions.append(_add(crate, f"#run-{version or 'unknown'}", "CreateAction", **properties))
    crate.root_dataset["mentions"] = _one_or_all(actions)


def _by_version(content: Content) -> dict[str, list[Outcome]]:
    found: dict[str, list[Outcome]] = {}
    for outcome in content.contents.outcomes.values():
        found.setdefault(outcome.code_hash or content.contents.code_hash, []).append(outcome)
    return found


def _engine(crate: Any, outcomes: list[Outcome]) -> Any:
    """Give the engine of most outcomes, as the instrument."""
    kinds = [(outcome.engine, outcome.engine_version) for outcome in outcomes]
    engine, version = max(set(kinds), key=kinds.count)
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", f"{engine}-{version}").strip("-")
    url = _URLS.get(engine)
    more = {"url": url} if url else {}
    return _add(
        crate, f"{url or ''}#{slug}", "SoftwareApplication", name=engine or "engine",
        softwareVersion=version or "unknown", **more,
    )  # fmt: skip


def _times(outcomes: list[Outcome]) -> dict[str, str]:
    started = np.array([outcome.started for outcome in outcomes])
    ended = started + np.nan_to_num([outcome.elapsed_time for outcome in outcomes])
    if not np.isfinite(started).any():
        return {}
    return {"startTime": _iso(np.nanmin(started)), "endTime": _iso(np.nanmax(ended))}


def _iso(seconds: float) -> str:
    when = datetime.datetime.fromtimestamp(float(seconds), datetime.timezone.utc)
    return when.replace(microsecond=0).isoformat()


def _described(run: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {text}" for name, text in run.get("versions", {}).items())
    engine = run.get("engine", {})
    where = f"first tried on {engine.get('host')} ({engine.get('cpu')}, {engine.get('system')})"
    return f"With {versions}; {where}."
