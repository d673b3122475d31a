"""What has changed between two studies, so that simulations of the one are not in the other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from ..identity import canonical_json
from ..inputs.simulations import Simulations

_LISTED = 3  # values of a parameter
_LONG_VALUE = 40  # characters
_KEYS = ("replicas", "sweep", "where", "exclude")


def changes(before: Simulations, after: Simulations) -> Iterator[str]:
    """Say why simulations of a study are not in another one, as far as single keys tell."""
    for name in after.names:
        if name not in before.names:
            yield f"`{name}` is new"
    for name in before.names:
        if name not in after.names:
            yield f"`{name}` is gone"
        elif said := _of_parameter(name, before, after):
            yield f"`{name}` {said}"
    for key in _KEYS:
        was, now = getattr(before, key), getattr(after, key)
        if was != now and not (key == "replicas" and was < now):
            yield f"`{key}` {_became(_shown(was), _shown(now))}"
    yield from _of_samples(before, after)


def _of_parameter(name: str, before: Simulations, after: Simulations) -> str:
    """Say what has become of a parameter; empty if nothing that it was is gone."""
    one, other = ((study.derived or {}).get(name) for study in (before, after))
    if one or other:
        return _became(one or "no formula", other or "no formula") if one != other else ""
    if name in _drawn(before) and name in _drawn(after):
        return ""
    return _of_values([*before.values(name)], [*after.values(name)])


def _of_values(before: Sequence[Any], after: Sequence[Any]) -> str:
    """Say which values of a parameter are gone; empty if none is."""
    now = set(map(canonical_json, after))
    gone = {text: value for value in before if (text := canonical_json(value)) not in now}
    if not gone:
        return ""
    if len(before) == len(after) == 1:
        return _became(_written(before[0]), _written(after[0]))
    more = f" and {len(gone) - _LISTED} more" if len(gone) > _LISTED else ""
    return f"no longer takes {', '.join(map(_written, [*gone.values()][:_LISTED]))}{more}"


def _of_samples(before: Simulations, after: Simulations) -> Iterator[str]:
    """Say in what samples differ, one after the other."""
    for was, now in zip(_samples(before), _samples(after), strict=False):
        is_whole = was["method"] == now["method"] == "lhs"  # all points are others in a larger one
        for key in was:
            if was[key] == now[key] or (key == "num" and was[key] < now[key] and not is_whole):
                continue
            why = ", which moves all points of `lhs`" if key == "num" and is_whole else ""
            yield f"`sample.{key}` {_became(_written(was[key]), _written(now[key]))}{why}"


def _samples(study: Simulations) -> list[dict[str, Any]]:
    given = [study.sample, *(block.get("sample") for block in study.blocks or [])]
    return [sample for sample in given if sample]


def _drawn(study: Simulations) -> set[str]:
    return {name for sample in _samples(study) for name in sample["parameters"]}


def _became(before: str, after: str) -> str:
    return f"was {before} and is {after}"


def _shown(value: Any) -> str:
    """Write the value of a key: a text, a number, or conditions."""
    if isinstance(value, list):
        return ", ".join(f"`{condition}`" for condition in value)
    return "not there" if value is None else str(value)


def _written(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONG_VALUE else f"{text[: _LONG_VALUE - 2]} …"
