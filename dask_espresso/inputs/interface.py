"""What a study says of a script as it is: how it is called, and where its results come from."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pydantic
from pydantic import BeforeValidator

from ..errors import BadValueError, describe
from .collect import Source, sources_of
from .templates import check_names

OF_SIMULATION = ("seed", "replica", "id", "directory")  # that texts may name beside parameters


def _checked_arguments(value: Any) -> Any:
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


def _checked_collect(value: Any) -> Any:
    if value is not None:
        sources_of(value)
    return value


class Interface(pydantic.BaseModel):
    """How a script that knows nothing of this package gets parameters, and gives results.

    Attributes
    ----------
    arguments : list of str or None
        What the script finds in ``sys.argv[1:]``; it gets nothing on standard input then. Names
        in braces are those of parameters, and ``{seed}``, ``{replica}``, ``{id}`` and
        ``{directory}``, the simulation's own, in which it runs.
    collect : str, dict or None
        Where its results come from: a file such as ``result.json``, ``{file: rdf.dat, columns:
        [r, g]}``, ``{stdout: last}``, ``{log: PATTERN}``, or several of these, each with a name.
    """

    arguments: Annotated[list[str] | None, BeforeValidator(_checked_arguments)] = None
    collect: Annotated[Any, BeforeValidator(_checked_collect)] = None

    if TYPE_CHECKING:
        parameters: Any
        names: Any
        space: Any
        replicas: Any

    @pydantic.model_validator(mode="after")
    def _check_names(self) -> Interface:
        """Refuse names of nothing, and parameters that would never reach the script."""
        named, in_files = self._named, self._named_in_files
        for name in OF_SIMULATION:
            if name in self.names and name in named | in_files:
                raise BadValueError(
                    f"is what {{{name}}} stands for already; rename the parameter",
                    "parameters",
                    name,
                )
        for name in self.names if not self.is_on_protocol else ():
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
        """Give the keys that are set: name and value."""
        values = ((name, getattr(self, name)) for name in Interface.model_fields)
        return ((name, value) for name, value in values if value is not None)

    @property
    def is_on_protocol(self) -> bool:
        """Whether the script asks for its parameters."""
        return self.arguments is None

    @property
    def _named(self) -> set[str]:
        """The names that texts of the study have in braces."""
        named: set[str] = set()
        for i, word in enumerate(self.arguments or ()):
            try:
                named |= check_names(word, (*self.names, *OF_SIMULATION))
            except BadValueError as error:
                raise BadValueError(str(error), "arguments", i) from None
        return named

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where results come from; none if the script hands them over itself."""
        return () if self.collect is None else sources_of(self.collect)

    @property
    def _named_in_files(self) -> set[str]:
        """The names that files of results have in braces."""
        named: set[str] = set()
        for source in self.sources:
            try:
                known = {*self.names, *OF_SIMULATION} - {"directory"}
                named |= check_names(source.file, known)
            except BadValueError as error:
                at = (source.name,) if source.name else ()
                raise BadValueError(str(error), "collect", *at) from None
        return named

    def interface_notes(self, script: Path) -> Iterator[tuple[tuple[str, ...], str]]:
        """Say what about a script may not be what was meant: the key, and what is so."""
        if self.is_on_protocol:
            if self.collect and self.names and b"stdin" not in script.read_bytes():
                yield (
                    ("script",),
                    "asks for no parameters, as far as can be seen; write `arguments`, with which "
                    "it gets them",
                )
        elif self.replicas > 1 and not self._named & {"seed", "replica", "id"}:
            yield (
                ("arguments",),
                "names no {seed}: replicas are the same simulation over and over, "
                "if the script does not seed itself otherwise each time",
            )
