"""Start a study's engine once on a worker, so that a wrong one costs no simulation."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from distributed import Future, KilledWorker

from ..engines import Engine
from ..errors import InputError, ResumableError
from ..process.probe import Probe
from ..process.task import probe_engine
from .workers import NO_SCHEDULER, Workers

_TICK = 0.05  # seconds between looks at the workers


def try_engine(
    workers: Workers,
    engine: Engine,
    name: Callable[[], str],
    look: Callable[[], bool],
    *,
    is_begun: bool,
) -> Probe | None:
    """Start an engine on a worker, and on another one where that has died or is cut off.

    Parameters
    ----------
    workers : Workers
        Of whom one starts it.
    engine : Engine
        What to start.
    name : callable
        Gives a new name for every trial.
    look : callable
        Called several times a second; gives False when it is time to stop.
    is_begun : bool
        Whether there are outcomes already.

    Returns
    -------
    Probe or None
        What was found; None if it was time to stop.

    Raises
    ------
    InputError
        If the engine, or the profile, is wrong.
    ResumableError
        If the workers cannot be reached any more.
    """
    while look():
        if found := _try_once(workers, engine, name(), look, is_begun):
            if found.error:
                raise InputError(found.error)
            return found
    return None


def _try_once(
    workers: Workers, engine: Engine, key: str, look: Callable[[], bool], is_begun: bool
) -> Probe | None:
    """Give what was found; None if that came to nothing, for reasons of the worker."""
    crew, asked = workers.crew, workers.submit(key, probe_engine, engine)
    while look():
        _refuse_unreachable(workers, is_begun)
        news = workers.news(_TICK)
        for future in news.ended:
            if future.status != "finished":
                _refuse_untried(future)
                return None
            workers.fetch([future])
        for arrival in news.arrivals:
            if arrival.future.key == asked.key:
                found: Probe | None = arrival.result
                return found
        if workers.crew.has_lost_since(crew):
            return None
    return None


def _refuse_untried(future: Future) -> None:
    """End a run whose engine could not be tried, unless that was for its worker."""
    if future.status == "cancelled":
        raise ResumableError(NO_SCHEDULER)
    if future.status == "error" and not isinstance(error := future.exception(), KilledWorker):
        raise InputError(f"the engine could not be tried on a worker: {described(error)}")


def _refuse_unreachable(workers: Workers, is_begun: bool) -> None:
    """End a run that cannot work: no result of any worker that there is can be had."""
    keeper = workers.cluster.keeper
    are_all_there = all(job.state == "working" for job in (keeper.roster.jobs if keeper else ()))
    if are_all_there and (trouble := workers.crew.lasting_trouble):
        if is_begun:
            raise ResumableError(f"{trouble}; nothing new was run; run again to go on")
        raise InputError(f"{trouble}; nothing was run")


def described(error: BaseException) -> str:
    """Name an error and what it says."""
    return "".join(traceback.format_exception_only(type(error), error)).strip()
