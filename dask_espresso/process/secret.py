"""What looks like a secret in a profile is not kept."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

HIDDEN = "LEFT_OUT"
_NAME = (
    r"(?:token|passw(?:or)?[dt]|passphrase|secret|credential|jwt|bearer|authorization"
    r"|(?<![a-z])pass(?![a-z])|\bpwd(?![a-z])|(?:\w[_-]|api)key)"
)
_NAMED = re.compile(rf"(?i){_NAME}[\w-]*")
# `API_TOKEN: …`, `export DB_PASSWORD=…`, `--password …`; in quotes to where these end
_SECRET = re.compile(rf"(?i)({_NAME}[\w-]*[\"']?(?:\s*[:=]\s*|[ \t]+)[\"']?)([^\s\"'][^\"'\n]*)")
_ADDRESS = re.compile(r"(://[^/\s:@\"']*:)[^/\s@\"']+(?=@)")


def without_secrets(text: str) -> str:
    """Leave out what stands behind names such as ``API_TOKEN`` or ``password``.

    Examples
    --------
    >>> without_secrets("environment: {WANDB_API_KEY: 0a1b, X: 1}")
    'environment: {WANDB_API_KEY: LEFT_OUT, X: 1}'
    """
    for start, end in sorted(_spans_of_yaml(text), reverse=True):
        text = text[:start] + HIDDEN + text[end:]
    return _ADDRESS.sub(rf"\1{HIDDEN}", _without_named(text))


def _spans_of_yaml(text: str) -> list[tuple[int, int]]:
    """Say where values of such keys stand, however many lines and quotes they have."""
    try:
        return list(_spans(yaml.compose(text, yaml.SafeLoader)))
    except (yaml.YAMLError, RecursionError):
        return []


def _spans(node: yaml.Node | None) -> Iterator[tuple[int, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if _NAMED.search(str(key.value)) and value.value:
                yield _span(value)
            else:
                yield from _spans(value)
    elif isinstance(node, yaml.SequenceNode):
        is_behind = False  # a word such as `--password`
        for item in node.value:
            if is_behind:
                yield _span(item)
            else:
                yield from _spans(item)
            is_behind = bool(re.fullmatch(rf"(?i)--?[\w-]*?{_NAME}[\w-]*", str(item.value)))


def _span(node: yaml.Node) -> tuple[int, int]:
    """Give a value without the blank lines behind it, which belong to a block."""
    start, end = node.start_mark, node.end_mark
    behind = str(start.buffer)[start.pointer : end.pointer].rstrip("\0")
    return start.index, start.index + len(behind.rstrip())


def _without_named(text: str) -> str:
    return _SECRET.sub(_hidden, text)


def _hidden(found: re.Match[str]) -> str:
    """Leave out a value; in braces it ends where the next one begins."""
    named, value = found.groups()
    before = found.string[: found.start()].rpartition("\n")[2]
    ends = re.search(r"[,}\]]", value) if before.count("{") > before.count("}") else None
    rest = value[ends.start() :] if ends else ""
    return f"{named}{HIDDEN}{_without_named(rest)}"
