"""What one simulation process is given, by whichever way its script takes parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import BadValueError
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
    """

    stdin: bytes = b""
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Call:
    """How scripts of a study are called, where they do not ask for their parameters.

    Attributes
    ----------
    arguments : tuple of str
        With names in braces.
    """

    arguments: tuple[str, ...] = ()

    @classmethod
    def of(cls, study: Study) -> Call | None:
        """Make it of a study; None where scripts ask for their parameters."""
        if study.is_on_protocol:
            return None
        return cls(arguments=tuple(study.arguments or ()))

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
        return Given(arguments=arguments)


def on_protocol(parameters: Any) -> Given:
    """Give what a process is given whose script asks for its parameters."""
    return Given(encode_transport_data(parameters).encode())
