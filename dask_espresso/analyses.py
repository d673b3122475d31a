"""Results that analyses have added to simulations, beside those that these gave themselves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from .errors import BadValueError, InputError
from .outcome import Outcome


@dataclass(frozen=True)
class Analysis:
    """What one analysis has added to a simulation.

    Attributes
    ----------
    version : str
        16 digits that stand for its script and the modules that this imports.
    results : list of str
        Names of the results that came of it.
    """

    version: str
    results: list[str]


def analyses_of(text: str) -> dict[str, Analysis]:
    """Read the analyses of an outcome, by the names of their scripts.

    Raises
    ------
    InputError
        If the text is none that was written here.
    """
    try:
        read = json.loads(text) if text else {}
        return {
            str(name): Analysis(str(found["version"]), [str(key) for key in found["results"]])
            for name, found in read.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        raise InputError(f"analyses holds what no analysis added: {text[:200]!r}") from None


def _as_text(analyses: Mapping[str, Analysis]) -> str:
    return json.dumps({name: asdict(found) for name, found in analyses.items()})


def with_analysis(outcome: Outcome, name: str, version: str, found: Outcome) -> Outcome:
    """Give an outcome with the results of an analysis, in place of those it had of it before.

    Parameters
    ----------
    outcome : Outcome
        Of the simulation.
    name, version : str
        The analysis.
    found : Outcome
        What came of it.

    Raises
    ------
    BadValueError
        If it has a result of such a name from somewhere else.
    """
    known = analyses_of(outcome.analyses)
    before = known.pop(name, Analysis("", []))
    others = {key: v for key, v in (outcome.result or {}).items() if key not in before.results}
    axes = {key: along for key, along in said_axes(outcome).items() if key not in before.results}
    new_axes = said_axes(found)
    along = {axis for of_curve in new_axes.values() for axis in of_curve}
    added = {
        key: value for key, value in (found.result or {}).items()
        if not (key in along and key in others and _is_same(value, others[key]))
    }  # fmt: skip
    for key in added:
        if key in others:
            of = [other for other, analysis in known.items() if key in analysis.results]
            whose = f"of {of[0]}" if of else "of the simulation itself"
            raise BadValueError(f"{key!r} is a result {whose}; give it another name")
    known[name] = Analysis(version, list(added))
    axes |= new_axes
    return replace(
        outcome,
        result={**others, **added},
        result_axes=json.dumps(axes) if axes else "",
        analyses=_as_text(known),
    )


def said_axes(outcome: Outcome) -> dict[str, list[str]]:
    """Give the axes that a script has said."""
    axes: dict[str, list[str]] = json.loads(outcome.result_axes or "{}")
    return axes


def _is_same(axis: Any, other: Any) -> bool:
    """Say whether an axis is there already."""
    return isinstance(other, np.ndarray) and np.array_equal(axis, other)


def own_result(outcome: Outcome) -> dict[str, Any] | None:
    """Give what a simulation has given itself."""
    added = {key for found in analyses_of(outcome.analyses).values() for key in found.results}
    if not added or outcome.result is None:
        return outcome.result
    return {key: value for key, value in outcome.result.items() if key not in added}


def owners_of(outcomes: Iterable[Outcome], but: str = "") -> dict[str, str]:
    """Say whose the results of simulations are: of an analysis other than one, or their own."""
    owners: dict[str, str] = {}
    for outcome in outcomes:
        owners |= dict.fromkeys(own_result(outcome) or (), "the simulations themselves")
        for name, found in analyses_of(outcome.analyses).items():
            owners |= dict.fromkeys(found.results if name != but else (), name)
    return owners


def united(outcome: Outcome, other: Outcome) -> Outcome:
    """Give an outcome with the analyses that another one of the same simulation has beside.

    Those that it cannot take, for the names of their results, are left out.
    """
    known = analyses_of(outcome.analyses)
    for name, found in analyses_of(other.analyses).items():
        results = {key: v for key, v in (other.result or {}).items() if key in found.results}
        if name not in known and not results.keys() & (outcome.result or {}).keys():
            axes = {key: along for key, along in said_axes(other).items() if key in results}
            added = replace(other, result=results, result_axes=json.dumps(axes))
            outcome = with_analysis(outcome, name, found.version, added)
    return outcome
