"""The file that a study runs: its script, or a program without one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import open_file
from ..paths import expand
from .program import found_words
from .shipped import SIMULATIONS

if TYPE_CHECKING:
    from .document import Document

_PARTS = {"probe", "abort", "imports"}  # of the package, among the simulations


def shipped_simulations() -> dict[str, Path]:
    """Give the simulation scripts that come with the package, by name."""
    scripts = sorted(SIMULATIONS.glob("[!_]*.py"))
    return {path.stem: path for path in scripts if path.stem not in _PARTS}


def find_script(document: Document, script: str, program: Sequence[str] | None) -> Path:
    """Give the file that results depend on before all: the script, or else the program.

    Raises
    ------
    InputError
        If it is not there.
    """
    if program and not script:
        return _find_program(document, program)
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
            "write a path relative to the study file, "
            f"or one of the shipped simulations: {', '.join(shipped) or 'none'}",
        ) from error
    return path


def _find_program(document: Document, program: Sequence[str]) -> Path:
    path = Path(found_words(program, document.path.absolute().parent)[0])
    if not path.is_absolute() or not path.is_file():
        raise document.error(
            ("program",),
            f"{str(path)!r} cannot be found here; write its path, or load the module that has it, "
            "so that its version can be told",
        )
    return path
