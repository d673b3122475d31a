"""What would keep a run from starting, seen before it does."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from ..check.limits import refuse_as_run_would
from ..errors import InputError
from ..files import file_hash
from ..inputs.choice import Choice
from ..inputs.profile import Profile
from ..inputs.program import engine_of
from ..inputs.script_file import ScriptFile, with_program
from ..inputs.study import Study
from ..outcome import Status
from ..process.modules import find_code
from ..store.claim import describe_owner, holder
from ..store.reading import claim_path, store_path
from ..views.preview import preview

logger = logging.getLogger(__name__)


def choice_of(
    only: str | Sequence[str], where: str | Sequence[str], status: str | Sequence[str]
) -> Choice:
    """Give the choice that these words make, each of which may be one or several."""
    known = {one.label: one for one in Status if one is not Status.DONE}
    words = _several(status)
    for word in words:
        if word not in known:
            raise InputError(f"status: is {word!r}; give some of {', '.join(known)}")
    return Choice(_several(only), _several(where), tuple(known[word] for word in words))


def _several(words: str | Sequence[str]) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else tuple(words)


def check_run(
    study: Study,
    profile: Profile,
    path: Path,
    choice: Choice,
    retry_failed: bool,
    changed_script: str | None,
) -> None:
    """Refuse what the driver would refuse, as far as that can be known here.

    Raises
    ------
    InputError
    """
    if changed_script not in (None, "keep", "rerun"):
        raise InputError(f"changed_script: is {changed_script!r}; give 'keep' or 'rerun'")
    choice.check_rerun(study, changed_script)
    place = store_path(path)
    if not place.parent.is_dir():
        raise InputError(f"{path}: its directory is not there; make it, or name another store")
    if owner := holder(claim_path(place)):
        raise InputError(
            f"{path}: {describe_owner(owner)} is at work on it; wait for its end, or name another "
            "store"
        )
    study = with_program(_with_script_as_it_is(study), profile)
    modules = find_code(study, engine_of(study, profile))
    found = preview(
        path, study, modules, retry_failed=retry_failed, changed_script=changed_script,
        choice=choice,
    )  # fmt: skip
    if found.dropped:
        logger.warning(
            "%s: %s; they stay in the store, but are no longer part of the study", path, found
        )
    refuse_as_run_would(study, profile, found.new + found.again)


def _with_script_as_it_is(study: Study) -> Study:
    """Give it with the script as it is now: it is edited between two runs."""
    if not study.script:
        return study
    path = study.script_path
    return study.with_script(ScriptFile(path, file_hash(path)))
