"""A YAML file that knows where each of its keys stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from ..errors import InputError, ResumableError, describe
from ..files import describe_error, is_away
from ..walltime import is_bare
from .misreadings import misreading
from .plain_yaml import KeyPath, Reader, dotted, readable
from .wording import explain

MAX_SIZE = 1 << 20  # bytes of a file
_MAX_FINDINGS = 50  # shown of what is wrong with one file

Model = TypeVar("Model", bound=pydantic.BaseModel)


@dataclass(frozen=True)
class Document:
    """What a YAML file says, and where it says so.

    Attributes
    ----------
    path : Path
        The file, as it was named.
    text : str
        What stands in it.
    data : dict
        Its keys and values: dicts, lists, strings, numbers, booleans and None.
    """

    path: Path
    text: str
    data: dict[str, Any]
    _lines: dict[KeyPath, int] = field(repr=False)
    _origins: dict[KeyPath, str] = field(default_factory=dict, repr=False)
    _written: dict[KeyPath, str] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, path: str | Path) -> Document:
        """Read a file with YAML 1.2's plain types, without tags, anchors and duplicate keys.

        Raises
        ------
        InputError
            If it is not such a file; the message names the line.
        """
        path = Path(path)
        text = _read(path)
        reader = Reader(str(path))
        data = reader.read(text)
        if data is None:
            raise InputError(f"{path}: has no content; write lines such as `name: value`")
        if not isinstance(data, dict):
            raise InputError(
                f"{path}:{reader.lines[()]}: holds {describe(data)} where keys are expected; "
                "write lines such as `name: value`"
            )
        return cls(path, text, data, reader.lines, {}, reader.written)

    def line_of(self, key_path: KeyPath) -> int | None:
        """Give the line, from 1, on which a key or a list's item stands; None if it is not there.

        Parameters
        ----------
        key_path : tuple
            Keys and places in lists, from the outside in.
        """
        return self._lines.get(key_path)

    def replace(self, key_path: KeyPath, value: Any, origin: str) -> Document:
        """Give a copy with one value replaced.

        Parameters
        ----------
        key_path : tuple
            A key that is there.
        value
            What it is now.
        origin : str
            Where that comes from, for errors about it: ``--set n=3``.
        """
        below = len(key_path)
        lines = {key: line for key, line in self._lines.items() if key[:below] != key_path}
        written = {key: text for key, text in self._written.items() if key[:below] != key_path}
        origins = {**self._origins, key_path: origin}
        data = _replaced(self.data, key_path, value)
        return Document(self.path, self.text, data, lines, origins, written)

    def set(self, key_path: KeyPath, text: str, origin: str) -> Document:
        """Give a copy with one value replaced by what a text is read as."""
        reader = Reader(origin, with_line=False)
        document = self.replace(key_path, reader.read(text), origin)
        document._written.update((key_path + at, raw) for at, raw in reader.written.items())
        return document

    def as_written(self, is_text: Callable[[KeyPath], bool]) -> Document:
        """Give a copy where numbers that are texts, such as ``010``, are as they stand there."""
        document = self
        for key_path, raw in self._written.items():
            if type(self._value(key_path)) in (int, float) and is_text(key_path):
                document = document.replace(key_path, raw, self.place(key_path))
        return document

    def misreadings(self, *keys: str) -> list[str]:
        """Say what under these keys is read otherwise than its writer may think, one a value."""
        return [
            self.note(at, said)
            for at, raw in self._written.items()
            if at[0] in keys and (said := misreading(raw, self._value(at)))
        ]

    def note(self, key_path: KeyPath, said: str) -> str:
        """Say something about a key that is no error."""
        return f"{self.place(key_path)}: {dotted(key_path)}: {said}"

    def _value(self, key_path: KeyPath) -> Any:
        value: Any = self.data
        for part in key_path:
            value = value[part]
        return value

    def error(self, key_path: KeyPath, message: str) -> InputError:
        """Make the error that says what is wrong with a key.

        Parameters
        ----------
        key_path : tuple
            The key; where it is missing, the error names the line of what it is missing from.
        message : str
            What is wrong; what to do.
        """
        place = self.place(key_path)
        key = f"{dotted(key_path)}: " if key_path else ""
        return InputError(f"{place}: {readable(key + message)}")

    def place(self, key_path: KeyPath) -> str:
        """Say where a key stands: the file and the line, or the option."""
        for end in range(len(key_path), -1, -1):
            if key_path[:end] in self._origins:
                return self._origins[key_path[:end]]
            if key_path[:end] in self._lines:
                return f"{self.path}:{self._lines[key_path[:end]]}"
        return str(self.path)

    @property
    def base(self) -> str:
        """What relative paths in it are relative to, in words."""
        return "the study file" if self._lines else "the current directory"

    def validate(self, model: type[Model]) -> Model:
        """Give the file's content as a model.

        Parameters
        ----------
        model : type
            A pydantic model that forbids extra keys.

        Raises
        ------
        InputError
            Says all that is wrong, one a line, in the file's order, within reason.
        """
        try:
            return model.model_validate(self.data)
        except pydantic.ValidationError as error:
            wrong = error.errors()
            found = [explain(details, model) for details in wrong[:_MAX_FINDINGS]]
            found.sort(key=lambda finding: self._line_near(finding[0]))
            lines = [str(self.error(key_path, message)) for key_path, message in found]
            if len(wrong) > len(found):
                lines.append(f"{self.path}: and {len(wrong) - len(found)} more")
            raise InputError("\n".join(dict.fromkeys(lines))) from None

    def _line_near(self, key_path: KeyPath) -> int:
        ends = range(len(key_path), -1, -1)
        return next((self._lines[key_path[:n]] for n in ends if key_path[:n] in self._lines), 0)


def without_unit(document: Document, key: str) -> Iterator[str]:
    """Say so where a length of time is a bare number, which is read in seconds."""
    value = document.data.get(key)
    if is_bare(value):
        yield document.note((key,), f"is read as {value} seconds; write a unit, as in `{value} s`")


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SIZE + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and is_away(error):
            raise ResumableError(f"{path}: {describe_error(error)}") from error
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read ({reason}); name a YAML file") from error
    if len(content) > MAX_SIZE:
        raise InputError(f"{path}: is larger than 1 MiB; name a YAML file written by hand")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}:{line}: byte {content[error.start]:#04x} is not UTF-8; "
            "save the file as UTF-8 text"
        ) from error


def _replaced(data: Any, key_path: KeyPath, value: Any) -> Any:
    if not key_path:
        return value
    copy = data.copy()
    copy[key_path[0]] = _replaced(data[key_path[0]], key_path[1:], value)
    return copy
