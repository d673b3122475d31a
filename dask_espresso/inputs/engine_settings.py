"""What a profile says of an engine."""

from __future__ import annotations

import os
import re
import shlex
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BeforeValidator

from ..errors import BadValueError, describe
from ..paths import expand, expand_setting
from .options import variables, whole

# with which the same code runs elsewhere, or on more cores
_SAYS_WHERE = re.compile(
    r"\w*(PATH|DIR|HOME|ROOT|PREFIX)|TMP|TEMP|\w*_NUM_THREADS|CUDA_VISIBLE_DEVICES"
    r"|(OMPI|PMIX|PRTE|MPICH|I_MPI|FI|UCX|HYDRA)_\w+"
)


def says_where(variable: str) -> bool:
    """Say whether a variable is known to tell only where or on how many cores something runs.

    Results may depend on all others. What stands on a module path is code by itself.

    Examples
    --------
    >>> [says_where(name) for name in ("LD_LIBRARY_PATH", "OMP_NUM_THREADS", "CUTOFF")]
    [True, True, False]
    """
    return bool(_SAYS_WHERE.fullmatch(variable))


def command_words(value: Any) -> Any:
    """Give a program and what comes behind it as words."""
    if isinstance(value, str):
        try:
            value = shlex.split(value)
        except ValueError as error:
            raise BadValueError(f"is no command ({error}); balance its quotes") from None
    if isinstance(value, list):
        value = [str(word) if type(word) in (int, float) else word for word in value]
        if not value or value[0] == "":
            raise BadValueError("is empty; write a program, or remove the key for the default")
        for word in value:
            if not isinstance(word, str) or "\0" in word:
                raise BadValueError(f"holds {describe(word)}; write its words in quotes")
        # a word with spaces is for a shell that is started by the command
        return [word if re.search(r"\s", word) else expand(word) for word in value]
    if value is not None:
        raise BadValueError(f"is {describe(value)}; write a program and its arguments")
    return None


def _modules(value: Any) -> Any:
    for i, name in enumerate(value if isinstance(value, list) else ()):
        if not isinstance(name, str) or not all(map(str.isidentifier, name.split("."))):
            raise BadValueError(f"is {describe(name)}, which is no name of a module", i)
    return value


def _ranks(value: Any) -> int:
    return whole(value, 1, "write the number of MPI processes of one simulation, such as 4")


class EngineSettings(pydantic.BaseModel):
    """How a profile starts an engine.

    Attributes
    ----------
    command : list of str or None
        Program and arguments in front of the script, or None for the engine's own default.
    preload : list of str or None
        Modules that a warm start imports beforehand, or None for the engine's own.
    environment : dict of str to str
        Environment variables for its simulations.
    start : str
        ``fork``: simulations are forked from a warm process; ``spawn``: each is a fresh one;
        ``auto``: forked, where it comes to the same.
    ranks : int
        MPI processes of one simulation.
    launcher : list of str or None
        Program and arguments that start several ranks, or None for ``mpirun -n {ranks}``.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True)

    command: Annotated[list[str] | None, BeforeValidator(command_words)] = None
    preload: Annotated[list[str] | None, BeforeValidator(_modules)] = None
    environment: Annotated[dict[str, str], BeforeValidator(variables)] = {}
    start: Literal["auto", "fork", "spawn"] = "auto"
    ranks: Annotated[int, BeforeValidator(_ranks)] = 1
    launcher: Annotated[list[str] | None, BeforeValidator(command_words)] = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> EngineSettings:
        if self.ranks > 1 and self.start == "fork":
            raise BadValueError(
                f"is fork, but {self.ranks} ranks cannot be forked; remove it", "start"
            )
        if self.ranks == 1 and self.launcher:
            raise BadValueError("has no effect on one rank; add `ranks: N`", "launcher")
        return self


def check_variables(engine: str, environment: dict[str, str]) -> None:
    """Refuse variables that name others which this machine has not."""
    for name, value in environment.items():
        try:
            expand_setting(name, value, os.environ)
        except BadValueError as error:
            raise BadValueError(str(error), "engines", engine, "environment", name) from None
