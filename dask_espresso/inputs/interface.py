"""What a study says of a script as it is: how it is called, and where its results come from."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any

import pydantic
from pydantic import BeforeValidator

from ..errors import BadValueError, describe
from .collect import Source, sources_of
from .engine_settings import command_words
from .keep import keep_of
from .options import variables as checked_variables
from .templates import check_names

OF_SIMULATION = ("seed", "replica", "id", "directory")  # that texts may name beside parameters
_FILES = (".json", ".yaml", ".yml")
_OURS = ("TMPDIR", "PYTHONPATH", "OMP_NUM_THREADS")


def _arguments(value: Any) -> Any:
    """Give arguments as a list of texts."""
    if isinstance(value, str):
        try:
            value = shlex.split(value)
        except ValueError as error:
            raise BadValueError(f"cannot be split into words ({error}); write a list") from None
    if not isinstance(value, list):
        if value is None:
            return None
        raise BadValueError(f'is {describe(value)}; write a list such as [--pH, "{{pH}}"]')
    for i, word in enumerate(value):
        if isinstance(word, dict) and len(word) == 1 and not any(word.values()):
            raise BadValueError(f'is a mapping; write "{{{next(iter(word))}}}", in quotes', i)
        if isinstance(word, bool) or not isinstance(word, str | int | float):
            raise BadValueError(f"is {describe(word)}; write its words in quotes", i)
        if "\0" in str(word):
            raise BadValueError("holds a null character; remove it", i)
    return [str(word) for word in value]


def _collect(value: Any) -> Any:
    if value is not None:
        sources_of(value)
    return value


def _keep(value: Any) -> Any:
    keep_of(value)
    return value


def _parameters_file(value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, str) or PurePath(value).suffix not in _FILES or "/" in value:
        raise BadValueError(
            f"is {describe(value)}; write a name such as params.json or params.yaml"
        )
    return value


def _environment(value: Any) -> Any:
    checked = None if value is None else checked_variables(value)
    for name in checked if isinstance(checked, dict) else ():
        if name in _OURS or name.startswith("DASK_ESPRESSO_"):
            raise BadValueError("is set for every simulation; remove it", name)
    return checked


class Interface(pydantic.BaseModel):
    """How a script that knows nothing of this package gets parameters, and gives results.

    Attributes
    ----------
    program : list of str or None
        Any program, and the words behind it, in place of an engine. The script, if there is one,
        comes next: its input file, perhaps.
    arguments : list of str or None
        What the script finds in ``sys.argv[1:]``; it gets nothing on standard input then. Names
        in braces are those of parameters, and ``{seed}``, ``{replica}``, ``{id}``,
        ``{directory}``, the simulation's own, in which it runs, and ``{parameters_file}``.
    parameters_file : str or None
        A file in that directory, such as ``params.json`` or ``params.yaml``, that has all
        parameters, replica and seed.
    environment : dict of str to str or None
        Environment variables, with names in braces. Such simulations are fresh processes.
    collect : str, dict or None
        Where its results come from: a file such as ``result.json``, ``{file: rdf.dat, columns:
        [r, g]}``, ``{stdout: last}``, ``{log: PATTERN}``, or several of these, each with a name.
    keep : str, list of str, dict or None
        Files in its directory that stay, in ``NAME.files/ID/`` beside the store: patterns such as
        ``["*.vtf", traj.h5]``, or ``{files: ["*.vtf"], limit: 5 GiB}``; 1 GiB for each simulation
        without `limit`. It is no part of the code.
    """

    program: Annotated[list[str] | None, BeforeValidator(command_words)] = None
    arguments: Annotated[list[str] | None, BeforeValidator(_arguments)] = None
    parameters_file: Annotated[str | None, BeforeValidator(_parameters_file)] = None
    environment: Annotated[dict[str, str] | None, BeforeValidator(_environment)] = None
    collect: Annotated[Any, BeforeValidator(_collect)] = None
    keep: Annotated[Any, BeforeValidator(_keep)] = None

    if TYPE_CHECKING:
        engine: Any
        script: Any
        parameters: Any
        names: Any
        space: Any
        replicas: Any

    @pydantic.model_validator(mode="before")
    @classmethod
    def _allow_no_script(cls, data: Any) -> Any:
        """Have a study of a program need no script."""
        if isinstance(data, dict) and data.get("program") is not None:
            return {"script": "", **data}
        return data

    @pydantic.model_validator(mode="after")
    def _check_names(self) -> Interface:
        """Refuse names of nothing, and parameters that would never reach the script."""
        named, in_files = self.named, self._named_in_files
        for name in (*OF_SIMULATION, "parameters_file"):
            if name in self.names and name in named | in_files:
                raise BadValueError(
                    f"is what {{{name}}} stands for already; rename the parameter",
                    "parameters",
                    name,
                )
        if self.program and self.collect is None:
            raise BadValueError(
                "hands over no result by itself; write `collect`, which says where they are",
                "program",
            )
        if self.is_on_protocol or self.parameters_file:
            return self
        for name in self.names:
            reaches = {name, *self.space.computed_of([name])}
            if not reaches & named and not self.space.is_computed(name):
                is_here = name in self.parameters
                raise BadValueError(
                    f"{'' if is_here else f'the parameter `{name}` '}never reaches the script; "
                    f'write "{{{name}}}" into `arguments`, or remove it',
                    *(("parameters", name) if is_here else ("arguments",)),
                )
        return self

    def interface(self) -> Iterator[tuple[str, Any]]:
        """Give the keys that are set and that results may depend on: name and value."""
        names = (name for name in Interface.model_fields if name != "keep")
        values = ((name, getattr(self, name)) for name in names)
        return ((name, value) for name, value in values if value is not None)

    @property
    def is_on_protocol(self) -> bool:
        """Whether the script asks for its parameters."""
        ways = (self.arguments, self.parameters_file, self.environment)
        return all(way is None for way in ways) and bool(self.script)

    @property
    def named(self) -> set[str]:
        """The names that arguments and variables have in braces."""
        known = {*self.names, *OF_SIMULATION}
        known |= {"parameters_file"} if self.parameters_file else set()
        words, variables = self.arguments or [], self.environment or {}
        named = [_names(word, known, "arguments", i) for i, word in enumerate(words)]
        named += [_names(text, known, "environment", n) for n, text in variables.items()]
        return set().union(*named)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where results come from; none if the script hands them over itself."""
        return () if self.collect is None else sources_of(self.collect)

    @property
    def _named_in_files(self) -> set[str]:
        """The names that files of results have in braces."""
        known = {*self.names, *OF_SIMULATION} - {"directory"}
        places = [(("collect", *filter(None, [s.name])), s.file) for s in self.sources]
        places += [(("keep",), pattern) for pattern in keep_of(self.keep).patterns]
        return {name for at, text in places for name in _names(text, known, *at)}

    def interface_notes(self, script: Path) -> Iterator[tuple[tuple[str, ...], str]]:
        """Say what about a script may not be what was meant: the key, and what is so."""
        if self.is_on_protocol:
            if self.collect and self.names and b"stdin" not in script.read_bytes():
                yield (
                    ("script",),
                    "asks for no parameters, as far as can be seen; write `arguments`, with which "
                    "it gets them",
                )
        elif self.replicas > 1 and not self._seeds_replicas:
            yield (
                ("arguments",),
                "names no {seed}: replicas are the same simulation over and over, "
                "if the script does not seed itself otherwise each time",
            )

    @property
    def _seeds_replicas(self) -> bool:
        return bool(self.parameters_file or self.named & {"seed", "replica", "id"})


def _names(text: str, known: set[str], *at: str | int) -> set[str]:
    """Give the names in a text of the study."""
    try:
        return check_names(text, known)
    except BadValueError as error:
        raise BadValueError(str(error), *at) from None
