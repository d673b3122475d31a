"""What a study says of its points: checked, and made into the space that they are of."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import BadValueError, describe
from .block import Axis, Block
from .expression import Expression
from .parameters import (
    MAX_SIMULATIONS,
    check_different,
    check_name,
    checked_parameters,
    constant,
    listed_value,
    swept_values,
)
from .point_list import checked_points
from .ranges import many
from .samples import checked_sample, columns_of, may_repeat
from .space import Space

if TYPE_CHECKING:
    from .simulations import Simulations

_MOST_NAMED = 3  # conditions, in a message
_LONGEST_NAMED = 80  # characters of each
_MAX_BLOCKS = 100  # each is compared with all before it

At = tuple[str | int, ...]


# ---- checks of each key --------------------------------------------------------------------------


def checked_conditions(given: Any) -> Any:
    """Give conditions as a list of texts, though there may be one alone."""
    if given is None:
        return None
    conditions = given if isinstance(given, list) else [given]
    for i, condition in enumerate(conditions):
        if not isinstance(condition, str):
            at = (i,) if isinstance(given, list) else ()
            raise BadValueError(
                f"is {describe(condition)} but must be a condition; write one such as x < 3", *at
            )
    return conditions or None


def checked_formulas(given: Any) -> Any:
    """Give formulas as texts, though one may be a number alone."""
    if given is None:
        return None
    if not isinstance(given, dict):
        said = f"is {describe(given)} but must be a mapping; write NAME: FORMULA lines under it"
        raise BadValueError(said)
    for name, formula in given.items():
        check_name(name)
        if isinstance(formula, bool) or not isinstance(formula, str | int | float):
            said = "put it in quotes where commas are in it" if formula is None else "write one"
            raise BadValueError(
                f"is {describe(formula)} but must be a formula such as 2 * x; {said}", name
            )
    return {name: str(formula) for name, formula in given.items()} or None


def checked_blocks(given: Any) -> Any:
    """Give blocks with what is in them as it is in a study.

    Raises
    ------
    BadValueError
        Says what cannot be used, and what to write.
    """
    if given is None:
        return None
    if not isinstance(given, list) or not given:
        raise BadValueError(
            f"is {describe(given) if given else 'empty'} but must be a list of mappings; write "
            "- {x: [1, 2], y: 3} for each block"
        )
    if len(given) > _MAX_BLOCKS:
        raise BadValueError(
            f"has {len(given):,} blocks, more than {_MAX_BLOCKS}; write `points`, or larger blocks"
        )
    return [_located((i,), _checked_block, block) for i, block in enumerate(given)]


def _checked_block(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise BadValueError(f"is {describe(given)} but must be a mapping; write {{x: [1, 2]}}")
    checked = {}
    for key, value in given.items():
        if key in _OF_STUDY:
            raise BadValueError(
                "holds for the whole study; write it beside `blocks`, not inside of one", key
            )
        if key in _CHECKS:
            if (found := _located((key,), _CHECKS[key], value)) is not None:
                checked[key] = found
        else:
            checked[key] = checked_parameters({key: value})[key]
    return checked


def _checked_sweep(given: Any) -> Any:
    if given not in ("product", "zip"):
        said = f"is {describe(given)} but must be 'product' or 'zip'; write one of these"
        raise BadValueError(said)
    return given


def _located(at: At, check: Callable[[Any], Any], given: Any) -> Any:
    try:
        return check(given)
    except BadValueError as error:
        raise BadValueError(str(error), *at, *error.at) from None


def optional(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Give a check that lets nothing pass, too."""
    return lambda given: None if given is None else check(given)


# what a study has, and no block of it
_OF_STUDY = ("derived", "replicas", "until", "axes", "retries", "time_limit", "blocks", "defaults",
             "rename")  # fmt: skip
# what is no parameter in a block
_CHECKS: dict[str, Callable[[Any], Any]] = {
    "where": checked_conditions,
    "exclude": checked_conditions,
    "points": optional(checked_points),
    "sample": optional(checked_sample),
    "sweep": _checked_sweep,
}


# ---- the space -----------------------------------------------------------------------------------


def space_of(study: Simulations) -> Space:
    """Give the points of a study.

    Raises
    ------
    BadValueError
        Says what does not fit together, and what to do.
    """
    if not study.blocks:
        own = {key: getattr(study, key) for key in ("points", "sample") if getattr(study, key)}
        return _space(study, [((), own)])
    for key in ("points", "sample"):
        if getattr(study, key):
            raise BadValueError(
                f"is beside `blocks`; make it a block of its own, as in - {{{key}: …}}", key
            )
    return _space(study, [(("blocks", i), given) for i, given in enumerate(study.blocks)])


def _space(study: Simulations, written: Sequence[tuple[At, dict[str, Any]]]) -> Space:
    names = _names(study.parameters, written[0][1])
    formulas = _formulas(study, names)
    known = [*names, *formulas]
    blocks: list[Block] = []
    for at, given in written:
        _check_names(names, _names(study.parameters, given), at)
        block = _block(study, given, at, formulas)
        block.narrow([*_conditions(study, known), *_conditions(given, known, at)])
        block.leave_out(blocks)
        blocks.append(block)
    if not any(map(len, blocks)):
        key = "where" if study.where else "exclude"
        at = (key,) if getattr(study, key) else (written[0][0] or ("parameters",))
        places = [study, *(given for _, given in written)]
        conditions = [one for given in places for one, _ in _conditions(given, known)]
        raise BadValueError(
            f"leaves none of the {many(sum(b.n_candidates for b in blocks))} points; change "
            f"{_some(conditions)}, or the values of the parameters", *at,
        )  # fmt: skip
    return Space(blocks, known)


def _some(conditions: list[Expression]) -> str:
    """Name a few conditions."""
    texts = [f"`{one.text[:_LONGEST_NAMED]}`" for one in conditions[:_MOST_NAMED]]
    more = ", …" if len(conditions) > len(texts) else ""
    return texts[0] if len(conditions) == 1 else f"one of {', '.join(texts)}{more}"


def _names(parameters: dict[str, Any], given: dict[str, Any]) -> list[str]:
    """Name the parameters of a block: those of the study first."""
    own = [name for name in given if name not in _CHECKS]
    points, sample = given.get("points") or {}, given.get("sample") or {"parameters": {}}
    return [*dict.fromkeys([*parameters, *own, *points, *sample["parameters"]])]


def _check_names(first: list[str], names: list[str], at: At) -> None:
    for name in first:
        if name not in names:
            raise BadValueError(
                f"has no `{name}`, which the first block has; give it there, or under "
                "`parameters` for all", *at,
            )  # fmt: skip
    for name in names:
        if name not in first:
            raise BadValueError(
                f"has `{name}`, which the first block has not; give it there, too, or under "
                "`parameters` for all", *at,
            )  # fmt: skip


def _formulas(study: Simulations, names: list[str]) -> dict[str, Expression]:
    formulas: dict[str, Expression] = {}
    for name, text in (study.derived or {}).items():
        if name in names:
            raise BadValueError("is a parameter already; give one of the two", "derived", name)
        formulas[name] = Expression(text, [*names, *formulas], "derived", name)
    return formulas


def _conditions(given: Any, known: list[str], at: At = ()) -> Iterator[tuple[Expression, bool]]:
    """Give the conditions of a study or a block, and whether they have to hold."""
    for key, wanted in (("where", True), ("exclude", False)):
        texts = (given.get(key) if isinstance(given, dict) else getattr(given, key)) or []
        for i, text in enumerate(texts):
            place = (*at, key) if len(texts) == 1 else (*at, key, i)
            yield Expression(text, known, *place), wanted


def _block(
    study: Simulations, given: dict[str, Any], at: At, formulas: dict[str, Expression]
) -> Block:
    own = {name: value for name, value in given.items() if name not in _CHECKS}
    points, sample = given.get("points"), given.get("sample")
    elsewhere = _elsewhere(own, points, sample, at)
    constants: dict[str, Any] = {}
    swept: dict[str, Sequence[Any]] = {}
    for name in dict.fromkeys([*study.parameters, *own]):
        if name in elsewhere:
            continue
        value = own.get(name, study.parameters.get(name))
        values = swept_values(value)
        if values is None:
            constants[name] = constant(value)
        else:
            swept[name] = values
    place = {name: (*at, name) if name in own else ("parameters", name) for name in swept}
    axes = _axes(swept, given.get("sweep", study.sweep), place, at)
    if points:
        columns = {name: [constant(v) for v in values] for name, values in points.items()}
        axes.append(Axis(columns, are_different=False))
    if sample:
        drawn = _located((*at, "sample"), functools.partial(_drawn, study.rename or {}), sample)
        axes.append(Axis(drawn, are_different=not may_repeat(sample)))
    _check_size(axes, study, at)
    return Block(constants, axes, formulas)


def _drawn(rename: dict[str, str], sample: dict[str, Any]) -> dict[str, Sequence[Any]]:
    """Give what is drawn; that depends on the names that parameters had first."""
    first = {new: old for old, new in rename.items()}
    spaces = {first.get(name, name): space for name, space in sample["parameters"].items()}
    columns = columns_of({**sample, "parameters": spaces})
    return {name: columns[first.get(name, name)] for name in sample["parameters"]}


def _elsewhere(own: dict[str, Any], points: Any, sample: Any, at: At) -> set[str]:
    """Name what points and samples give; a block has each parameter once."""
    found = {*own}
    drawn = sample["parameters"] if sample else {}
    for names, key in ((points or {}, "points"), (drawn, "sample")):
        for name in names:
            if name in found:
                raise BadValueError("is given twice here; give it once", *at, key, name)
            _located((*at, key), check_name, name)
        found |= {*names}
    for name, space in drawn.items():
        for i, value in enumerate(space.get("choices", ())):
            _located((*at, "sample", "parameters", name, "choices", i), listed_value, value)
    return found - {*own}


def _axes(swept: dict[str, Sequence[Any]], sweep: str, place: dict[str, At], at: At) -> list[Axis]:
    if sweep == "product":
        for name, values in swept.items():
            _located(place[name], check_different, values)
        return [Axis({name: values}, are_different=True) for name, values in swept.items()]
    lengths = {name: len(values) for name, values in swept.items()}
    if len({*lengths.values()}) > 1:
        listed = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise BadValueError(
            f"is zip, but the parameters are not equally long: {listed} values; "
            "make them equally long, or write `sweep: product`",
            *at, "sweep",
        )  # fmt: skip
    return [Axis(swept, are_different=_has_no_repeats(swept))] if swept else []


def _has_no_repeats(swept: dict[str, Sequence[Any]]) -> bool:
    for values in swept.values():
        try:
            check_different(values)
        except BadValueError:
            continue
        return True
    return False


def _check_size(axes: list[Axis], study: Simulations, at: At) -> None:
    count = math.prod(map(len, axes))
    is_all = not (study.blocks or study.where or study.exclude)
    if is_all and count * int(study.replicas) > MAX_SIMULATIONS:
        raise BadValueError(
            f"makes {many(count * int(study.replicas))} simulations, replicas included, more than "
            f"the {MAX_SIMULATIONS:,} possible; use fewer values or replicas",
            "parameters",
        )
    if count > MAX_SIMULATIONS:
        raise BadValueError(
            f"makes {many(count)} points without the conditions, more than the "
            f"{MAX_SIMULATIONS:,} possible; use fewer values",
            *(at or ("parameters",)),
        )
