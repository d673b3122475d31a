"""What has changed between two studies, so that simulations of the one are not in the other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from ..identity import canonical_json
from ..inputs.simulations import Simulations
from ..store.columns import ABSENT

_LISTED = 3  # values of a parameter
_LONG_VALUE = 40  # characters
_KEYS = ("replicas", "sweep", "where", "exclude")


def changes(before: Simulations, after: Simulations) -> Iterator[str]:
    """Say why simulations of a study are not in another one, as far as single keys tell."""
    was, now = _by_first(before), _by_first(after)
    for first, name in now.items():
        if first not in was and name in before.names:
            yield f"`rename` says something else of `{name}`"
    new, gone = _new_and_gone(before, after)
    for name in new:
        if name not in after.lineage.defaults:
            yield f"`{name}` is new"
        elif not _takes(after, name, value := after.lineage.defaults[name]):
            yield f"`{name}` is new, and never {_written(value)} as in `defaults`"
    for first, name in was.items():
        if name in gone:
            yield f"`{name}` is gone"
        elif first in now and (said := _of_parameter(name, now[first], before, after)):
            yield f"`{now[first]}` {said}"
    for key in _KEYS:
        one, other = getattr(before, key), getattr(after, key)
        if one != other and not (key == "replicas" and one < other):
            yield f"`{key}` {_became(_shown(one), _shown(other))}"
    yield from _of_samples(before, after)


def remedies(before: Simulations, after: Simulations) -> Iterator[str]:
    """Say what to write where parameters are new, or have a new name."""
    new, gone = _new_and_gone(before, after)
    left = [n for n in new if n not in after.lineage.defaults and not after.space.is_computed(n)]
    for old in gone:
        alike = [name for name in left if not _of_parameter(old, name, before, after)]
        if len(alike) != 1:  # it is really gone, or nobody knows which one it is
            return
        left.remove(alike[0])
        yield (
            f"if `{alike[0]}` is `{old}` under a new name, `rename: {{{old}: {alike[0]}}}` in the "
            "study has what is recorded count"
        )
    for name in left:
        yield (
            f"if what is recorded had one value of `{name}`, `defaults: {{{name}: VALUE}}` in the "
            "study has it count at that value"
        )


def _by_first(study: Simulations) -> dict[str, str]:
    """Give the names of parameters by those under which they are recorded."""
    return {study.lineage.first(name): name for name in study.names}


def _new_and_gone(before: Simulations, after: Simulations) -> tuple[list[str], list[str]]:
    """Name the parameters that there are in only one of the studies."""
    was, now = _by_first(before), _by_first(after)
    new = [name for first, name in now.items() if first not in was and name not in before.names]
    gone = [
        name
        for first, name in was.items()
        if first not in now
        and name not in after.names
        and (name not in before.lineage.defaults or _takes_others(before, name))
    ]
    return new, gone


def _takes(study: Simulations, name: str, value: Any) -> bool:
    """Say whether a parameter may have a value."""
    if name in (study.derived or {}):
        return True
    text = canonical_json(value)
    return any(canonical_json(other) == text for other in study.values(name))


def _takes_others(study: Simulations, name: str) -> bool:
    """Say whether a parameter may have other values than its default."""
    if name in (study.derived or {}):
        return True
    text = canonical_json(study.lineage.defaults[name])
    return any(canonical_json(other) != text for other in study.values(name))


def _of_parameter(was: str, now: str, before: Simulations, after: Simulations) -> str:
    """Say what has become of a parameter; empty if nothing that it was is gone."""
    one, other = (before.derived or {}).get(was), (after.derived or {}).get(now)
    if one or other:
        return _became(one or "no formula", other or "no formula") if one != other else ""
    if was in _drawn(before) and now in _drawn(after):
        return ""
    if said := _of_values([*before.values(was)], [*after.values(now)]):
        return said
    defaults = (study.lineage.defaults.get(n, ABSENT) for study, n in ((before, was), (after, now)))
    one, other = ("not there" if d is ABSENT else _written(d) for d in defaults)
    return f"in `defaults` {_became(one, other)}" if one != other else ""


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
    first = study.lineage.first
    return [
        {
            **sample,
            "parameters": {first(name): space for name, space in sample["parameters"].items()},
        }
        for sample in given
        if sample
    ]


def _drawn(study: Simulations) -> set[str]:
    now = _by_first(study)
    return {now[first] for sample in _samples(study) for first in sample["parameters"]}


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
