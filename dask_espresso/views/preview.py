"""What a run would do: how much is new, and what is recorded but no longer part of the study."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import InputError
from ..inputs.choice import EVERYTHING, Choice
from ..inputs.study import Study
from ..outcome import Status
from ..process.modules import Module
from ..store.admission import check_store, is_of
from ..store.contents import Head, StoreContents
from ..targets import Standing
from .changes import changes, remedies
from .standing import standing_at


@dataclass(frozen=True)
class Preview:
    """What a run would do.

    Attributes
    ----------
    new, again, kept : int
        Simulations of the study that are not recorded, would run again, and would not.
    dropped : int
        Recorded ones that were part of the study, and are not any more.
    reasons : tuple of str
        Why they are not.
    replaced : int
        Results among those that would run again, which the new ones replace.
    remedies : tuple of str
        What would have them count, if they may.
    at_most : int or None
        New ones that there may be in all, where targets say how many there are.
    left_out : int
        Simulations of the study that are not asked for; of one with targets, recorded ones.
    """

    new: int
    again: int
    kept: int
    dropped: int
    reasons: tuple[str, ...]
    replaced: int = 0
    remedies: tuple[str, ...] = ()
    at_most: int | None = None
    left_out: int = 0

    def __str__(self) -> str:
        parts = [f"{self.new} new"]
        if self.at_most is not None:
            parts = [f"{self.new} new, and more until targets are met, at most {self.at_most}"]
        parts += [f"{self.again} again"] if self.again else []
        parts += [f"{self.kept} recorded already"] if self.kept else []
        parts += [f"{self.left_out} not asked for"] if self.left_out else []
        said = ", ".join(parts)
        if self.dropped:
            match = "matches" if self.dropped == 1 else "match"
            because = " and ".join(self.reasons)
            said += f"; {self.dropped} recorded no longer {match} because {because}"
        return said


def preview(
    path: Path,
    study: Study,
    modules: tuple[Module, ...],
    *,
    retry_failed: bool = False,
    changed_script: str | None = None,
    choice: Choice = EVERYTHING,
) -> Preview:
    """Say what a run would do, without touching anything.

    Parameters are those of the run; errors are those of
    :func:`~dask_espresso.store.admission.check_store`.
    """
    contents = check_store(path, study, changed_script=changed_script, modules=modules)
    recorded = contents.outcomes
    there = {name: recorded[name] for name in study.ids() if name in recorded}
    n_asked, left_out = study.count, 0
    if choice:
        meant = choice.ask(study, {name: head.status for name, head in there.items()})
        n_asked, left_out, retry_failed = len(meant.ids), meant.left_out, True
        there = {name: there[name] for name in meant.ids if name in there}
    again = {
        name
        for name, head in there.items()
        if (retry_failed and head.status is not Status.DONE)
        or (changed_script == "rerun" and not is_of(head, study, modules))
    }
    dropped, reasons, said = _dropped(contents, study)
    found = Preview(
        n_asked - len(there), len(again), len(there) - len(again),
        dropped, tuple(reasons), sum(there[name].status is Status.DONE for name in again),
        tuple(said), left_out=left_out,
    )  # fmt: skip
    if choice or not study.targets:
        return found
    standing = Standing(study.targets, study.n_points)
    if there:
        standing = standing_at(path, study, lambda name: name in there and name not in again)
    new = standing.n_missing - len(again)
    at_most = found.new if standing.may_want_more else None
    return replace(found, new=max(0, new), at_most=at_most)


def _dropped(contents: StoreContents[Head], study: Study) -> tuple[int, list[str], list[str]]:
    """Count what would no longer be part of the study, and say why, and what to do if it may be."""
    if contents.study == study.snapshot():
        return 0, [], []
    try:
        before = Study.from_snapshot(contents.study)
    except InputError:  # of a version with other studies
        gone = contents.outcomes.keys() - {*study.ids()}
        return len(gone), ["the study was another one"], []
    gone = (contents.outcomes.keys() & {*before.ids()}) - {*study.ids()}
    if not gone:
        return 0, [], []
    reasons = list(changes(before, study)) or ["its values are combined in another way"]
    return len(gone), reasons, list(remedies(before, study))
