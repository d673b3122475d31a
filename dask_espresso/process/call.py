"""What one simulation process is given, by whichever way its script takes parameters."""

from __future__ import annotations

import glob
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import yaml

from ..errors import BadValueError
from ..inputs.collect import Source
from ..inputs.keep import NOTHING, Keep, keep_of, wrong_pattern
from ..inputs.templates import as_text, filled
from ..script.transport import encode_transport_data

if TYPE_CHECKING:
    from ..inputs.study import Study

_MOST = 16384  # bytes of all arguments: they are part of one message


@dataclass(frozen=True)
class Given:
    """What one process is given.

    Attributes
    ----------
    stdin : bytes
        On standard input.
    arguments : tuple of str
        Behind the script's name.
    environment : tuple of (str, str)
        Variables of its own.
    stdin_file : str
        What there is on standard input is in this file in its directory instead; or empty.
    sources : tuple of Source
        Where its results come from; none if it hands them over itself.
    keep : Keep
        Which files that it leaves are to stay.
    """

    stdin: bytes = b""
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    stdin_file: str = ""
    sources: tuple[Source, ...] = ()
    keep: Keep = NOTHING


@dataclass(frozen=True)
class Call:
    """How scripts of a study are called, and where their results come from.

    Attributes
    ----------
    is_on_protocol : bool
        Whether they ask for their parameters.
    arguments : tuple of str
        With names in braces.
    environment : tuple of (str, str)
        Likewise.
    parameters_file : str
        Name of the file that has all parameters; or empty.
    sources : tuple of Source
        None if they hand over results themselves.
    keep : Keep
        Which of their files are to stay, and where.
    """

    is_on_protocol: bool = True
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    parameters_file: str = ""
    sources: tuple[Source, ...] = ()
    keep: Keep = NOTHING

    @classmethod
    def of(cls, study: Study, files: str = "") -> Call:
        """Make it of a study, and the directory for files that stay."""
        return cls(
            is_on_protocol=study.is_on_protocol,
            arguments=tuple(study.arguments or ()),
            environment=tuple((study.environment or {}).items()),
            parameters_file=study.parameters_file or "",
            sources=study.sources,
            keep=replace(keep_of(study.keep), place=files, mark=uuid.uuid4().hex if files else ""),
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
        path = str(Path(directory, self.parameters_file)) if self.parameters_file else directory
        values = {**parameters, "id": name, "directory": directory, "parameters_file": path}
        arguments = tuple(filled(word, values) for word in self.arguments)
        variables = tuple((name, filled(text, values)) for name, text in self.environment)
        size = sum(len(word.encode()) for word in (*arguments, *(text for _, text in variables)))
        if size > _MOST:
            raise BadValueError(
                f"its arguments have {size} bytes, of {_MOST} that may be; hand such parameters "
                "over in a `parameters_file`"
            )
        return Given(
            stdin=self._stdin(parameters),
            arguments=arguments,
            environment=variables,
            stdin_file=self.parameters_file,
            sources=tuple(_filled(source, values) for source in self.sources),
            keep=_filled_keep(self.keep, values, name) if self.keep.patterns else self.keep,
        )

    def _stdin(self, parameters: Mapping[str, Any]) -> bytes:
        if self.is_on_protocol:
            return encoded(parameters)
        return as_file(parameters, self.parameters_file) if self.parameters_file else b""


ON_PROTOCOL = Call()


def encoded(parameters: Any) -> bytes:
    """Give parameters as they are on the standard input of a script that asks for them."""
    return encode_transport_data(parameters).encode()


def as_file(parameters: Mapping[str, Any], name: str) -> bytes:
    """Write parameters as JSON, or YAML, whichever a file's name says."""
    if name.endswith(".json"):
        text = json.dumps(parameters, indent=2, ensure_ascii=False)
    else:
        text = yaml.dump(dict(parameters), Dumper=_Dumper, allow_unicode=True, sort_keys=False)
    return f"{text.rstrip()}\n".encode()


class _Dumper(yaml.SafeDumper):
    """Has texts in quotes: what is a text is read as one by YAML 1.1 and 1.2 alike."""


_Dumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


def _filled(source: Source, values: Mapping[str, Any]) -> Source:
    file = filled(source.file, values)
    if PurePath(file).is_absolute() or ".." in PurePath(file).parts:
        raise BadValueError(f"collect: {file!r} is outside its directory")
    return replace(source, file=file)


def _filled_keep(keep: Keep, values: Mapping[str, Any], name: str) -> Keep:
    plain = {key: glob.escape(as_text(value)) for key, value in values.items()}
    patterns = tuple(filled(pattern, plain) for pattern in keep.patterns)
    for pattern in patterns:
        if wrong_pattern(pattern):
            raise BadValueError(f"keep: {pattern!r} is outside its directory")
    return replace(keep, patterns=patterns, name=name)
