"""How busy cores are with simulations of different lengths."""

from __future__ import annotations

from .contestants import CORES, HERE, ORIGINAL, OURS, PEERS, Contestant, Task
from .report import Table
from .rounds import Sizes, compete, occupancy

_SCRIPT = HERE / "simulations" / "busy.py"


def benchmark(quick: bool) -> list[Table]:
    """Let simulations take a given time, and see how long all of them take."""
    # simulations a core, by their length in seconds
    plan = {0.5: 6} if quick else {0.1: 200, 0.5: 60, 2.0: 20, 10.0: 4}
    contestants: list[Contestant] = [OURS, PEERS[0], ORIGINAL]
    rows = []
    for seconds, a_core in plan.items():
        sizes = Sizes(CORES, CORES * (1 + a_core))
        row: dict[str, object] = {"seconds a simulation": seconds}
        for spin, kind in (False, "slots busy in %"), (True, "cores busy in %"):
            # spinning is what the budget is about; one contestant of it shows the difference
            for contestant in [OURS] if spin else contestants:
                task = Task(_SCRIPT, "seconds", {"seconds": seconds, "spin": spin})
                shown = compete({contestant: sizes}, task, rounds=1)[contestant]
                row[f"{kind}, {contestant.name}"] = occupancy(shown, seconds)
        rows.append(row)
    return [
        Table(
            "Efficiency",
            "Simulations that sleep for so many seconds, as many at a time as there are cores: "
            "their number times this length, over wall time and cores. Starting an interpreter "
            "counts as lost time, starting and ending a contestant does not, as in the other "
            "tables. In the column *cores busy* simulations use so much CPU time instead of "
            "sleeping, and have to share the cores with driver and worker, and with whatever else "
            "this machine does.",
            rows,
        )
    ]
