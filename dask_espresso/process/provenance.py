"""Where a version of the code comes from, as it is before a run: what a store keeps of it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..files import open_file
from .git import state_of
from .machine import machine, user_name
from .secret import without_secrets

if TYPE_CHECKING:
    from ..inputs.profile import Profile
    from .order import Workload
    from .probe import Probe

MOST_OF_FILE = 256 << 10  # bytes of a text that is kept
MOST_OF_ALL = 1 << 20  # bytes of all of them
_MOST_OF_PROFILE = 64 << 10
_PACKAGES = ("dask", "distributed", "numpy", "h5py")


def code_of(workload: Workload) -> dict[str, Any]:
    """Say what a version of the code consists of: texts, and the commit that they are of."""
    script = Path(workload.script)
    folder = script.resolve().parent if script.is_absolute() else Path()
    known = [(script.name, script, workload.script_hash)]
    known += [(m.name, Path(m.path), m.hash) for m in workload.modules if m.path]
    room, files = MOST_OF_ALL, []
    for name, path, sha256 in known:
        about = _file(name, path, sha256, room)
        if path.is_absolute():
            about["path"] = os.path.relpath(path.resolve(), folder)
        room -= len(about.get("text", "").encode())
        files.append(about)
    paths = [about["path"] for about in files if "path" in about]
    code: dict[str, Any] = {"script": script.name, "folder": str(folder) if paths else ""}
    code["files"] = files
    if workload.engine.is_program:
        names = {str(path): name for name, path, _ in known}
        code["command"] = [names.get(word) for word in workload.engine.command]
    state = state_of(folder, paths) if paths else {}
    return code | ({"git": state} if state else {})


def _file(name: str, path: Path, sha256: str, room: int) -> dict[str, Any]:
    """Give the text of a file, or say why there is none; its hash is there in any case."""
    about: dict[str, Any] = {"name": name, "sha256": sha256}
    try:
        with open_file(path) as file:
            about["size"] = os.fstat(file.fileno()).st_size
            if about["size"] > min(MOST_OF_FILE, room):
                return about | {"without_text": "too large"}
            content = file.read(MOST_OF_FILE + 1)
    except OSError as error:
        return about | {"without_text": f"not to be read here: {error.strerror}"}
    if hashlib.sha256(content).hexdigest() != sha256:
        return about | {"without_text": "changed meanwhile"}
    with contextlib.suppress(UnicodeDecodeError):
        if "\0" not in (text := content.decode()):
            return about | {"text": text}
    return about | {"without_text": "no text"}


def run_of(profile: Profile, found: Probe) -> dict[str, Any]:
    """Say who runs something here, with which versions, and what the engine was found to be."""
    versions = {"dask_espresso": __version__, "python": platform.python_version()}
    versions |= {name: importlib.metadata.version(name) for name in _PACKAGES}
    here = machine()
    run = {
        "first": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "user": user_name(),
        "host": here["host"],
        "modules": here["modules"],
        "versions": versions,
        "engine": found.about,
    }
    return run | ({"profile": _profile(profile)} if profile.path else {})


def _profile(profile: Profile) -> dict[str, Any]:
    """Give a profile's text, without what looks like a secret."""
    assert profile.path
    about: dict[str, Any] = {"name": profile.path.name}
    try:
        with open_file(profile.path) as file:
            content = file.read(_MOST_OF_PROFILE + 1)
    except OSError as error:
        return about | {"without_text": f"not to be read here: {error.strerror}"}
    if len(content) > _MOST_OF_PROFILE:
        return about | {"without_text": "too large"}
    return about | {"text": without_secrets(content.decode("utf-8", "replace"))}
