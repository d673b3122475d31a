"""A script of ESPResSo that has a command line and writes files, forked and fresh."""

from dataclasses import replace

import numpy as np
import pytest
from simulators import close_all, probe, simulate

from dask_espresso import load_study
from dask_espresso.inputs.engine_settings import EngineSettings
from dask_espresso.inputs.profile import Profile
from dask_espresso.process.order import Order, Workload

pytestmark = pytest.mark.espresso

SCRIPT = """
import argparse
import json
import numpy as np
import espressomd

parser = argparse.ArgumentParser()
parser.add_argument("--n", type=int, default=10)
parser.add_argument("--seed", type=int)
parser.add_argument("--out", default=".")
args = parser.parse_args()

system = espressomd.System(box_l=[6.0] * 3)
system.time_step, system.cell_system.skin = 0.005, 0.4
rng = np.random.default_rng(args.seed)
system.part.add(pos=rng.random((args.n, 3)) * 6)
system.thermostat.set_langevin(kT=1.0, gamma=1.0, seed=args.seed)
energies = []
for _ in range(20):
    system.integrator.run(5)
    energies.append(float(system.analysis.energy()["kinetic"]))
np.savetxt(f"{args.out}/energy.dat", np.transpose([np.arange(20), energies]), header="t energy")
with open(f"{args.out}/result.json", "w") as file:
    json.dump({"n": args.n, "mean": float(np.mean(energies))}, file)
"""
STUDY = """
name: s
script: sim.py
arguments: [--n, "{n}", --seed, "{seed}", --out, "{directory}"]
parameters: {n: [10, 20]}
collect: {summary: result.json, series: energy.dat}
"""


def test_forked_and_fresh_are_equal(pypresso, script, study_file):
    script(SCRIPT, "sim.py")
    study = load_study(study_file(STUDY))
    profile = Profile(engines={"espresso": EngineSettings(command=pypresso)})
    work = Workload.of(study, profile)
    assert probe(work.engine).start == "fork"
    for simulation in study.simulations():
        results = [
            simulate(replace(work, engine=replace(work.engine, start=start)), Order.of(simulation))
            for start in ("fork", "spawn")
        ]
        forked, fresh = (outcome.result for outcome in results)
        assert forked, results[0].error
        assert forked["n"] == simulation.parameters["n"]
        assert forked["mean"] == np.mean(forked["energy"]) > 0
        np.testing.assert_equal(forked, fresh)
    close_all()
