"""In which state the git repository is that code came from."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_LIMIT = 10.0  # seconds for one question, of a large repository on a slow file server
_SHOWN = 50  # names of files
# nothing that a repository names is run, and nothing in it changes
_SETTINGS = ("-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false")
_STATUS = ("status", "--porcelain", "-z", "--untracked-files=no", "--no-renames")


def state_of(folder: Path, files: Sequence[str]) -> dict[str, Any]:
    """Say which commit a folder is at, and what is not as in it.

    Parameters
    ----------
    folder : Path
    files : sequence of str
        Of the code, as seen from there.

    Returns
    -------
    dict
        Empty outside of a repository, and without git. ``commit`` is empty before the first one;
        ``is_changed`` says whether files of the folder, or of the code, are other ones than there,
        ``changed`` which, ``untracked`` which of the code are not in the repository. Where git
        refuses, or takes too long, there is ``error`` in place of what is not known.
    """
    try:
        said = _git(folder, "rev-parse", "--show-toplevel")
        if said.returncode:
            return {} if b"not a git repository" in said.stderr else {"error": _error(said)}
        head = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
        found = {"commit": head.stdout.decode().strip()}
        top = Path(os.fsdecode(said.stdout.rstrip(b"\n"))).resolve()
        inside = [name for name in files if (folder / name).resolve().is_relative_to(top)]
        changed = _git(folder, *_STATUS, "--", ".", *inside)
        tracked = _git(folder, "ls-files", "-z", "--full-name", "--", *inside)
    except FileNotFoundError:
        return {}
    except subprocess.TimeoutExpired:
        return {"error": f"git took more than {_LIMIT:.0f} s"}
    except OSError as error:
        return {"error": str(error)}
    for said in (changed, tracked):
        if said.returncode:
            return {**found, "error": _error(said)}
    names = [entry[3:] for entry in _names(changed.stdout)]
    known = {top / name for name in _names(tracked.stdout)}
    untracked = [name for name in files if (folder / name).resolve() not in known]
    return {
        **found,
        "is_changed": bool(names or untracked),
        "changed": names[:_SHOWN],
        "untracked": untracked[:_SHOWN],
    }


def _error(said: subprocess.CompletedProcess[bytes]) -> str:
    lines = said.stderr.decode(errors="replace").strip().splitlines()
    return lines[0] if lines else f"git ended with {said.returncode}"


def _names(output: bytes) -> list[str]:
    return [name.decode("utf-8", "backslashreplace") for name in output.split(b"\0") if name]


def _git(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    # such as of a hook that a run was started by: they would name another repository
    environment = {name: value for name, value in os.environ.items() if name[:4] != "GIT_"}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    return subprocess.run(
        ["git", *_SETTINGS, "-C", str(folder), *words],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LIMIT, check=False,
    )  # fmt: skip
