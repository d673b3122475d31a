"""Numbers beside what they should be, in sigmas; and what is to be said of a table of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import bdtr, chdtrc, ndtri, stdtr

from benchmarks.report import Table
from dask_espresso.views.texts import format_with_error

from .known import Value

MOST_SIGMAS = 3.5  # one in 2,000 numbers is farther off by chance
LEAST_P = 1e-4
LEAST_COVERAGE = 0.93  # of nominal 95 %
OF_TWO_TIMES = {"pressure_plain": 0.90}  # where a quick virial and a slow temperature add up
LEAST_P_OF_COVERAGE = 1e-3  # that of three sigmas, where repetitions are many
FEWEST_INDEPENDENT = 20  # samples, where coverage is asked for
JUDGED = Z, P, COVERAGE = "z", "p", "coverage"  # columns
# those beside a coverage
INDEPENDENT, REPETITIONS, NO_ERROR = "independent", "repetitions", "gave no error"


def sigmas(value: Value, reference: Value) -> float:
    """Give how far a value is from another, in standard errors of the difference.

    Where these are uncertain themselves, as degrees of freedom say, it is the number of sigmas of a
    Gaussian that are as improbable.
    """
    off = (value.mean - reference.mean) / math.hypot(value.sem, reference.sem)
    dof = float(degrees_of_freedom(value.sem, value.dof, reference.sem, reference.dof))
    tail = float(stdtr(dof, -abs(off))) if math.isfinite(dof) else 0.0
    # so far out there is no number for the tail
    return math.copysign(float(ndtri(tail)), off) if tail > 0 else off


def degrees_of_freedom(sem: Any, dof: Any, other_sem: Any, other_dof: Any) -> Any:
    """Give those of the error of a difference, by Welch; infinite where both are."""
    own, other = np.square(sem) / np.sqrt(dof), np.square(other_sem) / np.sqrt(other_dof)
    both = np.square(sem) + np.square(other_sem)
    with np.errstate(divide="ignore"):
        return both**2 / (np.square(own) + np.square(other))


def chi_squared(zs: Iterable[float], n_fitted: int = 0) -> dict[str, Any]:
    """Give chi squared of independent deviations, as cells of a row.

    Parameters
    ----------
    zs : iterable of float
        In standard errors.
    n_fitted : int
        How many parameters were fitted to them.

    Returns
    -------
    dict
        ``chi squared``, ``of`` for its degrees of freedom, and ``p``, the chance of a larger one;
        None where there are no degrees of freedom.
    """
    squares = [z**2 for z in zs]
    dof = len(squares) - n_fitted
    p = float(chdtrc(dof, sum(squares))) if dof > 0 else None
    return {"chi squared": math.fsum(squares), "of": dof, P: p}


def written(value: Value) -> str:
    """Write a value with its standard error in brackets."""
    return format_with_error(value.mean, value.sem)


def compared(
    where: Mapping[str, Any], value: Value, reference: Value, source: str
) -> dict[str, Any]:
    """Give a row: a value, what it should be, and how far it is from that.

    Parameters
    ----------
    where : mapping
        What tells the row from others.
    value, reference : Value
        Independent of each other.
    source : str
        Where the reference is from.

    Returns
    -------
    dict
    """
    return {
        **where,
        "value": written(value),
        "reference": written(reference),
        Z: sigmas(value, reference),
        "reference from": source,
        "numbers": [value.mean, value.sem, reference.mean, reference.sem],
    }


def objections(table: Table) -> Iterator[str]:
    """Say which rows of a table are not as they should be, by the columns that are judged."""
    for row in table.rows:
        for said in _objections(row):
            cells = ", ".join(
                f"{name} {cell:.3g}" if isinstance(cell, float) else f"{name} {cell}"
                for name, cell in row.items()
                if not isinstance(cell, list)
            )
            yield f"{table.title}: {said}: {cells}"


def _objections(row: Mapping[str, Any]) -> Iterator[str]:
    z, p, coverage = (row.get(name) for name in JUDGED)
    # nan is never as it should be
    if z is not None and not abs(z) <= MOST_SIGMAS:
        yield f"{z:+.1f} sigmas off"
    if p is not None and not p >= LEAST_P:
        yield f"p = {p:.1g}"
    if coverage is not None and row[INDEPENDENT] >= FEWEST_INDEPENDENT:
        known = row[REPETITIONS] - row[NO_ERROR]
        least = OF_TWO_TIMES.get(row.get("result", ""), LEAST_COVERAGE)
        if not bdtr(round(coverage * known), known, least) >= LEAST_P_OF_COVERAGE:
            yield f"coverage under {least}, by more than chance"


def verdict(tables: Sequence[Table]) -> tuple[list[str], bool]:
    """Say whether all is as it should be, in lines of which the last sums it up."""
    said = [objection for table in tables for objection in objections(table)]
    count = sum(row.get(name) is not None for t in tables for row in t.rows for name in JUDGED)
    if said:
        return [*said, f"validation: {len(said)} of {count} checks do not hold"], False
    return [f"validation: all {count} checks hold"], True
