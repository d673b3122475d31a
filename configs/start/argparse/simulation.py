"""A Brownian particle in a harmonic trap: its mean square distance is kT / stiffness, here 1 / k.

By hand: python3 simulation.py --stiffness 2 --seed 7 --out result.json
"""

import argparse
import json
import math
import pathlib
import random

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--stiffness", type=float, required=True)
parser.add_argument("--steps", type=int, default=20_000)
parser.add_argument("--time-step", type=float, default=0.05)
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--out", type=pathlib.Path, default="result.json")
args = parser.parse_args()

rng = random.Random(args.seed)
decay = math.exp(-args.stiffness * args.time_step)  # exact for any time step
noise = math.sqrt((1 - decay**2) / args.stiffness)
position = rng.gauss(0, 1 / math.sqrt(args.stiffness))  # begins in equilibrium

total = 0.0
for _ in range(args.steps):
    position = decay * position + noise * rng.gauss(0, 1)
    total += position**2

args.out.write_text(json.dumps({"mean_square": total / args.steps}))
