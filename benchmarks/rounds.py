"""Contestants against each other: interleaved rounds, each with two sizes."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .contestants import CORES, Contestant, Task
from .measure import FailedError

HOW = (
    "Every contestant runs a smaller and a larger number of simulations, and what the larger one "
    "costs more is divided by how many more they are: starting and ending a contestant does not "
    "count, in wall or CPU time. CPU time is that of the whole process tree. Contestants take "
    "turns; medians of the rounds are given."
)


# others have kept the machine so busy that a difference of times comes out impossible
TOO_NOISY = "too noisy"


def say(text: str) -> None:
    """Tell whoever waits what is being done."""
    print(text, file=sys.stderr, flush=True)


@dataclass
class Series:
    """What one contestant has shown in all rounds.

    Attributes
    ----------
    wall, cpu : list of float
        Seconds a simulation, one of each a round.
    values : list of float
        Results of its simulations.
    problem : str
        Why there are no more rounds; empty if there are all.
    """

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    problem: str = ""

    @property
    def median_wall(self) -> float:
        """Wall time a simulation, in seconds."""
        return statistics.median(self.wall)

    @property
    def median_cpu(self) -> float:
        """CPU time a simulation, in seconds of a core."""
        return statistics.median(self.cpu)


@dataclass(frozen=True)
class Sizes:
    """How many simulations a contestant runs in a round.

    Attributes
    ----------
    small, large : int
        First so many, then so many.
    """

    small: int
    large: int


def compete(
    contestants: Mapping[Contestant, Sizes],
    task: Task,
    rounds: int,
) -> dict[Contestant, Series]:
    """Let contestants run a task in turns.

    Parameters
    ----------
    contestants : mapping
        To the numbers of simulations; the slow ones get fewer.
    task : Task
        What they run.
    rounds : int
        How often.

    Returns
    -------
    dict
        In the same order; those that cannot take part, or fail, say why.
    """
    series = {contestant: Series(problem=contestant.missing()) for contestant in contestants}
    for number in range(1, rounds + 1):
        for contestant, sizes in contestants.items():
            shown = series[contestant]
            if shown.problem:
                continue
            say(f"round {number} of {rounds}: {contestant.name}, {sizes.large} simulations")
            try:
                small, large = (contestant.run(task, n) for n in (sizes.small, sizes.large))
            except FailedError as error:
                say(str(error))
                shown.problem = "failed"
                continue
            more = sizes.large - sizes.small
            shown.wall.append((large.cost.wall - small.cost.wall) / more)
            shown.cpu.append((large.cost.cpu - small.cost.cpu) / more)
            shown.values += large.values
    for shown in series.values():
        if not shown.problem and shown.median_wall <= 0:
            shown.problem = TOO_NOISY
    return series


def cost_rows(
    series: Mapping[Contestant, Series],
    reference: Contestant,
    name: Callable[[Contestant], str] = lambda contestant: contestant.name,
) -> list[dict[str, object]]:
    """Make a row of each contestant: times a simulation, and ratios to one of them.

    Parameters
    ----------
    series : mapping
        As :func:`compete` gives it.
    reference : contestant
        What ratios are to.
    name : callable
        Gives a contestant's name.
    """
    against = series[reference]
    rows: list[dict[str, object]] = []
    for contestant, shown in series.items():
        row: dict[str, object] = {"contestant": name(contestant)}
        if shown.problem:
            row["wall in ms"] = shown.problem
        else:
            row |= {
                "wall in ms": 1e3 * shown.median_wall,
                "CPU in core-ms": 1e3 * shown.median_cpu,
            }
            if not against.problem:
                row |= {
                    "wall, ratio": shown.median_wall / against.median_wall,
                    "CPU, ratio": shown.median_cpu / against.median_cpu,
                }
            row |= {
                "wall in ms, each round": [1e3 * wall for wall in shown.wall],
                "CPU in core-ms, each round": [1e3 * cpu for cpu in shown.cpu],
            }
        rows.append(row)
    return rows


def occupancy(shown: Series, seconds: float) -> float | str:
    """Say what share of all cores, in %, was busy with simulations of so many seconds each."""
    if shown.problem:
        return shown.problem
    share = 100 * seconds / (CORES * shown.median_wall)
    return share if share <= 100 else TOO_NOISY
