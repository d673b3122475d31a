"""The simulator that tests share where there is no worker."""

from dask_espresso.process.simulator import Simulator

simulator = Simulator()
probe = simulator.probe
run_process = simulator.runner.run
simulate = simulator.simulate
warm_start = simulator.runner.warm_start
close_all = simulator.close
