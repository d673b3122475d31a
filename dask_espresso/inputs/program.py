"""Any program as what runs a study: where it is, and how it is started."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..engines import Engine
from ..errors import InputError
from ..paths import located

if TYPE_CHECKING:
    from .profile import Profile
    from .study import Study


def program_name(words: Sequence[str]) -> str:
    """Give the name that a program has in stores and profiles."""
    return Path(words[0]).name


def found_words(words: Sequence[str], directory: Path) -> tuple[str, ...]:
    """Give a command whose program, and files beside the study, have absolute paths.

    Parameters
    ----------
    words : sequence of str
        The program, and what comes behind it. A program without a path is looked for in PATH;
        where it is not found, it stays as it is.
    directory : Path
        Of the study.
    """
    first, *rest = words
    first = located(first, [directory]) if "/" in first else shutil.which(first) or first
    return (os.path.normpath(first), *(located(word, [directory]) for word in rest))


def command_files(command: Sequence[str], script: Path) -> dict[str, Path]:
    """Give the files that a command names beside the script, by names that tell them apart.

    These are as short as can be: ``in.txt``, but ``a/in.txt`` where there is another one.
    """
    known = [path for path in dict.fromkeys(map(Path, command)) if path.is_absolute()]
    files = [path for path in known if path != script and path.is_file()]
    names = {}
    for path in files:
        others = [other for other in (*files, script) if other != path]
        count = 1
        while any(other.parts[-count:] == path.parts[-count:] for other in others):
            count += 1
        names["/".join(path.parts[-count:]).lstrip("/")] = path
    return names


def engine_of(study: Study, profile: Profile) -> Engine:
    """Give what runs a study's script, or its program.

    Raises
    ------
    InputError
        If the profile does not know the engine, or says of it what cannot be.
    """
    if study.program:
        return _program_of(study, profile)
    engine = profile.engine(study.engine)
    if study.environment is None:
        return engine
    if engine.start == "fork":
        raise InputError(
            f"{profile.path}: engines.{study.engine}.start: is fork, but `environment` in the "
            "study is for fresh processes: what is imported beforehand has looked at it already; "
            "write `start: auto`, or `arguments` in the study"
        )
    return replace(engine, start="spawn")


def _program_of(study: Study, profile: Profile) -> Engine:
    if study.problem and not getattr(profile.engines.get(study.engine), "command", None):
        raise InputError(study.problem)
    words = found_words(study.program or (), study.path.parent)
    engine = Engine(study.engine, command=words, directory=str(Path.cwd()))
    if study.engine in profile.engines:
        given = profile.engine(study.engine)
        wrong = "start" if given.start == "fork" else "preload" if given.preload else ""
        if wrong:
            raise InputError(
                f"{profile.path}: engines.{study.engine}.{wrong}: is for Python; "
                f"{study.engine!r} is a program of the study: remove it"
            )
        engine = replace(given, command=given.command or words)
    return replace(
        engine,
        start="spawn",
        preload=(),
        module="",
        is_program=True,
        takes_script=bool(study.script),
    )
