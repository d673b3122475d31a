"""Values, and studies, as YAML text that comes back as the same values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Writes texts so that they stay texts: YAML has more than one idea of what is a number."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"')


_Dumper.add_representer(str, _text)
_Dumper.ignore_aliases = lambda *_: True  # type: ignore[method-assign]


def study_lines(data: dict[str, Any]) -> Iterator[str]:
    """Write the keys of a study, a line each, and a line for each parameter."""
    for key, value in data.items():
        names = value if isinstance(value, dict) and key == "parameters" and value else None
        if names is None:
            yield f"{key}: {value_text(value)}\n"
            continue
        yield f"{key}:\n"
        yield from (
            f"  {value_text(name)}: {value_text(of_name)}\n" for name, of_name in names.items()
        )


def value_text(value: Any) -> str:
    """Write a value on one line."""
    text = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, width=float("inf"), sort_keys=False,
        allow_unicode=True,
    )  # fmt: skip
    return text.removesuffix("\n").removesuffix("\n...")
