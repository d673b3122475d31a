"""What one simulation process is given, by whichever way its script takes parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from ..errors import BadValueError
from ..inputs.collect import Source
from ..inputs.templates import filled
from ..script.transport import encode_transport_data

if TYPE_CHECKING:
    from ..inputs.study import Study

_MOST = 16384  # bytes of all arguments: they are part of one message, in JSON


@dataclass(frozen=True)
class Given:
    """What one process is given.

    Attributes
    ----------
    stdin : bytes
        On standard input.
    arguments : tuple of str
        Behind the script's name.
    sources : tuple of Source
        Where its results come from; none if it hands them over itself.
    """

    stdin: bytes = b""
    arguments: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Call:
    """How scripts of a study are called, and where their results come from.

    Attributes
    ----------
    is_on_protocol : bool
        Whether they ask for their parameters.
    arguments : tuple of str
        With names in braces.
    sources : tuple of Source
        None if they hand over results themselves.
    """

    is_on_protocol: bool = True
    arguments: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()

    @classmethod
    def of(cls, study: Study) -> Call:
        """Make it of a study."""
        return cls(
            is_on_protocol=study.is_on_protocol,
            arguments=tuple(study.arguments or ()),
            sources=study.sources,
        )

    def given(self, parameters: Mapping[str, Any], name: str, directory: str) -> Given:
        """Give what a process is given.

        Parameters
        ----------
        parameters : mapping
            With replica and seed.
        name : str
            The simulation's id.
        directory : str
            Where it runs.

        Raises
        ------
        BadValueError
            If that is more than a process can take.
        """
        values = {**parameters, "id": name, "directory": directory}
        arguments = tuple(filled(word, values) for word in self.arguments)
        size = sum(len(word.encode()) for word in arguments)
        if size > _MOST:
            raise BadValueError(
                f"its arguments have {size} bytes, of {_MOST} that may be; hand such parameters "
                "over in a file"
            )
        return Given(
            stdin=encoded(parameters) if self.is_on_protocol else b"",
            arguments=arguments,
            sources=tuple(_filled(source, values) for source in self.sources),
        )


ON_PROTOCOL = Call()


def encoded(parameters: Any) -> bytes:
    """Give parameters as they are on the standard input of a script that asks for them."""
    return encode_transport_data(parameters).encode()


def _filled(source: Source, values: Mapping[str, Any]) -> Source:
    file = filled(source.file, values)
    if PurePath(file).is_absolute() or ".." in PurePath(file).parts:
        raise BadValueError(f"collect: {file!r} is outside its directory")
    return replace(source, file=file)
