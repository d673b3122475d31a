"""YAML without what hides or multiplies: YAML 1.2's plain types, and the line of each value."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator
from typing import Any, NoReturn

import yaml

from ..errors import InputError

_MAX_DEPTH = 50  # of lists in mappings in lists
_MAX_NODES = 100_000  # keys and values, which take seconds to read
_MAX_DIGITS = 400  # of a whole number; Python writes no more than 640 decimal ones, if told so

KeyPath = tuple[str | int, ...]


def dotted(key_path: KeyPath) -> str:
    """Write a key path as in ``parameters.volume_fraction.step`` or ``options.list[2]``."""
    said = ""
    for part in key_path:
        if isinstance(part, int):
            said += f"[{part}]"
        else:
            said += "." * bool(said) + (part if re.fullmatch(r"[\w.-]+", part) else repr(part))
    return said


def readable(message: str) -> str:
    """Leave out the middle of a message that quotes very long text."""
    return message if len(message) <= 4000 else f"{message[:2000]} … {message[-1000:]}"


class _Loader(yaml.SafeLoader):
    """Makes nodes with the types of YAML 1.2's core schema, and nothing that hides or multiplies.

    Nodes are turned into values by :class:`Reader`, never by PyYAML's constructors.
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


_PLAIN: dict[str, re.Pattern[str]] = {}  # what a value without quotes is by its form
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
    _PLAIN[_tag] = re.compile(rf"(?:{_pattern})\Z")
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _PLAIN[_tag], _first)


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


def plain_scalar(text: str) -> Any:
    """Give what a text without quotes is read as.

    Raises
    ------
    ValueError
        If it is a number of too many digits.
    """
    tag = next((tag for tag, pattern in _PLAIN.items() if pattern.match(text)), "str")
    return _SCALARS[tag](text)


class _RefusalError(yaml.MarkedYAMLError):
    """What is valid YAML, but not welcome here."""


def _refuse(at: Any, message: str) -> NoReturn:
    raise _RefusalError(problem=message, problem_mark=at.start_mark)


class Reader:
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
        return InputError(f"{self._origin}{place}: {readable(message)}")

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
