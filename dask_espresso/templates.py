"""The studies, profiles and job scripts that come with the package, made to be edited."""

from __future__ import annotations

import re
from pathlib import Path

from .engine import SIMULATIONS, Engine, probe
from .errors import BadValueError, InputError
from .paths import expand

_PACKAGE = Path(__file__).resolve().parent


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


def file_or_template(path: str | Path, kind: str, names: list[str]) -> Path:
    """Find a file that is named by its path, or as one of the templates in ``configs``.

    Parameters
    ----------
    path : str or Path
        A file that is there goes before a template.
    kind : str
        What it is called in the error: ``study`` or ``profile``.
    names : list of str
        The templates to choose from.
    """
    try:
        path = Path(expand(str(path)))
        if path.is_file():
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


def _is_profile(path: Path) -> bool:
    return bool(re.search(r"^cluster:", path.read_text(encoding="utf-8"), re.MULTILINE))


def start_directory(directory: Path, engine: str | None = None) -> list[Path]:
    """Make a directory with a study, a profile and a script to start from.

    Parameters
    ----------
    directory : Path
        Made if it is not there; files in it are never overwritten.
    engine : {'espresso', 'lammps'}, optional
        By default ESPResSo where it is found, else LAMMPS.

    Returns
    -------
    list of Path
        What was made.

    Raises
    ------
    InputError
        If one of the files is there already, or cannot be written.
    """
    engine = engine or _engine_here()
    study = "lj_pressure" if engine == "espresso" else f"lj_pressure_{engine}"
    text = template("configs", study).read_text(encoding="utf-8")
    own_script = re.sub(r"(?m)^script:\s*\w+", "script: simulation.py", text)
    files = {
        directory / "study.yaml": re.sub(r"(?m)^name:\s*\w+", "name: my_study", own_script),
        directory / "profile.yaml": template("configs", "local").read_text(encoding="utf-8"),
        directory / "simulation.py": (SIMULATIONS / f"{study}.py").read_text(encoding="utf-8"),
    }
    try:
        for path in files:
            if path.exists():
                raise InputError(f"{path}: is there already; name another directory")
        directory.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{directory}: cannot be written ({error.strerror})") from error
    return list(files)


def _engine_here() -> str:
    """Name the engine that this machine has."""
    return "lammps" if probe(Engine("espresso", module="espressomd")).error else "espresso"
