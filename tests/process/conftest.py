"""Fixtures of tests that run simulations without a driver."""

import sys
from dataclasses import replace

import pytest
from simulators import simulate

from dask_espresso import load_study
from dask_espresso.inputs.profile import Profile
from dask_espresso.process.order import Order, Workload


@pytest.fixture
def run(script, study_file):
    """Run the first simulation of a study, forked and fresh; the same has to become of it."""

    def run(code, text, limit=60.0):
        path = script(code, "sim.py")
        study = load_study(study_file(f"name: s\nengine: python\nscript: {path}\n{text}"))
        order = Order.of(next(study.simulations()))
        work = replace(Workload.of(study, Profile()), time_limit=limit)
        both = []
        for start in ("fork", "spawn"):
            engine = replace(work.engine, start=start, command=(sys.executable,))
            both.append(simulate(replace(work, engine=engine), order))
        one, other = both
        if one.exit_code is not None:
            assert (one.start_method, other.start_method) == ("forked", "fresh")
        assert (one.n_ranks, one.memory_asked) == (1, None)
        assert (one.status, one.exit_code) == (other.status, other.exit_code)
        return one, other

    return run
