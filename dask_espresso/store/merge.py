"""One store of several of one study, as they come of two clusters, or of two people."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from ..analyses import analyses_of, own_result, owners_of, said_axes, united
from ..errors import InputError
from ..files import aside_of, describe_error, sync_directory
from ..inputs.stored_study import StoredStudy, stored_study
from ..kept import bring_file, files_path, is_plain, kept_files
from ..outcome import Outcome, Status
from ..record import pack
from .admission import check_place
from .agreement import difference, disagreement
from .claim import Claim, describe_owner
from .columns import ABSENT
from .contents import StoreContents
from .hdf5 import write_hdf5
from .journal import journal_path
from .provenance import all_of, of_versions
from .reading import claim_path, read_store, store_path
from .recorded import differences, is_same
from .table import Table

_Contents = StoreContents[Outcome]
_LISTED = 5  # files of a message


@dataclasses.dataclass
class Merged:
    """What came of merging.

    Attributes
    ----------
    count : int
        Simulations in the new store.
    in_several : int
        Those of them that were in more than one store.
    others : int
        Those of them that are not in the study of the new store.
    with_files : int
        Those of them that have files beside the new store.
    notes : list of str
        What is to be said beside it.
    """

    count: int = 0
    in_several: int = 0
    others: int = 0
    with_files: int = 0
    notes: list[str] = dataclasses.field(default_factory=list)


def merge_stores(paths: Sequence[Path], output: Path, changed_script: str | None = None) -> Merged:
    """Write a store that holds what several do; these stay as they are.

    It has the study and the code of the first. Of a simulation that is in several, one that is done
    is kept rather than one that is not, and of these the one that was started last.

    Parameters
    ----------
    paths : sequence of Path
        The stores, which drivers may be writing.
    output : Path
        The new one, which must not be there.
    changed_script : {None, 'keep', 'drop'}
        What to do with stores of other code than the first: refuse, keep what both have recorded,
        or leave out what was not recorded with the code of the first.

    Raises
    ------
    InputError
        If they cannot be one store, or it cannot be written; nothing has changed then.
    """
    output = check_place(output)
    _check_free(output)
    first, *others = [read_store(path) for path in paths]
    for path, other in zip(paths[1:], others, strict=True):
        _check_may_join(paths[0], first, path, other, changed_script)
    merged, rows = Merged(), dict(first.outcomes)
    for path, other in zip(paths[1:], others, strict=True):
        counts = _is_of(first) if changed_script == "drop" else lambda _: True
        _join(rows, other, path, counts, merged)
    for path, contents in zip(paths, [first, *others], strict=True):
        if contents.owner:
            who = describe_owner(contents.owner)
            merged.notes.append(f"{path}: the {who} is at work on it; what it goes on to record "
                                f"is not in {output}")  # fmt: skip
    places = [files_path(store_path(path)) for path in paths]
    _write(output, first, [first, *others], rows, merged, places)
    return merged


def _check_free(output: Path) -> None:
    for place in (output, journal_path(output), files_path(output)):
        if place.exists():
            raise InputError(f"{place}: is there already; name a new store, or move it away")


def _check_may_join(
    path: Path, first: _Contents, other_path: Path, other: _Contents, changed_script: str | None
) -> None:
    """Refuse stores of different studies, and of different code unless told what to do."""
    if not is_same(first.study, other.study):
        how = differences(first.study, other.study, (f"in {path}", f"in {other_path}"))
        raise InputError(f"{other_path}: the store of another study ({how}); these stay apart")
    _check_same_parameters(path, first, other_path, other)
    _check_same_owners(path, first, other_path, other)
    is_of = _is_of(first)
    if not changed_script and not is_of(other):
        program = " ".join(first.study.get("program") or ())
        what = first.study.get("script") or program
        parts = "what it is called with" if program else "the modules that it imports"
        raise InputError(
            f"{other_path}: was run last with another version of {what}, or "
            f"of {parts}, than {path}; choose --changed-script keep (keep what "
            "both have recorded; versions are told apart), --changed-script drop (leave out what "
            f"was not recorded with the version of {path}), or do not merge them"
        )


def _check_same_parameters(
    path: Path, first: _Contents, other_path: Path, other: _Contents
) -> None:
    """Refuse stores whose simulations of the same id have had other parameters."""
    study, there = stored_study(first.study), stored_study(other.study)
    found = difference(study, there)
    if not found and study.lineage:
        found = _disagreement(study, other) or _disagreement(study, first)
    if not found and there.lineage:
        found = _disagreement(there, first)
    if found:
        raise InputError(
            f"{other_path} and {path}: {found}: the same simulation would have other parameters; "
            "these stores stay apart"
        )


def _check_same_owners(path: Path, first: _Contents, other_path: Path, other: _Contents) -> None:
    """Refuse stores in which results of one name come of different scripts."""
    here, there = (owners_of(contents.outcomes.values()) for contents in (first, other))
    axes = {
        axis
        for contents in (first, other)
        for outcome in contents.outcomes.values()
        for along in said_axes(outcome).values()
        for axis in along
    }
    for name in here.keys() & there.keys() - axes:
        if here[name] != there[name]:
            raise InputError(
                f"{other_path}: {name!r} is a result of {there[name]} there, and of {here[name]} "
                f"in {path}; in one store they would be taken for the same: these stay apart"
            )


def _disagreement(study: StoredStudy, contents: _Contents) -> str:
    recorded = [*contents.outcomes.values()]
    return disagreement(
        study,
        [*contents.outcomes],
        lambda name, which: [recorded[i].parameters.get(name, ABSENT) for i in which.tolist()],
    )


def _is_of(first: _Contents) -> Callable[[_Contents | Outcome], bool]:
    """Say whether something is of the code of a store; of before only the script is known."""

    def is_of(recorded: _Contents | Outcome) -> bool:
        if first.code_hash and recorded.code_hash:
            return recorded.code_hash == first.code_hash
        return recorded.script_hash == first.script_hash

    return is_of


def _join(
    rows: dict[str, Outcome],
    other: _Contents,
    path: Path,
    counts: Callable[[Outcome], bool],
    merged: Merged,
) -> None:
    """Put what counts of another store to the rows."""
    after = max((outcome.sequence for outcome in rows.values()), default=0)
    n_left_out = n_different = n_less = 0
    for name, outcome in other.outcomes.items():
        if not counts(outcome):
            n_left_out += 1
            continue
        outcome.sequence += after
        before = rows.setdefault(name, outcome)
        if before is not outcome:
            merged.in_several += 1
            kept = max(before, outcome, key=_worth)
            if before.is_done and outcome.is_done:
                n_different += not _agree(before, outcome)
                kept, is_all = _with_analyses(kept, outcome if kept is before else before)
                n_less += not is_all
            rows[name] = kept
    if n_left_out:
        merged.notes.append(f"{path}: {n_left_out} outcomes of other versions were left out")
    if n_different:
        merged.notes.append(
            f"{path}: {n_different} simulations have other results than in the stores before it, "
            "as on another machine or with another engine; of each the one started last is kept"
        )
    if n_less:
        merged.notes.append(
            f"{path}: of {n_less} simulations, results that `analyze` has added in one store are "
            "not in the new one, which has the simulation, or results of that name, of another; "
            "run it on the new one"
        )


def _with_analyses(kept: Outcome, other: Outcome) -> tuple[Outcome, bool]:
    """Add what analyses have made of the same results and files; say if nothing is left out."""
    if _agree(kept, other) and kept.kept_files == other.kept_files:
        kept = united(kept, other)
    known = analyses_of(kept.analyses)
    there = analyses_of(other.analyses)
    return kept, all(known.get(name) == found for name, found in there.items())


def _agree(one: Outcome, other: Outcome) -> bool:
    """Say whether what simulations gave themselves is the same to the last bit."""
    return _packed_result(one) == _packed_result(other)


def _packed_result(outcome: Outcome) -> bytes:
    return b"".join(pack(Outcome(id="", parameters={}, result=own_result(outcome))))


def _worth(outcome: Outcome) -> tuple[bool, bool, float]:
    """Say which of a simulation's outcomes is kept: the one with the largest."""
    status, started = outcome.status, outcome.started
    since = -math.inf if math.isnan(started) else started
    return status is Status.DONE, status.has_result, since


def _write(
    output: Path,
    first: _Contents,
    stores: Sequence[_Contents],
    rows: dict[str, Outcome],
    merged: Merged,
    places: Sequence[Path],
) -> None:
    study = stored_study(first.study)
    table = Table()
    for outcome in rows.values():
        table.add(outcome)
    table.sort(study)
    if any(store.study.get(key) for store in stores for key in ("defaults", "rename")):
        table.take_parameters(study)
    used = {outcome.code_hash for outcome in rows.values()} | {first.code_hash}
    versions = {
        name: files for store in stores for name, files in store.versions.items() if name in used
    }
    provenance = all_of(store.provenance for store in stores)
    try:
        claim = Claim(claim_path(output))
        try:
            _check_free(output)  # now nobody else makes it
            with _gathered(files_path(output), rows.values(), places, merged):
                write_hdf5(
                    output, table, first.study, first.script_hash, first.code_hash, versions,
                    of_versions(provenance, versions),
                    may_replace=lambda: claim.is_ours and not output.exists(),
                )  # fmt: skip
        finally:
            claim.release()
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({describe_error(error)})") from error
    merged.count = len(rows)
    merged.others = 0 if table.places is None else int((table.places < 0).sum())


@contextlib.contextmanager
def _gathered(
    place: Path, outcomes: Collection[Outcome], places: Sequence[Path], merged: Merged
) -> Iterator[None]:
    """Have the files of simulations in a new directory, unless what is done meanwhile fails.

    Parameters
    ----------
    place : Path
        Where they go, all at once.
    outcomes : collection of Outcome
        With the files that they are recorded to have.
    places : sequence of Path
        Where there may be files: those are taken that are as recorded.
    merged : Merged
        Is told how many there are, and which are missing.
    """
    with_files = [outcome for outcome in outcomes if outcome.kept_files]
    if not with_files:
        yield
        return
    for leftover in place.parent.glob(f".{place.name}.*.tmp"):  # of one that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    aside = made = aside_of(place)
    aside.mkdir()
    try:
        wrong = [said for outcome in with_files for said in _bring(outcome, places, aside)]
        merged.with_files = len(list(aside.iterdir()))
        for directory in (aside, *(path for path in aside.rglob("*") if path.is_dir())):
            sync_directory(directory)
        made = aside.rename(place)
        yield
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    if wrong:
        more = f"; {len(wrong) - _LISTED} more" if len(wrong) > _LISTED else ""
        merged.notes.append(f"files that are not in {place}: {'; '.join(wrong[:_LISTED])}{more}")


def _bring(outcome: Outcome, places: Sequence[Path], aside: Path) -> Iterator[str]:
    """Bring the files of one simulation; say which are not as recorded anywhere."""
    if not is_plain(outcome.id):
        yield f"those of {outcome.id!r}, which is no id"
        return
    for file in kept_files(outcome.kept_files):
        said = []
        for place in places:
            wrong = bring_file(place / outcome.id, aside / outcome.id, file)
            if not wrong:
                break
            said.append(f"{place / outcome.id / file.name} {wrong}")
        else:
            # of those that are there before those that are gone, which the other stores never had
            yield min(said, key=lambda text: "is gone" in text)
