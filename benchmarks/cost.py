"""What a simulation costs beyond itself."""

from __future__ import annotations

from .contestants import ECHO, FLOOR, ORIGINAL, OURS, OURS_SPAWN, PEERS, Contestant, version
from .report import Table
from .rounds import HOW, Sizes, compete, cost_rows


def benchmark(quick: bool) -> list[Table]:
    """Let everybody run a simulation that does nothing."""
    few, many = (Sizes(4, 24), Sizes(10, 60)) if quick else (Sizes(30, 300), Sizes(200, 2000))
    contestants: dict[Contestant, Sizes] = {OURS: many, OURS_SPAWN: few}
    contestants |= dict.fromkeys(PEERS, few)
    contestants |= {ORIGINAL: few, FLOOR: many}
    series = compete(contestants, ECHO, rounds=1 if quick else 3)

    def name(contestant: Contestant) -> str:
        return f"{contestant.name} ({found})" if (found := version(contestant)) else contestant.name

    return [
        Table(
            "A simulation's cost beyond itself",
            "All contestants run the same script, which gives its parameters back, in a process "
            "of its own for each simulation: `simulations/echo.py` of the package, and as many at "
            "a time as there are cores. In the original way, its `import dask_espresso` finds "
            "a stand-in for the original sample's module, which imports dask. Parameters go in, "
            "and every result is checked. dask_espresso alone also writes everything "
            f"into a store. {HOW} Those that are slow run {few.small} and {few.large} simulations, "
            f"the others {many.small} and {many.large}. The last row has no simulations at all: "
            "Dask tasks that do nothing, a bounded number of them at a time. Ratios are to the "
            "first row.",
            cost_rows(series, OURS, name),
        )
    ]
