"""Missing dependence, told by comparing outcomes one by one: slow, and plain to read."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dask_espresso.inputs.study import Study
from dask_espresso.outcome import Outcome

_Outcomes = Sequence[Outcome | None]

# what differs between two runs of the same simulation
_OWN = re.compile(
    r"(^|_)(elapsed|cpu|wall|wall_?(time|clock)|run_?time|duration|timings?|timestamp|seconds|memory"
    r"|rss|pid|per_(s|sec|second|minute|hour|day))$|(^|_)(elapsed|cpu|wall|run_?time)_?(time|s)|seed"
    r"|^replica$",
    re.IGNORECASE,
)
_FEW = 3  # whole numbers that may well be the same by chance
_MAX_NAMES = 5  # that a sentence lists


def missing_dependence(study: Study, outcomes: _Outcomes) -> list[str]:
    """Say which dependence on seed and parameters is missing.

    Parameters
    ----------
    study : Study
        As it was run last.
    outcomes : sequence of Outcome or None
        Of its simulations, in their order; None for those that are not there yet.

    Returns
    -------
    list of str
        A sentence each; empty where there is nothing to say, or too little is known.
    """
    done = [o if o and o.is_done and o.result else None for o in outcomes]
    unread = _never_read(study, done, outcomes)
    names = [name for name in unread if name != "seed"]
    said = [f"{name} is never read by the script: it changes nothing" for name in names]
    said += _of_replicas(study, done, is_seed_unread="seed" in unread)
    said += _of_swept(study, done, unread, is_complete=None not in outcomes)
    return said


def _never_read(study: Study, done: _Outcomes, outcomes: _Outcomes) -> list[str]:
    """Name what no simulation has read, of those of which that is known.

    One that has failed does not tell what it would have read, but what it has read, it has.
    """
    if not any(o and o.unread is not None for o in done):
        return []
    known = {tuple(o.unread) for o in outcomes if o and o.unread is not None}
    always = set.intersection(*map(set, known))
    return [name for name in (*study.parameters, "seed") if name in always]


# ---- replicas ------------------------------------------------------------------------------------


def _of_replicas(study: Study, done: _Outcomes, *, is_seed_unread: bool) -> Iterator[str]:
    """Say whether the replicas of points are the same, or owe nothing to their seeds."""
    if study.replicas < 2:
        return
    n_points = len(done) // study.replicas
    points = [[o for o in done[place::n_points] if o] for place in range(n_points)]
    compared = [replicas for replicas in points if len(replicas) > 1]
    same = [names for names in map(_same_results, compared) if names]
    results = list(dict.fromkeys(name for names in same for name in names))
    where = f"in {len(same)} of {len(compared)} points the replicas gave the same {_some(results)}"
    if is_seed_unread:
        what = where if same else "replicas are the same, or cannot be run again as they were"
        yield f"seed is never read by the script: {what}"
    elif same:
        yield f'{where}, although their seeds differ: does the script use params["seed"]?'


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def _same_results(replicas: Sequence[Outcome]) -> list[str]:
    """Name the results that tell that replicas are the same; none if they are not.

    One with a standard error is, by its own account, of chance: it alone tells. Of the others, such
    as the length of a box, any may depend on parameters only: they tell if all of them are equal.
    """
    first, *others = replicas
    results = _results(first)
    chance = [n for n in results if _is_continuous(results[n]) and _has_error(n, results)]
    if same := [
        n for n in chance if all(_is_equal(results[n], _results(o).get(n)) for o in others)
    ]:
        return same
    if any(_differ(first, other) for other in others):
        return []
    return [n for n, value in _telling(first).items() if _is_continuous(value)]


# ---- swept parameters ----------------------------------------------------------------------------


def _of_swept(
    study: Study, done: _Outcomes, unread: Sequence[str], *, is_complete: bool
) -> Iterator[str]:
    """Say which swept parameters change no result; where seeds do, that cannot be told."""
    groups = [[name] for name in study.swept] if study.sweep == "product" else [study.swept]
    for names in groups:
        if not set(names) & set(unread) and _is_idle(names, study, done, is_complete):
            what = "change no result: does the script use them?"
            if len(names) == 1:
                what = "changes no result: does the script use it?"
            yield f"{' and '.join(names)} {what}"


def _is_idle(names: Sequence[str], study: Study, done: _Outcomes, is_complete: bool) -> bool:
    """Say whether all results are equal along parameters, for each of the others and replica."""
    others = [name for name in study.swept if name not in names]
    firsts: dict[str, Outcome] = {}
    tells = False
    for outcome in done:
        if outcome:
            place = repr([outcome.replica, *(outcome.parameters.get(name) for name in others)])
            first = firsts.setdefault(place, outcome)
            if first is not outcome:
                if _differ(first, outcome):
                    return False
                tells = tells or _tells(first, is_complete)
    return tells


def _tells(outcome: Outcome, is_complete: bool) -> bool:
    """Say whether equal results mean something: a count may well be the same for a while."""
    values = _telling(outcome).values()
    return any(map(_is_continuous, values)) or (is_complete and any(map(_is_number, values)))


# ---- results -------------------------------------------------------------------------------------


def _results(outcome: Outcome) -> dict[str, Any]:
    return outcome.result or {}


def _telling(outcome: Outcome) -> dict[str, Any]:
    """Give the results that are no copies of parameters, and do not differ by themselves."""
    copies = [value for value in outcome.parameters.values() if _is_number(value)]
    return {
        name: value
        for name, value in _results(outcome).items()
        if not _is_own(name, value, outcome) and not (_is_number(value) and value in copies)
    }


def _is_own(name: str, value: Any, outcome: Outcome) -> bool:
    """Say whether a result is of the run rather than of the simulation."""
    if _OWN.search(name):
        return True
    # a time that is about as long as the process ran has been taken from a clock
    is_time = "time" in name.lower() and isinstance(value, float)
    return is_time and 0 < value <= outcome.elapsed_time


def _has_error(name: str, results: dict[str, Any]) -> bool:
    error = results.get(f"{name}_sem")
    return isinstance(error, float) and error > 0


def _differ(one: Outcome, other: Outcome) -> bool:
    """Say whether two simulations differ by a result that is neither their own nor a copy."""
    ours, theirs = _results(one), _results(other)
    return any(
        not _is_equal(ours.get(name), theirs.get(name))
        and not (_is_copy(name, one) and _is_copy(name, other))
        for name in ours.keys() | theirs.keys()
        if not (_is_own(name, ours.get(name), one) and _is_own(name, theirs.get(name), other))
    )


def _is_copy(name: str, outcome: Outcome) -> bool:
    value = _results(outcome).get(name)
    given = (*outcome.parameters.values(), outcome.seed)
    return _is_number(value) and any(value == number for number in given if _is_number(number))


def _is_equal(one: Any, other: Any) -> bool:
    """Say whether two results are the same, bit by bit; texts are not compared."""
    if isinstance(one, str) and isinstance(other, str):
        return True
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        is_alike = (one.dtype, one.shape) == (other.dtype, other.shape)
        return is_alike and (one.dtype.kind == "U" or one.tobytes() == other.tobytes())
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_equal(one[n], other[n]) for n in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_is_equal, one, other))
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return False
    return bool(one == other or (one != one and other != other))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | complex) and not isinstance(value, bool)


def _is_continuous(value: Any) -> bool:
    """Say whether a value is one that chance does not give twice: no count, no 0 and no 1."""
    if isinstance(value, dict):
        return any(map(_is_continuous, value.values()))
    if isinstance(value, list | tuple):
        return len(value) > _FEW or any(map(_is_continuous, value))
    if isinstance(value, np.ndarray):
        is_fine = value.dtype.kind in "fc" and bool((value != np.round(value)).any())
        return value.dtype.kind in "iufc" and (is_fine or value.size > _FEW)
    if isinstance(value, complex):
        return _is_continuous(value.real) or _is_continuous(value.imag)
    return isinstance(value, float) and math.isfinite(value) and not value.is_integer()
