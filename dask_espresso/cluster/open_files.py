"""How many files a driver may have open at a time: the lines to each of its workers are some."""

from __future__ import annotations

import resource

from ..inputs.profile import Profile

_OWN = 100  # of the driver itself: its store, programs of the batch system, …
_OF_A_WORKER = 3  # lines, of which it has two all the time


def make_room(profile: Profile) -> None:
    """Raise the limit of this process to what all workers of a profile need.

    Raises
    ------
    InputError
        If it cannot be raised so far.
    """
    workers = profile.max_jobs * int(profile.option("processes") or 1)
    needed = _OWN + _OF_A_WORKER * workers
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _is_enough(soft, needed):
        return
    if not _is_enough(hard, needed):
        fitting = (hard - _OWN) // _OF_A_WORKER // (workers // profile.max_jobs)
        raise profile.error(
            "jobs",
            f"the driver needs {needed} open files for up to {workers} workers, but no process may "
            f"have more than {hard} here (ulimit -Hn); ask for at most {max(0, fitting)} jobs, of "
            "more cores each, have the limit raised, or run the driver where it is higher",
        )
    # no more than that: the worker jobs may be given the same limit, which their nodes may not have
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _is_enough(limit: int, needed: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= needed
