"""What goes into a crate, from a store: each file with what it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import InputError
from ..files import file_hash, open_file
from ..inputs.study import Study
from ..kept import copy_file, files_path, is_plain, kept_files, what_is_wrong
from ..outcome import Outcome
from ..store.contents import StoreContents
from ..store.provenance import Version
from ..views.report import write_report
from .layout import placed_command, places_of, script_place, version_folder
from .readme import readme_text
from .study_file import NAME as STUDY
from .study_file import write_study

_Contents = StoreContents[Outcome]
_LISTED = 5  # files of a message
_PROGRAMS = (b"#!", b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")  # the last are macOS's


@dataclass
class Content:
    """What is in the folder that is to become a crate.

    Attributes
    ----------
    folder : Path
    store : str
        The name of the store in it.
    contents : StoreContents
        What that holds.
    files : dict of str to str
        What each file is, by its path.
    scripts : dict of str to str
        The script of each version that is there as a whole.
    kept : str
        The directory of files that simulations have left; empty if there is none.
    notes : list of str
        What is missing.
    """

    folder: Path
    store: str
    contents: _Contents
    files: dict[str, str] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)
    kept: str = ""
    notes: list[str] = field(default_factory=list)

    def put(self, place: PurePosixPath | str, what: str) -> Path:
        """Give the path of a file that is to be written, and note what it is."""
        path = self.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        self.files[str(place)] = what
        return path


def fill(content: Content, original: Path) -> None:
    """Write everything but the metadata, from a copy of the store that is there already.

    Parameters
    ----------
    content : Content
    original : Path
        The store itself; files that simulations have left are beside it.

    Raises
    ------
    InputError
        If the script is not to be had.
    """
    contents = content.contents
    recorded = {outcome.code_hash for outcome in contents.outcomes.values()}
    current = _current(contents)
    for version in sorted({*recorded, current} - {""}):
        _write_code(content, version, contents.provenance.get(version, {}))
    if current not in content.scripts and not contents.study.get("program"):
        raise InputError(_no_script(original, contents))
    script = content.scripts.get(current)
    about = contents.provenance.get(current, {})
    program = placed_command(contents.study.get("program") or (), current, about, content.files)
    place = content.put(STUDY, "the study: which parameters, replicas, seeds")
    content.notes += write_study(
        place, contents.study, PurePosixPath(script) if script else None, program
    )
    _write_profiles(content)
    _bring_kept(content, original)
    report = content.put("report.html", "results, failures and cost, as a page for a browser")
    write_report(content.folder / content.store, report)
    readme = content.put("README.md", "what this is, and what to do with it")
    readme.write_text(readme_text(content), encoding="utf-8")


def _current(contents: _Contents) -> str:
    """Give the version that was run last; one that nothing was run with leaves no text."""
    outcomes = contents.outcomes.values()
    last = max(outcomes, key=lambda outcome: outcome.sequence, default=None)
    is_used = any(outcome.code_hash == contents.code_hash for outcome in outcomes)
    return contents.code_hash if is_used or not last else last.code_hash or contents.code_hash


def _no_script(original: Path, contents: _Contents) -> str:
    script = contents.study.get("script")
    known = contents.provenance.get(_current(contents), {})
    if known.get("files"):
        return (
            f"{original}: does not hold the text of {script}, which is too large or no text, and "
            f"in {known.get('folder')} there is none of this version any more; put it back"
        )
    return (
        f"{original}: does not hold the text of {script}, since it is of before stores kept that; "
        "name the study file with --study: its script and modules are taken if they are of the "
        f"version {contents.code_hash or contents.script_hash[:16]} that the store was run with"
    )


def _write_code(content: Content, version: str, about: Version) -> None:
    """Write script and modules of a version, of which each has to be as it was."""
    missing = []
    places = places_of(version, about)
    for file in about.get("files", []):
        name, place = str(file["name"]), places[str(file["name"])]
        found = _bytes_of(file, about)
        if found is None:
            why = file.get("without_text", "not recorded")
            missing.append(f"{name} ({why}; SHA-256 {str(file.get('sha256'))[:12]}…)")
            continue
        what = "the simulation's script" if name == about.get("script") else "a module of it"
        path = content.put(place, f"{what}, version {version[:8]}")
        path.write_bytes(found)
        make_runnable(path, found)
        if file_hash(path) != file.get("sha256"):
            raise InputError(
                f"{name}: its text in the store is not what its hash says: the store was changed "
                "by another program; restore it"
            )
    place_of_script = script_place(version, about)
    if place_of_script and str(place_of_script) in content.files:
        content.scripts[version] = str(place_of_script)
    if missing:
        content.notes.append(f"{version_folder(version)}: lacks {', '.join(missing)}")
    if not about.get("files"):
        content.notes.append(f"version {version[:8]} of the code: its texts were not recorded")


def make_runnable(path: Path, content: bytes) -> None:
    """Let a file that begins as a program be one, as it was; nothing else is."""
    if content.startswith(_PROGRAMS):
        path.chmod(path.stat().st_mode | 0o111)


def _bytes_of(file: dict[str, Any], about: Version) -> bytes | None:
    """Give what is in a file: from the store, or from where it was, if it is still the same."""
    if "text" in file:
        return str(file["text"]).encode()
    if not about.get("folder") or "path" not in file:
        return None
    path = Path(str(about["folder"]), str(file["path"]))
    is_program = file["name"] == about.get("script") and file.get("without_text") == "too large"
    try:
        if is_program or file_hash(path) != file.get("sha256"):
            return None
        with open_file(path) as stream:
            return stream.read()
    except OSError:
        return None


def _write_profiles(content: Content) -> None:
    """Write the profiles that the versions were run with, without secrets, each once."""
    known: dict[str, str] = {}
    for about in content.contents.provenance.values():
        for run in about.get("runs", []):
            profile = run.get("profile") or {}
            text, name = profile.get("text"), Path(str(profile.get("name", ""))).name
            if not text or not name or text in known.values():
                continue
            stem, suffix, number = Path(name).stem, Path(name).suffix, len(known) + 1
            name = f"{stem}-{number}{suffix}" if name in known else name
            known[name] = text
            what = "where it ran: cluster and engine; what looked like a secret is left out"
            content.put(f"profiles/{name}", what).write_text(str(text), encoding="utf-8")


def _bring_kept(content: Content, original: Path) -> None:
    """Copy the files that simulations have left, each as it was recorded."""
    source, wrong, n_files = files_path(original), [], 0
    place = files_path(Path(content.store))
    for outcome in content.contents.outcomes.values():
        for file in kept_files(outcome.kept_files):
            path = PurePosixPath(file.name)
            is_odd = path.is_absolute() or ".." in path.parts or not is_plain(outcome.id)
            said = "its name leads elsewhere" if is_odd else ""
            said = said or what_is_wrong(source / outcome.id, file)
            if said:
                wrong.append(f"{source / outcome.id / file.name} {said}")
                continue
            (content.folder / place / outcome.id).mkdir(parents=True, exist_ok=True)
            copy_file(source / outcome.id, content.folder / place / outcome.id, file.name)
            n_files += 1
    if n_files:
        content.kept = f"{place}/"
    if wrong:
        more = f"; {len(wrong) - _LISTED} more" if len(wrong) > _LISTED else ""
        content.notes.append(f"files that are not in it: {'; '.join(wrong[:_LISTED])}{more}")


def take_code(study: Study, contents: _Contents, code: Version, version: str) -> None:
    """Take the code of a study for a store that does not hold its texts, if it is what was run.

    Raises
    ------
    InputError
        If it is another one.
    """
    is_same = study.script_hash == contents.script_hash  # all that is known of the oldest stores
    if contents.code_hash:
        is_same = version == contents.code_hash
    if not is_same:
        raise InputError(
            f"{study.path}: {study.script_path}, or a module of it, is not of the version "
            f"{contents.code_hash or contents.script_hash[:16]} that the store was run with, but "
            f"of {version}; put that one back, or leave --study away"
        )
    contents.code_hash = version
    if not contents.provenance.get(version, {}).get("files"):
        contents.provenance[version] = {**contents.provenance.get(version, {}), **code}
