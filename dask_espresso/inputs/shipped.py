"""The studies, profiles and job scripts that come with the package, made to be edited."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..errors import BadValueError, InputError
from ..paths import expand

_PACKAGE = Path(__file__).resolve().parents[1]
SIMULATIONS = _PACKAGE / "simulations"
_SCRIPTS = (".py", ".ipynb", ".sh")


def folder(kind: str) -> Path:
    """Give the folder of the templates ``configs``, ``slurm`` or ``htcondor``."""
    installed = _PACKAGE / "templates" / kind
    return installed if installed.is_dir() else _PACKAGE.parent / kind


def template(kind: str, name: str) -> Path:
    """Find a template.

    Parameters
    ----------
    kind : str
        ``configs``, ``slurm`` or ``htcondor``.
    name : str
        Its file name; ``.yaml`` may be left out.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    here = {path.name: path for path in folder(kind).glob("*") if path.is_file()}
    found = here.get(name) or here.get(f"{name}.yaml")
    if found is None:
        raise InputError(
            f"no template {name!r} in {folder(kind)}; "
            f"there are: {', '.join(sorted(here)) or 'none'}"
        )
    return found


def study_names() -> list[str]:
    """Name the studies among the templates."""
    return sorted(path.stem for path in folder("configs").glob("*.yaml") if not _is_profile(path))


def profile_names() -> list[str]:
    """Name the profiles among the templates."""
    return sorted(path.stem for path in folder("configs").glob("*.yaml") if _is_profile(path))


def file_or_template(path: str | os.PathLike[str], kind: str, names: list[str]) -> Path:
    """Find a file that is named by its path, or as one of the templates in ``configs``.

    Parameters
    ----------
    path : str or path
        A file that is there goes before a template.
    kind : str
        What it is called in the error: ``study`` or ``profile``.
    names : list of str
        The templates to choose from.
    """
    try:
        path = Path(expand(str(path)))
        if path.is_file():
            _refuse_others(path, kind)
            return path
        if str(path) in names:
            return template("configs", str(path))
        if path.exists() and not path.is_dir():
            return path  # such as a pipe
        is_what = "is a directory" if path.is_dir() else "is not there"
    except (OSError, BadValueError) as error:  # a name too long, the home of nobody
        is_what = getattr(error, "strerror", None) or str(error)
    raise InputError(
        f"{path}: {is_what} (looked in {Path.cwd()}); "
        f"name a {kind} file, or one that comes with the package: {', '.join(names)}"
    )


def _refuse_others(path: Path, kind: str) -> None:
    """Say what to write where a script or a store is named in place of a study or a profile."""
    if path.suffix == ".h5":
        raise InputError(f"{path}: is a store; name the {kind}, a YAML file")
    if path.suffix in _SCRIPTS:
        lines = f"`name: {path.stem}`, `script: {path.name}`, `engine:` and `parameters:`"
        how = f", with lines {lines}" if kind == "study" else ""
        raise InputError(
            f"{path}: is a script; name a {kind}, a YAML file{how}; "
            "`dask-espresso init DIRECTORY` makes one"
        )


def _is_profile(path: Path) -> bool:
    return bool(re.search(r"^cluster:", path.read_text(encoding="utf-8"), re.MULTILINE))
