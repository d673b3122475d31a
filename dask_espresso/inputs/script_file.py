"""The file that a study runs: its script, or a program without one."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..files import file_hash, open_file
from ..identity import canonical_json
from ..paths import expand
from .program import found_words, program_name
from .shipped import SIMULATIONS

if TYPE_CHECKING:
    from .document import Document
    from .profile import Profile
    from .study import Study

_PARTS = {"probe", "abort", "imports"}  # of the package, among the simulations


def shipped_simulations() -> dict[str, Path]:
    """Give the simulation scripts that come with the package, by name."""
    scripts = sorted(SIMULATIONS.glob("[!_]*.py"))
    return {path.stem: path for path in scripts if path.stem not in _PARTS}


class ScriptFile(NamedTuple):
    """The file that results depend on before all: the script, or else the program.

    Attributes
    ----------
    path : Path
        Absolute; a program that cannot be found has none.
    hash : str
        Its SHA-256.
    problem : str
        Why it cannot be found; empty if it can. A profile may know better.
    """

    path: Path
    hash: str
    problem: str = ""


def find_script(document: Document, script: str, program: Sequence[str] | None) -> ScriptFile:
    """Give the file that results depend on before all.

    Raises
    ------
    InputError
        If the script is not there.
    """
    if program and not script:
        return _find_program(document, program)
    path = _script_path(document, script)
    return ScriptFile(path, file_hash(path))


def with_program(study: Study, profile: Profile) -> Study:
    """Give a study of a program alone with the one that a profile has, where that names one.

    Where only workers can see it, its version cannot be told.
    """
    settings = None if study.script else profile.engines.get(study.engine)
    if not settings or not settings.command:
        return study
    command = profile.engine(study.engine).command
    path = Path(shutil.which(command[0]) or command[0]).absolute()
    if path.is_file():
        return study.with_script(ScriptFile(path, file_hash(path)))
    said = hashlib.sha256(canonical_json(list(command)).encode()).hexdigest()
    return study.with_script(ScriptFile(Path(path.name), said))


def _script_path(document: Document, script: str) -> Path:
    shipped = shipped_simulations()
    if script in shipped:
        return shipped[script]
    path = Path(script)
    try:
        path = (document.path.parent / expand(script)).absolute()
        with open_file(path) as file:
            file.read(1)
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise document.error(
            ("script",),
            f"{script!r} cannot be read (looked for {str(path)!r}: {reason}); "
            f"write a path relative to {document.base}, "
            f"or one of the shipped simulations: {', '.join(shipped) or 'none'}",
        ) from error
    return path


def _find_program(document: Document, program: Sequence[str]) -> ScriptFile:
    path = Path(found_words(program, document.path.absolute().parent)[0])
    if path.is_absolute() and path.is_file():
        return ScriptFile(path, file_hash(path))
    name = program_name(program)
    problem = document.error(
        ("program",),
        f"{str(path)!r} cannot be found here; write its path, load the module that has it, or "
        f"write its `command` under `engines`, {name!r} into the profile",
    )
    return ScriptFile(Path(name), "", str(problem))
