"""Where the points of a study stand that runs until its results are known well enough."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analyses import analyses_of
from ..errors import InputError, unknown
from ..inputs.stored_study import stored_study
from ..outcome import Outcome, Status
from ..script.estimate import OF_ERRORS
from ..store.arrays import Values
from ..store.nested import flatten
from ..store.reader import Reader
from ..store.reading import look, look_at_rows
from ..targets import Standing
from .dependence import find_missing
from .numbers import Numbers, is_number, known_counts, known_errors
from .texts import literal

if TYPE_CHECKING:
    from ..inputs.simulations import Simulations
    from ..inputs.study import Study

_LISTED = 5  # points of a warning


def standing_of(
    study: Simulations, reader: Reader, numbers: Numbers | None = None, rows: Any = slice(None)
) -> Standing:
    """Say where the points of a study with targets stand, by the outcomes of a reader.

    Parameters
    ----------
    study : Simulations
        Whose targets count.
    reader : Reader
        Of that study.
    numbers : Numbers, optional
        Of that reader.
    rows : array of bool, shape (n,), optional
        The outcomes that count.
    """
    numbers = numbers or Numbers(reader)
    standing = Standing(_until(study), study.n_points)
    samples = np.array([_columns(numbers, t.result) for t in standing.until.targets])
    replicas, points = np.divmod(reader.places[rows], study.n_points)
    standing.note(points, replicas, samples[:, :, rows])
    standing.decide()
    return standing


def standing_at(path: Path, study: Study, counts: Callable[[str], bool]) -> Standing:
    """Say where the points of a study stand, by what is in a store.

    Parameters
    ----------
    path : Path
        The store.
    study : Study
        Which may have other targets than when it was run last.
    counts : callable
        Says of a simulation's id whether its outcome counts.
    """

    def read(rows: Any, _: Any) -> Standing:
        reader = Reader(stored_study(study.snapshot()), rows)
        _check_own(study, reader)
        return standing_of(study, reader, rows=np.array([*map(counts, reader.ids)], bool))

    return look_at_rows(path, read)


def _check_own(study: Study, reader: Reader) -> None:
    """Refuse targets that no run could meet: of results that only analyses give."""
    texts, _ = reader.coded("analyses")
    added = {name: script for text in texts for script, found in analyses_of(text).items()
             for name in found.results}  # fmt: skip
    for target in _until(study).targets:
        if script := added.get(target.result.partition(".")[0]):
            raise InputError(
                f"{study.path}: until: {target.result!r} comes of {script}, by `analyze`: new "
                "simulations do not have it, and would run up to the maximum; have them give it "
                "themselves, or name another result"
            )


def _until(study: Simulations) -> Any:
    until = study.targets
    assert until is not None, "the study has no targets"
    return until


def _columns(numbers: Numbers, name: str) -> list[Values]:
    """Give means and what is known of their errors, NaN where there is none."""
    means = np.where(numbers.done, numbers.values(name), math.nan)
    return [means, *numbers.of_errors(name)]


def sample_of(outcome: Outcome, name: str) -> tuple[float, float, float, float]:
    """Give of one outcome what :class:`Numbers` gives of many."""
    if outcome.status is not Status.DONE:
        return math.nan, math.nan, math.nan, math.nan
    leaves = {".".join(path): leaf for path, leaf in flatten(outcome.result or {}).items()}

    def number(suffix: str) -> float:
        value: Any = leaves.get(name + suffix)
        try:
            return float(value) if is_number(value) else math.nan
        except OverflowError:
            return math.inf

    mean, sem, dof, n_eff = (np.array(number(suffix)) for suffix in ("", *OF_ERRORS))
    counts = float(known_counts(dof)), float(known_counts(n_eff))
    return float(mean), float(known_errors(sem)), *counts


# ---- in words ------------------------------------------------------------------------------------


def parameters_of(study: Simulations, point: int) -> dict[str, Any]:
    """Give the parameters of a point that it does not share with all others."""
    parameters = study.space.point(point)
    return {name: parameters[name] for name in study.swept}


def _text(parameters: dict[str, Any]) -> str:
    return literal(", ".join(f"{name}={value}" for name, value in parameters.items()))


def progress_of(study: Simulations, standing: Standing) -> dict[str, Any]:
    """Say for programs how far the points are; see :func:`~.status.status_report`."""
    point = standing.farthest
    distance = math.inf if point is None else float(standing.distances[point])
    farthest = {
        "parameters": {} if point is None else parameters_of(study, point),
        "error/target": distance if math.isfinite(distance) else None,
    }
    return {
        "points": len(standing.counts),
        "met": int(standing.have_met.sum()),
        "end without": int(standing.have_failed.sum()),
        "farthest": None if point is None else farthest,
    }


def describe(progress: dict[str, Any]) -> str:
    """Say in a line what :func:`progress_of` gives."""
    said = f"{progress['met']} of {progress['points']} points have met their targets"
    farthest = progress["farthest"]
    if not farthest or farthest["error/target"] is None:
        return said
    where = f" at {text}" if (text := _text(farthest["parameters"])) else ""
    return f"{said}, the farthest error is {farthest['error/target']:.2f} of its target{where}"


def find_unmet(study: Simulations, standing: Standing, numbers: Numbers) -> list[str]:
    """Say which points ended without their targets, and which results no simulation gave."""
    names = numbers.names(np.arange(len(numbers.done)))
    said = [
        f"until: {unknown('result', target.result, names)}"
        for target in standing.until.targets
        if target.result not in names and numbers.done.any()
    ]
    if (points := np.flatnonzero(standing.have_failed)).size and not said:
        ended = "1 point has" if len(points) == 1 else f"{len(points)} points have"
        listed = "; ".join(_with_distance(study, standing, p) for p in points[:_LISTED].tolist())
        more = f"; {len(points) - _LISTED} more" if len(points) > _LISTED else ""
        said.append(f"until: {ended} come to the end without the target: {listed}{more}")
    return said


def _with_distance(study: Simulations, standing: Standing, point: int) -> str:
    distance, count = standing.distances[point], standing.counts[point]
    how = f"{distance:.2f} of it" if math.isfinite(distance) else "error unknown"
    where = _text(parameters_of(study, point)) or "the only one"
    return f"{where} ({how}, {count} replicas)"


def find_warnings(
    reader: Reader, numbers: Numbers | None = None, standing: Standing | None = None
) -> list[str]:
    """Say which dependence is missing in a store, and which points are not known well enough.

    Numbers and standing are of that reader, for those who have them.
    """
    said = find_missing(reader)
    if reader.study.targets:
        numbers = numbers or Numbers(reader)
        standing = standing or standing_of(reader.study, reader, numbers)
        said += find_unmet(reader.study, standing, numbers)
    return said


def store_warnings(path: Path) -> list[str]:
    """Say what :func:`find_warnings` does of a store."""
    return look(path, lambda reader, _: find_warnings(reader))
