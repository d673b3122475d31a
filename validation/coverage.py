"""How often intervals of nominal 95 % hold the truth, counted over many repetitions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from benchmarks.report import Table
from dask_espresso.script.estimate import OF_ERRORS
from dask_espresso.script.statistics import control_variate, mean_error, pool_replicas

from .comparison import COVERAGE, INDEPENDENT, NO_ERROR, REPETITIONS, degrees_of_freedom
from .fluid import RESULTS, long_runs
from .known import GOLDEN_PARTICLES, Value
from .studies import Engine, Result, Store, Studies, engines

_NOMINAL = 0.95
_REPLICAS = (1, 2, 4, 8, 16)
N_STEPS = (200, 1000)
OF_SERIES = ("pressure", "pressure_plain", "temperature")


class Repetitions(NamedTuple):
    """Estimates of one number, each with its error: all are arrays of shape (N,).

    Attributes
    ----------
    means, sems, dofs : numpy.ndarray
        The estimates, standard errors, and degrees of freedom of these; nan where not known.
    true_sems, true_dofs : numpy.ndarray
        What the standard errors should be, and the degrees of freedom by which that is known.
    truths, truth_sems, truth_dofs : numpy.ndarray
        What is estimated, the standard error of what is known of it, and its degrees of freedom.
    """

    means: Any
    sems: Any
    dofs: Any
    true_sems: Any
    true_dofs: Any
    truths: Any
    truth_sems: Any
    truth_dofs: Any

    @classmethod
    def of(cls, results: Sequence[Result], name: str, truth: Value, replicas: int) -> Repetitions:
        """Pool so many replicas of a point at a time; those that are left over are left out."""
        columns = [
            np.array([result[name + suffix] for result in results], dtype=float)  # None is nan
            for suffix in ("", *OF_ERRORS)
        ]
        pooled = [
            pool_replicas(*(column[at : at + replicas] for column in columns))
            for at in range(0, len(results) - replicas + 1, replicas)
        ]
        true_sem = float(np.std(columns[0], ddof=1)) / replicas**0.5
        means, sems, dofs, *_ = np.array([found[:3] for found in pooled]).T
        known = true_sem, len(results) - 1.0, *truth
        return cls(means, sems, dofs, *(np.full(len(pooled), x) for x in known))


def together(parts: Sequence[Repetitions]) -> Repetitions:
    """Put repetitions of several numbers together."""
    return Repetitions(*map(np.concatenate, zip(*parts, strict=True)))


def hold(found: Repetitions) -> Any:
    """Say which intervals hold the truth.

    What is not known of the truth makes each interval as much wider as it makes the difference
    more uncertain.

    Returns
    -------
    numpy.ndarray of bool, shape (N,)
        False where there is no error.
    """
    of_truth = found.truth_sems, found.truth_dofs
    dofs = degrees_of_freedom(found.sems, found.dofs, *of_truth)
    widths = stdtrit(dofs, (1 + _NOMINAL) / 2) * np.hypot(found.sems, found.truth_sems)
    return np.abs(found.means - found.truths) <= widths


def counted(found: Repetitions) -> dict[str, Any]:
    """Count how often intervals hold the truth, as cells of a row.

    Returns
    -------
    dict
        Among them the coverage of those that gave an error, with the standard error that a
        coverage of 95 % would have, and the estimated errors, root mean square, by the true ones,
        with the standard error of that.
    """
    known = np.isfinite(found.sems)
    n_known = int(known.sum())
    if not n_known:
        return {REPETITIONS: len(known), NO_ERROR: len(known)}
    ratio, its_error = _ratio(Repetitions(*(column[known] for column in found)))
    return {
        REPETITIONS: len(known),
        NO_ERROR: len(known) - n_known,
        COVERAGE: float(np.mean(hold(found)[known])),
        "its error": (_NOMINAL * (1 - _NOMINAL) / n_known) ** 0.5,
        "error by the true one": ratio,
        "that one's error": its_error,
    }


def _ratio(found: Repetitions) -> tuple[float, float]:
    """Give estimated errors, root mean square, by the true ones, and the standard error of that.

    Estimates scatter, and the true error of each number is known by the scatter of means alone.
    Of pooled replicas, where that is part of the estimates, it comes out a little too large.
    """
    squares = (found.sems / found.true_sems) ** 2
    ratio = float(np.mean(squares)) ** 0.5
    by_estimates = float(np.var(squares)) / len(squares) / np.mean(squares) ** 2
    by_number = (found.true_sems == number for number in np.unique(found.true_sems))
    by_truth = sum(
        float(np.sum(squares[at]) / np.sum(squares)) ** 2 * 2 / float(found.true_dofs[at][0])
        for at in by_number
    )
    return ratio, ratio / 2 * float(by_estimates + by_truth) ** 0.5


def short_runs(studies: Studies, engine: Engine, quick: bool) -> Store:
    """Run the fluid many times, and briefly."""
    return studies.run(
        "coverage",
        engine,
        replicas=20 if quick else 200,
        n_particles=GOLDEN_PARTICLES,
        n_steps=list(N_STEPS),
        # the dense one, where the known temperature is worth most; the pieces are of 0.3, too
        volume_fraction=[0.45] if quick else [0.1, 0.3, 0.45],
    )


def check(studies: Studies, quick: bool) -> list[Table]:
    """Count, for single simulations and for pooled ones."""
    points = [point for engine in engines() for point in _points(studies, engine, quick)]
    pieces = list(_pieces(studies, engines()[0], quick))
    how = (
        "The truth is the mean of the long runs above, of the same engine with the same time step, "
        "whose error makes the intervals a little wider."
    )
    return [
        Table("Intervals of one simulation", how, [_row(point) for point in points]),
        Table(
            "Intervals of pooled replicas",
            "The same simulations in groups of R, those of all engines and volume fractions "
            "together.",
            list(_pooled_rows(points, RESULTS)),
        ),
        Table(
            "Intervals of pieces of a simulation",
            "A long simulation of each volume fraction was cut into many short ones: the same as "
            "above, with less noise. The truth is the mean of the long one.",
            [_row(piece) for piece in pieces],
        ),
        Table(
            "Intervals of pooled pieces",
            "The same pieces, taken by chance in groups of R, those of all volume fractions "
            "together.",
            list(_pooled_rows(pieces, OF_SERIES)),
        ),
    ]


class Point(NamedTuple):
    """A result of the replicas of a point."""

    engine: str
    n_steps: int
    volume_fraction: float
    name: str
    results: list[Result]
    truth: Value

    @property
    def independent(self) -> float:
        """How many independent samples a simulation is truly worth; 0 where none has an error.

        By the scatter of the simulations, and not by what they say: where that is too many, their
        errors are too small.
        """
        names = (self.name, f"{self.name}_sem", f"{self.name}_n_eff")
        told = [[result[name] for name in names] for result in self.results]
        means, sems, n_effs = np.array(told, dtype=float).T  # None is nan
        of_samples = sems**2 * n_effs  # the variance
        if not np.isfinite(of_samples).any():
            return 0.0
        return float(np.nanmean(of_samples) / np.var(means, ddof=1))

    def repetitions(self, replicas: int) -> Repetitions:
        """Give its estimates, so many replicas pooled."""
        return Repetitions.of(self.results, self.name, self.truth, replicas)


def _points(studies: Studies, engine: Engine, quick: bool) -> Iterator[Point]:
    long, short = long_runs(studies, engine, quick), short_runs(studies, engine, quick)
    truths = {name: long.pooled(name, "volume_fraction") for name in RESULTS}
    for (n_steps, fraction), results in short.results("n_steps", "volume_fraction").items():
        for name in RESULTS:
            truth = truths[name][fraction,]
            yield Point(engine.title, n_steps, fraction, name, results, truth)


def _pieces(studies: Studies, engine: Engine, quick: bool) -> Iterator[Point]:
    store = studies.run(
        "pieces",
        engine,
        n_particles=GOLDEN_PARTICLES,
        n_steps=20_000 if quick else 400_000,
        series=True,
        volume_fraction=[0.3, 0.45] if quick else [0.1, 0.3, 0.45],
    )
    random = np.random.default_rng(1)
    for (fraction,), (result,) in store.results("volume_fraction").items():
        series = np.array([result["pressure_series"], result["temperature_series"]])
        whole = _estimates(*series)
        for n_steps in N_STEPS:
            parts = np.split(series, series.shape[1] // n_steps, axis=1)
            of_parts = [_estimates(*parts[at]) for at in random.permutation(len(parts))]
            for name in OF_SERIES:
                truth = Value(*(whole[f"{name}{suffix}"] for suffix in ("", "_sem", "_dof")))
                yield Point(engine.title, n_steps, fraction, name, of_parts, truth)


def _estimates(pressures: Any, temperatures: Any) -> Result:
    """Estimate what the scripts do of their series."""
    return {
        **control_variate(pressures, temperatures, 1.0).results("pressure"),
        **mean_error(pressures).results("pressure_plain"),
        **mean_error(temperatures).results("temperature"),
    }


def _row(point: Point) -> dict[str, Any]:
    return {
        "engine": point.engine,
        "samples": point.n_steps,
        "volume fraction": str(point.volume_fraction),
        "result": point.name,
        INDEPENDENT: point.independent,
        **counted(point.repetitions(1)),
    }


def _pooled_rows(points: Sequence[Point], names: Sequence[str]) -> Iterator[dict[str, Any]]:
    for n_steps in N_STEPS:
        for name in names:
            alike = [p for p in points if (p.n_steps, p.name) == (n_steps, name)]
            for replicas in _REPLICAS:
                yield {
                    "samples": n_steps,
                    "result": name,
                    "R": replicas,
                    INDEPENDENT: replicas * min(point.independent for point in alike),
                    **counted(together([point.repetitions(replicas) for point in alike])),
                }
