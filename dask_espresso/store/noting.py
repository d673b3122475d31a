"""A run writes down where its code came from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..process.provenance import code_of, run_of

if TYPE_CHECKING:
    from ..inputs.profile import Profile
    from ..process.order import Workload
    from ..process.probe import Probe
    from .store import Store


def noted_by(store: Store, workload: Workload, profile: Profile) -> Callable[[Probe], None]:
    """Look at the code of a run, where the store does not have it, and give what writes it down.

    That is to be called as soon as an engine has started: a run without one leaves no trace.
    """
    version = workload.code_hash
    is_known = bool(store.provenance.get(version, {}).get("files"))
    code = {} if is_known else code_of(workload)

    def note(found: Probe) -> None:
        store.note({version: code | {"runs": [run_of(profile, found)]}})

    return note
