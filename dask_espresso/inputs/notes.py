"""What of a study can be used, and may yet not be what was meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..identity import canonical_json
from .document import Document, without_unit
from .likeness import likenesses
from .parameters import constant, swept_values
from .plain_yaml import KeyPath

if TYPE_CHECKING:
    from .study import Study

_LARGE = 0.1  # a relative error that may have been meant in percent


def notes(document: Document, study: Study) -> Iterator[str]:
    """Say it, a line each, with the file and the line."""
    yield from _of_ranges(document, ("parameters",), study.parameters)
    for i, block in enumerate(study.blocks or ()):
        yield from _of_ranges(document, ("blocks", i), block)
    yield from _of_points(document, study)
    yield from _of_blocks(document, study)
    for name, number, said in likenesses(study):
        yield document.note(_place(study, name, number), f"`{name}`: {said}")
    yield from without_unit(document, "time_limit")
    yield from (document.note(at, said) for at, said in study.interface_notes(study.script_path))
    yield from _of_targets(document, study)


def _of_ranges(document: Document, at: KeyPath, parameters: dict[str, Any]) -> Iterator[str]:
    for name, given in parameters.items():
        if isinstance(given, dict) and {"start", "stop", "step"} <= given.keys():
            last = (swept_values(given) or [None])[-1]
            if last != given["stop"]:
                yield document.note(
                    (*at, name),
                    f"ends at {last}, since steps of {given['step']} do not meet the stop "
                    f"{given['stop']}; write `stop: {last}`, another step, or `num` in its place",
                )


def _of_points(document: Document, study: Study) -> Iterator[str]:
    """Say where points take the place of what stands under `parameters`."""
    sampled = dict.fromkeys((study.sample or {}).get("parameters", ()), None)
    for key, columns in (("points", study.points or {}), ("sample", sampled)):
        for name, values in columns.items():
            if name in study.parameters and not _are_all(values, study.parameters[name]):
                yield document.note(
                    (key,),
                    f"gives `{name}`, and what `parameters` says of it does not count; remove it "
                    "there, or here",
                )


def _place(study: Study, name: str, block: int) -> KeyPath:
    """Give the key that gives the values of a parameter in a block."""
    own: KeyPath = ("blocks", block) if study.blocks else ()
    given = (study.blocks or [study.snapshot()])[block]
    places = [(*own, name), (*own, "points"), (*own, "sample")]
    names = [given if study.blocks else (), given.get("points") or ()]
    names.append((given.get("sample") or {}).get("parameters", ()))
    found = [at for at, there in zip(places, names, strict=True) if name in there]
    return found[0] if found else ("parameters", name)


def _are_all(values: list[Any] | None, value: Any) -> bool:
    """Say whether a parameter is a constant, and these values are all it."""
    if values is None or swept_values(value) is not None:
        return False
    return {canonical_json(constant(v)) for v in values} == {canonical_json(constant(value))}


def _of_blocks(document: Document, study: Study) -> Iterator[str]:
    for i, block in enumerate(study.space.blocks):
        if not len(block):
            yield document.note(
                ("blocks", i),
                f"adds no point: conditions leave out {block.n_unmet:,}, and {block.n_shared:,} "
                "are in a block before; remove it, or change its values",
            )


def _of_targets(document: Document, study: Study) -> Iterator[str]:
    for target in study.targets.targets if study.targets else ():
        written = document.data["until"][target.result]
        if target.is_relative and target.error >= _LARGE and written["relative"] == target.error:
            yield document.note(
                ("until", target.result, "relative"),
                f"is read as {100 * target.error:g} %; write `{target.error:g} %` if that is meant",
            )
