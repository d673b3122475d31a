"""Dependence that should be there and is not: on the seed, and on the parameters.

What is never read is known from the scripts themselves (see
:func:`~dask_espresso.get_data_from_stdin`). The rest is told from results that are equal
bit by bit: those of a point's replicas, and those along a parameter. Texts, clocks, seeds and
parameters that a script gives among its results do not count: they differ, or not, for reasons of
their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..identity import canonical_json
from ..store.arrays import different
from ..store.reader import Reader
from .sameness import Results

if TYPE_CHECKING:
    from ..inputs.stored_study import StoredStudy

_Array = np.ndarray[Any, Any]
_MAX_NAMES = 5  # that a sentence lists
_PIECE = 1 << 16  # pairs that are compared together


def find_missing(reader: Reader) -> list[str]:
    """Say which dependence on seed and parameters is missing.

    Returns
    -------
    list of str
        A sentence each; empty where there is nothing to say, or too little is known.
    """
    results = Results(reader)
    unread = _never_read(reader, results.done)
    names = [name for name in unread if name != "seed"]
    said = [f"{name} is never read by the script: it changes nothing" for name in names]
    said += _of_replicas(results, is_seed_unread="seed" in unread)
    said += _of_swept(results, unread)
    return said


def _never_read(reader: Reader, done: _Array) -> list[str]:
    """Name what no simulation has read, of those of which that is known.

    One that has failed does not tell what it would have read, but what it has read, it has.
    """
    values, codes = reader.coded("unread")
    known = {code for code in different(codes) if values[code] is not None}
    if known.isdisjoint(different(codes[done])):
        return []
    space, first = reader.study.space, reader.study.lineage.first
    unread = {
        code: {*values[code], *(name for name in space.names if first(name) in values[code])}
        for code in known
    }
    always = set.intersection(*unread.values()) | {*_never_read_since(reader, codes, unread)}
    return [
        name for name in (*space.names, "seed")
        if name in always and always.issuperset(space.computed_of([name]))
    ]  # fmt: skip


def _never_read_since(reader: Reader, codes: _Array, unread: dict[int, set[str]]) -> Iterator[str]:
    """Name what is new, and what no simulation has read that surely got it: at another value."""
    for name, default in reader.study.lineage.defaults.items():
        given, places = reader.study.coded(name, reader.places)
        are_others = np.array([canonical_json(v) != canonical_json(default) for v in given], bool)
        got = [unread[code] for code in different(codes[are_others[places]]) if code in unread]
        if got and all(name in names for names in got):
            yield name


# ---- replicas ------------------------------------------------------------------------------------


def _of_replicas(results: Results, *, is_seed_unread: bool) -> Iterator[str]:
    """Say whether the replicas of points are the same, or owe nothing to their seeds."""
    study = results.reader.study
    if study.replicas < 2:
        return
    compared = _groups(results.done, results.reader.places[results.done] % study.n_points)
    same = _same_results(results, compared)
    n_same = len(set().union(*(groups for groups in same.values())))
    n_compared = len(compared.firsts)
    where = f"in {n_same} of {n_compared} points the replicas gave the same {_some(list(same))}"
    if is_seed_unread:
        what = where if n_same else "replicas are the same, or cannot be run again as they were"
        yield f"seed is never read by the script: {what}"
    elif n_same:
        yield f'{where}, although their seeds differ: does the script use params["seed"]?'


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


class _Groups(NamedTuple):
    """Outcomes that are compared: the others of a group with its first one.

    Attributes
    ----------
    firsts : array of int, shape (groups,)
        Rows of the first outcomes of groups of two and more.
    others : array of int, shape (pairs,)
        Rows of the others.
    group : array of int, shape (pairs,)
        The group of each other one.
    """

    firsts: _Array
    others: _Array
    group: _Array


def _groups(rows: _Array, keys: _Array) -> _Groups:
    """Group rows by their keys; those that are alone are left out."""
    _, first, group, counts = np.unique(
        keys, return_index=True, return_inverse=True, return_counts=True
    )
    with_others = counts > 1
    is_other = with_others[group]
    is_other[first] = False
    numbers = np.cumsum(with_others) - 1
    return _Groups(rows[first[with_others]], rows[is_other], numbers[group[is_other]])


def _same_results(results: Results, compared: _Groups) -> dict[str, set[int]]:
    """Name the results that tell that replicas are the same, each with the groups where it does.

    One with a standard error is, by its own account, of chance: it alone tells. Of the others, such
    as the length of a box, any may depend on parameters only: they tell if all of them are equal.
    """
    firsts, others, group = compared
    n_groups = len(firsts)
    same: dict[str, _Array] = {}
    for name in results.names:
        if (chance := results.have_errors(name, firsts)).any():
            chance &= results.are_continuous(name, firsts)
            pairs = np.flatnonzero(chance[group])
            unequal = pairs[~results.are_equal(name, firsts[group[pairs]], others[pairs])]
            chance[group[unequal]] = False
            same[name] = chance
    is_open = ~np.logical_or.reduce([np.zeros(n_groups, bool), *same.values()])
    for name in results.quickest_first:
        pairs = np.flatnonzero(is_open[group])
        if not pairs.size:
            break
        differ = results.differ(name, firsts[group[pairs]], others[pairs])
        is_open[group[pairs[differ]]] = False
    for name in results.names if is_open.any() else ():
        places = np.flatnonzero(is_open)
        tells = results.tell(name, firsts[places]) & results.are_continuous(name, firsts[places])
        same.setdefault(name, np.zeros(n_groups, bool))[places[tells]] = True
    found = {name: np.flatnonzero(where).tolist() for name, where in same.items() if where.any()}
    columns = {name: number for number, name in enumerate(results.names)}
    in_order = sorted(found, key=lambda name: (found[name][0], columns[name]))
    return {name: set(found[name]) for name in in_order}


# ---- swept parameters ----------------------------------------------------------------------------


def _of_swept(results: Results, unread: Sequence[str]) -> Iterator[str]:
    """Say which swept parameters change no result; where seeds do, that cannot be told."""
    study = results.reader.study
    for names in study.space.groups:
        if not set(names) & set(unread) and _is_idle(names, results):
            what = "change no result: does the script use them?"
            if len(names) == 1:
                what = "changes no result: does the script use it?"
            yield f"{' and '.join(names)} {what}"


def _is_idle(names: Sequence[str], results: Results) -> bool:
    """Say whether all results are equal along parameters, for each of the others and replica."""
    reader = results.reader
    along = _along(names, reader.study, reader.places[results.done])
    firsts, others, group = _groups(results.done, along)
    if not others.size:
        return False
    for name in results.quickest_first:
        # mostly the first ones differ already
        for start in range(0, len(others), _PIECE):
            piece = slice(start, start + _PIECE)
            if results.differ(name, firsts[group[piece]], others[piece]).any():
                return False
    return any(_tell(name, results, firsts) for name in results.names)


def _along(names: Sequence[str], study: StoredStudy, places: _Array) -> _Array:
    """Give simulations that differ by no other parameter, and are the same replica, one number."""
    replicas, points = np.divmod(places, study.n_points)
    return np.asarray(replicas * study.space.n_candidates + study.space.without(names, points))


def _tell(name: str, results: Results, rows: _Array) -> bool:
    """Say whether equal results mean something: a count may well be the same for a while."""
    means = results.are_continuous(name, rows)
    if results.is_complete:
        means |= results.are_numbers(name, rows)
    return bool((means & results.tell(name, rows)).any())
