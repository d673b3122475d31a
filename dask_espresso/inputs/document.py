"""A YAML file that knows where each of its keys stands."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar, get_args, get_origin

import pydantic
import yaml

from ..errors import BadValueError, InputError, describe
from ..walltime import is_bare
from .misreadings import misreading

MAX_SIZE = 1 << 20  # bytes of a file
_MAX_DEPTH = 50  # of lists in mappings in lists
_MAX_NODES = 100_000  # keys and values, which take seconds to read
_MAX_DIGITS = 400  # of a whole number; Python writes no more than 640 decimal ones, if told so
_MAX_FINDINGS = 50  # shown of what is wrong with one file

KeyPath = tuple[str | int, ...]
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
        reader = _Reader(str(path))
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
        reader = _Reader(origin, with_line=False)
        document = self.replace(key_path, reader.read(text), origin)
        document._written.update((key_path + at, raw) for at, raw in reader.written.items())
        return document

    def as_written(self, is_text: Callable[[KeyPath], bool]) -> Document:
        """Give a copy where numbers that are texts, such as ``010``, are as they stand there."""
        document = self
        for key_path, raw in self._written.items():
            if type(self._value(key_path)) in (int, float) and is_text(key_path):
                document = document.replace(key_path, raw, self._place(key_path))
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
        return f"{self._place(key_path)}: {dotted(key_path)}: {said}"

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
        place = self._place(key_path)
        key = f"{dotted(key_path)}: " if key_path else ""
        return InputError(f"{place}: {_readable(key + message)}")

    def _place(self, key_path: KeyPath) -> str:
        for end in range(len(key_path), -1, -1):
            if key_path[:end] in self._origins:
                return self._origins[key_path[:end]]
            if key_path[:end] in self._lines:
                return f"{self.path}:{self._lines[key_path[:end]]}"
        return str(self.path)

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
            found = [_explain(details, model) for details in wrong[:_MAX_FINDINGS]]
            found.sort(key=lambda finding: self._line_near(finding[0]))
            lines = [str(self.error(key_path, message)) for key_path, message in found]
            if len(wrong) > len(found):
                lines.append(f"{self.path}: and {len(wrong) - len(found)} more")
            raise InputError("\n".join(dict.fromkeys(lines))) from None

    def _line_near(self, key_path: KeyPath) -> int:
        ends = range(len(key_path), -1, -1)
        return next((self._lines[key_path[:n]] for n in ends if key_path[:n] in self._lines), 0)


def parse_value(text: str, origin: str) -> Any:
    """Read a value as it would be read behind a key of a file.

    Parameters
    ----------
    text : str
        A YAML scalar, ``[list]`` or ``{mapping}``.
    origin : str
        Where the text comes from, for errors: ``--set n=3``.
    """
    return _Reader(origin, with_line=False).read(text)


def dotted(key_path: KeyPath) -> str:
    """Write a key path as in ``parameters.volume_fraction.step`` or ``options.list[2]``."""
    said = ""
    for part in key_path:
        if isinstance(part, int):
            said += f"[{part}]"
        else:
            said += "." * bool(said) + (part if re.fullmatch(r"[\w.-]+", part) else repr(part))
    return said


def _readable(message: str) -> str:
    """Leave out the middle of a message that quotes very long text."""
    return message if len(message) <= 4000 else f"{message[:2000]} … {message[-1000:]}"


def without_unit(document: Document, key: str) -> Iterator[str]:
    """Say so where a length of time is a bare number, which is read in seconds."""
    value = document.data.get(key)
    if is_bare(value):
        yield document.note((key,), f"is read as {value} seconds; write a unit, as in `{value} s`")


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is not known, which one is nearest, and which there are."""
    known = sorted(known)
    folded = {candidate.casefold(): candidate for candidate in known}
    swapped = [near for near in folded if sorted(near) == sorted(name.casefold())]
    near = swapped or difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
    question = f"did you mean {folded[near[0]]!r}? Known" if near else "known"
    return f"unknown {kind} {name!r}; {question} {kind}s: {', '.join(known) or 'none'}"


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SIZE + 1)
    except (OSError, ValueError) as error:
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


# ---- YAML ----------------------------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """Makes nodes with the types of YAML 1.2's core schema, and nothing that hides or multiplies.

    Nodes are turned into values by :class:`_Reader`, never by PyYAML's constructors.
    """

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  as PyYAML declares it
    depth = nodes = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            what = f"'{sign}{event.anchor}' makes an anchor or uses one"
            _refuse(event, f"{what}; write the value out, or put it in quotes if it is text")
        if getattr(event, "tag", None) is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            what = f"the tag '{tag}' is not allowed"
            _refuse(event, f"{what}; remove it, or put the value in quotes if it is text")
        self.depth += 1
        self.nodes += 1
        if self.depth > _MAX_DEPTH:
            _refuse(event, f"nested more than {_MAX_DEPTH} deep; make it flatter")
        if self.nodes > _MAX_NODES:
            _refuse(event, f"holds more than {_MAX_NODES:,} keys and values; write ranges instead")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _tag, _pattern, _first in (
    ("null", r"null|Null|NULL|~|", [*"~nN", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", [*"-+0123456789"]),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        [*"-+.0123456789"],
    ),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first
    )


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError("too many digits")
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def _float(text: str) -> float:
    return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))


_SCALARS: dict[str, Callable[[str], Any]] = {
    "null": lambda text: None,
    "bool": lambda text: text.lower() == "true",
    "int": _integer,
    "float": _float,
    "str": str,
}


class _RefusalError(yaml.MarkedYAMLError):
    """What is valid YAML, but not welcome here."""


def _refuse(at: Any, message: str) -> NoReturn:
    raise _RefusalError(problem=message, problem_mark=at.start_mark)


class _Reader:
    """Turns YAML text into values, and notes the line of each.

    Parameters
    ----------
    origin : str
        Where the text comes from, for errors.
    with_line : bool
        Whether errors name a line.
    """

    def __init__(self, origin: str, with_line: bool = True) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.written: dict[KeyPath, str] = {}  # values without quotes, as they stand there
        self._origin = origin
        self._with_line = with_line

    def read(self, text: str) -> Any:
        """Give the value; the lines are in `lines` afterwards."""
        line = None
        try:
            loader = _Loader(text)
            try:
                node = loader.get_single_node()
            finally:
                line = loader.line + 1
                loader.dispose()
            return None if node is None else self._value(node, ())
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise self._error(mark.line + 1 if mark else None, _plain(error)) from None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            message = f"holds the character U+{error.character:04X}, which is not text; remove it"
            raise self._error(line, message) from None
        except RecursionError:
            raise self._error(line, "nested too deep; make it flatter") from None
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            # such as the escape "\UFFFFFFFF"
            raise self._error(line, f"is not YAML ({error}); correct it") from None

    def _error(self, line: int | None, message: str) -> InputError:
        place = f":{line}" if line and self._with_line else ""
        return InputError(f"{self._origin}{place}: {_readable(message)}")

    def _value(self, node: yaml.Node, at: KeyPath) -> Any:
        self.lines.setdefault(at, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return dict(self._items(node, at))
        if isinstance(node, yaml.SequenceNode):
            if node.flow_style and node.value:
                start, end = node.start_mark, node.end_mark
                self.written[at] = str(start.buffer)[start.pointer : end.pointer]
            return [self._value(item, (*at, i)) for i, item in enumerate(node.value)]
        return self._scalar(node, at)

    def _items(self, node: yaml.MappingNode, at: KeyPath) -> Iterator[tuple[str, Any]]:
        seen: dict[Hashable, int] = {}
        inside = f"{dotted(at)}: " if at else ""
        for i, (key_node, value_node) in enumerate(node.value):
            if not isinstance(key_node, yaml.ScalarNode) or not key_node.tag.endswith(":str"):
                what = f"the key {key_node.value!r} " if key_node.id == "scalar" else "a key "
                comma = _decimal_comma(node, i)
                _refuse(key_node, f"{inside}{what}is not text; {comma or 'put it in quotes'}")
            key, line = self._scalar(key_node, at), key_node.start_mark.line + 1
            self.written.pop(at, None)
            if key in seen:
                what = (
                    f"is there already, on line {seen[key]}"
                    if self._with_line
                    else "is there twice"
                )
                _refuse(key_node, f"{dotted((*at, key))}: {what}; keep one of the two")
            seen[key] = self.lines[(*at, key)] = line
            yield key, self._value(value_node, (*at, key))

    def _scalar(self, node: Any, at: KeyPath) -> Any:
        inside = f"{dotted(at)}: " if at else ""
        try:
            value = _SCALARS[node.tag.rpartition(":")[2]](node.value)
        except ValueError:
            _refuse(node, f"{inside}has too many digits; put it in quotes if it is text")
        if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
            _refuse(node, f"{inside}holds half a character (\\uD800 to \\uDFFF); mend the escape")
        if node.style is None:
            self.written[at] = node.value
        return value


def _decimal_comma(node: yaml.MappingNode, i: int) -> str:
    """Say how `{x: 1,5}` is to be written, of which 5 is a key; empty where it is not so."""
    pair, before = node.value[i], node.value[i - 1]
    name, whole, decimals, rest = (getattr(part, "value", None) for part in (*before, *pair))
    is_cut = rest == "" and all(re.fullmatch(r"[-+]?\d\S*", str(p)) for p in (whole, decimals))
    return f"for the decimal write {name}: {whole}.{decimals}, with a point" if i and is_cut else ""


def _plain(error: yaml.MarkedYAMLError) -> str:
    """Say what is wrong with the syntax, and what to do."""
    problem = str(error.problem or error.context)
    if isinstance(error, _RefusalError):
        return problem
    if r"'\t'" in problem:
        return "is indented with a tab; use spaces"
    if "another document" in problem:
        return "a second document begins here; keep one, without `---` between"
    remedies = {
        "mapping values are not allowed": "look for a missing line break, wrong indentation, or "
        "text with ': ' in it that needs quotes",
        "could not find expected ':'": "look for a key without ':', or wrong indentation",
        "expected <block end>": "indent the keys of one mapping alike, or close the quotes above",
        "expected ',' or": "close the bracket, or put a comma between items",
        "unexpected end of stream": "close the quotes",
        "unknown escape": "in double quotes a backslash begins an escape; use single quotes",
        "cannot start any token": "put the text in quotes",
    }
    remedy = next((what for part, what in remedies.items() if part in problem), "correct the line")
    context = f"{error.context}, " if error.context else ""
    return f"is not YAML ({context}{problem}); {remedy}"


# ---- pydantic ------------------------------------------------------------------------------------

_EXPECTED = {
    "string_type": "must be text; put it in quotes",
    "int_type": "must be a whole number; write one such as 4, without quotes and decimal point",
    "int_from_float": "must be a whole number; write one such as 4, without a decimal point",
    "float_type": "must be a number; write one such as 0.5, without quotes",
    "bool_type": "must be true or false; write one of them, without quotes",
    "list_type": "must be a list; write it as [a, b]",
    "dict_type": "must be a mapping; write `key: value` lines under it",
    "model_type": "must be a mapping; write `key: value` lines under it",
}


def _explain(details: Any, model: type[pydantic.BaseModel]) -> tuple[KeyPath, str]:
    """Put one of pydantic's errors into plain words."""
    at: KeyPath = tuple(part for part in details["loc"] if part != "[key]")
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    wrong = context.get("error")
    if isinstance(wrong, BadValueError):
        return (*at, *wrong.at), str(wrong)
    if kind == "extra_forbidden":
        return at, unknown("key", str(at[-1]), _known_keys(model, at[:-1]))
    if kind == "missing":
        return at, f"is missing; add a line `{at[-1]}: …`"
    if kind in _EXPECTED:
        if kind == "int_type" and isinstance(value, str) and not value.strip().isdigit():
            return at, f"is {describe(value)} but must be a whole number; write one such as 4"
        return at, f"is {describe(value)} but {_EXPECTED[kind]}"
    if kind == "literal_error":
        return at, f"is {describe(value)} but must be {context['expected']}; write one of these"
    limits = {"greater_than_equal": ("ge", "least"), "less_than_equal": ("le", "most")}
    if kind in limits:
        name, bound = limits[kind]
        return at, f"is {value} but must be at {bound} {context[name]}; write such a number"
    return at, f"{wrong or details['msg']}; correct it"


def _known_keys(model: type[pydantic.BaseModel], at: KeyPath) -> list[str]:
    """Name the keys that the model has at a place."""
    kind: Any = model
    for part in at:
        if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
            kind = kind.model_fields[str(part)].annotation
        elif get_origin(kind) is dict:
            kind = get_args(kind)[1]
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
    return list(kind.model_fields)
