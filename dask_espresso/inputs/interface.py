"""What a study says of a script that does not ask for its parameters: how it gets them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import pydantic
from pydantic import BeforeValidator

from ..errors import BadValueError, describe
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


class Interface(pydantic.BaseModel):
    """How a script that knows nothing of this package gets its parameters.

    Attributes
    ----------
    arguments : list of str or None
        What the script finds in ``sys.argv[1:]``; it gets nothing on standard input then. Names
        in braces are those of parameters, and ``{seed}``, ``{replica}``, ``{id}`` and
        ``{directory}``, the simulation's own, in which it runs.
    """

    arguments: Annotated[list[str] | None, BeforeValidator(_checked_arguments)] = None

    if TYPE_CHECKING:
        parameters: Any
        replicas: Any

    @pydantic.model_validator(mode="after")
    def _check_names(self) -> Interface:
        """Refuse names of nothing, and parameters that would never reach the script."""
        if self.is_on_protocol:
            return self
        for name in OF_SIMULATION:
            if name in self.parameters:
                raise BadValueError(
                    f"is what {{{name}}} in `arguments` stands for already; rename the parameter",
                    "parameters",
                    name,
                )
        for name in self.parameters:
            if name not in self._named:
                raise BadValueError(
                    f'never reaches the script; write "{{{name}}}" into `arguments`, or remove it',
                    "parameters",
                    name,
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
                named |= check_names(word, (*self.parameters, *OF_SIMULATION))
            except BadValueError as error:
                raise BadValueError(str(error), "arguments", i) from None
        return named

    def interface_notes(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Say what may not be what was meant: the key, and what about it."""
        if self.is_on_protocol or self.replicas == 1 or self._named & {"seed", "replica", "id"}:
            return
        yield (
            ("arguments",),
            "names no {seed}: replicas are the same simulation over and over, "
            "if the script does not seed itself otherwise each time",
        )
