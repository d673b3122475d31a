"""Try ESPResSo's own samples as they are, forked and fresh, and print a table of the outcomes.

``PYPRESSO=/path/to/pypresso python tests/espresso/own_samples.py SAMPLES [SECONDS]``, with the
folder ``samples`` of ESPResSo's sources. Each gets what it needs on its command line, and so many
seconds, 30 by default, both ways at the same time. What it prints is compared, too: many of them
seed themselves always alike.
"""

import os
import re
import shlex
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from dask_espresso.inputs.engine_settings import EngineSettings
from dask_espresso.inputs.profile import Profile
from dask_espresso.process.call import Given
from dask_espresso.process.cause import brief
from dask_espresso.process.simulator import Simulator

ARGUMENTS = {
    "dancing.py": "--ft",
    "gibbs_ensemble/run_sim.py": "1.0 -N 32 --steps 1000 --warmup 50 --seed 5",
    "grand_canonical.py": "0.01 0.1",
    "lbf.py": "--cpu",
    "object_in_fluid/motivation.py": "1",
    "p3m.py": "--cpu",
    "reaction_methods.py": "--reaction_ensemble",
    "widom_insertion.py": "0.01",
}
PARTS = {  # of samples, and what is no simulation
    "gibbs_ensemble/client_system.py", "gibbs_ensemble/create_fits.py",
    "gibbs_ensemble/gibbs_ensemble.py", "immersed_boundary/addBending.py",
    "immersed_boundary/addSoft.py", "immersed_boundary/addVolCons.py",
    "immersed_boundary/writeVTK.py",
}  # fmt: skip
_MOST = 60  # lines
OWN_DASK = "high_throughput_with_dask/"
_TIMES = re.compile(r"[\d.]+ ?(s|it/s|seconds)\b|\d+%\|.*|\d+:\d+[:<\d]*")


def needs_window(path):
    """Say whether a sample shows something whatever it is told."""
    text = path.read_text()
    return "espressomd.visualization" in text and "add_argument" not in text


def try_one(simulator, engine, path, words, limit):
    """Run a sample; give what became of it in a few words, why it failed, and what it printed."""
    given = Given(arguments=tuple(words), environment=(("MPLBACKEND", "Agg"),))
    report = simulator.runner.run(engine, path, {}, time_limit=limit, given=lambda _: given)
    if report.timed_out:
        return "runs on", "", report.log
    if report.exit_code == 0:
        return f"{report.elapsed_time:.1f} s", "", report.log
    return "fails", brief(report.failure()), report.log


def same_lines(one, other):
    """Say how many lines of two outputs there are to compare, and whether they are the same."""
    ours, theirs = (_TIMES.sub("", log).splitlines() for _, _, log in (one, other))
    if "runs on" in (one[0], other[0]):  # as far as both have come, within what is kept of a log
        ours, theirs = ours[:-1][:_MOST], theirs[:-1][:_MOST]
        count = min(len(ours), len(theirs))
        return count, ours[:count] == theirs[:count]
    return len(ours), ours == theirs


def comment(forked, fresh, again):
    """Say in a few words what there is to say of both ways; `again` runs it a second time fresh."""
    if forked[1] or fresh[1]:
        return fresh[1] if forked[1] == fresh[1] else f"forked: {forked[1] or '-'}"
    count, is_same = same_lines(forked, fresh)
    if not count:
        return "prints nothing in that time"
    if is_same:
        return f"prints the same, {count} lines"
    return "prints " + ("others" if same_lines(fresh, again())[1] else "other numbers each time")


def main(samples, limit=30.0):
    """Print the table."""
    command = shlex.split(os.environ["PYPRESSO"])
    settings = EngineSettings(command=command, environment={"PYTHONUNBUFFERED": "1"})
    engine = Profile(engines={"espresso": settings}).engine("espresso")
    simulator = Simulator()
    print(simulator.probe(engine), flush=True)
    print("| sample | arguments | forked | fresh | |\n|---|---|---|---|---|", flush=True)
    for path in sorted(Path(samples).rglob("*.py")):
        name = path.relative_to(samples).as_posix()
        if name in PARTS or name.startswith(OWN_DASK):
            continue
        words = shlex.split(ARGUMENTS.get(name, ""))
        if needs_window(path):
            print(f"| `{name}` | | - | - | needs a window |", flush=True)
            continue
        with ThreadPoolExecutor(2) as pool:
            ways = [replace(engine, start=start) for start in ("fork", "spawn")]
            outcomes = [*pool.map(lambda way: try_one(simulator, way, path, words, limit), ways)]  # noqa: B023
        said = " | ".join(outcome[0] for outcome in outcomes)
        again = partial(try_one, simulator, ways[1], path, words, limit)
        told = f"`{' '.join(words)}`" if words else ""
        print(f"| `{name}` | {told} | {said} | {comment(*outcomes, again)} |", flush=True)
    simulator.close()


if __name__ == "__main__":
    main(sys.argv[1], *map(float, sys.argv[2:]))
