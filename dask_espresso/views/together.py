"""Curves of several stores in one plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import InputError
from .captions import drawable
from .drawing import Drawing
from .plot import Curve


def together(paths: Sequence[Path], drawings: Sequence[Drawing]) -> Drawing:
    """Put the curves of drawings into one, with the stores' names in their labels.

    Parameters
    ----------
    paths : sequence of Path
        The stores.
    drawings : sequence of Drawing
        Of each; all of the same result against the same parameter.

    Raises
    ------
    InputError
        If the result is a curve in one of them, and a number in another.
    """
    first = drawings[0]
    if len(drawings) == 1:
        return first
    if len({drawing.are_lines for drawing in drawings}) > 1:
        raise InputError(f"{first.y} is a number in one store and a curve in another")
    names = names_of(paths)
    common = {n: t for n, t in first.fixed.items() if all(d.fixed.get(n) == t for d in drawings)}
    curves, notes = [], []
    for name, drawing in zip(names, drawings, strict=True):
        notes += [f"{name}: {note}" for note in drawing.notes]
        own = {n: text for n, text in drawing.fixed.items() if n not in common}
        head = ", ".join(filter(None, [drawable(name), drawing.captions.setting(own)]))
        curves += [_labelled(curve, head, bool(drawing.told)) for curve in drawing.curves]
    references = [drawing.reference for drawing in drawings if drawing.reference]
    are_same = all(reference == references[0] for reference in references)
    if not are_same:
        notes.append("no reference curve: the stores have different ones")
    return first._replace(
        curves=curves,
        told=list(dict.fromkeys(name for drawing in drawings for name in drawing.told)),
        fixed=common,
        reference=references[0] if references and are_same else None,
        is_log=all(drawing.is_log for drawing in drawings),
        notes=list(dict.fromkeys(notes)),
    )


def _labelled(curve: Curve, head: str, has_own: bool) -> Curve:
    return replace(curve, label=f"{head}: {curve.label}" if has_own else head)


def names_of(paths: Sequence[Path]) -> list[str]:
    """Give stores the shortest names that tell them apart: of the file, or of folders, too.

    Examples
    --------
    >>> names_of([Path("a/x.h5"), Path("b/x.h5")])
    ['a/x', 'b/x']
    """
    longest = max(len(path.parts) for path in paths)
    for count in range(1, longest + 1):
        names = ["/".join(path.with_suffix("").parts[-count:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    raise InputError(f"{paths[0]}: is named twice; name each store once")
