"""Try ESPResSo's own samples as they are, forked and fresh, and print a table of the outcomes.

``PYPRESSO=/path/to/pypresso python tests/espresso/own_samples.py SAMPLES [SECONDS]``, with the
folder ``samples`` of ESPResSo's sources. Each gets what it needs on its command line, and so many
seconds, 30 by default. What it prints is compared, too: many of them seed themselves always alike.
"""

import os
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from dask_espresso.inputs.engine_settings import EngineSettings
from dask_espresso.inputs.profile import Profile
from dask_espresso.process.call import Given
from dask_espresso.process.cause import brief
from dask_espresso.process.simulator import Simulator

ARGUMENTS = {
    "dancing.py": "--ft",
    "gibbs_ensemble/run_sim.py": "1.0 -N 64 --steps 2000 --warmup 200 --seed 5",
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
OWN_DASK = "high_throughput_with_dask/"
_TIMES = re.compile(r"[\d.]+ ?(s|it/s|seconds)\b|\d+%\|.*|\d+:\d+[:<\d]*")


def needs_window(path):
    """Say whether a sample shows something whatever it is told."""
    text = path.read_text()
    return "espressomd.visualization" in text and "add_argument" not in text


def try_one(simulator, engine, path, words, limit):
    """Run a sample; give what became of it in a few words, why it failed, and what it printed."""
    given = Given(arguments=tuple(words))
    report = simulator.runner.run(engine, path, {}, time_limit=limit, given=lambda _: given)
    if report.timed_out:
        return "runs on", "", report.log
    if report.exit_code == 0:
        return f"{report.elapsed_time:.1f} s", "", report.log
    return "fails", brief(report.failure()), report.log


def comment(outcomes):
    """Say in a few words what there is to say of both ways."""
    (_, why, log), (_, fresh_why, fresh_log) = outcomes
    if why or fresh_why:
        return why if why == fresh_why else f"forked: {why or '-'}; fresh: {fresh_why or '-'}"
    if outcomes[0][0] == "runs on":
        return ""
    same = _TIMES.sub("", log) == _TIMES.sub("", fresh_log)
    return "prints the same" if same else "prints other numbers"


def main(samples, limit=30.0):
    """Print the table."""
    command = shlex.split(os.environ["PYPRESSO"])
    engine = Profile(engines={"espresso": EngineSettings(command=command)}).engine("espresso")
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
        outcomes = [
            try_one(simulator, replace(engine, start=start), path, words, limit)
            for start in ("fork", "spawn")
        ]
        said = " | ".join(outcome[0] for outcome in outcomes)
        told = f"`{' '.join(words)}`" if words else ""
        print(f"| `{name}` | {told} | {said} | {comment(outcomes)} |", flush=True)
    simulator.close()


if __name__ == "__main__":
    main(sys.argv[1], *map(float, sys.argv[2:]))
